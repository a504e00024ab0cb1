//! What holds of the hooks in every plan: who runs them, and when.

use alloc::vec::Vec;

use super::hook_op::{HookKind, HookOp};
use super::invariants::{Broken, Rule, ordered};
use super::model::{Actor, Plan, Topology};
use super::op::{MountOp, Op, PrivilegeOp, ProcessOp, SyncOp};

/// Whether the operation runs hooks of that kind.
pub(super) fn runs(op: &Op, wanted: HookKind) -> bool {
    matches!(op, Op::Hook(HookOp::Run { kind, .. }) if *kind == wanted)
}

/// Checks [`Rule::Hook`].
pub(super) fn hooks(plan: &Plan) -> Vec<Broken> {
    let is_stray = |actor: Actor, op: &HookOp| match op {
        HookOp::Run { kind, hooks, .. } => {
            let is_told_by_parent = !kind.is_inside() && *kind != HookKind::Poststop;
            let is_by = match kind {
                HookKind::Poststart if !plan.start.is_empty() => Actor::Starter,
                _ if is_told_by_parent => Actor::Parent,
                _ => Actor::Init,
            };
            actor != is_by || *kind == HookKind::Poststop || hooks.is_empty()
        }
        HookOp::MakeState { kind } | HookOp::WriteState { kind, .. } => {
            actor != Actor::Parent || !kind.is_inside()
        }
        HookOp::Promise => actor != Actor::Parent,
    };
    let strays = plan.steps().filter_map(|(id, step)| match &step.op {
        Op::Hook(op) if is_stray(id.actor, op) => Some(Broken { rule: Rule::Hook, step: Some(id) }),
        _ => None,
    });
    let mut broken: Vec<_> = strays.collect();
    if !order_holds(plan) {
        broken.push(Broken { rule: Rule::Hook, step: None });
    }
    broken
}

fn order_holds(plan: &Plan) -> bool {
    let switches = |op: &Op| matches!(op, Op::Mount(MountOp::PivotRoot | MountOp::MoveRoot));
    let sets = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::SetCapabilities { .. }));
    let executes = |op: &Op| matches!(op, Op::Process(ProcessOp::Execute { .. }));
    let clones = |op: &Op| matches!(op, Op::Process(ProcessOp::Clone { .. }));
    let makes = |op: &Op| matches!(op, Op::Hook(HookOp::MakeState { .. }));
    let tells = |op: &Op| {
        matches!(op, Op::Hook(HookOp::WriteState { .. }))
            || runs(op, HookKind::Prestart)
            || runs(op, HookKind::CreateRuntime)
    };
    let script = if plan.start.is_empty() { &plan.parent } else { &plan.start };
    let runs_program = |op: &Op| matches!(op, Op::Sync(SyncOp::AwaitExec));
    let create = |op: &Op| runs(op, HookKind::CreateContainer);
    let start = |op: &Op| runs(op, HookKind::StartContainer);
    let has_inside = plan.init.iter().any(|step| create(&step.op) || start(&step.op));
    (!has_inside || plan.topology != Topology::SharedMemory)
        && ordered(&plan.parent, makes, clones)
        && ordered(&plan.parent, clones, tells)
        && ordered(script, runs_program, |op| runs(op, HookKind::Poststart))
        && ordered(&plan.init, create, switches)
        && ordered(&plan.init, sets, start)
        && ordered(&plan.init, start, executes)
}
