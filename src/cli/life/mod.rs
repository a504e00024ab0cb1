//! The life of a container that engines keep: created, started, deleted.
//!
//! # References
//! OCI runtime-spec, `runtime.md`, "Lifecycle".

mod criu;
mod listen;
mod notify;
mod pid_file;
mod receivers;
mod socket;

use std::path::Path;

use super::args::{ContainerId, Request};
use super::bundle::{Owner, absolute, read_bundle};
use super::report::{EXIT_NOT_FOUND, EXIT_OWN, Failure, Problem, Sources};
use super::run::{Attempt, Job, failed, plan_with, state_root};
use super::seal::sealed_for;
use super::{exec, run, state};
use crate::apply::{self, Io, Sealed, StartError, StateDir, StateError, Status, spawn};
use crate::config::{Config, RootSwitch};
use crate::plan::{Plan, needs, plan_created};
use crate::types::HostPath;

pub use criu::{CheckpointAsked, ImageOptions, RestoreAsked};
pub(super) use notify::pass_word_on;
pub(super) use receivers::Receivers;

/// A step in a container's life.
#[derive(Debug)]
pub enum Life {
    /// It is made.
    Create(Create),
    /// Its program is run.
    Start(ContainerId),
    /// Both.
    Run {
        /// What is made.
        asked: Create,
        /// Not waited for: it stays until it is deleted.
        detach: bool,
    },
    /// It is written down.
    Checkpoint(CheckpointAsked),
    /// It goes on where it was.
    Restore(RestoreAsked),
}

/// What `create` was asked for.
#[derive(Debug)]
pub struct Create {
    /// The name.
    pub id: ContainerId,
    /// Where it is described.
    pub bundle: String,
    /// Program and arguments instead of those of the bundle; empty for these.
    pub command: Vec<String>,
    /// Where the number of its first process is written.
    pub pid_file: Option<String>,
    /// Where the master of its terminal is sent.
    pub console_socket: Option<String>,
    /// Where a pidfd of its first process is sent.
    pub pidfd_socket: Option<String>,
    /// How many descriptors from 3 on are passed to it.
    pub preserve_fds: u16,
    /// Whether the root is moved instead of pivoted.
    pub no_pivot: bool,
    /// Whether it keeps the caller's session keyring.
    pub no_new_keyring: bool,
}

/// Carries it out; the exit code.
///
/// # Errors
/// Every reason a start has, and when there is no such container.
pub fn live(
    request: &Request,
    life: &Life,
    sealed: Option<Sealed>,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    match life {
        Life::Create(asked) => create(request, asked, sealed, explain),
        Life::Start(id) => start(&state_root(request)?, id),
        Life::Run { asked, detach: true } => detached(request, asked, sealed, explain),
        Life::Run { asked, detach: false } => attended(request, asked, sealed, explain),
        Life::Checkpoint(asked) => criu::checkpoint(request, asked),
        Life::Restore(asked) => criu::restore(request, asked, explain),
    }
}

/// Created and started; what cannot be started does not stay.
fn detached(
    request: &Request,
    asked: &Create,
    sealed: Option<Sealed>,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    create(request, asked, sealed, explain)?;
    let root = state_root(request)?;
    start(&root, &asked.id).inspect_err(|_| {
        let _ = delete(&root, &asked.id, true);
    })
}

/// This command stays with it.
fn attended(
    request: &Request,
    asked: &Create,
    sealed: Option<Sealed>,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    if let Some(path) = &asked.console_socket {
        let text = format!("--console-socket {path}: only with --detach");
        let hint = "the terminal is copied by the command that stays";
        return Err(Problem::new(text).hint(hint).into());
    }
    let (config, sources, passed) = described(request, asked)?;
    let job = Job {
        bundle: Some(absolute(&asked.bundle)?),
        passed,
        sealed,
        pid_file: asked.pid_file.as_deref(),
        receivers: Receivers::connect(None, asked.pidfd_socket.as_deref(), "standard")?,
        ..Job::new(&config, &sources, asked.id.clone())
    };
    run::start(&state_root(request)?, explain, job)
}

/// The bundle with what the options say beside, and how many descriptors are passed on.
fn described(request: &Request, asked: &Create) -> Result<(Config, Sources, u16), Failure> {
    let (document, sources) = read_bundle(&asked.bundle)?;
    let is_root = request.is_root();
    let config = document.config(&asked.command, &Owner { id: Some(&asked.id), is_root })?;
    let mut config = request.driven(config);
    if asked.no_pivot {
        config.root.switch = RootSwitch::MoveMount;
    }
    config.new_keyring &= !asked.no_new_keyring;
    let listening = listen::inherit(&mut config);
    notify::prepare(&mut config, &state_root(request)?, &asked.id)?;
    Ok((config, sources, listening.saturating_add(asked.preserve_fds)))
}

