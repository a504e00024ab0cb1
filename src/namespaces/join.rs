//! A running container and a command become a process in it, which is waited for.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::start::{ExecError, Start};
use crate::apply::probe::probe;
use crate::apply::{self, Io, Running};
use crate::config::Process;
use crate::plan::{Record, join, join_needs};

/// Runs `args` in a running container, stays until its end, and answers the exit code: the program's own, or
/// [`EXIT_SIGNAL_OFFSET`](super::EXIT_SIGNAL_OFFSET) and the number of the signal that ended it, as
/// [`exec`](super::exec) does.
///
/// `process` says who it is and what it may do; without one it is what the container's first process was, and so has its
/// limits, capabilities, labels and environment. The record is that of [`Running::open`](crate::apply::Running::open).
///
/// Where it differs from the original:
/// - The user namespace is joined, first of all; there it never was, and what ran was the host's root.
/// - The container is held by pidfd, or known by the start time of its first process, before anything is joined: a pid
///   that is another's by now is refused.
/// - No binary is executed on the way, so there is neither `initPath` nor `action`: a program of the host's that ran among
///   the container's libraries could be made to run the container's code. A [`CreateCommand`](super::CreateCommand) in
///   `start` is refused.
/// - The process is a direct child of the caller, and `started` is called after its `execve`.
/// - What goes wrong inside is an error here, not a text on its standard error and the code 1.
///
/// # Errors
/// As [`exec`](super::exec); also when the container does not run any more, or is paused.
#[doc(alias = "ExecIn")]
pub fn exec_in<S: AsRef<str>>(
    record: &Record,
    process: Option<&Process>,
    args: &[S],
    start: Start<'_>,
) -> Result<u8, ExecError> {
    let Start { stdio, passed, data_path: _, create, setup, started } = start;
    if create.is_some() || setup.is_some() {
        let reason = "a process that joins a container executes no program on the way";
        return Err(ExecError::Command { reason });
    }
    let running = Running::hold(record.clone());
    running.and_then(|running| running.check_joinable()).map_err(ExecError::State)?;
    let mut process = process.unwrap_or(&record.planned.process).clone();
    if !args.is_empty() {
        process.args = args.iter().map(|arg| arg.as_ref().to_owned()).collect::<Vec<String>>();
    }
    let facts = probe(&join_needs(&process, record)).map_err(ExecError::Probe)?;
    let plan = join(&process, record, &facts).map_err(ExecError::Plan)?;
    let io = Io { stdio, passed, ..Io::default() };
    let mut joined = apply::spawn(&plan, io).map_err(ExecError::Start)?;
    if let Some(started) = started {
        started(&mut joined);
    }
    joined.wait().map(apply::ExitStatus::code).map_err(ExecError::Wait)
}
