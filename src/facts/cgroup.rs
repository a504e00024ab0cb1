//! The cgroup tree of a host: which hierarchies there are, where, and where in them the caller is.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::types::HostPath;

/// The cgroup tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CgroupFacts {
    /// The v1 hierarchies, named ones too, in the order of their mounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hierarchies: Vec<Hierarchy>,
    /// The v2 tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unified: Option<Unified>,
    /// Whether systemd manages this host (`/run/systemd/system` exists).
    #[serde(default)]
    pub systemd: bool,
}

/// The three ways the cgroup tree is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupLayout {
    /// Nothing is mounted.
    None,
    /// v1 hierarchies alone.
    V1,
    /// v1 hierarchies with controllers, and a v2 tree beside them.
    Hybrid,
    /// The v2 tree alone (named v1 hierarchies without controllers do not count).
    V2,
}

impl CgroupFacts {
    /// Which way this tree is laid out.
    #[must_use]
    pub fn layout(&self) -> CgroupLayout {
        let has_v1 = self.hierarchies.iter().any(|hierarchy| !hierarchy.controllers.is_empty());
        match (has_v1, &self.unified) {
            (false, None) => CgroupLayout::None,
            (true, None) => CgroupLayout::V1,
            (true, Some(_)) => CgroupLayout::Hybrid,
            (false, Some(_)) => CgroupLayout::V2,
        }
    }

    /// The v1 hierarchy that has `controller`.
    #[must_use]
    pub fn v1(&self, controller: &str) -> Option<&Hierarchy> {
        self.hierarchies.iter().find(|hierarchy| hierarchy.controllers.contains(controller))
    }
}

/// A v1 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hierarchy {
    /// Its controllers; empty for a named one.
    pub controllers: BTreeSet<String>,
    /// Its name (`name=systemd`), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is mounted.
    pub mount_point: HostPath,
    /// Which of its cgroups is seen at the mount point; `/` for all.
    pub root: String,
    /// The caller's cgroup (`/proc/self/cgroup`), from the hierarchy's own root.
    pub caller: String,
    /// The cgroup of the first process the caller sees (`/proc/1/cgroup`).
    pub init: String,
    /// Whether the caller may make directories in its own cgroup.
    pub writable: bool,
}

/// Name of the leaf that takes the processes of a v2 cgroup which was given to an ordinary user, while containers are
/// in cgroups beside it.
pub const LEAF: &str = "nsplan-caller";

/// The v2 tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unified {
    /// Where it is mounted.
    pub mount_point: HostPath,
    /// Which of its cgroups is seen at the mount point.
    pub root: String,
    /// The caller's cgroup; the one above if an earlier container has moved the caller into its [`LEAF`].
    pub caller: String,
    /// The cgroup of the first process the caller sees.
    pub init: String,
    /// Whether the caller may make directories in its own cgroup and move processes there.
    pub writable: bool,
    /// Whether the caller's cgroup was given to it: it may also switch controllers on below it
    /// (`cgroup.subtree_control` is writable).
    #[serde(default)]
    pub delegated: bool,
    /// Whether the caller is in the [`LEAF`] of `caller`.
    #[serde(default)]
    pub in_leaf: bool,
    /// Whether cgroups with the `io` controller have the weight of the BFQ scheduler (`io.bfq.weight`).
    #[serde(default)]
    pub bfq: bool,
    /// Files of a cgroup that whoever it is given to may write to (`/sys/kernel/cgroup/delegate`, Linux 4.15); empty where
    /// the kernel does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegate: Vec<String>,
    /// Controllers that exist at the mount point (`cgroup.controllers`).
    pub controllers: BTreeSet<String>,
    /// Controllers that the caller's cgroup has (`cgroup.controllers` there).
    pub caller_controllers: BTreeSet<String>,
    /// Controllers that children of the caller's cgroup get (`cgroup.subtree_control` there).
    pub caller_subtree: BTreeSet<String>,
    /// Whether processes live in the caller's cgroup itself, which forbids enabling controllers below it
    /// (the root is exempt).
    pub caller_populated: bool,
}
