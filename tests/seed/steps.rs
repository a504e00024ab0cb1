//! Single duties of the parent's, around a process that somebody else has started.

use std::fs;
use std::process::{Child, Command};

use nsplan::apply::Outside;
use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Limit, PathComponent, Resources,
};
use nsplan::namespaces::{enter_cgroups, initialize_networking, setup_cgroups};
use nsplan::types::Errno;

use crate::support::{Scratch, is_root, planned, rootfs, shell};

/// A process that ends with its test.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }

    fn cgroups(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cgroup", self.0.id())).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn limited(root: &Scratch) -> (Config, String) {
    let name = root.path().file_name().unwrap().to_str().unwrap().to_owned();
    let mut config = shell(root, "true");
    config.cgroup = Some(Cgroup {
        path: CgroupPath {
            base: CgroupBase::Caller,
            parts: vec![PathComponent::new(&name).unwrap()],
        },
        driver: CgroupDriver::Cgroupfs,
        resources: Resources { pids: Some(Limit::At(77)), ..Resources::default() },
    });
    (config, name)
}

#[test]
fn a_process_is_limited_and_joined_by_others_and_all_of_it_is_undone() {
    if !is_root() {
        return;
    }
    let root = rootfs("setup-cgroups");
    let (config, name) = limited(&root);
    let plan = planned(&config).unwrap();
    let (sleeper, other) = (Sleeper::new(), Sleeper::new());
    let mut outside = Outside::new(&plan, sleeper.0.id(), None).unwrap();
    let cgroup = setup_cgroups(&mut outside).unwrap().expect("a cgroup was asked for");
    assert!(sleeper.cgroups().contains(&name), "{}", sleeper.cgroups());
    let limits: Vec<_> = cgroup
        .directories()
        .iter()
        .filter_map(|directory| fs::read_to_string(directory.child("pids.max").as_str()).ok())
        .collect();
    assert_eq!(limits, ["77\n"]);
    assert!(!other.cgroups().contains(&name));
    enter_cgroups(&cgroup, other.0.id()).unwrap();
    assert!(other.cgroups().contains(&name), "{}", other.cgroups());
    assert_eq!(cgroup.pids(false).unwrap().len(), 2);
    // A step is done once.
    assert!(setup_cgroups(&mut outside).is_ok());
    drop((sleeper, other));
    let left = outside.undo();
    assert!(left.is_empty(), "{left:?}");
    for directory in cgroup.directories() {
        assert!(fs::metadata(directory.as_str()).is_err(), "{directory} stays");
    }
}

#[test]
fn a_cgroup_that_is_gone_is_an_error_to_whoever_would_enter_it() {
    if !is_root() {
        return;
    }
    let root = rootfs("enter-cgroups");
    let (config, _) = limited(&root);
    let plan = planned(&config).unwrap();
    let sleeper = Sleeper::new();
    let cgroup = nsplan::apply::CgroupHandle::of(&plan).expect("a cgroup was asked for");
    let fault = enter_cgroups(&cgroup, sleeper.0.id()).unwrap_err();
    assert_eq!(fault.errno, Errno::ENOENT, "{fault}");
}

#[test]
fn a_process_that_cannot_be_moved_takes_its_cgroups_along() {
    if !is_root() {
        return;
    }
    let root = rootfs("setup-nobody");
    let (config, name) = limited(&root);
    let plan = planned(&config).unwrap();
    let gone = {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    };
    let mut outside = Outside::new(&plan, gone, None).unwrap();
    let error = setup_cgroups(&mut outside).unwrap_err();
    assert!(error.left_behind.is_empty(), "{error}");
    let cgroup = nsplan::apply::CgroupHandle::of(&plan).unwrap();
    for directory in cgroup.directories() {
        assert!(fs::metadata(directory.as_str()).is_err(), "{name}: {directory} stays");
    }
}

#[test]
fn without_a_cgroup_or_a_network_nothing_is_done() {
    let root = rootfs("nothing-asked");
    let plan = planned(&shell(&root, "true")).unwrap();
    let sleeper = Sleeper::new();
    let mut outside = Outside::new(&plan, sleeper.0.id(), None).unwrap();
    assert_eq!(setup_cgroups(&mut outside).unwrap(), None);
    assert_eq!(initialize_networking(&mut outside).unwrap(), [] as [&str; 0]);
    assert!(outside.undo().is_empty());
}
