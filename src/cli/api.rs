//! The calls of `apply` that the command makes, in the shape `run` wants them.
//!
//! A seam: the applier grows on another branch. Until it is there, `spawn` and `delete` say so and a window has no size.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::args::ContainerId;
use super::report::{Failure, Problem};
use crate::config::ConsoleSize;
use crate::plan::Plan;
use crate::types::{HostPath, Signal};

/// Where a container's state is kept.
#[derive(Clone, Debug)]
pub struct State {
    /// The directory of all containers.
    pub root: HostPath,
    /// Which one.
    pub id: ContainerId,
}

/// A running container.
#[derive(Debug)]
pub struct Container {
    /// Its first process, as the caller sees it.
    pub pid: i32,
    /// Readable once that has ended.
    pub pidfd: OwnedFd,
    /// The master of its terminal.
    pub terminal: Option<OwnedFd>,
}

impl Container {
    /// Sends a signal to the first process; one that has ended is none to complain about.
    pub fn kill(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid);
        if let Ok(signal) = nix::sys::signal::Signal::try_from(i32::from(signal.number())) {
            let _ = nix::sys::signal::kill(pid, signal);
        }
    }

    /// Waits for the end and undoes what is left; the exit code, 128+N for a signal.
    ///
    /// # Errors
    /// When the process is not there to be waited for, or something could not be undone.
    pub fn wait(self) -> Result<u8, Failure> {
        Err(absent())
    }
}

/// Starts a container by its plan.
///
/// # Errors
/// With the step that failed and what was undone; exit code 126 or 127 when that was the program itself.
pub fn spawn(_plan: &Plan, _state: &State) -> Result<Container, Failure> {
    Err(absent())
}

/// Finishes the undo of what a container left.
///
/// # Errors
/// When it runs and `force` is not given, when there is none of that name, or something could not be undone.
pub fn delete(_state: &State, _force: bool) -> Result<(), Failure> {
    Err(absent())
}

/// Size of a terminal; `None` if it is none.
#[must_use]
pub fn window_size(_terminal: BorrowedFd<'_>) -> Option<ConsoleSize> {
    None
}

/// Sets the size of a terminal, which tells its foreground process with `SIGWINCH`.
pub fn set_window_size(_terminal: BorrowedFd<'_>, _size: ConsoleSize) {}

fn absent() -> Failure {
    Problem::new("this build has no applier").hint("`nsplan plan` shows what it would do").into()
}
