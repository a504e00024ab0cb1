//! Who fills which descriptor, and how long it stays.

use alloc::vec::Vec;

use crate::apply::program::{Act, Place};
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

/// What hooks are told stays open until the last hook that is told it, and the door until somebody comes.
pub(super) fn keep_open(script: &mut [Act], door: Option<Place>) {
    let mut told = Vec::new();
    for act in script.iter_mut().rev() {
        match act {
            Act::Hook(hook) => {
                hook.is_last = !told.contains(&hook.state);
                told.push(hook.state);
            }
            Act::CloseDescriptors { keep } => *keep = [told.first().copied(), door],
            _ => {}
        }
    }
}
