//! Who fills which descriptor.

use alloc::vec::Vec;

use crate::plan::{CgroupOp, HookOp, MountOp, NamespaceOp, Op, ProcessOp, Slot, StateOp, Step};

/// The slots that the launcher fills.
pub(super) fn by_launcher(script: &[Step]) -> Vec<Slot> {
    let filled = |step: &Step| match &step.op {
        Op::Cgroup(CgroupOp::OpenTasks { slot, .. }) => Some(*slot),
        Op::Cgroup(CgroupOp::OpenDirectory { .. }) => Some(Slot::CgroupDirectory),
        Op::Mount(MountOp::MapTree { slot, .. }) => Some(*slot),
        Op::Hook(HookOp::MakeState { kind }) => Some(Slot::HookState(*kind)),
        Op::Namespace(NamespaceOp::Hold { keep: true, .. }) => Some(Slot::Held),
        Op::Namespace(NamespaceOp::OpenHeld { kind }) => Some(Slot::Namespace(*kind)),
        Op::Process(ProcessOp::HoldProc) => Some(Slot::Proc),
        Op::State(StateOp::OpenDoor) => Some(Slot::Door),
        _ => None,
    };
    script.iter().filter_map(filled).collect()
}
