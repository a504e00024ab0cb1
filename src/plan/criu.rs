//! A running container, or a checkpoint and a config, become the command line of criu.
//!
//! criu writes down what the processes of a container are and makes them anew. What is the host's it must be told: mounts
//! from outside of the root, descriptors that were passed in, namespaces of others. These are the container's *outside*,
//! found when it is written down and kept beside criu's images, since the one that restores it has to put something in
//! each place.
//!
//! # References
//! `criu(8)`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{HostPath, NamespaceKind};

mod checkpoint;
mod restore;

pub use checkpoint::{Checkpoint, CriuView, OpenFile, checkpoint};
pub use restore::{InheritedFd, Restore, RestorePlan, restore};

/// The program.
pub const CRIU: &str = "criu";

/// What a command line says to both halves, in the words that runc's callers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CriuSwitch {
    /// TCP connections too.
    TcpEstablished,
    /// But not those that are being made.
    TcpSkipInFlight,
    /// Unix sockets whose other end is outside.
    ExtUnixSk,
    /// Processes with a terminal that is not theirs alone.
    ShellJob,
    /// Locks of files.
    FileLocks,
    /// Files that were unlinked, by links to them.
    LinkRemap,
    /// Pages that an earlier image has are taken out of it.
    AutoDedup,
}

impl CriuSwitch {
    /// criu's word for it.
    #[must_use]
    pub const fn argument(self) -> &'static str {
        match self {
            Self::TcpEstablished => "--tcp-established",
            Self::TcpSkipInFlight => "--skip-in-flight",
            Self::ExtUnixSk => "--ext-unix-sk",
            Self::ShellJob => "--shell-job",
            Self::FileLocks => "--file-locks",
            Self::LinkRemap => "--link-remap",
            Self::AutoDedup => "--auto-dedup",
        }
    }
}

/// Who puts the processes back into control groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CriuCgroups {
    /// criu, and it sets values only in those it makes itself.
    #[default]
    Soft,
    /// criu, with the values that were there.
    Full,
    /// The same, and each must be there already.
    Strict,
    /// Nobody.
    Ignore,
}

impl CriuCgroups {
    /// All of them, by criu's words.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("soft", Self::Soft),
        ("full", Self::Full),
        ("strict", Self::Strict),
        ("ignore", Self::Ignore),
    ];

    fn argument(self) -> String {
        let (word, _) = Self::WORDS.into_iter().find(|(_, mode)| *mode == self).unwrap_or_default();
        format!("--manage-cgroups={word}")
    }
}

/// What is asked of criu in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriuOptions {
    /// Where the images are.
    pub images: HostPath,
    /// Where the log goes; beside the images if absent.
    pub work: Option<HostPath>,
    /// Switches.
    pub switches: Vec<CriuSwitch>,
    /// Who puts the processes back into control groups.
    pub cgroups: CriuCgroups,
    /// Whether the network namespace is made, and nothing in it.
    pub empty_network: bool,
    /// A descriptor of the caller's, passed on, into which criu writes a zero byte when it is ready.
    pub status_fd: Option<u16>,
}

impl CriuOptions {
    /// The directory that the log is in.
    #[must_use]
    pub fn logs(&self) -> &HostPath {
        self.work.as_ref().unwrap_or(&self.images)
    }

    fn arguments(&self, verb: &str, log: &str) -> Vec<String> {
        let mut words = Vec::from([
            verb.to_string(),
            format!("--images-dir={}", self.images),
            format!("--work-dir={}", self.logs()),
            format!("--log-file={log}"),
            "-v4".to_string(),
            self.cgroups.argument(),
        ]);
        words.extend(self.switches.iter().map(|switch| switch.argument().to_string()));
        words.extend(self.empty_network.then(|| "--empty-ns=net".to_string()));
        words.extend(self.status_fd.map(|fd| format!("--status-fd={fd}")));
        words
    }
}

/// criu, called once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriuCall {
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// The log, which says what went wrong.
    pub log: HostPath,
}

/// What a container had of the outside, written beside the images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CriuOutside {
    /// Version of this format.
    pub schema: u32,
    /// Mounts, by where they are inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<OutsideMount>,
    /// What the standard descriptors were, in criu's words; empty for one that was closed or is the container's own.
    pub descriptors: [String; 3],
    /// Namespaces of others, by the names that criu knows them by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<NamespaceKind, String>,
}

/// A mount whose file system is the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutsideMount {
    /// Where it is inside.
    pub destination: String,
    /// For one of control groups: the options of its hierarchy, `cpu,cpuacct` or `name=systemd`; empty for that of v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<String>,
}

impl CriuOutside {
    /// The file beside the images.
    pub const FILE: &'static str = "nsplan.json";
    const SCHEMA: u32 = 1;

    /// Reads it back.
    ///
    /// # Errors
    /// What is wrong with the text, in a line.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let outside: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match outside.schema {
            Self::SCHEMA => Ok(outside),
            other => Err(format!("schema {other}, expected {}", Self::SCHEMA)),
        }
    }

    /// As text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // No map with keys that are not strings: serialising cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why a container cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CriuRefusal {
    /// criu gives processes their numbers back, which are free only where they are nobody else's.
    NoPidNamespace,
    /// Its terminal's other end is somebody else's, who cannot be handed a new one by criu's command line.
    Terminal,
    /// A namespace of another container, which criu would copy.
    Joined {
        /// Which.
        kind: NamespaceKind,
    },
    /// A text of the kernel's that cannot be understood.
    Text {
        /// What is wrong with it.
        problem: String,
    },
}

impl fmt::Display for CriuRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPidNamespace => f.write_str(
                "it has no pid namespace of its own, so its processes could not have their numbers back",
            ),
            Self::Terminal => f.write_str(
                "it has a terminal, whose master criu's command line does not hand back at a restore",
            ),
            Self::Joined { kind } => write!(
                f,
                "it is in the {} namespace of somebody else, which criu would take for its own",
                kind.name()
            ),
            Self::Text { problem } => f.write_str(problem),
        }
    }
}

impl core::error::Error for CriuRefusal {}
