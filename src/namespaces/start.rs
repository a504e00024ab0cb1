//! A config and a command become a container that is waited for, and its exit code.

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::command::{Command, CreateCommand, SetupCommand};
use super::pure::get_namespace_flags;
use crate::apply::probe::{ProbeError, probe};
use crate::apply::{self, ApplyError, Container, Io, StateDir, StateError, Stdio, WaitError};
use crate::config::{Config, EnvVar, Hook, Process};
use crate::plan::{Plan, PlanError, needs, plan};
use crate::types::NamespaceKind;

/// Called once, when the container's program runs: with the container, whose pid it has and whose terminal it may take.
///
/// In the parent, on the thread that waits: while it does not return, nobody waits for the program.
pub type Started<'a> = Box<dyn FnOnce(&mut Container) + 'a>;

/// What a container is started with, beside its config and its program.
///
/// The original took readers and writers and copied; here they are descriptors, which need no threads and no end of input
/// to wait for. For a terminal of its own the config says so, and the master is in [`Container::terminal`] when
/// `started` is called.
#[derive(Default)]
pub struct Start<'a> {
    /// Descriptors 0, 1 and 2.
    pub stdio: [Stdio; 3],
    /// Descriptors 3, 4, 5… of the program.
    pub passed: Vec<OwnedFd>,
    /// A directory for this container's state, which is made: outside of its root, and one container's at a time. A
    /// relative path is made absolute here, once, by the caller's working directory. Without one, nothing can be undone
    /// after a `SIGKILL` of the caller.
    pub data_path: Option<PathBuf>,
    /// Builds the command of an init binary of the caller's own; without it nothing is executed but the container's
    /// program.
    pub create: Option<CreateCommand<'a>>,
    /// Builds the command of a setup process, for a config with a new user namespace.
    pub setup: Option<SetupCommand<'a>>,
    /// Called once, after `execve` of the container's program has succeeded.
    pub started: Option<Started<'a>>,
}

impl fmt::Debug for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").field("data_path", &self.data_path).finish_non_exhaustive()
    }
}

/// Why there is no exit code.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecError {
    /// The host could not be looked at.
    Probe(ProbeError),
    /// The config cannot be carried out here: all reasons. Nothing was made.
    Plan(Vec<PlanError>),
    /// A step failed, and everything before it was undone.
    Start(ApplyError),
    /// The container was started, and could not be waited for or has left something behind; how its program ended is
    /// inside if it is known.
    Wait(WaitError),
    /// The container cannot be joined.
    State(StateError),
    /// The data path cannot be used.
    DataPath {
        /// The path.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A callback built a command that is not the config's.
    Command {
        /// What is different.
        reason: &'static str,
    },
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe(error) => error.fmt(f),
            Self::Plan(errors) => errors.iter().enumerate().try_for_each(|(index, error)| {
                let between = if index == 0 { "" } else { "; " };
                write!(f, "{between}{error}")
            }),
            Self::Start(error) => error.fmt(f),
            Self::Wait(error) => error.fmt(f),
            Self::State(error) => error.fmt(f),
            Self::DataPath { path, reason } => write!(f, "data path {}: {reason}", path.display()),
            Self::Command { reason } => f.write_str(reason),
        }
    }
}

impl core::error::Error for ExecError {}

