//! Two hundred starts leave nothing: no cgroup, mount, process, descriptor.

use std::collections::BTreeSet;
use std::fs;

use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Limit, PathComponent, Resources,
};

use crate::failures::cgroups_named;
use crate::support::{is_root, rootfs, rounds, run, shell};

fn descriptors() -> BTreeSet<String> {
    let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        Some(format!("{} {}", path.display(), fs::read_link(&path).ok()?.display()))
    });
    // Pipes of tests that run beside this one come and go.
    links.filter(|link| !link.contains("pipe:") && !link.contains("/proc/")).collect()
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn two_hundred_starts_leave_nothing_behind() {
    if !is_root() {
        return;
    }
    let root = rootfs("leaks");
    let name = root.path().file_name().unwrap().to_str().unwrap().to_owned();
    let mut config = shell(&root, "exit 7");
    config.cgroup = Some(Cgroup {
        path: CgroupPath {
            base: CgroupBase::Caller,
            parts: vec![PathComponent::new(&name).unwrap()],
        },
        driver: CgroupDriver::Cgroupfs,
        resources: Resources { pids: Some(Limit::At(64)), ..Resources::default() },
    });
    run(&config);
    let (open, mounted) = (descriptors(), mounts());
    for _ in 0..rounds(200) {
        assert_eq!(run(&config).status.code(), 7);
    }
    assert_eq!(mounts(), mounted);
    assert_eq!(cgroups_named(&name), [] as [&str; 0]);
    let leaked: Vec<_> = descriptors().difference(&open).cloned().collect();
    assert!(leaked.is_empty(), "{leaked:?}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("State:"), "{status}");
    let zombies = zombies();
    assert!(zombies.is_empty(), "{zombies:?}");
}

/// Dead children of this process that nobody waited for, seen twice: tests beside this one have some for a moment.
fn zombies() -> Vec<String> {
    let look = || -> BTreeSet<String> {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let lists =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        let pids: Vec<String> = lists
            .flat_map(|list| list.split_whitespace().map(String::from).collect::<Vec<_>>())
            .collect();
        let is_dead = |pid: &String| {
            fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
        };
        pids.into_iter().filter(is_dead).collect()
    };
    let first = look();
    std::thread::sleep(std::time::Duration::from_secs(1));
    look().intersection(&first).cloned().collect()
}
