//! Decides whether a small init stays as the container's first process, and says what holds of every plan with one.

use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::Refusal;
use super::invariants::{Broken, Rule, first, ordered};
use super::model::{Actor, Plan, Step, Topology};
use super::op::{Op, PrivilegeOp, ProcessOp, SyncOp, Token, UserOp};
use crate::config::Process;
use crate::types::{Capability, CloneFlags, NamespaceKind};

/// The step, for a process that asks for one.
///
/// It comes after every right was given up and every descriptor closed, so that init has no more than the program has.
pub(super) fn plan(draft: &mut Draft<'_>, process: &Process) -> Option<Step> {
    if !process.init {
        return None;
    }
    let origin = at("/process/init");
    draft.require_created(&origin, NamespaceKind::Pid);
    let sets = process.capabilities.unwrap_or_default();
    let may_trace = sets.bounding.union(sets.permitted).contains(Capability::SYS_PTRACE);
    if may_trace && !draft.changes_userns() {
        let reason = "an init that stays has a copy of the launcher's memory, which CAP_SYS_PTRACE may read without a user namespace";
        draft.refuse(&origin, Refusal::Contradiction { reason });
    }
    let op = ProcessOp::Supervise { terminal: process.terminal };
    Some(step(Op::Process(op), &origin))
}

/// Checks [`Rule::MinimalInit`].
pub(super) fn rule(plan: &Plan) -> Vec<Broken> {
    let stays = |op: &Op| matches!(op, Op::Process(ProcessOp::Supervise { .. }));
    let all: Vec<_> = plan.steps().filter(|(_, step)| stays(&step.op)).collect();
    let Some((id, _)) = all.first() else { return Vec::new() };
    let script = &plan.init;
    let gives_up = |op: &Op| {
        let is_label = matches!(op, Op::Privilege(PrivilegeOp::ExecLabel { .. }));
        let is_privilege = matches!(op, Op::Privilege(_)) && !is_label;
        let is_id = matches!(op, Op::User(UserOp::SetIds { .. } | UserOp::SetGroups { .. }));
        is_privilege || is_id || matches!(op, Op::Process(ProcessOp::CloseDescriptors))
    };
    let ready = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(Token::Ready)));
    let has_pid_namespace = plan.steps().any(|(_, step)| {
        matches!(&step.op, Op::Process(ProcessOp::Clone { flags, starts: Actor::Init })
            if flags.contains(CloneFlags::CLONE_NEWPID))
    });
    let holds = all.len() == 1
        && plan.topology != Topology::SharedMemory
        && has_pid_namespace
        && first(script, stays).is_some()
        && ordered(script, gives_up, stays)
        && ordered(script, stays, ready);
    let broken = Broken { rule: Rule::MinimalInit, step: Some(*id) };
    (!holds).then_some(broken).into_iter().collect()
}
