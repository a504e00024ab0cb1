//! The facts of the running machine.

use std::fs;

use caps::CapSet as Set;
use nsplan::apply::probe::{probe, probe_all};
use nsplan::facts::{CgroupLayout, Feature, HostFacts, KernelFacts, Needs, PathFact};
use nsplan::types::{CapSet, Capability, HostPath, Resource};

use crate::{output, skip};

fn capabilities(set: Set) -> CapSet {
    let known = caps::read(None, set).unwrap();
    known.iter().map(|capability| capability.to_string().parse::<Capability>().unwrap()).collect()
}

#[test]
fn capability_sets_are_those_that_caps_reads() {
    let caller = probe(&Needs::default()).unwrap().caller;
    assert_eq!(caller.permitted, capabilities(Set::Permitted));
    assert_eq!(caller.effective, capabilities(Set::Effective));
    assert_eq!(caller.bounding, capabilities(Set::Bounding));
}

#[test]
fn a_thread_that_dropped_its_capabilities_is_seen_without_them() {
    let thread = std::thread::spawn(|| {
        caps::clear(None, Set::Effective).unwrap();
        probe(&Needs::default()).unwrap().caller.effective
    });
    assert_eq!(thread.join().unwrap(), CapSet::EMPTY);
}

#[test]
fn ids_and_names_are_those_that_id_and_uname_print() {
    let facts = probe_all().unwrap();
    for (arguments, ours) in [
        (["-u"], facts.caller.uid.to_string()),
        (["-g"], facts.caller.gid.to_string()),
        (["-un"], facts.caller.name.clone()),
    ] {
        match output("id", &arguments) {
            Some(theirs) => assert_eq!(ours, theirs, "id {arguments:?}"),
            None => skip("ids", "the program `id`"),
        }
    }
    assert_eq!(Some(facts.kernel.release.clone()), output("uname", &["-r"]));
    assert_eq!(Some(facts.kernel.machine.clone()), output("uname", &["-m"]));
}

#[test]
fn the_kernel_is_asked_and_agrees_with_its_own_files() {
    let facts = probe(&Needs { oom_score_adj: true, ..Needs::default() }).unwrap();
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    assert_eq!(facts.kernel.last_capability.to_string(), last.trim());
    for kind in &facts.kernel.namespaces {
        assert!(fs::symlink_metadata(format!("/proc/self/ns/{kind}")).is_ok(), "{kind}");
    }
    let score = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(facts.caller.oom_score_adj, score.trim().parse().ok());
    assert_eq!((&facts.lsm, &facts.userns), (&None, &None), "nobody has asked");
    let seccomp = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_ok();
    assert_eq!(facts.has(Feature::Seccomp), seccomp);
}

#[test]
fn an_unfiltered_kernel_has_what_its_version_promises() {
    let facts = probe(&Needs::default()).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    if !status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "0"])) {
        return skip("features by version", "a process without a seccomp filter");
    }
    let missing: Vec<_> = KernelFacts::features_since(facts.kernel.version)
        .difference(&facts.kernel.features)
        .copied()
        .collect();
    // A kernel may be built without these two; the others cannot be left out.
    let optional = [Feature::TimeNamespace, Feature::Seccomp];
    assert!(missing.iter().all(|feature| optional.contains(feature)), "{missing:?}");
}

#[test]
fn limits_are_those_of_the_limits_file() {
    let rlimits = Resource::ALL.iter().copied().collect();
    let facts = probe(&Needs { rlimits, ..Needs::default() }).unwrap();
    let text = fs::read_to_string("/proc/self/limits").unwrap();
    for (resource, title) in [
        (Resource::Nofile, "Max open files"),
        (Resource::Core, "Max core file size"),
        (Resource::Nproc, "Max processes"),
        (Resource::Rttime, "Max realtime timeout"),
    ] {
        let line = text.lines().find_map(|line| line.strip_prefix(title)).unwrap();
        let number = |field: &str| field.parse().unwrap_or(u64::MAX);
        let theirs: Vec<u64> = line.split_whitespace().take(2).map(number).collect();
        let ours = facts.caller.rlimits.get(&resource).map_or([u64::MAX; 2], |l| [l.soft, l.hard]);
        assert_eq!(ours[..], theirs, "{resource}");
    }
}

#[test]
fn only_what_is_needed_is_looked_at() {
    let facts = probe(&Needs::default()).unwrap();
    assert!(facts.cgroup.is_none() && facts.mounts.is_none() && facts.subids.is_none());
    assert!(facts.accounts.is_none() && facts.paths.is_empty() && facts.caller.name.is_empty());
    let facts = probe(&Needs { cgroup: true, ..Needs::default() }).unwrap();
    assert!(facts.cgroup.is_some() && facts.mounts.is_none());
}

#[test]
fn the_cgroups_of_the_caller_hold_the_caller() {
    let cgroup = probe_all().unwrap().cgroup.unwrap();
    let me = std::process::id().to_string();
    let holds_me = |dir: HostPath| {
        fs::read_to_string(format!("{dir}/cgroup.procs")).unwrap().lines().any(|pid| pid == me)
    };
    for hierarchy in &cgroup.hierarchies {
        if let Some(dir) = hierarchy.directory(&hierarchy.caller) {
            assert!(holds_me(dir), "{hierarchy:?}");
        }
    }
    match &cgroup.unified {
        Some(unified) => {
            if let Some(dir) = unified.directory(&unified.caller) {
                assert!(holds_me(dir) && unified.caller_populated);
            }
        }
        None => skip("the v2 half", "a mounted cgroup v2"),
    }
    if cgroup.layout() == CgroupLayout::None {
        skip("cgroups of the caller", "a mounted cgroup tree");
    }
}

#[test]
fn the_mount_table_is_the_one_that_findmnt_shows() {
    let mounts = probe_all().unwrap().mounts.unwrap();
    let lines = fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count();
    assert_eq!(mounts.len(), lines);
    let Some(text) = output("findmnt", &["-rno", "FSTYPE", "/proc"]) else {
        return skip("the mount table", "the program `findmnt`");
    };
    let proc = mounts.iter().rfind(|mount| mount.mount_point == "/proc").unwrap();
    assert_eq!(text.lines().last(), Some(proc.fstype.as_str()));
}

#[test]
fn paths_are_what_stat_says() {
    let path = |text: &str| HostPath::new(text).unwrap();
    let wanted = [
        ("/proc", PathFact::Directory),
        ("/proc/self/status", PathFact::File),
        ("/proc/self/exe", PathFact::File),
        ("/dev/null", PathFact::Special),
        ("/no/such/thing", PathFact::Missing),
        ("/proc/self/status/x", PathFact::Missing),
    ];
    let paths = wanted.iter().map(|(text, _)| path(text)).collect();
    let facts = probe(&Needs { paths, ..Needs::default() }).unwrap();
    for (text, expected) in wanted {
        assert_eq!(facts.paths[&path(text)], expected, "{text}");
    }
}

#[test]
fn facts_of_this_machine_survive_their_file() {
    let facts = probe_all().unwrap();
    assert_eq!(HostFacts::from_json(&facts.to_json_pretty()), Ok(facts));
}