/// Starts `args` in a container, stays until its end, undoes what was made around it, and answers the exit code: the
/// program's own, or [`EXIT_SIGNAL_OFFSET`](super::EXIT_SIGNAL_OFFSET) and the number of the signal that ended it.
///
/// Without `args` it is the config's own program. Safe in a program with many threads; the parent-death signal of a
/// libcontainer config (`SIGKILL`) is tied to the calling *thread*.
///
/// # Ordering
/// Cgroups are limited before init is in them, links are made and the state is written before init goes on, `started` is
/// called after the program's `execve`, and what is left in the cgroups is killed once the first process has ended, where
/// there is no new pid namespace to do so. Output is never waited for: a process that stays behind with a pipe cannot
/// hold this up.
///
/// # Errors
/// Everything that can be known is refused before anything is made. Whatever fails later is undone as a whole. A program
/// that is not there is an error ([`ApplyError::exit_code`] says 127), as it always was.
///
/// # References
/// `docs/seed.md` has the differences to the original's `Exec`, each with its reason.
#[doc(alias = "Exec")]
pub fn exec<S: AsRef<str>>(config: &Config, args: &[S], start: Start<'_>) -> Result<u8, ExecError> {
    let Start { stdio, passed, data_path, create, setup, started } = start;
    let data_path = data_path.map(|path| absolute(&path)).transpose()?;
    let state = data_path.as_deref().map(state_dir).transpose()?;
    if let (Some(path), Some(state)) = (&data_path, &state)
        && state.is_inside(&config.root.path)
    {
        let reason = "inside of the container's root, which could write to it".to_owned();
        return Err(refused(path, reason));
    }
    let mut config = config.clone();
    let args: Vec<String> = args.iter().map(|arg| arg.as_ref().to_owned()).collect();
    if !args.is_empty() {
        config.process.get_or_insert_with(|| Process::sandbox(Vec::new())).args = args;
    }
    if let Some(setup) = setup.filter(|_| config.creates(NamespaceKind::User)) {
        let command = setup(&config, data_path.as_deref());
        config.hooks.create_runtime.push(hook(command)?);
    }
    let words = config.process.as_ref().map(|process| process.args.clone()).unwrap_or_default();
    let command = create.map(|create| create(&config, data_path.as_deref(), &words));
    if let Some(command) = &command {
        check(command, &config)?;
        if let Some(process) = &mut config.process {
            process.parent_death_signal = command.attributes.parent_death_signal;
        }
    }
    let plan = planned(&config)?;
    let io = Io { stdio, passed, state, ..Io::default() };
    let mut container = match &command {
        Some(command) => apply::spawn_through(&plan, io, &command.program),
        None => apply::spawn(&plan, io),
    }
    .map_err(ExecError::Start)?;
    if let Some(started) = started {
        started(&mut container);
    }
    container.wait().map(apply::ExitStatus::code).map_err(ExecError::Wait)
}

fn planned(config: &Config) -> Result<Plan, ExecError> {
    let facts = probe(&needs(config)).map_err(ExecError::Probe)?;
    plan(config, &facts).map_err(ExecError::Plan)
}

/// Nothing is made that the plan does not say.
fn check(command: &Command, config: &Config) -> Result<(), ExecError> {
    let attributes = &command.attributes;
    let has_userns = config.namespaces.contains_key(&NamespaceKind::User);
    let maps = (&attributes.uid_mappings, &attributes.gid_mappings);
    let is_mapped = maps == (&config.uid_mappings, &config.gid_mappings);
    let refuse = |reason| Err(ExecError::Command { reason });
    if attributes.clone_flags != get_namespace_flags(&config.namespaces) {
        return refuse("the command asks for other namespaces than the config: change the config");
    }
    if has_userns && !is_mapped {
        return refuse("the command has other id mappings than the config: change the config");
    }
    Ok(())
}

/// A setup process as the hook it is.
fn hook(command: Command) -> Result<Hook, ExecError> {
    let refuse = |reason| ExecError::Command { reason };
    let text = |text: std::ffi::OsString| {
        text.into_string().map_err(|_| refuse("a word of the setup command is not UTF-8"))
    };
    let program = command.program;
    let variable = |entry: String| match entry.split_once('=') {
        Some((name, value)) => Ok(EnvVar { name: name.to_owned(), value: value.to_owned() }),
        None => Err(refuse("a variable of the setup command has no `=`")),
    };
    Ok(Hook {
        path: program.program.map_or_else(|| "/proc/self/exe".to_owned(), String::from),
        args: program.args.into_iter().map(text).collect::<Result<_, _>>()?,
        env: program
            .env
            .into_iter()
            .map(|entry| text(entry).and_then(variable))
            .collect::<Result<_, _>>()?,
        timeout: None,
    })
}

/// Made so once, here: a child with another working directory would find another file.
fn absolute(path: &Path) -> Result<PathBuf, ExecError> {
    let fail = |error: &io::Error| refused(path, error.to_string());
    std::path::absolute(path).map_err(|error| fail(&error))
}

/// One container's directory in the directory above.
fn state_dir(path: &Path) -> Result<StateDir, ExecError> {
    let id = path.file_name().and_then(std::ffi::OsStr::to_str);
    match (path.parent(), id) {
        (Some(root), Some(id)) => Ok(StateDir { root: root.to_owned(), id: id.to_owned() }),
        _ => Err(refused(path, "expected the directory of one container".to_owned())),
    }
}

fn refused(path: &Path, reason: String) -> ExecError {
    ExecError::DataPath { path: path.to_owned(), reason }
}
