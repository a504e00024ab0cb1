//! Vocabulary of the spec's rarer parts: hooks, moved interfaces, RDT, personality, memory policy.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::EnvVar;
use crate::types::{MemoryPolicyFlag, MemoryPolicyMode, Pointer};

/// Programs run at moments of a container's life, each list in order.
///
/// # References
/// OCI runtime-spec, `config.md`, "POSIX-platform Hooks".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Deprecated by the spec; after `createRuntime`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prestart: Vec<Hook>,
    /// Namespaces exist, in the runtime's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_runtime: Vec<Hook>,
    /// Before the root is switched, in the container's namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_container: Vec<Hook>,
    /// Before the program starts, in the container's namespaces and root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start_container: Vec<Hook>,
    /// After the program started, in the runtime's namespaces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub poststart: Vec<Hook>,
    /// After the container is deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub poststop: Vec<Hook>,
}

impl Hooks {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hook {
    /// Absolute path of the program.
    pub path: String,
    /// All its arguments, its name first; empty: the path alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Its environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Seconds until it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

/// Wishes for a host interface that moves into the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NetDevice {
    /// Name inside; absent: as on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Intel Resource Director Technology.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntelRdt {
    /// Group in the resctrl file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clos_id: Option<String>,
    /// Name of a group of the container's own, where no `closID` names one, and of its monitoring group; whoever starts the
    /// container chooses it, since only he knows the container's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Lines of the `schemata` file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// L3 cache schema line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_schema: Option<String>,
    /// Memory bandwidth schema line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_schema: Option<String>,
    /// Make a monitoring group.
    pub enable_monitoring: bool,
}

/// NUMA memory policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryPolicy {
    /// Mode.
    pub mode: MemoryPolicyMode,
    /// Nodes, a list like `0-1`; empty where the mode takes none.
    pub nodes: String,
    /// Flags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<MemoryPolicyFlag>,
}

/// What a document says that its format has no meaning for, and therefore has none here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignored {
    /// Where in the document.
    pub place: Pointer,
    /// Why it has no effect.
    pub reason: IgnoredReason,
}

/// Why something of a document has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoredReason {
    /// The format has no such property.
    UnknownProperty,
    /// No kernel that nsplan knows has such a capability.
    UnknownCapability,
    /// A capability that the kernel gives to nobody with these sets: effective without permitted, inheritable without
    /// bounding, ambient without both permitted and inheritable.
    UngrantableCapability,
    /// Rules about devices, where an ordinary user starts the container without a cgroup.
    DevicesOfUser,
}
