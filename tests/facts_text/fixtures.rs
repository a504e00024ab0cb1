//! The hosts of `tests/facts`: each is a facts file as nsplan writes it, and a host that could exist.
//!
//! `root-hybrid` was probed (one mount of a tool left out, one cgroup renamed); the others are typical of a distribution.
//! With `NSPLAN_BLESS=1` the files are written again in the form of today.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nsplan::facts::{
    CgroupLayout, Feature, HostFacts, KernelFacts, KernelVersion, MountFact, discover,
    parse_mountinfo,
};
use nsplan::types::{CapSet, NamespaceKind};

fn files() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn hosts() -> BTreeMap<String, HostFacts> {
    let read = |path: PathBuf| {
        let facts = HostFacts::from_json(&fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, facts.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    files().into_iter().map(read).collect()
}

#[test]
fn every_file_is_what_its_facts_are_written_as() {
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let facts = HostFacts::from_json(&text);
        let again =
            facts.unwrap_or_else(|error| panic!("{}: {error}", path.display())).to_json_pretty();
        if std::env::var_os("NSPLAN_BLESS").is_some() {
            fs::write(&path, &again).unwrap();
        } else {
            assert!(again == text, "{}: NSPLAN_BLESS=1 would write it otherwise", path.display());
        }
    }
}

#[test]
fn all_hosts_are_there() {
    let names: Vec<_> = hosts().into_keys().collect();
    assert_eq!(
        names,
        [
            "kernel-4.18",
            "kernel-5.10",
            "kernel-5.4",
            "kernel-6.1",
            "kernel-6.12",
            "kernel-7.0",
            "lsm-selinux",
            "no-openat2",
            "no-userns",
            "root-hybrid",
            "root-v1",
            "root-v2",
            "rootless-no-subuid",
            "rootless-subuid",
            "userns-restricted-lsm",
        ]
    );
}

#[test]
fn features_follow_from_the_version_unless_the_name_says_otherwise() {
    for (name, facts) in hosts() {
        let kernel = &facts.kernel;
        assert_eq!(KernelVersion::parse(&kernel.release), Some(kernel.version), "{name}");
        if let Some(version) = name.strip_prefix("kernel-") {
            assert_eq!(kernel.version.to_string(), version, "{name}");
        }
        let hidden: BTreeSet<_> =
            if name == "no-openat2" { [Feature::Openat2].into() } else { BTreeSet::new() };
        let expected = &KernelFacts::features_since(kernel.version) - &hidden;
        assert_eq!(kernel.features, expected, "{name}");
        let has_time = kernel.namespaces.contains(&NamespaceKind::Time);
        assert_eq!(has_time, facts.has(Feature::TimeNamespace), "{name}");
        let last = match kernel.version {
            version if version >= KernelVersion::new(5, 9) => 40,
            version if version >= KernelVersion::new(5, 8) => 39,
            _ => 37,
        };
        assert_eq!(kernel.last_capability, last, "{name}");
    }
}

#[test]
fn capabilities_are_those_of_the_kernel_and_of_the_caller() {
    for (name, facts) in hosts() {
        let caller = &facts.caller;
        let all = CapSet::up_to(facts.kernel.last_capability);
        assert!(
            caller.bounding.is_subset(all) && caller.permitted.is_subset(caller.bounding),
            "{name}"
        );
        let expected = if caller.uid == 0 { caller.bounding } else { CapSet::EMPTY };
        assert_eq!((caller.permitted, caller.effective), (expected, expected), "{name}");
        let is_rootless = name.starts_with("rootless") || name.contains("userns");
        assert_eq!(caller.uid == 0, !is_rootless, "{name}");
    }
}

#[test]
fn cgroup_trees_stand_in_the_mount_table() {
    for (name, facts) in hosts() {
        let cgroup = facts.cgroup.clone().unwrap();
        let mounts = facts.mounts.clone().unwrap();
        let expected = match name.as_str() {
            "root-v1" | "kernel-4.18" => CgroupLayout::V1,
            "root-hybrid" | "kernel-5.4" => CgroupLayout::Hybrid,
            _ => CgroupLayout::V2,
        };
        assert_eq!(cgroup.layout(), expected, "{name}");
        let lines = nsplan::facts::parse_proc_cgroup(&memberships(&facts)).unwrap();
        let found = discover(&mounts, &lines, None, cgroup.systemd);
        let places = |hierarchies: &[nsplan::facts::Hierarchy]| {
            hierarchies.iter().map(|h| (h.mount_point.clone(), h.root.clone())).collect::<Vec<_>>()
        };
        assert_eq!(places(&found.hierarchies), places(&cgroup.hierarchies), "{name}");
        let place = |found: Option<nsplan::facts::Unified>| found.map(|u| (u.mount_point, u.root));
        assert_eq!(place(found.unified), place(cgroup.unified), "{name}");
    }
}

/// `/proc/self/cgroup` as the caller of these facts reads it.
fn memberships(facts: &HostFacts) -> String {
    let cgroup = facts.cgroup.as_ref().unwrap();
    let mut text = String::new();
    for (id, hierarchy) in cgroup.hierarchies.iter().enumerate() {
        let mut words: Vec<_> = hierarchy.controllers.iter().cloned().collect();
        words.extend(hierarchy.name.iter().map(|name| format!("name={name}")));
        text += &format!("{}:{}:{}\n", id + 1, words.join(","), hierarchy.caller);
    }
    if let Some(unified) = &cgroup.unified {
        text += &format!("0::{}\n", unified.caller);
    }
    text
}

#[test]
fn mounts_of_every_host_survive_their_lines() {
    for (name, facts) in hosts() {
        let mounts = facts.mounts.unwrap();
        let text: Vec<_> = mounts.iter().map(MountFact::to_line).collect();
        assert_eq!(parse_mountinfo(&text.join("\n")), Ok(mounts), "{name}");
    }
}

#[test]
fn hosts_refuse_what_their_names_say() {
    let hosts = hosts();
    let userns = |host: &str| hosts[host].userns.clone().unwrap();
    let lsm = |host: &str| hosts[host].lsm.clone().unwrap();
    assert_eq!(userns("no-userns").max, 0);
    assert!(userns("userns-restricted-lsm").apparmor_restricted);
    assert!(lsm("userns-restricted-lsm").apparmor && lsm("lsm-selinux").selinux);
    let none = hosts["rootless-no-subuid"].subids.as_ref().unwrap();
    assert!(none.uids.is_empty() && none.newuidmap.is_none());
    assert_eq!(hosts["rootless-subuid"].subids.as_ref().unwrap().uids[0].count, 65536);
}

#[test]
fn a_facts_file_of_another_schema_or_with_a_stray_field_is_refused() {
    let text = fs::read_to_string(&files()[0]).unwrap();
    let error = |text: &str| HostFacts::from_json(text).unwrap_err().to_string();
    assert_eq!(
        error(&text.replace("\"schema\": 1", "\"schema\": 2")),
        "facts: schema 2: this program reads schema 1"
    );
    let stray = error(&text.replace("\"machine\"", "\"colour\": 1,\n    \"machine\""));
    assert!(stray.starts_with("facts:9:12: unknown field `colour`"), "{stray}");
    assert!(error(&text.replace("CAP_CHOWN", "CAP_MEOW")).contains("expected a capability name"));
    assert_eq!(error("{"), "facts:1:1: EOF while parsing an object");
}
