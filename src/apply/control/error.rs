//! Why a cgroup could not be measured, stopped, continued, killed or watched.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::facts::FactsError;
use crate::sys::Fault;
use crate::types::HostPath;

/// Why a cgroup could not be measured, stopped, continued, killed or watched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlError {
    /// The kernel refused a call.
    Kernel {
        /// The file or directory.
        path: HostPath,
        /// The call, and why.
        fault: Fault,
    },
    /// A file holds something else than it should.
    Text {
        /// Where it is, if there is any directory.
        directory: Option<HostPath>,
        /// The file, and what was expected.
        error: FactsError,
    },
    /// No directory of this cgroup has the file that is needed: its controller is not there, or the kernel is older.
    Missing {
        /// The file.
        file: &'static str,
    },
    /// It is not done to this cgroup.
    Refused {
        /// The directory, if there is any.
        directory: Option<HostPath>,
        /// Why not.
        reason: &'static str,
    },
    /// The time is up.
    TimedOut {
        /// What did not happen.
        waited_for: &'static str,
        /// The limit that was given.
        after: Duration,
        /// Processes in the cgroup at that time, 0 for one that the caller's pid namespace does not see.
        left: Vec<u32>,
    },
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel { path, fault } => write!(f, "{path}: {fault}"),
            Self::Text { directory: Some(directory), error } => write!(f, "{directory}/{error}"),
            Self::Text { directory: None, error } => error.fmt(f),
            Self::Missing { file } => write!(f, "the cgroup has no file {file}"),
            Self::Refused { directory: Some(directory), reason } => {
                write!(f, "{directory}: {reason}")
            }
            Self::Refused { directory: None, reason } => f.write_str(reason),
            Self::TimedOut { waited_for, after, left } => {
                write!(f, "not {waited_for} after {after:?}, with {} processes in it", left.len())
            }
        }
    }
}

impl core::error::Error for ControlError {}