fn create(
    request: &Request,
    asked: &Create,
    sealed: Option<Sealed>,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    let (config, sources, passed) = described(request, asked)?;
    let sealed = sealed_for(&config, sealed)?;
    let receivers = receivers(&config, asked)?;
    let (plan, ignored) =
        plan_with(&needs(&config), &sources, |facts| plan_created(&config, facts))?;
    explain(&plan);
    let root = state_root(request)?;
    state::prepare(&root, nix::unistd::geteuid().as_raw())?;
    let passed = exec::passed(passed)?;
    let io = Io {
        state: Some(StateDir { root: root.as_str().into(), id: asked.id.to_string() }),
        bundle: Some(absolute(&asked.bundle)?),
        passed,
        ignored,
        sealed,
        ..Io::default()
    };
    let mut container = spawn(&plan, io).map_err(|error| {
        let program = config.process.as_ref().and_then(|process| process.args.first());
        failed(&Attempt { plan: &plan, program, sources: &sources }, &error)
    })?;
    receivers.announce(&mut container, asked.pid_file.as_deref())?;
    Ok(0)
}

/// A terminal needs somebody to go to, who is looked for before anything is made.
fn receivers(config: &Config, asked: &Create) -> Result<Receivers, Failure> {
    let wants = config.process.as_ref().is_some_and(|process| process.terminal);
    let socket = asked.console_socket.as_deref();
    match (wants, socket) {
        (true, None) => {
            let hint = "--console-socket FILE says where the terminal's master is sent";
            let text = "a container with a terminal cannot be created alone";
            Err(Problem::new(text).hint(hint).into())
        }
        (false, Some(path)) => {
            let text = format!("--console-socket {path}: the container has no terminal");
            Err(Problem::new(text).hint("process.terminal in config.json asks for one").into())
        }
        _ => Receivers::connect(socket, asked.pidfd_socket.as_deref(), "standard"),
    }
}

fn start(root: &HostPath, id: &ContainerId) -> Result<u8, Failure> {
    let state = StateDir { root: root.as_str().into(), id: id.to_string() };
    let socket = notify::listen(root, id)?;
    match apply::start(&state) {
        Ok(()) => {
            if let Some(socket) = socket {
                // One that has ended by now may have said it before.
                let look = || apply::record(Path::new(root.as_str()), id.as_str());
                let listed = look().map_err(|error| of_state(&error, root))?;
                let pid = listed.record.map_or(0, |record| record.pid);
                let lives = || look().is_ok_and(|listed| listed.status != Status::Stopped);
                socket.pass_on(pid, &lives)?;
            }
            Ok(0)
        }
        Err(StartError::State(error)) => Err(of_state(&error, root)),
        Err(StartError::Step { error, program }) => {
            let why = match error.exit_code() {
                Some(EXIT_NOT_FOUND) => "not found in the container: ",
                Some(_) => "cannot be executed: ",
                None => "",
            };
            let text = match why {
                "" => error.to_string(),
                why => format!("`{program}`: {why}{error}"),
            };
            let exit = error.exit_code().unwrap_or(EXIT_OWN);
            Err(Failure { exit, problems: vec![Problem::new(text)] })
        }
    }
}

/// Removes a container that stays until it is deleted; `None` for one whose command stays with it.
///
/// # Errors
/// When there is none of that name and it is no matter of force, when it runs, or something cannot be undone.
pub fn delete(root: &HostPath, id: &ContainerId, force: bool) -> Result<Option<()>, Failure> {
    let state = StateDir { root: Path::new(root.as_str()).into(), id: id.to_string() };
    match apply::is_created(&state) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        // What is gone need not be ended.
        Err(StateError::Absent { .. }) if force => return Ok(Some(())),
        Err(error) => return Err(of_state(&error, root)),
    }
    let left = apply::remove(&state, force).map_err(|error| of_state(&error, root))?;
    let problems: Vec<_> = left.iter().map(|left| Problem::new(left.to_string()).at(id)).collect();
    match problems.is_empty() {
        true => Ok(Some(())),
        false => Err(Failure { exit: EXIT_OWN, problems }),
    }
}

/// With where it was looked for, or what helps.
fn of_state(error: &StateError, root: &HostPath) -> Failure {
    let hint = match error {
        StateError::Absent { .. } => {
            format!("state is looked for in {root}; --root DIR says another place")
        }
        StateError::StillRunning { .. } => "--force ends it".into(),
        _ => String::new(),
    };
    Problem::of(error).hint(hint).into()
}
