//! The vocabulary of hooks: programs that the config runs at moments of a container's life.
//!
//! # References
//! OCI runtime-spec, `config.md`, "POSIX-platform Hooks"; `runtime.md`, "Lifecycle".

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::types::HostPath;

/// A moment at which programs are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookKind {
    /// By the launcher, once everything is mounted and before the root is changed.
    Prestart,
    /// By the launcher, after `prestart`.
    CreateRuntime,
    /// By init in the container's namespaces, before the root is changed: of the host's files.
    CreateContainer,
    /// By init in the container's namespaces and root, before the program.
    StartContainer,
    /// By the launcher, once the program runs.
    Poststart,
    /// By whoever undoes the plan, when all else is undone.
    Poststop,
}

impl HookKind {
    /// The spec's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// The container's status at that moment.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Prestart | Self::CreateRuntime | Self::CreateContainer => "creating",
            Self::StartContainer => "created",
            Self::Poststart => "running",
            Self::Poststop => "stopped",
        }
    }

    /// Whether init runs them, in the container's namespaces.
    #[must_use]
    pub const fn is_inside(self) -> bool {
        matches!(self, Self::CreateContainer | Self::StartContainer)
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookCall {
    /// Absolute path.
    pub path: String,
    /// All its arguments, its name first.
    pub args: Vec<String>,
    /// Its whole environment, `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Seconds until it is killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// What a hook reads on its standard input: the container's state, but for what only the launcher knows (pid, id).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookState {
    /// The container's name; in a journal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Directory of the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<HostPath>,
    /// The config's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Operations on hooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum HookOp {
    /// Nothing by itself: its undo is to run the `poststop` hooks.
    Promise,
    /// `memfd_create(2)` for what the hooks of that kind are told, by the parent before the clone.
    MakeState {
        /// Which.
        kind: HookKind,
    },
    /// Writes it and seals it, by the parent once it knows init's pid.
    WriteState {
        /// Which.
        kind: HookKind,
        /// What.
        state: HookState,
    },
    /// Runs programs one after another, each in a process of its own with memory of its own: standard input is the state,
    /// other descriptors are closed but for outputs. One that does not end with 0, or in time, is an error, and the rest is
    /// not run; for `poststop` it is a warning, and the rest is run.
    Run {
        /// When.
        kind: HookKind,
        /// Which.
        hooks: Vec<HookCall>,
        /// What they are told; hooks inside are told by [`Self::WriteState`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<HookState>,
    },
}
