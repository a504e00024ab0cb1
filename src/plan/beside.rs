//! Decides whether the launcher makes the network namespace while init mounts, and what init does before it is in it.
//!
//! It takes the kernel as long as all mounts together. Done by the clone, it is waited for; beside init it is not.

use alloc::vec::Vec;
use core::mem::take;

use super::cgroups::Cgroups;
use super::draft::{Draft, step};
use super::model::{Step, Topology};
use super::namespaces::{Namespaces, place};
use super::network::Networks;
use super::op::{CgroupOp, MountOp, NamespaceOp, Op, SyncOp, Token};
use crate::config::{Mount, MountKind};
use crate::types::{CloneFlags, NamespaceKind, Pointer, RootPath};

const NET: NamespaceKind = NamespaceKind::Net;

/// Takes the network namespace out of the clone, if it may be made beside init: then what init does before it needs that.
///
/// The thread that makes one is in it for a moment. So it is the only one of its process, it may surely go back, and no
/// hook is run, nor link made, that would meet init in the launcher's own network. There is nobody else in the pid
/// namespace who could. With one processor nothing would be won.
pub(super) fn plan(
    draft: &Draft<'_>,
    namespaces: &mut Namespaces,
    networks: &mut Networks,
    cgroups: &mut Cgroups,
) -> Option<Vec<Step>> {
    let config = draft.config;
    let caller = &draft.facts.caller;
    let creates = |kind| config.creates(kind);
    let is_alone = caller.threads == 1 && caller.processors > 1 && caller.in_initial_userns;
    let is_own = creates(NET)
        && creates(NamespaceKind::Pid)
        && creates(NamespaceKind::Mnt)
        && !creates(NamespaceKind::User);
    let is_direct = namespaces.topology != Topology::Intermediate && !draft.joins_any();
    // It comes after what the launcher tells as the first.
    let tells = |step: &Step| matches!(step.op, Op::Sync(_));
    let is_first = !cgroups.after_clone.iter().any(tells);
    let is_seen = !config.hooks.is_empty()
        || !networks.parent.is_empty()
        || config.sysctl.keys().any(|key| key.starts_with("net."));
    let is_known = |mount: &Mount| match &mount.kind {
        MountKind::Filesystem { fstype, .. } => is_sysfs(fstype) || is_indifferent(fstype),
        _ => true,
    };
    let is_beside = is_alone
        && is_own
        && is_direct
        && is_first
        && !is_seen
        && !draft.is_prepared()
        && config.mounts.iter().all(is_known);
    is_beside.then(|| {
        namespaces.created.remove(CloneFlags::CLONE_NEWNET);
        let policy = take_policy(cgroups);
        cgroups.after_clone.splice(0..0, of_parent(networks));
        policy
    })
}

/// The launcher's part, right after the clone: what init would do in its network is done when that has been sent.
fn of_parent(networks: &mut Networks) -> Vec<Step> {
    let of_net = |op| step(op, &place(NET));
    let mut steps = Vec::with_capacity(networks.init.len() + 3);
    steps.push(of_net(Op::Namespace(NamespaceOp::Make { kind: NET })));
    steps.push(of_net(Op::Sync(SyncOp::Signal(Token::NetworkMade))));
    steps.append(&mut networks.init);
    steps.push(of_net(Op::Namespace(NamespaceOp::Return { kind: NET })));
    steps
}

/// Init's part: its mounts, and before the first that shows its network the policy and the network.
pub(super) fn extend(
    draft: &Draft<'_>,
    steps: &mut Vec<Step>,
    targets: Vec<Step>,
    policy: &[Step],
) {
    let (early, late) = split(draft, targets);
    steps.extend(early);
    steps.extend(policy.iter().cloned());
    steps.extend(joined());
    steps.extend(late);
}

fn joined() -> [Step; 2] {
    let op = Op::Namespace(NamespaceOp::Join { kind: NET });
    [step(Op::Sync(SyncOp::Await(Token::NetworkMade)), &place(NET)), step(op, &place(NET))]
}

