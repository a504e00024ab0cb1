//! A container's cgroups become the way into them: that of its first process, and that of one which joins it.

use alloc::vec::Vec;

use super::cgroups::Cgroups;
use super::draft::{Draft, at, step};
use super::op::{CgroupOp, Op, Slot, SyncOp, Token};
use super::record::CgroupPaths;
use crate::facts::Feature;
use crate::types::HostPath;

/// Into a directory of v1. The process moves itself: a write of another's pid waits for an RCU grace period, milliseconds.
pub(super) fn v1(cgroups: &mut Cgroups, own: &HostPath) {
    // Each way in so far is one step of init's.
    let slot = Slot::Tasks(u16::try_from(cgroups.init.len()).unwrap_or(u16::MAX));
    let open = CgroupOp::OpenTasks { file: own.child("tasks"), slot };
    cgroups.before_clone.push(step(Op::Cgroup(open), &at("/cgroup")));
    cgroups.init.push(step(Op::Cgroup(CgroupOp::Enter { slot }), &at("/cgroup")));
}

/// Into the directory of the v2 tree: by the clone, or by the parent's hand.
pub(super) fn v2(draft: &Draft<'_>, cgroups: &mut Cgroups, own: &HostPath) {
    let origin = at("/cgroup");
    cgroups.own.v2 = Some(own.clone());
    if draft.facts.has(Feature::CloneIntoCgroup) && draft.facts.has(Feature::Clone3) {
        let op = CgroupOp::OpenDirectory { directory: own.clone() };
        cgroups.before_clone.push(step(Op::Cgroup(op), &origin));
        cgroups.clone_into = true;
    } else {
        let op = CgroupOp::Place { file: own.child("cgroup.procs") };
        cgroups.after_clone.push(step(Op::Cgroup(op), &origin));
        cgroups.after_clone.push(step(Op::Sync(SyncOp::Signal(Token::Placed)), &origin));
        cgroups.init.push(step(Op::Sync(SyncOp::Await(Token::Placed)), &origin));
    }
}

/// Into those of a container that runs. Controllers that share a directory are one way.
pub(super) fn of_running(draft: &Draft<'_>, paths: &CgroupPaths) -> Cgroups {
    let mut cgroups = Cgroups::default();
    let mut known: Vec<&HostPath> = Vec::new();
    for directory in paths.v1.values() {
        if !known.contains(&directory) {
            known.push(directory);
            v1(&mut cgroups, directory);
        }
    }
    if let Some(own) = &paths.v2 {
        v2(draft, &mut cgroups, own);
    }
    cgroups
}
