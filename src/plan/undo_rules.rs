//! What holds of the undo in every plan: what is made for the container alone is removed, and by an undo only.

use alloc::vec::Vec;

use super::hook_op::{HookKind, HookOp};
use super::hook_rules::runs;
use super::invariants::{Broken, Rule};
use super::model::{Plan, Step, Undo};
use super::op::{CgroupOp, NetworkOp, Op, StateOp};
use super::resctrl_op::ResctrlOp;

/// Checks [`Rule::Undo`].
pub(super) fn undo(plan: &Plan) -> Vec<Broken> {
    let is_broken = |step: &Step| match (&step.op, &step.undo) {
        (op, _) if only_undoes(op) => true,
        (_, Undo::Op(undo)) if !only_undoes(undo) => true,
        (Op::Cgroup(CgroupOp::MakeDirectory { path, .. }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::Cgroup(CgroupOp::RemoveDirectory { path: removed, .. }) if removed == path)
        }
        (Op::Resctrl(ResctrlOp::MakeGroup { directory: made }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::Resctrl(ResctrlOp::RemoveGroup { directory }) if directory == made)
        }
        (Op::Network(NetworkOp::MakeVeth { host, .. }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::Network(NetworkOp::RemoveLink { host: removed }) if removed == host)
        }
        (Op::Network(NetworkOp::MoveLink { host, .. }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::Network(NetworkOp::ReturnLink { host: back, .. }) if back == host)
        }
        (Op::Cgroup(CgroupOp::MoveToLeaf { directory }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::Cgroup(CgroupOp::ReturnFromLeaf { directory: back }) if back == directory)
        }
        (Op::State(StateOp::WriteRecord { .. }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::State(StateOp::RemoveRecord))
        }
        (Op::State(StateOp::OpenDoor), Undo::Op(undo)) => {
            !matches!(&**undo, Op::State(StateOp::RemoveDoor))
        }
        (Op::State(StateOp::MakeNotify), Undo::Op(undo)) => {
            !matches!(&**undo, Op::State(StateOp::RemoveNotify))
        }
        (Op::Hook(HookOp::Promise), Undo::Op(undo)) => !runs(undo, HookKind::Poststop),
        (Op::Cgroup(CgroupOp::StartScope { unit, .. }), Undo::Op(undo)) => {
            !matches!(&**undo, Op::Cgroup(CgroupOp::StopScope { unit: ended, .. }) if ended == unit)
        }
        (
            Op::Cgroup(
                CgroupOp::MakeDirectory { .. }
                | CgroupOp::MoveToLeaf { .. }
                | CgroupOp::StartScope { .. },
            )
            | Op::Network(NetworkOp::MakeVeth { .. } | NetworkOp::MoveLink { .. })
            | Op::State(StateOp::WriteRecord { .. } | StateOp::OpenDoor | StateOp::MakeNotify)
            | Op::Hook(HookOp::Promise)
            | Op::Resctrl(ResctrlOp::MakeGroup { .. }),
            _,
        ) => true,
        _ => false,
    };
    let broken = plan.steps().filter(|(_, step)| is_broken(step));
    broken.map(|(id, _)| Broken { rule: Rule::Undo, step: Some(id) }).collect()
}

/// What takes back, and never stands in a script.
fn only_undoes(op: &Op) -> bool {
    matches!(
        op,
        Op::Cgroup(
            CgroupOp::RemoveDirectory { .. }
                | CgroupOp::Kill { .. }
                | CgroupOp::StopScope { .. }
                | CgroupOp::ReturnFromLeaf { .. }
        ) | Op::Network(NetworkOp::RemoveLink { .. } | NetworkOp::ReturnLink { .. })
            | Op::State(
                StateOp::CloseJournal
                    | StateOp::RemoveRecord
                    | StateOp::RemoveDoor
                    | StateOp::RemoveNotify,
            )
            | Op::Resctrl(ResctrlOp::RemoveGroup { .. })
    ) || runs(op, HookKind::Poststop)
}
