//! The floor of the benchmark does what a plan does: containers of both see the same of the kernel.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

#[path = "../../benches/report/floor.rs"]
#[allow(dead_code, reason = "the report uses the rest")]
mod floor;
#[path = "../../benches/report/inside.rs"]
mod inside;
#[path = "../../benches/report/machine.rs"]
mod machine;
#[path = "../../benches/report/mounts.rs"]
mod mounts;
#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;

use std::fs;
use std::process::Command;

use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Limit, Mount, MountKind, NamespaceSource,
    PathComponent, Resources, Seccomp, SeccompAction, SeccompRule,
};
use nsplan::plan::Plan;
use nsplan::types::{IdMap, IdMapping, MountFlags, NamespaceKind};

use crate::floor::{Times, floor};
use crate::support::{Scratch, is_root, planned, rootfs, run_plan, shell};

/// Everything of itself that a process can ask the kernel for; but the floor leaves signals ignored as they were.
const VIEW: &str = r#"
cat /proc/self/mountinfo
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|SigBlk|Umask|NSpid|NSsid)' /proc/self/status
cat /proc/self/cgroup /proc/self/limits /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_forward
cat /sys/class/net/*/flags
hostname; pwd; umask; env; ls -l /dev /dev/pts /proc/self/fd
for n in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$n; done
"#;

/// Numbers that differ from one container to the next are replaced: mounts, superblocks, namespaces, times.
fn comparable(view: &str, host: &[String]) -> Vec<String> {
    view.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            if words.get(2).is_some_and(|word| word.contains(':')) && line.contains(" - ") {
                let device = if words[2].starts_with("0:") { "0:N" } else { words[2] };
                return [&["mount", device], &words[3..]].concat().join(" ");
            }
            if line.starts_with(['c', 'l', 'd', '-']) && words.len() > 5 {
                return listed(line);
            }
            if let Some((kind, _)) = line.split_once(":[") {
                let whose = if host.iter().any(|own| own == line) { "host's" } else { "own" };
                return format!("{kind} {whose}");
            }
            line.to_owned()
        })
        .filter(|line| !line.is_empty() && !line.starts_with("total "))
        .collect()
}

/// The mode, the owner and the name of what `ls` shows, of a device its number; not its time, which is another minute's
/// now and then.
fn listed(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    // A device has two words, `1, 3`, where others have a size.
    let (number, name) = match words[0].starts_with('c') {
        true => (words[4..6].concat(), 9),
        false => (String::new(), 8),
    };
    let name = words.iter().skip(name).copied().collect::<Vec<_>>().join(" ");
    let name = if name.contains("pipe:") { "a pipe".into() } else { name };
    format!("{} {} {} {number} {name}", words[0], words[2], words[3])
}

fn own_namespaces() -> Vec<String> {
    let link = |kind| fs::read_link(format!("/proc/self/ns/{kind}"));
    let links = NamespaceKind::ALL.into_iter().filter_map(|kind| link(kind).ok());
    links.map(|link| link.to_string_lossy().into_owned()).collect()
}

fn run_floor(plan: &Plan, scratch: &Scratch) -> String {
    let bytes = floor(plan, Times::Once).unwrap();
    let (made, program) = (scratch.path().join("made"), scratch.path().join("floor"));
    fs::write(&made, bytes).unwrap();
    // By another process: what is open for writing in this one may be open in a child of another test.
    let copied = Command::new("cp").arg(&made).arg(&program).status().unwrap();
    let mode = Command::new("chmod").arg("755").arg(&program).status().unwrap();
    assert!(copied.success() && mode.success());
    let mut command = Command::new(&program);
    let null = fs::File::options().read(true).write(true).open("/dev/null").unwrap();
    let output = command.stdin(null).current_dir("/").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{:?}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn check(config: &Config) {
    let plan = planned(config).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let scratch = Scratch::new("floor");
    let host = own_namespaces();
    let ours = comparable(&run_plan(&plan).unwrap().ok(), &host);
    let floors = comparable(&run_floor(&plan, &scratch), &host);
    assert!(ours.len() > 40, "{ours:#?}");
    similar_asserted(&ours, &floors);
}

#[track_caller]
fn similar_asserted(ours: &[String], floors: &[String]) {
    let (ours, floors) = (ours.join("\n"), floors.join("\n"));
    let diff = similar::TextDiff::from_lines(&ours, &floors);
    assert!(ours == floors, "ours, floor:\n{}", diff.unified_diff());
}

fn named(config: &mut Config, name: &str) -> Resources {
    let name = format!("nsplan-floor-{name}-{}", std::process::id());
    let parts = vec![PathComponent::new(&name).unwrap()];
    let path = CgroupPath { base: CgroupBase::Init, parts };
    let resources = Resources::default();
    config.cgroup =
        Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources: resources.clone() });
    resources
}

#[test]
fn the_default_container_is_the_same() {
    if is_root() {
        let root = rootfs("floor-default");
        let mut config = shell(&root, VIEW);
        named(&mut config, "default");
        check(&config);
    }
}

#[test]
fn a_container_with_a_read_only_root_and_limits_is_the_same() {
    if is_root() {
        let root = rootfs("floor-limits");
        let mut config = shell(&root, VIEW);
        config.root.readonly = true;
        let readonly = MountFlags::MS_RDONLY | MountFlags::MS_NOSUID | MountFlags::MS_NODEV;
        let view = Mount::filesystem("/sys/fs/cgroup", "cgroup", readonly, &[]);
        config.mounts.push(Mount { kind: MountKind::Cgroup, ..view });
        let mut resources = named(&mut config, "limits");
        resources.memory.limit = Some(Limit::At(64 << 20));
        resources.pids = Some(Limit::At(50));
        config.cgroup.as_mut().unwrap().resources = resources;
        check(&config);
    }
}

#[test]
fn a_container_in_a_user_namespace_is_the_same() {
    if is_root() {
        let root = rootfs("floor-userns");
        let mut config = shell(&root, VIEW);
        config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
        let map = IdMap::new(vec![IdMapping { container_id: 0, host_id: 0, size: 70_000 }]);
        config.uid_mappings = map.unwrap();
        config.gid_mappings = config.uid_mappings.clone();
        check(&config);
    }
}

#[test]
fn a_container_on_the_hosts_network_without_a_cgroup_is_the_same() {
    if is_root() {
        let root = rootfs("floor-host");
        let mut config = shell(&root, VIEW);
        config.namespaces.remove(&NamespaceKind::Net);
        config.networks.clear();
        config.cgroup = None;
        check(&config);
    }
}

#[test]
fn a_container_with_a_filter_is_the_same() {
    if is_root() {
        let root = rootfs("floor-filter");
        let mut config = shell(&root, VIEW);
        config.seccomp = Some(Seccomp {
            default_action: SeccompAction::Allow,
            architectures: Vec::new(),
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            rules: vec![SeccompRule {
                names: ["sethostname", "swapon", "acct"].map(String::from).to_vec(),
                action: SeccompAction::Errno(1),
                args: Vec::new(),
            }],
        });
        check(&config);
    }
}
