//! What a config says about flags and ids, without a look at any host.

use alloc::collections::BTreeMap;
use core::fmt;

use crate::config::{Config, NamespaceSource};
use crate::types::{CloneFlags, IdMap, NamespaceKind, Signal};

/// What is added to the number of the signal that has ended a container's first process: 128.
///
/// [`exec`](super::exec) returns the sum, as shells do.
pub const EXIT_SIGNAL_OFFSET: u8 = Signal::EXIT_OFFSET;

/// What a command's process is made with: the original's `SysProcAttr`, as far as a container uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "SysProcAttr")]
pub struct ProcessAttributes {
    /// Namespaces that are created with the process.
    pub clone_flags: CloneFlags,
    /// Signal it gets when its parent dies.
    pub parent_death_signal: Option<Signal>,
    /// User ids of its user namespace.
    pub uid_mappings: IdMap,
    /// Group ids of its user namespace.
    pub gid_mappings: IdMap,
}

/// The flags of `clone(2)` for the namespaces that are created; those that are joined add nothing.
///
/// An unknown type cannot come here: the doors refuse it with its place, where the original added nothing for it and
/// went on.
///
/// ```
/// use nsplan::config::NamespaceSource;
/// use nsplan::namespaces::get_namespace_flags;
/// use nsplan::types::{CloneFlags, HostPath, NamespaceKind};
///
/// let host = NamespaceSource::Join(HostPath::new("/proc/1/ns/ipc").expect("absolute"));
/// let namespaces = [(NamespaceKind::Mnt, NamespaceSource::Create), (NamespaceKind::Ipc, host)];
/// assert_eq!(get_namespace_flags(&namespaces.into()), CloneFlags::CLONE_NEWNS);
/// ```
#[doc(alias = "GetNamespaceFlags")]
#[must_use]
pub fn get_namespace_flags(namespaces: &BTreeMap<NamespaceKind, NamespaceSource>) -> CloneFlags {
    let created = namespaces.iter().filter(|(_, source)| **source == NamespaceSource::Create);
    created.map(|(kind, _)| kind.clone_flag()).collect()
}

/// Copies the config's id mappings into a process's attributes, in their order. A list that is empty leaves what is
/// there.
///
/// No range can be empty or overlap another: an [`IdMap`] holds none such.
#[doc(alias = "AddUidGidMappings")]
pub fn add_uid_gid_mappings(attributes: &mut ProcessAttributes, config: &Config) {
    if !config.uid_mappings.is_empty() {
        attributes.uid_mappings.clone_from(&config.uid_mappings);
    }
    if !config.gid_mappings.is_empty() {
        attributes.gid_mappings.clone_from(&config.gid_mappings);
    }
}

/// Why a container's root is nobody on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoHostRoot {
    /// There is a user namespace, and no mapping of its ids is given. (For a new one the planner maps the caller then.)
    NoMappings,
    /// No mapping covers root.
    NotMapped,
}

impl fmt::Display for NoHostRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoMappings => "a user namespace without id mappings: root's id is not known",
            Self::NotMapped => {
                "the id mappings do not cover root: expected one from container id 0"
            }
        })
    }
}

impl core::error::Error for NoHostRoot {}

/// The user on the host that the container's root is: 0 without a user namespace, else what id 0 is mapped to.
///
/// # Errors
/// With a user namespace, created or joined, when no mapping is given or none covers 0.
///
/// ```
/// use nsplan::config::Config;
/// use nsplan::namespaces::get_host_root_uid;
/// use nsplan::types::{HostPath, IdMap, IdMapping};
///
/// let mut config = Config::sandbox(HostPath::new("/srv").expect("absolute"), vec!["sh".into()], true);
/// let mapping = IdMapping { container_id: 0, host_id: 1000, size: 1 };
/// config.uid_mappings = IdMap::new(vec![mapping]).expect("one range");
/// assert_eq!(get_host_root_uid(&config), Ok(1000));
/// ```
#[doc(alias = "GetHostRootUid")]
pub fn get_host_root_uid(config: &Config) -> Result<u32, NoHostRoot> {
    host_root(config, &config.uid_mappings)
}

/// The group on the host that the container's root group is.
///
/// # Errors
/// As [`get_host_root_uid`], by the mappings of groups.
#[doc(alias = "GetHostRootGid")]
pub fn get_host_root_gid(config: &Config) -> Result<u32, NoHostRoot> {
    host_root(config, &config.gid_mappings)
}

fn host_root(config: &Config, mappings: &IdMap) -> Result<u32, NoHostRoot> {
    if !config.namespaces.contains_key(&NamespaceKind::User) {
        return Ok(0);
    }
    if mappings.is_empty() {
        return Err(NoHostRoot::NoMappings);
    }
    mappings.to_host(0).ok_or(NoHostRoot::NotMapped)
}
