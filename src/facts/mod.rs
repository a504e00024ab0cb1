//! What is true of a host, as one value: text of the kernel and of `/etc` becomes `HostFacts`.
//!
//! Facts are plain data and serialise, so a bug report is two files and any host can be planned for from any other.
//! A section that was not looked at is `None`; a plan that needs it says so by name, it never guesses.
//!
//! Pure: may use `types` only. The one producer of facts from a machine is `apply::probe`.
#![forbid(unsafe_code)]

mod accounts;
mod cgroup;
mod error;
mod example;
mod fuzz;
mod id_map;
mod json;
mod kernel;
mod mountinfo;
mod needs;
mod proc_cgroup;
mod split;
mod stat;
mod stats;
mod status;
mod subid;
mod systemd;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use accounts::{
    AccountError, ExecUser, GroupEntry, PasswdEntry, find_group, parse_group, parse_passwd, resolve,
};
pub use cgroup::{CgroupFacts, CgroupLayout, Hierarchy, LEAF, Unified};
pub use error::FactsError;
#[doc(hidden)]
pub use fuzz::fuzz_text;
pub use id_map::{is_identity, parse_id_map};
pub use kernel::{Feature, KernelFacts, KernelVersion};
pub use mountinfo::parse_mountinfo;
pub use needs::Needs;
pub use proc_cgroup::{Membership, discover, parse_controllers, parse_proc_cgroup};
pub use stat::{ProcStat, parse_stat};
pub use stats::{
    BlockIoEntry, BlockIoStats, CgroupStats, Counter, CpuStats, FreezerState, InterfaceEvent,
    LibcontainerStats, MemoryEvents, MemoryStats, PidsStats, Pressure, Stalled, StatsEvent,
    Throttling, parse_cgroup_events, parse_cgroup_number, parse_flat_keyed, parse_freezer_state,
};
pub use status::{ProcStatus, parse_status};
pub use subid::parse_subids;
pub use systemd::{SystemdFacts, parse_bus_address, parse_systemd_version};

use crate::types::{CapSet, HostPath, IdMapping, MountFlags, NamespaceKind, Resource, Rlimit};

/// What is true of a host and of the process that plans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostFacts {
    /// Version of this format.
    pub schema: u32,
    /// The kernel.
    pub kernel: KernelFacts,
    /// The process that plans and will launch.
    pub caller: Caller,
    /// What may be done with user namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userns: Option<UsernsFacts>,
    /// Security modules that are active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsm: Option<LsmFacts>,
    /// Sub-ids granted to the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subids: Option<SubidFacts>,
    /// The cgroup tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupFacts>,
    /// systemd, if it runs and answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub systemd: Option<SystemdFacts>,
    /// The mount table, in the order of `/proc/self/mountinfo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Vec<MountFact>>,
    /// What host paths named by the config are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<HostPath, PathFact>,
    /// Files of the root file system that say who is who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountFacts>,
}

impl HostFacts {
    /// The version this program writes and reads.
    pub const SCHEMA: u32 = 1;

    /// Whether the kernel has `feature`.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.kernel.features.contains(&feature)
    }
}

/// The process that plans and will launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Login name, for `/etc/subuid`; empty if `/etc/passwd` has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Supplementary groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// Permitted capabilities, in the caller's user namespace.
    pub permitted: CapSet,
    /// Effective capabilities.
    pub effective: CapSet,
    /// Bounding set.
    pub bounding: CapSet,
    /// Whether the caller is in the first user namespace, where ids and capabilities are real.
    pub in_initial_userns: bool,
    /// Ids mapped into the caller's user namespace; empty in the first one, which maps everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uid_map: Vec<IdMapping>,
    /// Group ids mapped into the caller's user namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gid_map: Vec<IdMapping>,
    /// Whether `setgroups(2)` is allowed in the caller's user namespace.
    pub setgroups_allowed: bool,
    /// Resource limits that differ from unlimited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rlimits: BTreeMap<Resource, Rlimit>,
    /// `/proc/self/oom_score_adj`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// How many threads the calling process has; 0 where that is not known.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub threads: u32,
    /// How many processors the calling thread may run on; 0 where that is not known.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub processors: u32,
}

/// A count that nobody has made.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_unknown(count: &u32) -> bool {
    *count == 0
}

impl Caller {
    /// Whether the caller has every capability of `set`, effective.
    #[must_use]
    pub fn can(&self, set: CapSet) -> bool {
        set.is_subset(self.effective)
    }
}

/// What may be done with user namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UsernsFacts {
    /// `user.max_user_namespaces`; 0 forbids them all.
    pub max: u64,
    /// `kernel.unprivileged_userns_clone`, a patch of some distributions; `None` where it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unprivileged_clone: Option<bool>,
    /// Whether AppArmor takes the capabilities of user namespaces made by unconfined programs
    /// (`kernel.apparmor_restrict_unprivileged_userns`).
    #[serde(default)]
    pub apparmor_restricted: bool,
}

/// Security modules that are active.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LsmFacts {
    /// AppArmor is enabled (`/sys/module/apparmor/parameters/enabled` says `Y`).
    pub apparmor: bool,
    /// AppArmor has files of its own for a process's labels (`attr/apparmor/`, Linux 5.8): the older `attr/exec` belongs to
    /// whichever module comes first.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub apparmor_attr: bool,
    /// SELinux is enabled (a writable selinuxfs is mounted).
    pub selinux: bool,
}

/// Sub-ids granted to the caller, and the helpers that write maps with them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubidFacts {
    /// Ranges of `/etc/subuid` for the caller, by name or number, in file order.
    pub uids: Vec<SubidRange>,
    /// Ranges of `/etc/subgid` for the caller.
    pub gids: Vec<SubidRange>,
    /// Where `newuidmap` is, when it can be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newuidmap: Option<HostPath>,
    /// Where `newgidmap` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newgidmap: Option<HostPath>,
}

/// A granted range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubidRange {
    /// First id.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// One mount of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountFact {
    /// Id of the mount.
    pub id: u32,
    /// Id of the mount it is on.
    pub parent: u32,
    /// Which part of the file system is mounted.
    pub root: String,
    /// Where, as the caller sees it.
    pub mount_point: String,
    /// Flags of this mount.
    pub flags: MountFlags,
    /// Whether it is in a peer group (`shared:N`).
    #[serde(default)]
    pub shared: bool,
    /// File system type.
    pub fstype: String,
    /// What it is made from.
    pub source: String,
    /// Options of the superblock, as written.
    pub super_options: String,
}

/// What a host path is, links followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathFact {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A device node, socket or fifo.
    Special,
    /// Nothing there.
    Missing,
    /// The caller may not look.
    Denied,
}

/// Files of the root file system that say who is who, read from inside the root; `None` where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccountFacts {
    /// `/etc/passwd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passwd: Option<String>,
    /// `/etc/group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Namespace kinds the running kernel has.
pub type NamespaceKinds = BTreeSet<NamespaceKind>;
