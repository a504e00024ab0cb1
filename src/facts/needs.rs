//! Which facts a plan will ask for, so that a probe reads only those.

use alloc::collections::BTreeSet;

use crate::types::{HostPath, NamespaceKind, Resource};

/// The sections of [`HostFacts`](super::HostFacts) that are worth reading for one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// `/etc/subuid`, `/etc/subgid` and the map helpers.
    pub subids: bool,
    /// The cgroup tree.
    pub cgroup: bool,
    /// Beside it, the cgroups of the first process; else those are taken to be the roots.
    pub cgroup_of_init: bool,
    /// Which files of a v2 cgroup go with it to whom it is given.
    pub delegate: bool,
    /// What systemd answers.
    pub systemd: bool,
    /// What memory becomes by a change of ids.
    pub suid_dumpable: bool,
    /// What may be done with user namespaces.
    pub userns: bool,
    /// The security modules.
    pub lsm: bool,
    /// The caller's own `oom_score_adj`.
    pub oom_score_adj: bool,
    /// The mount table.
    pub mounts: bool,
    /// `/etc/passwd` and `/etc/group` inside this root.
    pub accounts: Option<HostPath>,
    /// What these paths are.
    pub paths: BTreeSet<HostPath>,
    /// Whether the kernel knows these namespaces.
    pub namespaces: BTreeSet<NamespaceKind>,
    /// The caller's own limits.
    pub rlimits: BTreeSet<Resource>,
}

impl Needs {
    /// Everything that does not depend on a config.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            subids: true,
            cgroup: true,
            cgroup_of_init: true,
            delegate: true,
            systemd: true,
            suid_dumpable: true,
            userns: true,
            lsm: true,
            oom_score_adj: true,
            mounts: true,
            accounts: None,
            paths: BTreeSet::new(),
            namespaces: NamespaceKind::ALL.into_iter().collect(),
            rlimits: Resource::ALL.iter().copied().collect(),
        }
    }
}
