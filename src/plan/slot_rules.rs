//! What holds of descriptors in every plan: each is made before it is used, by a process that can hand it over.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::hook_op::HookOp;
use super::invariants::{Broken, Rule};
use super::model::{Actor, Plan, StepId};
use super::op::{
    CgroupOp, MountOp, NamespaceOp, Op, PrivilegeOp, ProcessOp, Slot, StateOp, SyncOp, Token,
};
use crate::types::{CloneFlags, NamespaceKind};

/// The descriptor a step makes.
fn makes(op: &Op) -> Option<Slot> {
    match op {
        Op::Mount(MountOp::PrepareRoot { .. } | MountOp::EmptyRoot { .. }) => Some(Slot::Root),
        Op::Mount(MountOp::Filesystem { keep, .. }) => *keep,
        Op::Mount(
            MountOp::CloneTree { slot, .. }
            | MountOp::CloneDevice { slot, .. }
            | MountOp::MapTree { slot, .. },
        )
        | Op::Cgroup(CgroupOp::OpenTasks { slot, .. }) => Some(*slot),
        Op::Cgroup(CgroupOp::OpenDirectory { .. }) => Some(Slot::CgroupDirectory),
        Op::State(StateOp::OpenDoor) => Some(Slot::Door),
        Op::Namespace(
            NamespaceOp::Open { kind, .. }
            | NamespaceOp::OpenHeld { kind }
            | NamespaceOp::Make { kind },
        ) => Some(Slot::Namespace(*kind)),
        // The one that is sent.
        Op::Sync(SyncOp::Await(Token::NetworkMade)) => Some(Slot::Namespace(NamespaceKind::Net)),
        Op::Namespace(NamespaceOp::Hold { keep: true, .. }) => Some(Slot::Held),
        Op::Process(ProcessOp::HoldProc) => Some(Slot::Proc),
        Op::Mount(MountOp::FindDevpts) => Some(Slot::Devpts),
        Op::Hook(HookOp::MakeState { kind }) => Some(Slot::HookState(*kind)),
        _ => None,
    }
}

/// The descriptors a step uses.
fn uses(op: &Op) -> Vec<Slot> {
    match op {
        Op::Mount(MountOp::Attach { slot, .. }) => [Slot::Root, *slot].into(),
        Op::Mount(MountOp::OpenTerminal { console: false, .. }) => [Slot::Devpts].into(),
        Op::Mount(MountOp::OpenTerminal { .. }) => [Slot::Root, Slot::Devpts].into(),
        Op::Mount(
            MountOp::IsolateTree { .. }
            | MountOp::PrepareRoot { .. }
            | MountOp::EmptyRoot { .. }
            | MountOp::FindDevpts,
        )
        | Op::Mount(
            MountOp::CloneTree { .. } | MountOp::CloneDevice { .. } | MountOp::MapTree { .. },
        ) => Vec::new(),
        Op::Mount(_) => [Slot::Root].into(),
        Op::Cgroup(CgroupOp::Enter { slot }) => [*slot].into(),
        Op::Sync(SyncOp::AwaitKnock) => [Slot::Door].into(),
        Op::Sync(SyncOp::Signal(Token::NetworkMade)) => {
            [Slot::Namespace(NamespaceKind::Net)].into()
        }
        Op::Namespace(NamespaceOp::Join { kind }) => [Slot::Namespace(*kind)].into(),
        Op::Namespace(NamespaceOp::JoinHeld { .. }) => [Slot::Held].into(),
        Op::Hook(HookOp::WriteState { kind, .. }) => [Slot::HookState(*kind)].into(),
        Op::Hook(HookOp::Run { kind, .. }) if kind.is_inside() => [Slot::HookState(*kind)].into(),
        Op::Namespace(NamespaceOp::Sysctl { .. })
        | Op::Privilege(PrivilegeOp::ExecLabel { .. }) => [Slot::Proc].into(),
        Op::Process(ProcessOp::Clone { flags, .. })
            if flags.contains(CloneFlags::CLONE_INTO_CGROUP) =>
        {
            [Slot::CgroupDirectory].into()
        }
        _ => Vec::new(),
    }
}

/// Checks [`Rule::Slot`]: a child gets a copy of its parent's descriptors as they are at the clone; nothing flows back.
pub(super) fn slots(plan: &Plan) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut held: BTreeSet<Slot> = BTreeSet::new();
    for actor in Actor::ALL {
        let mut own = held.clone();
        for (index, step) in (0u16..).zip(plan.script(actor)) {
            if uses(&step.op).iter().any(|slot| !own.contains(slot)) {
                broken.push(Broken { rule: Rule::Slot, step: Some(StepId { actor, index }) });
            }
            own.extend(makes(&step.op));
            if matches!(step.op, Op::Process(ProcessOp::Clone { .. })) {
                held.clone_from(&own);
            }
        }
    }
    broken
}
