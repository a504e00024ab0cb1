//! What is never done: to the root of a hierarchy, to a directory that is no cgroup, to the caller's own cgroup.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nsplan::apply::{CgroupHandle, ControlError};

use crate::stage::{Group, cgroup_facts, comes};
use crate::support::{Scratch, is_root};

const SHORT: Duration = Duration::from_millis(100);

#[track_caller]
fn is_refused(answer: Result<(), ControlError>, expected: &str) {
    match answer {
        Err(ControlError::Refused { reason, .. }) => assert_eq!(reason, expected),
        answer => panic!("{answer:?}"),
    }
}

const NO_CGROUP: &str = "it is no cgroup below the root of a hierarchy";

#[test]
fn a_list_of_processes_that_is_not_the_kernels_kills_nobody() {
    let scratch = Scratch::new("list");
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(scratch.path().join("cgroup.procs"), format!("{}\n", child.id())).unwrap();
    is_refused(CgroupHandle::v2(scratch.host_path()).kill(SHORT), NO_CGROUP);
    is_refused(CgroupHandle::v1([scratch.host_path()]).kill(SHORT), NO_CGROUP);
    assert_eq!(child.try_wait().unwrap(), None, "it was killed");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn directories_that_are_no_cgroup_are_not_removed() {
    let scratch = Scratch::new("keep");
    fs::create_dir(scratch.path().join("below")).unwrap();
    let left = CgroupHandle::v2(scratch.host_path()).remove(SHORT);
    assert_eq!(left.len(), 1);
    assert!(scratch.path().join("below").exists());
}

#[test]
fn the_root_of_a_hierarchy_is_neither_killed_nor_removed() {
    let facts = cgroup_facts();
    let v1 = facts.hierarchies.iter().map(|hierarchy| hierarchy.mount_point.clone());
    for root in v1.chain(facts.unified.iter().map(|unified| unified.mount_point.clone())) {
        let cgroup = CgroupHandle::v1([root.clone()]);
        // The guard itself, before anything that would do harm if it failed.
        let left = CgroupHandle::v1([root.clone()]).remove(Duration::ZERO);
        assert_eq!(left.len(), 1, "{root}");
        is_refused(cgroup.kill(Duration::ZERO), NO_CGROUP);
    }
}

#[test]
fn the_caller_neither_stops_nor_kills_itself() {
    const NAME: &str = "refuse::the_caller_neither_stops_nor_kills_itself";
    const INSIDE: &str = "NSPLAN_TEST_INSIDE";
    if let Some(directory) = std::env::var_os(INSIDE) {
        // The second run, a process of its own in the cgroup.
        let directory = nsplan::types::HostPath::new(directory.to_str().unwrap()).unwrap();
        fs::write(directory.child("cgroup.procs").as_str(), "0").unwrap();
        let cgroup = CgroupHandle::v2(directory);
        assert_eq!(cgroup.pids(false), Ok(vec![std::process::id()]));
        is_refused(cgroup.freeze(SHORT), "the caller is in it");
        is_refused(cgroup.kill(SHORT), "the caller is in it");
        return;
    }
    if !is_root() {
        return;
    }
    let Some(group) = Group::v2() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([NAME, "--exact", "--test-threads=1"]).stdout(Stdio::piped());
    let mut child = command.env(INSIDE, group.directory(0).as_str()).spawn().unwrap();
    // If it does stop itself, the end of the group lets it go and kills it.
    let has_ended = comes(|| child.try_wait().unwrap().is_some());
    drop(group);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(has_ended && output.status.success() && text.contains("1 passed"), "{text}");
}
