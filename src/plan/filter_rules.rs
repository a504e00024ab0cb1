//! What holds of a system call filter in every plan: the kernel would take it, from init, which by then does nothing more
//! than to execute programs of the container's; and whose listener it has is told.

use alloc::vec::Vec;

use super::hook_op::HookKind;
use super::hook_rules::runs;
use super::invariants::{Broken, Rule, first};
use super::model::{Actor, Plan, StepId};
use super::op::{Op, PrivilegeOp, ProcessOp, SyncOp, Token};
use super::seccomp;
use crate::types::{Capability, FilterFlags};

/// Whether a step installs a filter.
pub(super) fn filters(op: &Op) -> bool {
    matches!(op, Op::Privilege(PrivilegeOp::Seccomp { .. }))
}

/// Checks [`Rule::Filter`].
pub(super) fn filter(plan: &Plan) -> Vec<Broken> {
    let count = plan.init.iter().filter(|step| filters(&step.op)).count();
    let mut broken: Vec<_> = plan
        .steps()
        .filter(|(id, step)| match &step.op {
            Op::Privilege(PrivilegeOp::Seccomp { program, .. }) => {
                id.actor != Actor::Init || count > 1 || seccomp::check(program).is_err()
            }
            Op::Privilege(PrivilegeOp::ConnectAgent { .. } | PrivilegeOp::SendListener { .. }) => {
                let outside = if plan.start.is_empty() { Actor::Parent } else { Actor::Starter };
                id.actor != outside
            }
            _ => false,
        })
        .map(|(id, _)| Broken { rule: Rule::Filter, step: Some(id) })
        .collect();
    let at = plan.init.iter().position(|step| filters(&step.op));
    // Whatever comes after it is under it: programs of the container's, and all of them.
    let is_under = |op: &Op| {
        runs(op, HookKind::StartContainer) || matches!(op, Op::Process(ProcessOp::Execute { .. }))
    };
    let is_late = |at: usize| {
        let (before, after) = (&plan.init[..at], &plan.init[at + 1..]);
        after.iter().all(|step| is_under(&step.op)) && first(before, is_under).is_none()
    };
    if let Some(at) = at.filter(|at| !is_late(*at) || !is_entitled(plan, *at)) {
        let step = u16::try_from(at).ok().map(|index| StepId { actor: Actor::Init, index });
        broken.push(Broken { rule: Rule::Filter, step });
    }
    if !agent_holds(plan) {
        broken.push(Broken { rule: Rule::Filter, step: None });
    }
    broken
}

/// No new privileges, or `CAP_SYS_ADMIN` in the sets that are the last to be set.
fn is_entitled(plan: &Plan, at: usize) -> bool {
    let before = &plan.init[..at];
    let renounces = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::NoNewPrivileges));
    let sets = before.iter().rev().find_map(|step| match &step.op {
        Op::Privilege(PrivilegeOp::SetCapabilities { effective, .. }) => Some(*effective),
        _ => None,
    });
    first(before, renounces).is_some()
        || sets.is_some_and(|effective| effective.contains(Capability::SYS_ADMIN))
}

/// A listener is sent on after it has come, over a connection that is there before init is.
fn agent_holds(plan: &Plan) -> bool {
    let listens = plan.init.iter().any(|step| match &step.op {
        Op::Privilege(PrivilegeOp::Seccomp { flags, .. }) => {
            flags.contains(FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER)
        }
        _ => false,
    });
    let connects = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::ConnectAgent { .. }));
    let sends = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::SendListener { .. }));
    let comes = |op: &Op| *op == Op::Sync(SyncOp::Await(Token::Listener));
    let script = if plan.start.is_empty() { &plan.parent } else { &plan.start };
    let positions = [first(script, connects), first(script, comes), first(script, sends)];
    match positions {
        [None, None, None] => !listens,
        [Some(connects), Some(comes), Some(sends)] => listens && connects < comes && comes < sends,
        _ => false,
    }
}
