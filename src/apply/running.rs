//! The state directory becomes what runs: records read back, and containers taken hold of.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::stat::stat;

use super::control::CgroupHandle;
use super::error::Cause;
use super::hold::Hold;
use super::state::Seen;
use crate::config::NamespaceSource;
use crate::plan::{Record, RecordError};
use crate::sys::process::Pid;
use crate::sys::{Fault, Fd, abi, fd};
use crate::types::{HostPath, NamespaceKind, Signal};

/// A running container, by its record, its process taken hold of and compared with it.
///
/// What is done through it concerns that process or fails: a number that another process got is noticed.
#[derive(Debug)]
pub struct Running {
    record: Record,
    hold: Hold,
    /// Its state directory, where it was found by its name.
    seen: Option<Seen>,
}

/// Where a container is in its life, in the words of the OCI runtime-spec, and `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Its launcher is at work, and has not written a record yet.
    Creating,
    /// It waits for the word to run its program.
    Created,
    /// Its program runs.
    Running,
    /// All its processes are stopped.
    Paused,
    /// It has ended.
    Stopped,
}

/// One container that a state directory knows of.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name.
    pub id: String,
    /// Where it is in its life.
    pub status: Status,
    /// What it is, if that is written down and can be read.
    pub record: Option<Box<Record>>,
    /// Why its record cannot be used.
    pub problem: Option<StateError>,
}

/// Why a state directory, or a container in it, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// There is no container of that name.
    Absent {
        /// The name.
        id: String,
    },
    /// It runs, and only what has ended can be removed without force.
    StillRunning {
        /// The name.
        id: String,
        /// How it is.
        status: Status,
    },
    /// A launcher that stays with it, or another command, is at work on it.
    InUse {
        /// The name.
        id: String,
    },
    /// It was started already.
    Started {
        /// The name.
        id: String,
    },
    /// Its process has ended, or its number is another process's by now.
    NotRunning {
        /// The name.
        id: String,
    },
    /// It is paused.
    Paused {
        /// The name.
        id: String,
    },
    /// It is being set up: the root of its mounts is still its launcher's.
    BeingCreated {
        /// The name.
        id: String,
    },
    /// Its launcher has not written down what it is.
    NoRecord {
        /// The name.
        id: String,
    },
    /// Its record cannot be understood.
    Record {
        /// The name.
        id: String,
        /// Why not.
        error: RecordError,
    },
    /// A directory or file that cannot be trusted.
    Distrusted {
        /// Why not.
        reason: &'static str,
    },
    /// The kernel refused a call.
    Kernel(Fault),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

// Engines look for "does not exist" and "container not running" in what a runtime says.
impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The words that containerd and podman look for.
            Self::Absent { id } => write!(f, "{id}: container does not exist"),
            Self::NotRunning { id } => write!(f, "{id}: container not running"),
            Self::StillRunning { id, status } => write!(f, "{id}: the container is {status}"),
            Self::InUse { id } => write!(f, "{id}: in use by another command"),
            Self::Started { id } => write!(f, "{id}: was started already"),
            Self::Paused { id } => write!(f, "{id}: paused, and so would be whoever joins it"),
            Self::BeingCreated { id } => {
                write!(f, "{id}: still being created, its root is not in place")
            }
            Self::NoRecord { id } => write!(f, "{id}: not started yet"),
            Self::Record { id, error } => write!(f, "{id}/state.json: {error}"),
            Self::Distrusted { reason } => f.write_str(reason),
            Self::Kernel(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for StateError {}

impl From<Fault> for StateError {
    fn from(fault: Fault) -> Self {
        Self::Kernel(fault)
    }
}

impl From<Cause> for StateError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::State { reason } => Self::Distrusted { reason },
            Cause::InUse { id } => Self::InUse { id },
            Cause::Kernel(fault) => Self::Kernel(fault),
            _ => Self::Distrusted { reason: "the state directory cannot be used" },
        }
    }
}

