//! A container that was created is started: its init gets the word, and what remains of the plan is carried out.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::error::{ApplyError, Cause};
use super::io::Io;
use super::journal::Journal;
use super::running::{Running, StateError};
use super::script::Script;
use super::spawn::{Launcher, Started};
use super::state::Directory;
use super::state_dir::StateDir;
use crate::plan::{Actor, MountApi, Plan, Resolver, StartScript, StepId, Topology};
use crate::sys::Fault;
use crate::types::Errno;

/// Why a container was not started.
#[derive(Clone, Debug)]
pub enum StartError {
    /// There is none that could be.
    State(StateError),
    /// A step failed. The container has ended.
    Step {
        /// Which, and how.
        error: Box<ApplyError>,
        /// The program that was to run.
        program: String,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(error) => error.fmt(f),
            Self::Step { error, .. } => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

impl<E: Into<StateError>> From<E> for StartError {
    fn from(error: E) -> Self {
        Self::State(error.into())
    }
}

/// Starts a container that a plan of [`plan_created`](crate::plan::plan_created)'s has made; returns when its program runs.
///
/// Once init has taken the connection the program is started, also when the caller is killed meanwhile; before, it goes on
/// waiting.
///
/// # Errors
/// When there is no container that waits, or the step that failed.
pub fn start(state: &StateDir) -> Result<(), StartError> {
    let StateDir { root, id } = state;
    let absent = || StateError::Absent { id: id.clone() };
    let directory = Directory::existing(root, id)?.ok_or_else(absent)?;
    let record = directory.record(id)?.ok_or_else(|| StateError::NoRecord { id: id.clone() })?;
    let bundle = record.bundle.clone();
    let running = Running::hold(record)?;
    let script = match directory.script() {
        Err(_) if running.status() == Ok(super::Status::Running) => {
            return Err(StateError::Started { id: id.clone() }.into());
        }
        answer => answer?,
    };
    let plan = of_starter(&script);
    let io = Io { state: Some(state.clone()), bundle, ..Io::default() };
    let mut launcher = Launcher::new(Script::Lent(&plan), io, None, 0)
        .map_err(|error| step_error(&script, error))?;
    launcher.journal = Journal::of(directory);
    launcher.init = Some(Started { pid: running.pid(), pidfd: None, tick: None });
    match launcher.carry_out(0, plan.parent.len()) {
        Ok(()) => Ok(()),
        Err((step, cause)) => Err(why(&script, &running, step, cause)),
    }
}

/// A plan of which only the starter's script is left, which is the parent's of this process.
fn of_starter(script: &StartScript) -> Plan {
    Plan {
        schema: Plan::SCHEMA,
        topology: Topology::CopiedMemory,
        mount_api: MountApi::Classic,
        resolver: Resolver::PartByPart,
        parent: script.steps.clone(),
        intermediate: Vec::new(),
        init: Vec::new(),
        start: Vec::new(),
        notes: Vec::new(),
    }
}

/// In the words that the plan had.
fn why(script: &StartScript, running: &Running, step: StepId, cause: Cause) -> StartError {
    let id = &running.record().id;
    let is_refused = |fault: Fault| fault.is(Errno::ENOENT) || fault.is(Errno(111));
    let is_other = match &cause {
        // Nobody waits there any more, or somebody else's turn came first.
        Cause::Kernel(fault) => step.actor == Actor::Parent && is_refused(*fault),
        Cause::Ended { .. } => true,
        _ => false,
    };
    if is_other && running.status() == Ok(super::Status::Running) {
        return StateError::Started { id: id.clone() }.into();
    }
    let mut error = ApplyError::unplanned(cause);
    let starters = |step: StepId| StepId { actor: Actor::Starter, ..step };
    if step.actor == Actor::Parent {
        let found = script.steps.get(usize::from(step.index));
        let words = found.map(|step| (step.origin.clone(), step.op.to_string()));
        error = error.at(starters(step), words, false);
    } else if let Some(left) = script.left.iter().find(|left| left.index == step.index) {
        let words = Some((left.origin.clone(), left.words.clone()));
        error = error.at(step, words, left.executes);
    }
    step_error(script, error)
}

fn step_error(script: &StartScript, error: ApplyError) -> StartError {
    StartError::Step { error: Box::new(error), program: script.program.clone() }
}
