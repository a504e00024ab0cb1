//! Vocabulary of mounts and device nodes.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::types::{DeviceKind, DeviceNumber, HostPath, IdMap, MountFlags, Propagation, RootPath};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where, inside the root. Missing directories, or the file for a file's bind mount, are made.
    pub destination: RootPath,
    /// What.
    #[serde(flatten)]
    pub kind: MountKind,
    /// Flags it shall have.
    #[serde(skip_serializing_if = "MountFlags::is_empty")]
    pub set: MountFlags,
    /// Flags it shall not have, where the source might bring them.
    #[serde(skip_serializing_if = "MountFlags::is_empty")]
    pub clear: MountFlags,
    /// Flags that it and every mount below shall have (Linux 5.12).
    #[serde(skip_serializing_if = "MountFlags::is_empty")]
    pub set_recursive: MountFlags,
    /// Flags that neither it nor any mount below shall have (Linux 5.12).
    #[serde(skip_serializing_if = "MountFlags::is_empty")]
    pub clear_recursive: MountFlags,
    /// Changes of propagation, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub propagation: Vec<Propagation>,
    /// Id mapping of the mount (Linux 5.12).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_map: Option<MountIdMap>,
    /// SELinux relabelling of the source before it is mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relabel: Option<Relabel>,
    /// Fill a new tmpfs with what the destination held (`tmpcopyup`).
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub copy_up: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MountKind {
    /// A part of the host's tree.
    Bind(BindSource),
    /// Nothing: the flags of the mount that is there change (`remount`).
    Remount,
    /// The container's view of the cgroup tree: `cgroup2`, or on v1 a tmpfs with every hierarchy in it.
    Cgroup,
    /// A new file system.
    #[serde(rename = "filesystem")]
    Filesystem {
        /// Its type, a name of `/proc/filesystems`.
        fstype: String,
        /// What it is made from; many types ignore it.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// Options for the file system: `key=value` or `key`, in order.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        data: Vec<String>,
    },
}

/// Source of a bind mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BindSource {
    /// The path on the host.
    pub source: HostPath,
    /// Also what is mounted below it.
    pub recursive: bool,
}

/// Id mapping of one mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MountIdMap {
    /// User ids; empty: as the container's user namespace.
    pub uid_mappings: IdMap,
    /// Group ids; empty: as the container's user namespace.
    pub gid_mappings: IdMap,
    /// Also for the mounts below.
    pub recursive: bool,
}

/// SELinux relabelling of a bind source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Relabel {
    /// For this container alone (`Z`).
    Private,
    /// Shared between containers (`z`).
    Shared,
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// Where, inside the root.
    pub path: RootPath,
    /// Kind.
    #[serde(rename = "type")]
    pub kind: DeviceKind,
    /// Number; meaningless for a fifo.
    #[serde(flatten)]
    pub number: DeviceNumber,
    /// Permission bits.
    pub mode: u32,
    /// Owner, an id inside the container.
    pub uid: u32,
    /// Group, an id inside the container.
    pub gid: u32,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceLink {
    /// Where, inside the root.
    pub path: RootPath,
    /// What it says.
    pub target: String,
    /// Whether something else at that place is removed first (`/dev/ptmx`).
    pub replace: bool,
    /// Only if this exists inside once everything is mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_if: Option<RootPath>,
}