impl Running {
    /// The container `id` below the state directory `root`.
    ///
    /// # Errors
    /// When there is none, when it does not run, when its record cannot be used.
    ///
    /// ```no_run
    /// use nsplan::apply::Running;
    /// use nsplan::types::Signal;
    ///
    /// let container = Running::open("/run/nsplan".as_ref(), "web")?;
    /// println!("{} runs as process {}", container.record().id, container.record().pid);
    /// container.signal(Signal::TERM)?;
    /// # Ok::<(), nsplan::apply::StateError>(())
    /// ```
    pub fn open(root: &Path, id: &str) -> Result<Self, StateError> {
        let seen =
            Seen::open(root, id)?.ok_or_else(|| StateError::Absent { id: id.to_string() })?;
        match seen.record(id)? {
            Some(record) => Ok(Self { seen: Some(seen), ..Self::hold(record)? }),
            None if seen.is_locked()? => Err(StateError::NoRecord { id: id.to_string() }),
            None => Err(StateError::NotRunning { id: id.to_string() }),
        }
    }

    /// The container of a record.
    ///
    /// # Errors
    /// [`StateError::NotRunning`] when its process has ended, also when its number is another's by now.
    pub fn hold(record: Record) -> Result<Self, StateError> {
        let is_other_boot =
            matches!((&record.boot, boot()), (Some(then), Some(now)) if then != now);
        let pid = i32::try_from(record.pid).ok().and_then(Pid::new).filter(|_| !is_other_boot);
        let hold = pid.map(|pid| Hold::of(pid, record.start_time)).transpose()?.flatten();
        match hold {
            Some(hold) => Ok(Self { record, hold, seen: None }),
            None => Err(StateError::NotRunning { id: record.id }),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// Its first process by descriptor, from Linux 5.3.
    #[must_use]
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.hold.pidfd().map(AsFd::as_fd)
    }

    /// The cgroups of a record, whether its first process runs or not: others of its processes may.
    #[must_use]
    pub fn cgroup_of(record: &Record) -> Option<CgroupHandle> {
        CgroupHandle::recorded(&record.planned.cgroups)
    }

    /// Where it is in its life now.
    ///
    /// # Errors
    /// When its process cannot be looked at.
    pub fn status(&self) -> Result<Status, StateError> {
        if !self.hold.is_alive()? {
            return Ok(Status::Stopped);
        }
        if self.seen.as_ref().is_some_and(|seen| seen.is_waiting() == Ok(true)) {
            return Ok(Status::Created);
        }
        let is_paused = self.cgroup().is_some_and(|cgroup| cgroup.is_frozen() == Ok(true));
        Ok(if is_paused { Status::Paused } else { Status::Running })
    }

    /// Whether a process can join it: in a frozen cgroup one would stop half-way, and its launcher wait for ever.
    ///
    /// # Errors
    /// [`StateError::Paused`], or [`StateError::NotRunning`] when it has ended; as [`check_rooted`](Self::check_rooted).
    pub fn check_joinable(&self) -> Result<(), StateError> {
        let id = || self.record.id.clone();
        match self.status()? {
            Status::Paused => Err(StateError::Paused { id: id() }),
            Status::Stopped => Err(StateError::NotRunning { id: id() }),
            _ => self.check_rooted(),
        }
    }

    /// Whether its root is in place. It has a record before that, for its hooks and whoever has to clean up; who joined it
    /// then would find the root of the launcher.
    ///
    /// # Errors
    /// [`StateError::BeingCreated`].
    pub fn check_rooted(&self) -> Result<(), StateError> {
        let planned = &self.record.planned;
        let creates = planned.namespaces.get(&NamespaceKind::Mnt) == Some(&NamespaceSource::Create);
        let which = |path: &str| stat(path).map(|it| (it.st_dev, it.st_ino)).ok();
        let own = which("/");
        let is_own = |path: &HostPath| own.is_some() && which(path.as_str()) == own;
        // One whose root is the host's own, under whatever name, has it before and after.
        match creates && is_own(&self.record.root_path()) && !is_own(&planned.rootfs) {
            true => Err(StateError::BeingCreated { id: self.record.id.clone() }),
            false => Ok(()),
        }
    }

    /// Sends a signal to its first process.
    ///
    /// # Errors
    /// `ESRCH` once it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), StateError> {
        Ok(self.hold.signal(signal)?)
    }

