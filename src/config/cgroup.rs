//! Vocabulary of control groups: place, limits, device rules.
//!
//! Limits are in the units of the OCI runtime-spec, which are those of cgroup v1 for CPU shares and block I/O weights;
//! the planner converts for v2.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{DeviceAccess, DeviceKind, DeviceNumber};

/// Where the container's cgroup is and what it enforces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cgroup {
    /// The place.
    pub path: CgroupPath,
    /// Who makes it.
    pub driver: CgroupDriver,
    /// What it enforces.
    #[serde(flatten)]
    pub resources: Resources,
}

/// A cgroup by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CgroupPath {
    /// What the parts are below of.
    pub base: CgroupBase,
    /// Parts of the path, at least one.
    pub parts: Vec<PathComponent>,
}

/// What a cgroup path is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupBase {
    /// The mount point of the hierarchy.
    Root,
    /// The cgroup of the first process the caller sees (libcontainer's rule for relative paths).
    Init,
    /// The caller's own cgroup: the only one an ordinary user may have been given.
    Caller,
}

/// One part of a cgroup path: not empty, no `/`, no NUL, neither `.` nor `..`, at most 255 bytes, no leading `cgroup.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PathComponent(String);

/// Why a text is no part of a cgroup path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathComponentError;

impl fmt::Display for PathComponentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a directory name: expected 1 to 255 bytes without `/` and NUL, not `.` or `..`",
        )
    }
}

impl core::error::Error for PathComponentError {}

impl PathComponent {
    /// Checks one part.
    ///
    /// # Errors
    /// When the text could name anything but one directory below.
    pub fn new(text: &str) -> Result<Self, PathComponentError> {
        let is_name = !matches!(text, "" | "." | "..") && !text.contains(['/', '\0']);
        let is_free = !text.starts_with("cgroup.") && text.len() <= 255;
        if is_name && is_free { Ok(Self(text.into())) } else { Err(PathComponentError) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who makes the cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupDriver {
    /// nsplan makes directories itself.
    Cgroupfs,
    /// systemd makes a transient scope.
    Systemd {
        /// The slice the scope is in; without one `system.slice` for root, `user.slice` for an ordinary user.
        #[serde(skip_serializing_if = "Option::is_none")]
        slice: Option<String>,
        /// The scope's name without `.scope`.
        scope: String,
    },
}

impl CgroupDriver {
    /// The scope of `slice:prefix:name`, which is how OCI runtimes read `cgroupsPath` when systemd makes the cgroup:
    /// `prefix-name.scope` in that slice, or `name.scope` without a prefix. `None` for anything else.
    #[must_use]
    pub fn from_systemd_path(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (slice, prefix, name) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || name.is_empty() {
            return None;
        }
        let slice = Some(slice.into()).filter(|slice: &String| !slice.is_empty());
        let scope = if prefix.is_empty() { name.into() } else { format!("{prefix}-{name}") };
        Some(Self::Systemd { slice, scope })
    }
}

impl Cgroup {
    /// Has systemd make it: the scope that a path of the form `slice:prefix:name` names, or one in the default slice, named by
    /// the parts of the path. One that systemd makes anyway stays as it is.
    pub fn ask_systemd(&mut self) {
        if self.driver == CgroupDriver::Cgroupfs {
            let parts: Vec<_> = self.path.parts.iter().map(PathComponent::as_str).collect();
            let named = match parts[..] {
                [part] => CgroupDriver::from_systemd_path(part),
                _ => None,
            };
            let scope = || CgroupDriver::Systemd { slice: None, scope: parts.join("-") };
            self.driver = named.unwrap_or_else(scope);
        }
    }
}

/// A number of bytes or the like, or none: `-1` in the spec, `max` on v2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    /// No limit.
    Unlimited,
    /// At most this.
    At(u64),
}

/// Everything a cgroup enforces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resources {
    /// Device rules in order, the last one that matches decides; nothing matches: denied. `None` leaves devices alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<DeviceRule>>,
    /// Memory.
    #[serde(skip_serializing_if = "Memory::is_empty")]
    pub memory: Memory,
    /// CPU time and placement.
    #[serde(skip_serializing_if = "Cpu::is_empty")]
    pub cpu: Cpu,
    /// Number of tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Limit>,
    /// Block devices.
    #[serde(rename = "blockIO", skip_serializing_if = "BlockIo::is_empty")]
    pub block_io: BlockIo,
    /// Huge pages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hugepage_limits: Vec<HugepageLimit>,
    /// Class of network packets (v1 `net_cls.classid`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_class: Option<u32>,
    /// Priorities of network packets by interface (v1 `net_prio.ifpriomap`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub network_priorities: Vec<InterfacePriority>,
    /// RDMA handles and objects by device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rdma: BTreeMap<String, RdmaLimit>,
    /// Raw v2 files and values, written last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unified: BTreeMap<String, String>,
}

/// One rule about devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    /// Grant or refuse.
    pub allow: bool,
    /// Kind; absent: both.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<DeviceKind>,
    /// Major number; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub major: Option<u32>,
    /// Minor number; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<u32>,
    /// What is granted or refused.
    pub access: DeviceAccess,
}

