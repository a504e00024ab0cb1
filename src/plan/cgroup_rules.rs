//! What holds of cgroups in every plan: limited before init goes on in them, of devices before any program does, and shown
//! only after that; and of classes of service, which init is in before it is told that it may go on.

use alloc::vec::Vec;

use super::invariants::{Broken, Rule, fault, first, last, ordered};
use super::model::{Actor, Plan, Step};
use super::op::{CgroupOp, NamespaceOp, Op, ProcessOp, SyncOp, Token};
use super::resctrl_op::ResctrlOp;
use crate::types::NamespaceKind;

/// Checks [`Rule::CgroupOrder`].
pub(super) fn order(plan: &Plan) -> Vec<Broken> {
    let limits =
        |op: &Op| matches!(op, Op::Cgroup(CgroupOp::Write { .. } | CgroupOp::InheritCpuset { .. }));
    // Of devices, the program is kept from, and not init.
    let polices = |op: &Op| matches!(op, Op::Cgroup(CgroupOp::DevicePolicy { .. }));
    let records = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(Token::Recorded)));
    let scopes = |op: &Op| matches!(op, Op::Cgroup(CgroupOp::StartScope { .. }));
    // A scope is made around a process, which waits until it is limited.
    let has_scope = first(&plan.parent, scopes).is_some();
    let clones = |op: &Op| match op {
        Op::Process(ProcessOp::Clone { .. }) => !has_scope,
        Op::Sync(SyncOp::Signal(Token::Placed)) => has_scope,
        _ => false,
    };
    let enters = |op: &Op| {
        matches!(op, Op::Cgroup(CgroupOp::Enter { .. }) | Op::Sync(SyncOp::Await(Token::Placed)))
    };
    let unshares =
        |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Unshare { kind: NamespaceKind::Cgroup }));
    let waits = |op: &Op| matches!(op, Op::Sync(SyncOp::Await(Token::Placed)));
    let is_stray = plan
        .steps()
        .any(|(id, step)| matches!(step.op, Op::Resctrl(_)) && id.actor != Actor::Parent);
    let starts = |op: &Op| matches!(op, Op::Process(ProcessOp::Clone { .. }));
    let makes = |op: &Op| matches!(op, Op::Resctrl(op) if !matches!(op, ResctrlOp::Assign { .. }));
    let assigns = |op: &Op| matches!(op, Op::Resctrl(ResctrlOp::Assign { .. }));
    let tells = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(Token::Placed | Token::Recorded)));
    let classes_hold = !is_stray
        && ordered(&plan.parent, makes, starts)
        && ordered(&plan.parent, starts, assigns)
        && first(&plan.parent, assigns)
            .is_none_or(|at| last(&plan.parent, tells).is_some_and(|told| at < told));
    // Init's own is on the directory that it is born in.
    let opened = plan.parent.iter().find_map(|step| match &step.op {
        Op::Cgroup(CgroupOp::OpenDirectory { directory }) => Some(directory),
        _ => None,
    });
    let is_on_another = |step: &Step| match &step.op {
        Op::Cgroup(CgroupOp::DevicePolicy { directory, .. }) => Some(directory) != opened,
        _ => false,
    };
    let holds = classes_hold
        && !plan.init.iter().any(is_on_another)
        && ordered(&plan.parent, limits, clones)
        && ordered(&plan.parent, scopes, limits)
        && ordered(&plan.parent, scopes, polices)
        && ordered(&plan.parent, polices, records)
        && ordered(&plan.init, enters, unshares)
        && (!has_scope || first(&plan.init, waits).is_some());
    fault(Rule::CgroupOrder, !holds).into_iter().collect()
}
