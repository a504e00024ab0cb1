//! What a program starts with: standard descriptors and others, put above the places they will go to.

use alloc::vec::Vec;
use std::os::fd::OwnedFd;

use super::seal::Sealed;
use super::state_dir::StateDir;
use crate::sys::abi::O_RDWR;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host};
use crate::types::{Errno, HostPath};

/// What one of the standard descriptors is in the program.
#[derive(Debug, Default)]
pub enum Stdio {
    /// What it is in the launcher; the null device if it is closed there.
    #[default]
    Inherit,
    /// This.
    Fd(OwnedFd),
    /// The host's null device.
    Null,
}

/// What a program starts with.
#[derive(Debug, Default)]
pub struct Io {
    /// Descriptors 0, 1 and 2; a plan with a terminal puts that in their place.
    pub stdio: [Stdio; 3],
    /// Descriptors 3, 4, 5… in the program.
    pub passed: Vec<OwnedFd>,
    /// Where the journal and the record are kept, so that later processes find the container, and can undo what this one
    /// could not.
    pub state: Option<StateDir>,
    /// The directory the container is described in, for its record.
    pub bundle: Option<HostPath>,
    /// The signals that this process ignores, which a new program would go on to ignore: init sets these back. Where they
    /// are not known it sets back all, one by one.
    pub ignored: Option<IgnoredSignals>,
    /// What [`seal_program_to_start`](super::seal_program_to_start) has left mounted. It is in no namespace when the
    /// container's program runs: init takes it along when it leaves the host's root, and where it does not do that it is
    /// unmounted before init is cloned.
    pub sealed: Option<Sealed>,
}

/// Signals that a process ignores, from the lowest bit for signal 1; from
/// [`probe_to_start`](super::probe::probe_to_start).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IgnoredSignals(pub(super) u64);

/// The descriptors behind an [`Io`], none of them at a number that another goes to.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) stdio: [Option<Handle>; 3],
    pub(crate) passed: Vec<Handle>,
    /// The lowest number that no descriptor of the program's takes.
    pub(crate) least: i32,
}

impl Sources {
    /// With room for `more` descriptors above those that are passed on.
    pub(crate) fn new(stdio: [Stdio; 3], passed: Vec<OwnedFd>, more: usize) -> Outcome<Self> {
        let count = i32::try_from(passed.len() + more).unwrap_or(i32::MAX - 3);
        let mut sources = Self { stdio: [None, None, None], passed: Vec::new(), least: 3 + count };
        for (number, (place, source)) in (0..).zip(sources.stdio.iter_mut().zip(stdio)) {
            let opened = match source {
                Stdio::Inherit if fd::is_open(Fd(number)) => continue,
                Stdio::Inherit | Stdio::Null => host::owned(open_null()?),
                Stdio::Fd(fd) => fd,
            };
            *place = Some(fd::dup_above(host::number(&opened), sources.least)?);
        }
        for fd in passed {
            let above = fd::dup_above(host::number(&fd), sources.least)?;
            sources.passed.push(above);
        }
        Ok(sources)
    }

    /// The same descriptor, or a copy of it where it is out of the way.
    pub(crate) fn above(&self, handle: Handle) -> Outcome<Handle> {
        if handle.fd().0 >= self.least {
            Ok(handle)
        } else {
            fd::dup_above(handle.fd(), self.least)
        }
    }
}

/// Descriptors 3, 4, 5… that this program was started with, `count` of them, for [`Io::passed`]; they stay open here too.
///
/// # Errors
/// `EBADF` when one of them is not open, or marked to be closed by `execve`: that was opened since.
pub fn inherited(count: u16) -> Result<Vec<OwnedFd>, Fault> {
    let end = 3 + i32::from(count);
    let copy = |number| match fd::closes_on_exec(Fd(number))? {
        true => Err(Fault::new(Sysno::fcntl, Errno::EBADF)),
        false => fd::dup_above(Fd(number), end).map(host::owned),
    };
    (3..end).map(copy).collect()
}

/// The host's null device, verified, for reading and writing.
pub(super) fn open_null() -> Outcome<Handle> {
    let null = fd::openat(Fd::CWD, c"/dev/null", O_RDWR, 0)?;
    if fd::fstat(null.fd())?.is_null_device() {
        return Ok(null);
    }
    Err(Fault::new(Sysno::fstat, Errno::ENODEV))
}
