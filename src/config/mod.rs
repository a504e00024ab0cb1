//! What a container shall be, as one value that every front door lowers to.
//!
//! The model has room for all of the OCI runtime-spec 1.3 for Linux and for libcontainer's `container.json`. A `Config`
//! is plain data: it holds nothing that was not checked (paths, id maps, names), and nothing about a host.
//!
//! Its JSON form (`nsplan config FILE`) is canonical: members in the order below, absent ones left out. A [`Pointer`]
//! in a plan or an error points into that form; a [`SourceMap`] leads from there to the user's own words.
//!
//! Pure: may use `types` only.
//!
//! [`Pointer`]: crate::types::Pointer
#![forbid(unsafe_code)]

mod cgroup;
mod defaults;
mod error;
mod expected;
mod extras;
pub(crate) mod json;
mod libcontainer;
mod mount;
mod net;
mod oci;
mod overlay;
mod process;
mod seccomp;
mod source;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

pub use cgroup::{
    BlockIo, Cgroup, CgroupBase, CgroupDriver, CgroupPath, Cpu, DeviceRule, HugepageLimit,
    InterfacePriority, Limit, Memory, PathComponent, PathComponentError, RdmaLimit, Resources,
    ThrottleDevice, WeightDevice,
};
pub use error::{ConfigError, ConfigErrors, Expected, Found, Problem};
pub use extras::{Hook, Hooks, Ignored, IgnoredReason, IntelRdt, MemoryPolicy, NetDevice};
#[doc(hidden)]
pub use libcontainer::fuzz_libcontainer;
pub use libcontainer::{
    CannotWrite, Extra, Generation, Kept, Parsed, from_libcontainer, to_libcontainer,
};
pub use mount::{BindSource, Device, DeviceLink, Mount, MountIdMap, MountKind, Relabel};
pub use net::{Interface, Network, Route, Veth};
#[doc(hidden)]
pub use oci::fuzz_oci;
pub use oci::{
    OCI_VERSION, OCI_VERSION_MIN, OciParsed, OciSeccomp, OciWords, from_oci, from_oci_unplaced,
    process_from_oci, resources_from_oci, seccomp_from_oci,
};
pub use process::{
    CapabilitySets, ConsoleSize, EnvVar, ExecCpuAffinity, IoPriority, Process, Scheduler, User,
    UserSpec,
};
pub use seccomp::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompFlag, SeccompOperator, SeccompRule,
};
pub use source::{Origin, SourceMap};

use crate::types::{HostPath, IdMap, NamespaceKind, PersonalityDomain, Propagation, RootPath};

/// What a container shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The root file system.
    pub root: Root,
    /// Which namespaces are created or joined; a kind that is absent is inherited.
    pub namespaces: BTreeMap<NamespaceKind, NamespaceSource>,
    /// Ids of a created user namespace. Empty in a created one: the planner maps the caller to root.
    #[serde(skip_serializing_if = "IdMap::is_empty")]
    pub uid_mappings: IdMap,
    /// Group ids of a created user namespace.
    #[serde(skip_serializing_if = "IdMap::is_empty")]
    pub gid_mappings: IdMap,
    /// Offsets of the clocks in a created time namespace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub time_offsets: BTreeMap<Clock, TimeOffset>,
    /// Host name, set in a created UTS namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// NIS domain name, set in a created UTS namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Mounts below the root, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Device nodes, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Symbolic links made after the nodes, an existing one is left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_links: Vec<DeviceLink>,
    /// Paths hidden from the container: a file under the null device, a directory under an empty one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masked_paths: Vec<RootPath>,
    /// Paths made read-only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub readonly_paths: Vec<RootPath>,
    /// SELinux context of the container's file systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_label: Option<String>,
    /// Network interfaces made for the container, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// Routes added after all interfaces, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Host interfaces moved into the container: host name → wishes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub net_devices: BTreeMap<String, NetDevice>,
    /// Control group; absent: the container stays in the caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Cgroup>,
    /// Kernel parameters, dotted names as `sysctl(8)` prints them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctl: BTreeMap<String, String>,
    /// System call filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// Programs run at moments of the container's life.
    #[serde(skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    /// Intel Resource Director Technology.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdt>,
    /// Execution domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personality: Option<PersonalityDomain>,
    /// NUMA memory policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// Whether it begins with an empty session keyring of its own, instead of the caller's with all its keys.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub new_keyring: bool,
    /// The directory of the bundle, which hooks are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle: Option<HostPath>,
    /// A directory of the launcher's, made for this container, in which a socket for its word that it is ready will be; it is
    /// the source of one of the mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify: Option<HostPath>,
    /// Free text for others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The first process; absent when a config only prepares a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// What the document says beside, without effect; the plan's notes name it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
}

