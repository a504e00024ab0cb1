//! What holds of cgroups in every plan: limited before init goes on in them, and shown only after that.

use alloc::vec::Vec;

use super::invariants::{Broken, Rule, fault, first, ordered};
use super::model::Plan;
use super::op::{CgroupOp, NamespaceOp, Op, ProcessOp, SyncOp, Token};
use crate::types::NamespaceKind;

/// Checks [`Rule::CgroupOrder`].
pub(super) fn order(plan: &Plan) -> Vec<Broken> {
    let limits = |op: &Op| {
        matches!(
            op,
            Op::Cgroup(
                CgroupOp::Write { .. }
                    | CgroupOp::DevicePolicy { .. }
                    | CgroupOp::InheritCpuset { .. }
            )
        )
    };
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
    let holds = ordered(&plan.parent, limits, clones)
        && ordered(&plan.parent, scopes, limits)
        && ordered(&plan.init, enters, unshares)
        && (!has_scope || first(&plan.init, waits).is_some());
    fault(Rule::CgroupOrder, !holds).into_iter().collect()
}
