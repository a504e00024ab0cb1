//! A running container: waited for, signalled, and undone when it has ended.

use alloc::vec::Vec;
use core::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use super::error::Leftover;
use super::journal::Journal;
use super::spawn::Started;
use crate::sys::host::{self, Ended};
use crate::sys::process::Pid;
use crate::sys::{Fault, Sysno, signal};
use crate::types::{Errno, Signal};

/// A container whose program has been started.
///
/// Dropped, it is left as it is, like a [`std::process::Child`]: it goes on, and what it leaves stays until
/// [`sweep`](super::sweep).
#[derive(Debug)]
pub struct Container {
    pid: Pid,
    pidfd: Option<OwnedFd>,
    /// The master of its terminal, if the plan opens one.
    pub terminal: Option<OwnedFd>,
    /// Where its program says that it is ready (`sd_notify(3)`), if the plan makes room for that.
    pub notify: Option<UnixDatagram>,
    journal: Journal,
    status: Option<ExitStatus>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself.
    Exited(u8),
    /// By a signal.
    Signaled(Signal),
}

impl ExitStatus {
    /// What a shell would show: the exit code, or 128 and the number of the signal.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signaled(signal) => Signal::EXIT_OFFSET + signal.number(),
        }
    }
}

/// A container that could not be waited for, or has left something behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitError {
    /// How its program ended, if that is known.
    pub status: Option<ExitStatus>,
    /// Why it could not be waited for.
    pub fault: Option<Fault>,
    /// What could not be undone.
    pub left_behind: Vec<Leftover>,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Some(fault) => fault.fmt(f)?,
            None => f.write_str("the container has ended")?,
        }
        for leftover in &self.left_behind {
            write!(f, "; {leftover}")?;
        }
        Ok(())
    }
}

impl core::error::Error for WaitError {}

impl Container {
    pub(super) fn new(init: Started, terminal: Option<OwnedFd>, journal: Journal) -> Self {
        let pidfd = init.pidfd.map(host::owned);
        Self { pid: init.pid, pidfd, terminal, notify: None, journal, status: None }
    }

    /// The pid of the first process, in the launcher's pid namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.number().unsigned_abs()
    }

    /// Its pidfd, from Linux 5.2.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The container's links on the host, by name, in the order of the plan; none once its end was waited for.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.journal.links()
    }

    /// Waits for the end of the program, then undoes what the plan had done outside the container.
    ///
    /// # Errors
    /// If it cannot be waited for, or something cannot be undone; the status is in the error then.
    pub fn wait(&mut self) -> Result<ExitStatus, WaitError> {
        self.look(true).map(|status| status.unwrap_or(ExitStatus::Exited(0)))
    }

    /// As [`wait`](Self::wait), but `None` if the program still runs.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, WaitError> {
        self.look(false)
    }

    fn look(&mut self, block: bool) -> Result<Option<ExitStatus>, WaitError> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        let ended = host::wait(self.pid, block).map_err(|fault| WaitError {
            status: None,
            fault: Some(fault),
            left_behind: Vec::new(),
        })?;
        let Some((ended, _)) = ended else { return Ok(None) };
        self.status = Some(ended.into());
        let left_behind = self.journal.undo();
        if left_behind.is_empty() {
            return Ok(self.status);
        }
        Err(WaitError { status: self.status, fault: None, left_behind })
    }

    /// Sends a signal to the first process. In a pid namespace of its own it gets only those it handles, and `SIGKILL`
    /// and `SIGSTOP`, `pid_namespaces(7)`.
    ///
    /// # Errors
    /// `ESRCH` after the end was waited for.
    pub fn kill(&self, signal: Signal) -> Result<(), Fault> {
        if self.status.is_some() {
            return Err(Fault::new(Sysno::kill, Errno::ESRCH));
        }
        // Not waited for yet, so the number is its own: it does where a filter has the one call and not the other.
        let by_number = || signal::kill(self.pid, signal);
        match &self.pidfd {
            Some(pidfd) => match signal::send_by_pidfd(host::number(pidfd), signal) {
                Err(fault) if fault.is(Errno::ENOSYS) => by_number(),
                answer => answer,
            },
            None => by_number(),
        }
    }
}

impl From<Ended> for ExitStatus {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Exited(code) => Self::Exited(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            Ended::Signaled(number) => {
                let signal = u8::try_from(number).ok().and_then(Signal::from_number);
                Self::Signaled(signal.unwrap_or(Signal::KILL))
            }
        }
    }
}
