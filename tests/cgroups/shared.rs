//! A parent that several containers share: the last one out removes it, whoever made it; one of the administrator's stays.

use std::fs;
use std::path::PathBuf;

use nsplan::config::{Config, Limit, Resources};
use nsplan::plan::{CgroupOp, Op, Plan, Step, Undo};
use nsplan::types::{HostPath, Pointer};

use crate::stage::{Running, cgroup_facts, has_v1, limited, name};
use crate::support::{Scratch, is_root, planned, rootfs, shell, wait_for};

/// A script in a cgroup of its own in the parent.
fn below(root: &Scratch, parent: &str, script: &str) -> Config {
    let mut config = limited(shell(root, script), Resources::default());
    let path = &mut config.cgroup.as_mut().unwrap().path;
    path.parts.insert(0, nsplan::config::PathComponent::new(parent).unwrap());
    config
}

fn start(parent: &str) -> Running {
    let root = rootfs("shared");
    let config = below(&root, parent, "echo up; read end");
    let mut running = Running::of(root, &config);
    running.hear("up");
    running
}

/// Where the parent's directories would be.
fn places(parent: &str) -> Vec<PathBuf> {
    let facts = cgroup_facts();
    let v1 = facts.hierarchies.iter().map(|hierarchy| &hierarchy.mount_point);
    let mounts = v1.chain(facts.unified.iter().map(|unified| &unified.mount_point));
    mounts.map(|mount| PathBuf::from(mount.child(parent).as_str())).collect()
}

/// Those that are there.
fn there(parent: &str) -> Vec<PathBuf> {
    places(parent).into_iter().filter(|path| path.exists()).collect()
}

#[test]
fn the_last_of_three_removes_the_parent_that_the_first_has_made() {
    if !is_root() {
        return;
    }
    let parent = name();
    let first = start(&parent);
    let second = start(&parent);
    first.end();
    assert!(!there(&parent).is_empty(), "the second is in it");
    let third = start(&parent);
    second.end();
    assert!(!there(&parent).is_empty(), "the third is in it");
    third.end();
    assert_eq!(there(&parent), [] as [PathBuf; 0]);
}

#[test]
fn a_parent_of_the_administrators_stays() {
    if !is_root() || !has_v1(&["pids"]) {
        return;
    }
    let parent = name();
    let pids = cgroup_facts().v1("pids").unwrap().mount_point.child(&parent);
    fs::create_dir(pids.as_str()).unwrap();
    let (first, second) = (start(&parent), start(&parent));
    first.end();
    second.end();
    let left = there(&parent);
    fs::remove_dir(pids.as_str()).unwrap();
    assert_eq!(left, [PathBuf::from(pids.as_str())], "only the one that was there before");
}

#[test]
fn containers_that_begin_and_end_all_at_once_never_lose_their_parent_and_leave_none() {
    if !is_root() {
        return;
    }
    let parent = name();
    let starter = |parent: &str| {
        let root = rootfs("race");
        let config = below(&root, parent, "exit 3");
        for _ in 0..40 {
            let plan = planned(&config).unwrap();
            let mut container = nsplan::apply::spawn(&plan, nsplan::apply::Io::default())
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(container.wait().expect("everything undone").code(), 3);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| starter(&parent));
        }
    });
    assert_eq!(there(&parent), [] as [PathBuf; 0]);
}

/// Where a hierarchy hands something down, CPUs on v1 or controllers on v2: the step that makes the container's own
/// directory there.
fn made_below_what_is_handed_down(plan: &Plan) -> Option<usize> {
    let handed = plan.parent.iter().filter_map(|step| match &step.op {
        Op::Cgroup(CgroupOp::InheritCpuset { directory }) => Some(directory.as_str()),
        Op::Cgroup(CgroupOp::EnableControllers { directory, controllers, .. })
            if !controllers.is_empty() =>
        {
            Some(directory.as_str())
        }
        _ => None,
    });
    let handed: Vec<_> = handed.map(|directory| format!("{directory}/")).collect();
    plan.parent.iter().position(|step| match &step.op {
        Op::Cgroup(CgroupOp::MakeDirectory { path, fresh: true }) => {
            handed.iter().any(|above| path.as_str().starts_with(above))
        }
        _ => false,
    })
}

#[test]
fn a_parent_that_vanishes_is_made_again_with_all_that_a_container_needs_of_it() {
    if is_root() {
        start_while_the_parent_vanishes(false);
    }
}

#[test]
fn a_parent_that_another_has_made_again_is_given_what_it_has_lost() {
    if is_root() {
        start_while_the_parent_vanishes(true);
    }
}

fn start_while_the_parent_vanishes(is_made_again: bool) {
    let parent = name();
    let root = rootfs("vanishing");
    let mut config = below(&root, &parent, "exit 3");
    let resources = &mut config.cgroup.as_mut().unwrap().resources;
    resources.pids = Some(Limit::At(64));
    resources.cpu.cpus = Some("0".into());
    let mut plan = planned(&config).unwrap();
    let own = made_below_what_is_handed_down(&plan).expect("cpuset, or v2 with controllers");
    // The launcher waits there until somebody reads.
    let gate = root.path().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let file = HostPath::new(gate.to_str().unwrap()).unwrap();
    let op = Op::Cgroup(CgroupOp::Write { file, value: "x".into() });
    plan.parent.insert(own, Step { op, origin: Pointer::root(), undo: Undo::Nothing });
    let launcher = format!("/proc/self/task/{}/syscall", nix::unistd::gettid());
    let places = places(&parent);
    std::thread::scope(|scope| {
        let vanished = scope.spawn(|| {
            let opens = format!("{} ", libc::SYS_openat);
            wait_for(|| {
                let is_there = places.iter().any(|place| place.exists());
                let call = fs::read_to_string(&launcher).unwrap();
                (is_there && call.starts_with(&opens)).then_some(())
            });
            // Where the container has something already the kernel keeps it.
            let is_gone = |place: &&PathBuf| fs::remove_dir(place).is_ok();
            let gone: Vec<_> = places.iter().filter(is_gone).collect();
            if is_made_again {
                gone.iter().for_each(|place| fs::create_dir(place).unwrap());
            }
            fs::read(&gate).unwrap();
            gone.len()
        });
        let container = nsplan::apply::spawn(&plan, nsplan::apply::Io::default());
        let mut container = container.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(container.wait().expect("everything undone").code(), 3);
        assert!(vanished.join().unwrap() > 0, "nothing vanished");
    });
    assert_eq!(there(&parent), [] as [PathBuf; 0]);
}

#[test]
fn a_mark_on_a_directory_that_is_in_use_removes_nothing() {
    if !is_root() {
        return;
    }
    let parent = name();
    let (first, second) = (start(&parent), start(&parent));
    first.end();
    // Marked by now: what another program keeps in it is in the way all the same.
    let kept: Vec<_> = there(&parent).iter().map(|path| path.join("kept")).collect();
    kept.iter().for_each(|path| fs::create_dir(path).unwrap());
    second.end();
    let left = there(&parent);
    let paths = kept.iter().map(|path| HostPath::new(path.to_str().unwrap()).unwrap());
    paths.for_each(|path| fs::remove_dir(path.as_str()).unwrap());
    left.iter().for_each(|path| fs::remove_dir(path).unwrap());
    assert_eq!(left.len(), kept.len());
}
