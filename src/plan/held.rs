//! Decides what is left to the start of a container that was only created: init's last wait, and the starter's script.
//!
//! OCI runtime-spec, `runtime.md`, "Lifecycle": `create` does everything but to run the program, `start` runs it. Between
//! the two init waits at a socket in the container's state directory. Who connects to it gives the word, and the
//! connection takes the place of the channel to the parent, which is gone by then.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::draft::{Draft, at, step, step_undone};
use super::hooks::Hooks;
use super::invariants::{Broken, Rule, first, ordered};
use super::model::{Plan, Step, Undo};
use super::op::{Op, ProcessOp, StateOp, SyncOp, Token};
use super::seccomp::Placed;
use crate::types::Pointer;

/// The starter's script, and the words for those of init's steps that come after the word: what `start` needs of a plan
/// that another process has carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartScript {
    /// Version of this format: that of the plan's.
    pub schema: u32,
    /// The starter's steps.
    pub steps: Vec<Step>,
    /// Init's remaining ones.
    pub left: Vec<LeftStep>,
    /// The program, as the config names it.
    pub program: String,
}

/// One of init's steps, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeftStep {
    /// Its index in init's script.
    pub index: u16,
    /// The part of the config that asked for it.
    pub origin: Pointer,
    /// What it does.
    pub words: String,
    /// Whether it executes the program.
    pub executes: bool,
}

impl StartScript {
    /// What the start of a container of that plan needs.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let waits_at = first(&plan.init, waits).unwrap_or(plan.init.len());
        let left = (0u16..).zip(&plan.init).skip(waits_at).map(|(index, step)| LeftStep {
            index,
            origin: step.origin.clone(),
            words: step.op.to_string(),
            executes: executes(&step.op),
        });
        let program = plan.init.iter().rev().find_map(|step| match &step.op {
            Op::Process(ProcessOp::Execute { args, .. }) => args.first().cloned(),
            _ => None,
        });
        Self {
            schema: Plan::SCHEMA,
            steps: plan.start.clone(),
            left: left.collect(),
            program: program.unwrap_or_default(),
        }
    }

    /// Reads one back; `None` for what no launcher of this version has written.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        let script: Self = serde_json::from_str(text).ok()?;
        (script.schema == Plan::SCHEMA).then_some(script)
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // It holds no map with keys that are not strings and no float: serialising cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The parent's step that makes the socket: behind the journal, before the clone.
fn door() -> Step {
    let undo = Undo::by(Op::State(StateOp::RemoveDoor));
    step_undone(Op::State(StateOp::OpenDoor), &at("/process"), undo)
}

/// Where the container is listened at, and where it is listened to.
pub(super) fn rooms(draft: &Draft<'_>) -> impl Iterator<Item = Step> {
    let word = draft.config.notify.as_ref().map(|_| notify());
    draft.is_held().then(door).into_iter().chain(word)
}

/// Where the container says that it is ready.
fn notify() -> Step {
    let undo = Undo::by(Op::State(StateOp::RemoveNotify));
    step_undone(Op::State(StateOp::MakeNotify), &at("/notify"), undo)
}

/// The parent's last steps.
pub(super) fn keep() -> [Step; 2] {
    let created = Op::Sync(SyncOp::Await(Token::Created));
    [step(created, &at("/process")), step(Op::State(StateOp::Keep), &at("/process"))]
}

/// Init's steps: the program is looked for while the parent is there to be told, then the word is awaited.
pub(super) fn wait(execute: Option<&Step>) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(Step { op: Op::Process(ProcessOp::Execute { candidates, .. }), origin, .. }) =
        execute
    {
        let find = ProcessOp::Find { candidates: candidates.clone() };
        steps.push(step(Op::Process(find), origin));
    }
    let sync = |op| step(Op::Sync(op), &at("/process"));
    steps.push(sync(SyncOp::Signal(Token::Created)));
    steps.push(sync(SyncOp::AwaitKnock));
    steps
}

/// The starter's script: as the parent's last steps where nothing is held.
pub(super) fn start(filter: &Placed, hooks: &Hooks) -> Vec<Step> {
    let sync = |op| step(Op::Sync(op), &at("/process"));
    let mut steps = Vec::from_iter(filter.connect.clone());
    steps.push(sync(SyncOp::Knock));
    steps.push(sync(SyncOp::Await(Token::Ready)));
    steps.extend(filter.hand_over.iter().cloned());
    steps.push(sync(SyncOp::AwaitExec));
    steps.extend(hooks.poststart.iter().cloned());
    steps
}

fn executes(op: &Op) -> bool {
    matches!(op, Op::Process(ProcessOp::Execute { .. } | ProcessOp::Find { .. }))
}

fn waits(op: &Op) -> bool {
    matches!(op, Op::Sync(SyncOp::AwaitKnock))
}

/// Checks [`Rule::Held`]: with a starter's script init waits for its word once, after it has given up its rights, closed
/// its descriptors and told the parent; the parent keeps the container and does nothing more.
pub(super) fn rule(plan: &Plan) -> Vec<Broken> {
    let is_about = |op: &Op| {
        waits(op)
            || matches!(op, Op::State(StateOp::OpenDoor | StateOp::Keep))
            || matches!(op, Op::Sync(SyncOp::Knock | SyncOp::Signal(Token::Created)))
    };
    let counts = |script: &[Step], op: &Op| script.iter().filter(|step| step.op == *op).count();
    let sync = |op| Op::Sync(op);
    let holds = if plan.start.is_empty() {
        !plan.steps().any(|(_, step)| is_about(&step.op))
    } else {
        let closes = |op: &Op| matches!(op, Op::Process(ProcessOp::CloseDescriptors));
        let gives_up = |op: &Op| matches!(op, Op::User(_) | Op::Mount(_) | Op::Namespace(_));
        let tells = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(Token::Created)));
        counts(&plan.init, &sync(SyncOp::AwaitKnock)) == 1
            && counts(&plan.start, &sync(SyncOp::Knock)) == 1
            && counts(&plan.parent, &Op::State(StateOp::OpenDoor)) == 1
            && counts(&plan.parent, &Op::State(StateOp::Keep)) == 1
            && plan.parent.last().is_some_and(|step| step.op == Op::State(StateOp::Keep))
            && [closes as fn(&Op) -> bool, gives_up, tells]
                .into_iter()
                .all(|early| ordered(&plan.init, early, waits))
    };
    (!holds).then_some(Broken { rule: Rule::Held, step: None }).into_iter().collect()
}
