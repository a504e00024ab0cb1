//! A container that stays until it is deleted is deleted: its process is ended, its journal carried out.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use std::time::Duration;

use super::control::Pace;
use super::error::{Cause, Leftover};
use super::journal::{finish, is_kept};
use super::running::{Running, StateError, Status};
use super::state::{Directory, Seen};
use super::state_dir::StateDir;
use crate::types::Signal;

/// How long a process may take to die of `SIGKILL`, and others to let go of the container.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether the container stays until it is deleted, whatever becomes of those who made it.
///
/// # Errors
/// When there is none of that name, or its directory cannot be trusted.
pub fn is_created(state: &StateDir) -> Result<bool, StateError> {
    seen(state)?.is_kept()
}

/// Removes a container and everything it has left; what could not be undone is answered. One that runs is ended first if
/// `force` says so; one that waits for its start is ended in any case.
///
/// # Errors
/// When there is none of that name, when it runs, when others are at work on it, or its directory cannot be trusted.
pub fn remove(state: &StateDir, force: bool) -> Result<Vec<Leftover>, StateError> {
    let StateDir { root, id } = state;
    let seen = seen(state)?;
    let record = match seen.record(id) {
        Err(_) if force => None,
        answer => answer?,
    };
    if let Some(Ok(running)) = record.map(Running::hold) {
        end(&seen, &running, force)?;
    }
    drop(seen);
    let absent = || StateError::Absent { id: id.to_string() };
    let mut pace = Pace::until(LIMIT);
    let mut directory = loop {
        match Directory::existing(root, id) {
            Err(Cause::InUse { .. }) if pace.rest() => {}
            answer => break answer?.ok_or_else(absent)?,
        }
    };
    let text = directory.text()?;
    if !is_kept(&text)
        && directory.record(id).is_ok_and(|record| record.is_none())
        && text.is_empty()
    {
        // Its launcher ended before it had done anything.
        directory.remove()?;
        return Ok(Vec::new());
    }
    let (_, left) = finish(&directory, id, &text);
    if left.is_empty() {
        directory.remove()?;
    }
    Ok(left)
}

fn seen(state: &StateDir) -> Result<Seen, StateError> {
    let absent = || StateError::Absent { id: state.id.clone() };
    Seen::open(&state.root, &state.id)?.ok_or_else(absent)
}

/// Ends its process; those it leaves in its cgroups are ended with the journal.
fn end(seen: &Seen, running: &Running, force: bool) -> Result<(), StateError> {
    let status = match running.status()? {
        Status::Running if seen.is_waiting()? => Status::Created,
        status => status,
    };
    let id = running.record().id.clone();
    match status {
        Status::Stopped => return Ok(()),
        Status::Created => {}
        status if !force => return Err(StateError::StillRunning { id, status }),
        _ => {}
    }
    running
        .signal(Signal::KILL)
        .or_else(|error| if is_over(running) { Ok(()) } else { Err(error) })?;
    if status == Status::Paused
        && let Some(cgroup) = running.cgroup()
    {
        // One that is frozen does not die on v1.
        let _ = cgroup.thaw(LIMIT);
    }
    match running.wait_for_end(LIMIT)? {
        true => Ok(()),
        false => Err(StateError::StillRunning { id, status }),
    }
}

fn is_over(running: &Running) -> bool {
    running.status() == Ok(Status::Stopped)
}
