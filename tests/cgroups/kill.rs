//! Kill-all: nobody is left, whatever forks, ignores signals, is frozen or is further down.

use std::fs;

use nsplan::apply::CgroupHandle;
use nsplan::types::NamespaceKind;

use crate::stage::{FORKING, Group, LONG, Running, has_v1, limited, wait_for};
use crate::support::{is_root, rootfs, shell};

/// Loads in the cgroup and below it; then nobody.
fn kills_all(mut group: Group) {
    group.run("trap '' TERM HUP INT; (trap '' TERM; sleep 1000) & sleep 1000");
    group.run(FORKING);
    let below = group.directory(0).child("below");
    fs::create_dir(below.as_str()).unwrap();
    let deep = group.run("exec sleep 1000");
    fs::write(below.child("cgroup.procs").as_str(), deep.to_string()).unwrap();
    wait_for("all of them", || group.cgroup.pids(true).unwrap().len() > 4);
    // In the other hierarchies it is in the cgroup itself.
    let own = CgroupHandle::v1([group.directory(0).clone()]);
    assert!(!own.pids(false).unwrap().contains(&deep) && own.pids(true).unwrap().contains(&deep));
    group.cgroup.kill(LONG).unwrap();
    assert_eq!(group.cgroup.pids(true), Ok(vec![]));
    group.reap();
}

#[test]
fn on_v1_everything_is_killed_one_by_one() {
    if is_root() && has_v1(&["freezer", "pids"]) {
        kills_all(Group::v1(&["freezer", "pids"]));
    }
}

#[test]
fn on_v1_everything_is_killed_without_a_freezer() {
    if is_root() && has_v1(&["pids"]) {
        kills_all(Group::v1(&["pids"]));
    }
}

#[test]
fn on_v2_everything_is_killed() {
    if is_root()
        && let Some(group) = Group::v2()
    {
        kills_all(group);
    }
}

fn kills_what_is_frozen(mut group: Group) {
    group.run("exec sleep 1000");
    group.cgroup.freeze(LONG).unwrap();
    group.cgroup.kill(LONG).unwrap();
    assert_eq!(group.cgroup.pids(true), Ok(vec![]));
}

#[test]
fn what_is_frozen_is_killed_too() {
    if !is_root() {
        return;
    }
    if has_v1(&["freezer"]) {
        kills_what_is_frozen(Group::v1(&["freezer"]));
    }
    if let Some(group) = Group::v2() {
        kills_what_is_frozen(group);
    }
}

#[test]
fn a_container_in_the_hosts_pid_namespace_leaves_nobody() {
    if !is_root() || !has_v1(&["freezer", "pids"]) {
        return;
    }
    let root = rootfs("kill-all");
    let script = "(trap '' TERM HUP; sleep 1000) & (while :; do sleep 0.05 & sleep 0.01; done) & echo up; read end";
    let mut config = limited(shell(&root, script), nsplan::config::Resources::default());
    config.namespaces.remove(&NamespaceKind::Pid);
    let mut running = Running::of(root, &config);
    running.hear("up");
    wait_for("all of them", || running.cgroup.pids(true).unwrap().len() > 3);
    let pids = running.cgroup.pids(true).unwrap();
    assert!(pids.contains(&running.container.pid()), "numbers are those of the host: {pids:?}");
    running.cgroup.kill(LONG).unwrap();
    assert_eq!(running.cgroup.pids(true), Ok(vec![]));
    let status = running.container.wait().expect("everything undone");
    assert_eq!(status.code(), 128 + 9);
    for directory in running.cgroup.directories() {
        assert!(!fs::exists(directory.as_str()).unwrap(), "{directory}");
    }
}