    /// Its cgroups, if it has its own. Only paths of a cgroup file system are taken from a record.
    #[must_use]
    pub fn cgroup(&self) -> Option<CgroupHandle> {
        CgroupHandle::recorded(&self.record.planned.cgroups)
    }

    /// The number of its first process.
    pub(crate) const fn pid(&self) -> Pid {
        self.hold.pid()
    }

    /// Waits for its end; `false` when the time is up.
    pub(crate) fn wait_for_end(&self, limit: Duration) -> Result<bool, StateError> {
        Ok(self.hold.wait_for_end(limit)?)
    }

    pub(crate) fn into_hold(self) -> Hold {
        self.hold
    }
}

/// Every container that the state directory `root` knows of, by name. Where there is no such directory there is none.
///
/// # Errors
/// When the directory cannot be trusted or read. What is wrong with one container stands beside it.
pub fn records(root: &Path) -> Result<Vec<Listed>, StateError> {
    let mut listed = Vec::new();
    for id in Seen::names(root)? {
        let Some(seen) = Seen::open(root, &id)? else { continue };
        listed.extend(look(&seen, id));
    }
    Ok(listed)
}

/// The container `id` that the state directory `root` knows of.
///
/// # Errors
/// When there is none, or the directory cannot be trusted or read.
pub fn record(root: &Path, id: &str) -> Result<Listed, StateError> {
    let absent = || StateError::Absent { id: id.to_string() };
    let seen = Seen::open(root, id)?.ok_or_else(absent)?;
    look(&seen, id.to_string()).ok_or_else(absent)
}

/// `None`: the directory is none of a container, or goes away at this moment.
fn look(seen: &Seen, id: String) -> Option<Listed> {
    let (record, problem) = match seen.record(&id) {
        Ok(Some(record)) => (Some(Box::new(record)), None),
        Ok(None) if !seen.is_container() => return None,
        Ok(None) => (None, None),
        Err(problem) => (None, Some(problem)),
    };
    let is_locked = || seen.is_locked() == Ok(true);
    let is_kept = || seen.is_kept() == Ok(true);
    let running = record.clone().map(|record| Running::hold(*record));
    let (status, fault) = match running {
        Some(Ok(running)) => match running.status() {
            Ok(Status::Running) if seen.is_waiting() == Ok(true) => {
                (if is_kept() { Status::Created } else { Status::Creating }, None)
            }
            Ok(status) => (status, None),
            Err(fault) => (Status::Stopped, Some(fault)),
        },
        Some(Err(StateError::NotRunning { .. })) => (Status::Stopped, None),
        Some(Err(fault)) => (Status::Stopped, Some(fault)),
        None if is_locked() => (Status::Creating, None),
        None => (Status::Stopped, None),
    };
    Some(Listed { id, status, record, problem: problem.or(fault) })
}

/// Which boot this is: the same number and start time after another one mean nothing.
pub(crate) fn boot() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let mut text = [0; 64];
        let path = c"/proc/sys/kernel/random/boot_id";
        let file = fd::openat(Fd::CWD, path, abi::O_RDONLY, 0).ok()?;
        // One record, and so one read.
        let length = fd::read(file.fd(), &mut text).ok()?;
        Some(core::str::from_utf8(&text[..length]).ok()?.trim().to_string())
    };
    BOOT.get_or_init(read).as_deref()
}
