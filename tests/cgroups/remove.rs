//! Removal: what is below goes first, what is busy is tried again, what is left is told.

use std::fs;
use std::time::Duration;

use crate::stage::{Group, LONG, has_v1};
use crate::support::is_root;

fn removes_and_reports(mut group: Group) {
    for index in 0..group.cgroup.directories().len() {
        let directory = group.directory(index).clone();
        fs::create_dir_all(directory.child("a").child("b").as_str()).unwrap();
        fs::create_dir(directory.child("c").as_str()).unwrap();
    }
    group.run("exec sleep 1000");
    let left = group.cgroup.remove(Duration::from_millis(50));
    assert_eq!(left.len(), group.cgroup.directories().len(), "{left:?}");
    let text = left[0].to_string();
    assert!(text.contains("unlinkat: EBUSY"), "{text}");
    let own = group.directory(0).clone();
    assert!(!fs::exists(own.child("a").as_str()).unwrap(), "what can go is gone");

    group.cgroup.kill(LONG).unwrap();
    assert_eq!(group.cgroup.remove(LONG), []);
    assert!(!fs::exists(own.as_str()).unwrap());
    assert_eq!(group.cgroup.remove(LONG), [], "what is gone is removed");
}

#[test]
fn a_v1_tree_is_removed_from_below_and_what_is_busy_is_told() {
    if is_root() && has_v1(&["freezer", "pids"]) {
        removes_and_reports(Group::v1(&["freezer", "pids"]));
    }
}

#[test]
fn a_v2_tree_is_removed_from_below_and_what_is_busy_is_told() {
    if is_root()
        && let Some(group) = Group::v2()
    {
        removes_and_reports(group);
    }
}

#[test]
fn removal_waits_for_the_last_process() {
    if !is_root() || !has_v1(&["freezer"]) {
        return;
    }
    let mut group = Group::v1(&["freezer"]);
    group.run("exec sleep 0.3");
    assert_eq!(group.cgroup.remove(LONG), []);
}
