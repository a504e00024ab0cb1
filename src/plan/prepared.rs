//! Decides what is left to a container that is prepared before its program is known: init's wait, and the parent's word.

use alloc::vec::Vec;

use super::draft::{Draft, Word, at, step};
use super::error::{PlanError, Refusal};
use super::invariants::{Broken, Rule, first, ordered};
use super::model::{Plan, Step, Topology};
use super::op::{Op, PrivilegeOp, ProcessOp, SyncOp, Token, UserOp};
use super::{plan_draft, privileges, program};
use crate::config::{Config, Process};
use crate::facts::HostFacts;

/// Plans a container whose init waits for the word to run its program, which may bring another program than the config's:
/// arguments, environment, working directory and standard descriptors. Everything else is done by then, and init has no
/// more rights than the program. Its memory is a copy of the launcher's ([`Topology::CopiedMemory`]), for as long as it
/// waits.
///
/// # Errors
/// As [`plan`](super::plan); also for a parent-death signal, which would be tied to the thread that prepares, and for an
/// init that stays.
///
/// ```
/// use nsplan::{config::Config, facts::HostFacts, plan::plan_prepared, types::HostPath};
///
/// let root = HostPath::new("/srv/rootfs").expect("absolute");
/// let mut config = Config::sandbox(root, vec!["true".into()], false);
/// config.process.as_mut().expect("a sandbox has one").parent_death_signal = None;
/// let plan = plan_prepared(&config, &HostFacts::example()).expect("root may do this");
/// assert!(plan.to_string().contains("wait: the program to run"));
/// ```
pub fn plan_prepared(config: &Config, facts: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    let mut draft = Draft::new(config, facts);
    draft.word = Word::Parent;
    if let Some(process) = &config.process {
        let reason = "a container that is prepared ahead has no parent to die with";
        if process.parent_death_signal.is_some() {
            draft.refuse(&at("/process/parentDeathSignal"), Refusal::Contradiction { reason });
        }
        if process.init {
            let what = "an init that stays, in a container that is prepared ahead,";
            draft.refuse(&at("/process/init"), Refusal::NotSupported { what });
        }
    }
    plan_draft(draft)
}

/// What is executed for `process` in a container of `config`'s: the last step of a plan whose config has that process.
///
/// # Errors
/// As [`plan`](super::plan), of the program, its environment and its user alone.
pub fn execution(
    process: &Process,
    config: &Config,
    facts: &HostFacts,
) -> Result<ProcessOp, Vec<PlanError>> {
    let mut draft = Draft::new(config, facts);
    let user = privileges::user(&mut draft, process);
    draft.check_nul(&at("/process/cwd"), process.cwd.as_str());
    match program::execute(&mut draft, process, &user).map(|step| step.op) {
        Some(Op::Process(op)) if draft.errors.is_empty() => Ok(op),
        _ => Err(draft.errors),
    }
}

/// Init's steps, once it has given up its rights and closed its descriptors.
pub(super) fn wait() -> [Step; 2] {
    [SyncOp::Signal(Token::Prepared), SyncOp::Await(Token::Payload)].map(sync)
}

/// The parent's: the first ends what is done ahead.
pub(super) fn hand_out() -> [Step; 2] {
    [SyncOp::Await(Token::Prepared), SyncOp::Signal(Token::Payload)].map(sync)
}

fn sync(op: SyncOp) -> Step {
    step(Op::Sync(op), &at("/process"))
}

/// Checks [`Rule::Prepared`]: an init that waits for its program has memory of its own and no right more than the program.
pub(super) fn rule(plan: &Plan) -> Vec<Broken> {
    let waits = |op: &Op| *op == Op::Sync(SyncOp::Await(Token::Payload));
    let all: Vec<_> = plan.steps().filter(|(_, step)| waits(&step.op)).collect();
    let Some((id, _)) = all.first() else { return Vec::new() };
    let script = &plan.init;
    let gives_up = |op: &Op| {
        let is_filter = matches!(op, Op::Privilege(PrivilegeOp::Seccomp { .. }));
        let is_privilege = matches!(op, Op::Privilege(_)) && !is_filter;
        is_privilege || matches!(op, Op::User(UserOp::SetIds { .. } | UserOp::SetGroups { .. }))
    };
    let closes = |op: &Op| matches!(op, Op::Process(ProcessOp::CloseDescriptors));
    let ready = |op: &Op| *op == Op::Sync(SyncOp::Signal(Token::Ready));
    let works = |op: &Op| matches!(op, Op::Mount(_) | Op::Namespace(_) | Op::Network(_));
    let holds = all.len() == 1
        && plan.topology != Topology::SharedMemory
        && first(script, waits).is_some()
        && [gives_up as fn(&Op) -> bool, closes, works]
            .into_iter()
            .all(|early| ordered(script, early, waits))
        && ordered(script, waits, ready);
    let broken = Broken { rule: Rule::Prepared, step: Some(*id) };
    (!holds).then_some(broken).into_iter().collect()
}
