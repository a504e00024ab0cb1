//! A pid and a start time become a process that is held by descriptors, so that no other can take its place.
//!
//! `/proc/PID` as a directory stays that process's own: once it is reaped, nothing can be opened below it any more. The
//! start time is read through it, after everything else was opened, so whatever was opened by the number alone in between
//! is of the same process too.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::control::Pace;
use super::journal::io_fault;
use crate::facts::parse_stat;
use crate::sys::abi::{self, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY};
use crate::sys::process::Pid;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host, signal};
use crate::types::{Errno, NamespaceKind, Signal};

/// A process that was alive when it was taken hold of.
#[derive(Debug)]
pub(crate) struct Hold {
    pid: Pid,
    start_time: u64,
    /// `/proc/PID`.
    directory: Handle,
    /// From Linux 5.3.
    pidfd: Option<OwnedFd>,
}

impl Hold {
    /// The process of that number, if it started then and has not ended; `None` otherwise.
    pub(crate) fn of(pid: Pid, start_time: u64) -> Outcome<Option<Self>> {
        let path = c_path(&format!("/proc/{}", pid.number()))?;
        let Some(directory) = there(fd::openat(Fd::CWD, &path, O_PATH | O_DIRECTORY, 0))? else {
            return Ok(None);
        };
        if fd::fstatfs(directory.fd())?.magic != abi::PROC_SUPER_MAGIC {
            return Err(Fault::new(Sysno::fstatfs, Errno::EXDEV));
        }
        let pidfd = match host::pidfd_open(pid) {
            Err(fault) if fault.is(Errno::ENOSYS) => None,
            answer => match there(answer)? {
                Some(pidfd) => Some(host::owned(pidfd)),
                None => return Ok(None),
            },
        };
        let hold = Self { pid, start_time, directory, pidfd };
        Ok(hold.is_alive()?.then_some(hold))
    }

    /// Whether it still runs: a zombie does not.
    pub(crate) fn is_alive(&self) -> Outcome<bool> {
        let Some(text) = self.read(c"stat")? else { return Ok(false) };
        let stat = parse_stat(&text).map_err(|_| Fault::new(Sysno::read, Errno::EINVAL))?;
        Ok(stat.start_time == self.start_time && !matches!(stat.state, 'Z' | 'X' | 'x'))
    }

    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) const fn pidfd(&self) -> Option<&OwnedFd> {
        self.pidfd.as_ref()
    }

    /// Its pidfd once more, to be given away.
    pub(crate) fn pidfd_copy(&self) -> Outcome<Option<Handle>> {
        let copy = |fd: &OwnedFd| {
            let copy = fd.try_clone().map_err(|error| io_fault(Sysno::fcntl, &error))?;
            Ok(host::handle(copy))
        };
        self.pidfd.as_ref().map(copy).transpose()
    }

    /// One of its namespaces.
    pub(crate) fn namespace(&self, kind: NamespaceKind) -> Outcome<Handle> {
        let path = c_path(&format!("ns/{}", kind.name()))?;
        fd::openat(self.directory.fd(), &path, O_RDONLY, 0)
    }

    /// A file of its procfs directory; `None` once it is gone.
    pub(crate) fn read(&self, name: &CStr) -> Outcome<Option<String>> {
        let flags = O_RDONLY | O_NOFOLLOW;
        let Some(file) = there(fd::openat(self.directory.fd(), name, flags, 0))? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        match File::from(host::owned(file)).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) => there(Err(io_fault(Sysno::read, &error))),
        }
    }

    /// Sends a signal; `ESRCH` once it is gone. Before Linux 5.3 the number is looked at once more right before.
    pub(crate) fn signal(&self, signal: Signal) -> Outcome {
        match &self.pidfd {
            Some(pidfd) => signal::send_by_pidfd(host::number(pidfd), signal),
            None if self.is_alive()? => signal::kill(self.pid, signal),
            None => Err(Fault::new(Sysno::kill, Errno::ESRCH)),
        }
    }

    /// Waits for its end; `false` when the time is up.
    pub(crate) fn wait_for_end(&self, limit: Duration) -> Outcome<bool> {
        let mut pace = Pace::until(limit);
        while self.is_alive()? {
            if !pace.rest() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// `/proc`, which must be a procfs.
pub(crate) fn proc_root() -> Outcome<Handle> {
    let proc = fd::openat(Fd::CWD, c"/proc", O_PATH | O_DIRECTORY, 0)?;
    if fd::fstatfs(proc.fd())?.magic != abi::PROC_SUPER_MAGIC {
        return Err(Fault::new(Sysno::fstatfs, Errno::EXDEV));
    }
    Ok(proc)
}

/// A clock tick after boot, in which something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(u64);

impl Tick {
    /// This one, unless it is about to end or has just begun: then nobody can say.
    pub(crate) fn now() -> Option<Self> {
        let now = host::since_boot().ok()?;
        let within = now % LENGTH;
        (MARGIN..LENGTH - MARGIN).contains(&within).then_some(Self(now / LENGTH))
    }

    /// The tick of what came after `before` and before `after`, if they are one.
    ///
    /// The kernel stamps a new process with the same clock that [`now`](Self::now) asks and shows it in these ticks, on every
    /// version from 4.18: so a process that was cloned in between started in this one, and its `stat`, which takes the kernel
    /// ten times as long as two looks at the clock, need not be read.
    pub(crate) fn same(before: Option<Self>, after: Option<Self>) -> Option<Self> {
        before.filter(|_| before == after)
    }
}

/// Nanoseconds of a tick as procfs counts them: 100 a second on every machine (`USER_HZ`, `time(7)`).
const LENGTH: u64 = 10_000_000;
/// What rounding could move a time by, and a thousand times more.
const MARGIN: u64 = 1_000;

/// When the process was started, which the caller has not waited for; it is asked where its tick is not known.
pub(crate) fn start_time(pid: Pid, tick: Option<Tick>) -> Outcome<u64> {
    if let Some(Tick(number)) = tick {
        return Ok(number);
    }
    let path = format!("/proc/{}/stat", pid.number());
    let text = std::fs::read_to_string(path).map_err(|error| io_fault(Sysno::openat, &error))?;
    let stat = parse_stat(&text).map_err(|_| Fault::new(Sysno::read, Errno::EINVAL))?;
    Ok(stat.start_time)
}

fn c_path(text: &str) -> Outcome<CString> {
    CString::new(text).map_err(|_| Fault::new(Sysno::openat, Errno::EINVAL))
}

/// What is answered about a process that is gone is no fault.
fn there<T>(answer: Outcome<T>) -> Outcome<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ESRCH) => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_cloned_within_one_tick_started_in_it() {
        let mut told = 0;
        for _ in 0..50 {
            let before = Tick::now();
            let mut child = std::process::Command::new("true").spawn().expect("a process");
            let tick = Tick::same(before, Tick::now());
            let pid = i32::try_from(child.id()).ok().and_then(Pid::new).expect("a number");
            let asked = start_time(pid, None).expect("its stat");
            child.wait().expect("its end");
            if tick.is_some() {
                told += 1;
                assert_eq!(start_time(pid, tick), Ok(asked));
            }
        }
        assert!(told > 0, "no clone was within one tick");
    }

    #[test]
    fn what_may_have_happened_in_either_of_two_ticks_has_none() {
        assert_eq!(Tick::same(Some(Tick(7)), Some(Tick(8))), None);
        assert_eq!(Tick::same(None, None), None);
        assert_eq!(Tick::same(Some(Tick(7)), Some(Tick(7))), Some(Tick(7)));
    }
}