/// A device policy on the cgroup that init is born in becomes init's: the launcher has enough to do meanwhile.
fn take_policy(cgroups: &mut Cgroups) -> Vec<Step> {
    let own = cgroups.own.v2.as_ref().filter(|_| cgroups.clone_into);
    let is_own = |step: &Step| match &step.op {
        Op::Cgroup(CgroupOp::DevicePolicy { directory, .. }) => Some(directory) == own,
        _ => false,
    };
    let (policy, others) = take(&mut cgroups.after_clone).into_iter().partition(is_own);
    cgroups.after_clone = others;
    policy
}

/// Splits init's mounts into those before it needs its network, and those from there on.
///
/// What is on or below sysfs comes last, if all that it changes places with is inside of a file system of the container's
/// own: no link of the image's leads from there anywhere else, so the order between the two is nobody's to see.
fn split(draft: &Draft<'_>, targets: Vec<Step>) -> (Vec<Step>, Vec<Step>) {
    let mounts = &draft.config.mounts;
    let shows: Vec<_> = mounts.iter().filter_map(|mount| of_type(mount, is_sysfs)).collect();
    let before = mounts.iter().take_while(|mount| of_type(mount, is_sysfs).is_none());
    let fresh: Vec<_> = before.filter_map(|mount| of_type(mount, is_indifferent)).collect();
    let is_on = |path: &RootPath| shows.iter().any(|tree| tree.contains(path));
    let is_inside = |path: &RootPath| fresh.iter().any(|tree| tree.contains(path) && *tree != path);
    // A mount takes several steps, some of which name no path; they have their part of the config in common.
    let of_parts = |is_wanted: &dyn Fn(&RootPath) -> bool| -> Vec<&Pointer> {
        let wanted = targets.iter().filter(|step| target(&step.op).is_some_and(is_wanted));
        wanted.map(|step| &step.origin).collect()
    };
    let (late, free) = (of_parts(&is_on), of_parts(&is_inside));
    // It is a matter of the container's own devpts, and of /dev beside it.
    let has_devpts = fresh.iter().any(|tree| tree.as_str() == "/dev/pts");
    let is_terminal = |step: &Step| matches!(step.op, Op::Mount(MountOp::OpenTerminal { .. }));
    let is_free = |step: &Step| free.contains(&&step.origin) || has_devpts && is_terminal(step);
    let is_late: Vec<_> = targets.iter().map(|step| late.contains(&&step.origin)).collect();
    let Some(first) = is_late.iter().position(|is_late| *is_late) else {
        return (targets, Vec::new());
    };
    let mut from_there = targets.iter().zip(&is_late).skip(first);
    if from_there.all(|(step, is_late)| *is_late || is_free(step)) {
        let mut is_late = is_late.into_iter();
        targets.into_iter().partition(|_| is_late.next() == Some(false))
    } else {
        let mut early = targets;
        let late = early.split_off(first);
        (early, late)
    }
}

/// Where a new file system of a type that is wanted is mounted.
fn of_type(mount: &Mount, is_wanted: fn(&str) -> bool) -> Option<&RootPath> {
    match &mount.kind {
        MountKind::Filesystem { fstype, .. } if is_wanted(fstype) => Some(&mount.destination),
        _ => None,
    }
}

/// It shows the links of the network it is mounted in, and nearly every container has it.
fn is_sysfs(fstype: &str) -> bool {
    fstype == "sysfs"
}

/// File systems that are the same in every network namespace.
pub(super) fn is_indifferent(fstype: &str) -> bool {
    matches!(fstype, "proc" | "tmpfs" | "devpts" | "mqueue" | "cgroup" | "cgroup2")
}

/// The path in the container that a step changes.
fn target(op: &Op) -> Option<&RootPath> {
    match op {
        Op::Mount(
            MountOp::MakeMountPoint { target: path, .. }
            | MountOp::Filesystem { target: path, .. }
            | MountOp::Attach { target: path, .. }
            | MountOp::Remount { target: path, .. }
            | MountOp::MakeReadonly { path }
            | MountOp::Mask { path }
            | MountOp::MakeNode { path, .. }
            | MountOp::Symlink { path, .. },
        ) => Some(path),
        _ => None,
    }
}