/// The root file system and how it becomes `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Root {
    /// The directory on the host.
    pub path: HostPath,
    /// Instead of the directory itself: an empty root in which only these entries of it appear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<Vec<RootEntry>>,
    /// Whether `/` is read-only, after everything else has been mounted.
    pub readonly: bool,
    /// Whether the mounts that come with `path` are read-only too (Linux 5.12; by walking the mount table before).
    pub readonly_recursive: bool,
    /// How mounts of the host reach the container and back. `None` chooses private when the root is switched by
    /// `pivot_root`, slave otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
    /// How `/` is changed.
    pub switch: RootSwitch,
}

/// An entry of a directory that appears in a root made of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RootEntry {
    /// Its name in the directory and in the root.
    pub name: PathComponent,
    /// What it is.
    pub kind: RootEntryKind,
}

/// What an entry of a directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RootEntryKind {
    /// A directory, with what is mounted below it.
    Directory,
    /// A file.
    File,
    /// A symbolic link that says this.
    Link(String),
}

/// How the container's root becomes `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootSwitch {
    /// `pivot_root(2)`, then the old root is detached.
    PivotRoot,
    /// Move the mount over `/` and `chroot(2)`: for a root on a ramdisk. Dangerous: the old tree stays below.
    MoveMount,
}

/// Where a namespace comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceSource {
    /// A new one.
    Create,
    /// The one this file stands for (`/proc/PID/ns/*` or a bind mount of it).
    Join(HostPath),
}

/// A clock that a time namespace can shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// `CLOCK_BOOTTIME`.
    Boottime,
    /// `CLOCK_MONOTONIC`.
    Monotonic,
}

/// How far a clock is shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeOffset {
    /// Seconds, either sign.
    pub secs: i64,
    /// Nanoseconds on top, below one second.
    pub nanosecs: u32,
}

impl Config {
    /// Whether `kind` is created (neither joined nor inherited).
    #[must_use]
    pub fn creates(&self, kind: NamespaceKind) -> bool {
        self.namespaces.get(&kind) == Some(&NamespaceSource::Create)
    }

    /// A container on the directory `root` that asks for nothing else: every door begins with it.
    #[must_use]
    pub fn on(root: HostPath) -> Self {
        Self {
            root: Root {
                entries: None,
                path: root,
                readonly: false,
                readonly_recursive: false,
                propagation: None,
                switch: RootSwitch::PivotRoot,
            },
            namespaces: BTreeMap::new(),
            uid_mappings: IdMap::default(),
            gid_mappings: IdMap::default(),
            time_offsets: BTreeMap::new(),
            hostname: None,
            domainname: None,
            mounts: Vec::new(),
            devices: Vec::new(),
            device_links: Vec::new(),
            masked_paths: Vec::new(),
            readonly_paths: Vec::new(),
            mount_label: None,
            networks: Vec::new(),
            routes: Vec::new(),
            net_devices: BTreeMap::new(),
            cgroup: None,
            sysctl: BTreeMap::new(),
            seccomp: None,
            hooks: Hooks::default(),
            intel_rdt: None,
            personality: None,
            new_keyring: false,
            memory_policy: None,
            bundle: None,
            notify: None,
            annotations: BTreeMap::new(),
            process: None,
            ignored: Vec::new(),
        }
    }

    /// Gives a cgroup that has no path yet this one; see [`OciParsed::config`].
    pub fn place_cgroup(&mut self, path: CgroupPath) {
        let resources = match self.cgroup.take() {
            Some(cgroup) if !cgroup.path.parts.is_empty() => return self.cgroup = Some(cgroup),
            cgroup => cgroup.map(|cgroup| cgroup.resources).unwrap_or_default(),
        };
        self.cgroup = Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources });
    }

    /// The canonical form: JSON, indented by two blanks.
    ///
    /// # Panics
    /// Never: every member has a JSON form, which the tests try.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        serde_json::to_string_pretty(self).expect("every member of a config has a JSON form")
    }
}
