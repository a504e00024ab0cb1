//! The vocabulary of classes of service: groups of the resctrl file system, which share out caches and memory bandwidth.
//!
//! # References
//! The kernel's `Documentation/filesystems/resctrl.rst`; OCI runtime-spec, `config-linux.md`, "IntelRdt".

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::types::HostPath;

/// Operations on groups, all by the parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ResctrlOp {
    /// `mkdir(directory, 0755)`; one that exists already is an error.
    MakeGroup {
        /// The group.
        directory: HostPath,
    },
    /// `rmdir(directory)`: what is in it is then in the group above. Only an undo.
    RemoveGroup {
        /// The group.
        directory: HostPath,
    },
    /// For a group that may be several containers': `mkdir(directory, 0755)` and the schemata written to it, or, where it
    /// exists already, its schemata read and compared. Without schemata it must exist.
    UseGroup {
        /// The group.
        directory: HostPath,
        /// Lines, each with its end.
        schemata: String,
    },
    /// One `write(2)` to the group's file `schemata`.
    WriteSchemata {
        /// The group.
        directory: HostPath,
        /// Lines, each with its end.
        schemata: String,
    },
    /// Init's pid, written to the group's file `tasks`.
    Assign {
        /// The group.
        directory: HostPath,
    },
}

impl fmt::Display for ResctrlOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeGroup { directory } => write!(f, "make the resctrl group {directory}"),
            Self::RemoveGroup { directory } => write!(f, "remove the resctrl group {directory}"),
            Self::UseGroup { directory, schemata } if schemata.is_empty() => {
                write!(f, "look for the resctrl group {directory}")
            }
            Self::UseGroup { directory, schemata } => {
                write!(f, "make the resctrl group {directory}, or find it, with {schemata:?}")
            }
            Self::WriteSchemata { directory, schemata } => {
                write!(f, "write {schemata:?} to {directory}/schemata")
            }
            Self::Assign { directory } => write!(f, "write init's pid to {directory}/tasks"),
        }
    }
}
