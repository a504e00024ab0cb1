//! What holds of joining in every plan: all is opened before anything is joined, the user namespace first, mnt last.

use alloc::vec::Vec;

use super::invariants::{Broken, Rule, fault, ordered};
use super::model::Plan;
use super::op::{NamespaceOp, Op};
use crate::types::NamespaceKind;

pub(super) fn join_order(plan: &Plan) -> Vec<Broken> {
    let joins = |op: &Op| {
        matches!(op, Op::Namespace(NamespaceOp::Join { .. } | NamespaceOp::JoinHeld { .. }))
    };
    let opens = |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Open { .. }));
    let of = |kind| move |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Join { kind: k }) if *k == kind);
    let others = |op: &Op| joins(op) && !of(NamespaceKind::User)(op);
    let before_mnt = |op: &Op| joins(op) && !of(NamespaceKind::Mnt)(op);
    let holds = [&plan.intermediate, &plan.init].into_iter().all(|script| {
        ordered(script, opens, joins)
            && ordered(script, of(NamespaceKind::User), others)
            && ordered(script, before_mnt, of(NamespaceKind::Mnt))
    });
    fault(Rule::JoinOrder, !holds).into_iter().collect()
}