/// Memory limits, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// Hard limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Soft limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Limit>,
    /// Memory **and** swap together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<Limit>,
    /// Kernel memory (v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Limit>,
    /// Kernel memory of TCP buffers (v1).
    #[serde(rename = "kernelTCP", skip_serializing_if = "Option::is_none")]
    pub kernel_tcp: Option<Limit>,
    /// Tendency to swap, 0 to 100 (v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swappiness: Option<u64>,
    /// Processes that run out of memory wait instead of being killed (v1).
    #[serde(rename = "disableOOMKiller", skip_serializing_if = "core::ops::Not::not")]
    pub disable_oom_killer: bool,
    /// Children count towards the limit (v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_hierarchy: Option<bool>,
    /// Refuse a limit that is already exceeded.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub check_before_update: bool,
}

impl Memory {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// CPU time and placement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cpu {
    /// Relative weight, 2 to 262144, 1024 is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares: Option<u64>,
    /// Microseconds a period; negative: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<i64>,
    /// Microseconds of a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
    /// Microseconds that may be saved up (Linux 5.14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
    /// Real-time microseconds a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime_runtime: Option<i64>,
    /// Microseconds of a real-time period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime_period: Option<u64>,
    /// CPUs, a list like `0-3,8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Memory nodes, a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mems: Option<String>,
    /// `cpu.idle`, 0 or 1 (Linux 5.15).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<i64>,
}

impl Cpu {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Block I/O.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BlockIo {
    /// Relative weight, 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Weight against children, 10 to 1000 (v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_weight: Option<u16>,
    /// Weights by device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weight_device: Vec<WeightDevice>,
    /// Bytes read a second, by device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttle_read_bps: Vec<ThrottleDevice>,
    /// Bytes written a second, by device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttle_write_bps: Vec<ThrottleDevice>,
    /// Reads a second, by device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttle_read_iops: Vec<ThrottleDevice>,
    /// Writes a second, by device.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub throttle_write_iops: Vec<ThrottleDevice>,
}

impl BlockIo {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Block I/O weight of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightDevice {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceNumber,
    /// Relative weight, 10 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// Weight against children (v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_weight: Option<u16>,
}

/// A rate limit of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThrottleDevice {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceNumber,
    /// At most this a second.
    pub rate: u64,
}

/// Limit of one size of huge pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HugepageLimit {
    /// `2MB`, `1GB`, as in the cgroup's file names.
    pub page_size: String,
    /// Bytes.
    pub limit: u64,
}

/// Priority of packets on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePriority {
    /// Name of the interface.
    pub name: String,
    /// Priority.
    pub priority: u32,
}

/// RDMA limits of one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RdmaLimit {
    /// Handles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hca_handles: Option<u32>,
    /// Objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hca_objects: Option<u32>,
}
