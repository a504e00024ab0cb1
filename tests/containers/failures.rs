//! A step that fails says which, why and what to do; nothing of it stays.

use std::fs;

use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Limit, Mount, PathComponent, Resources,
};
use nsplan::facts::CgroupLayout;
use nsplan::plan::{Actor, apply_hint};
use nsplan::types::{Errno, HostPath, MountFlags};

use crate::support::{Scratch, facts, is_root, planned, rootfs, shell, try_run};

fn own_cgroup(name: &str) -> Cgroup {
    Cgroup {
        path: CgroupPath {
            base: CgroupBase::Caller,
            parts: vec![PathComponent::new(name).unwrap()],
        },
        driver: CgroupDriver::Cgroupfs,
        resources: Resources { pids: Some(Limit::At(64)), ..Resources::default() },
    }
}

/// Every cgroup directory of that name below the mounted hierarchies.
pub(crate) fn cgroups_named(name: &str) -> Vec<String> {
    let output = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-type", "d", "-name", name])
        .output()
        .expect("find");
    String::from_utf8_lossy(&output.stdout).lines().map(String::from).collect()
}

#[test]
fn the_error_names_actor_step_call_errno_and_place() {
    let root = rootfs("names");
    let mut config = shell(&root, "true");
    config.mounts.push(Mount::filesystem("/tmp/x", "no-such-fs", MountFlags::empty(), &[]));
    let error = try_run(&config).expect_err("no such file system");
    let step = error.step.expect("a step");
    assert_eq!((step.actor, error.errno()), (Actor::Init, Some(Errno::ENODEV)), "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("{step}")), "{text}");
    assert!(text.contains("mount no-such-fs on /tmp/x") && text.contains("ENODEV"), "{text}");
    assert_eq!(error.origin.as_str(), format!("/mounts/{}", config.mounts.len() - 1));
    let plan = planned(&config).unwrap();
    let hint = apply_hint(&plan.step(step).unwrap().op, Errno::ENODEV).expect("a hint");
    assert!(hint.contains("/proc/filesystems"), "{hint}");
}

#[test]
fn a_failure_at_any_mount_leaves_no_cgroup_and_no_process() {
    if !is_root() {
        return;
    }
    let root = rootfs("undo");
    let name = root.path().file_name().unwrap().to_str().unwrap().to_owned();
    for position in [0, 3, 8] {
        let mut config = shell(&root, "true");
        config.cgroup = Some(own_cgroup(&name));
        if facts(&config).cgroup.is_none_or(|tree| tree.layout() == CgroupLayout::None) {
            return crate::support::skip("no cgroup tree");
        }
        let bad = Mount::filesystem("/tmp", "no-such-fs", MountFlags::empty(), &[]);
        config.mounts.insert(position, bad);
        let error = try_run(&config).expect_err("no such file system");
        assert!(error.left_behind.is_empty(), "{:?}", error.left_behind);
        assert_eq!(cgroups_named(&name), [] as [&str; 0], "at mount {position}");
    }
}

#[test]
fn a_cgroup_of_that_name_that_is_already_there_is_left_alone() {
    if !is_root() {
        return;
    }
    let root = rootfs("taken");
    let name = root.path().file_name().unwrap().to_str().unwrap().to_owned();
    let mut config = shell(&root, "true");
    config.cgroup = Some(own_cgroup(&name));
    let tree = facts(&config).cgroup.expect("a cgroup tree");
    let Some(pids) = tree.v1("pids").cloned() else {
        return crate::support::skip("no v1 pids controller");
    };
    let taken = pids
        .mount_point
        .child(pids.caller.trim_start_matches('/'))
        .as_str()
        .trim_end_matches('/')
        .to_owned();
    let taken = format!("{taken}/{name}");
    fs::create_dir(&taken).unwrap();
    let result = try_run(&config);
    let is_there = fs::metadata(&taken).is_ok();
    fs::remove_dir(&taken).unwrap();
    let error = result.expect_err("the name is taken");
    assert_eq!(error.errno(), Some(Errno::EEXIST), "{error}");
    assert!(is_there, "somebody else's cgroup was removed");
    assert_eq!(cgroups_named(&name), [] as [&str; 0]);
}

#[test]
fn a_root_that_is_missing_is_refused_before_anything_is_done() {
    let root = rootfs("gone");
    let mut config = shell(&root, "true");
    config.root.path = HostPath::new("/no/such/root").unwrap();
    let errors = planned(&config).expect_err("no root");
    assert_eq!(errors[0].origin.as_str(), "/root/path");
}

#[test]
fn a_working_directory_that_leads_out_is_refused() {
    let root = rootfs("cwd");
    let outside = Scratch::new("outside");
    std::os::unix::fs::symlink("/proc/self/fd/3", root.path().join("way")).unwrap();
    for cwd in ["/way", "/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/7"] {
        let mut config = shell(&root, "pwd; ls");
        config.process.as_mut().unwrap().cwd = nsplan::types::RootPath::new(cwd).unwrap();
        let error = try_run(&config).expect_err(cwd);
        assert!(
            matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)),
            "{error}"
        );
    }
    drop(outside);
}
