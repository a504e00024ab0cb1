//! The configuration that `nsplan do` starts from: nothing given becomes a whole, safe `Config`.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{
    CapabilitySets, Config, Device, DeviceLink, EnvVar, Mount, MountKind, NamespaceSource, Network,
    Process, Root, RootEntry, User, UserSpec,
};
use crate::types::{
    CapSet, DeviceKind, DeviceNumber, HostPath, MountFlags, NamespaceKind, RootPath, Signal,
};

/// Capabilities of a container's root in Docker's and the seed's specification, by number.
const DEFAULT_CAPABILITIES: [u8; 14] = [
    0,  // CHOWN
    1,  // DAC_OVERRIDE
    3,  // FOWNER
    4,  // FSETID
    5,  // KILL
    6,  // SETGID
    7,  // SETUID
    8,  // SETPCAP
    10, // NET_BIND_SERVICE
    13, // NET_RAW
    18, // SYS_CHROOT
    27, // MKNOD
    29, // AUDIT_WRITE
    31, // SETFCAP
];

/// Entries of `/proc` and `/sys` that show or change the host: hidden by container engines.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];

/// Entries of `/proc` that set things host-wide.
const READONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The six nodes every program may expect, with their numbers.
const NODES: [(&str, u32, u32); 6] = [
    ("/dev/full", 1, 7),
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/tty", 5, 0),
    ("/dev/urandom", 1, 9),
    ("/dev/zero", 1, 5),
];

impl CapabilitySets {
    /// The usual set of a container: bounding, effective and permitted alike, nothing inheritable or ambient.
    #[must_use]
    pub fn container_default() -> Self {
        Self::of(
            DEFAULT_CAPABILITIES
                .into_iter()
                .filter_map(crate::types::Capability::from_number)
                .collect(),
        )
    }

    /// `set` as bounding, effective and permitted set, nothing inheritable or ambient.
    #[must_use]
    pub fn of(set: CapSet) -> Self {
        Self {
            bounding: set,
            effective: set,
            permitted: set,
            inheritable: CapSet::EMPTY,
            ambient: CapSet::EMPTY,
        }
    }
}

impl Device {
    /// `null zero full tty random urandom`, mode 0666, owned by root.
    #[must_use]
    pub fn simple() -> Vec<Self> {
        NODES
            .into_iter()
            .map(|(path, major, minor)| Self {
                path: root_path(path),
                kind: DeviceKind::Char,
                number: DeviceNumber { major, minor },
                mode: 0o666,
                uid: 0,
                gid: 0,
            })
            .collect()
    }
}

impl DeviceLink {
    /// `fd`, `stdin`, `stdout`, `stderr` and `core` in `/dev`, and `ptmx`, which replaces what is there.
    #[must_use]
    pub fn standard() -> Vec<Self> {
        let link = |path: &str, target: &str| Self {
            path: root_path(path),
            target: target.to_owned(),
            replace: false,
            only_if: None,
        };
        vec![
            Self { replace: true, ..link("/dev/ptmx", "pts/ptmx") },
            link("/dev/fd", "/proc/self/fd"),
            link("/dev/stdin", "/proc/self/fd/0"),
            link("/dev/stdout", "/proc/self/fd/1"),
            link("/dev/stderr", "/proc/self/fd/2"),
        ]
    }
}

impl Mount {
    /// A new file system with flags and options and nothing else.
    #[must_use]
    pub fn filesystem(destination: &str, fstype: &str, set: MountFlags, data: &[&str]) -> Self {
        let kind = MountKind::Filesystem {
            fstype: fstype.to_owned(),
            source: Some(fstype.to_owned()),
            data: data.iter().map(|option| (*option).to_owned()).collect(),
        };
        Self::new(root_path(destination), kind, set)
    }

    /// What is mounted where, with these flags and nothing else.
    #[must_use]
    pub fn new(destination: RootPath, kind: MountKind, set: MountFlags) -> Self {
        Self {
            destination,
            kind,
            set,
            clear: MountFlags::empty(),
            set_recursive: MountFlags::empty(),
            clear_recursive: MountFlags::empty(),
            propagation: Vec::new(),
            id_map: None,
            relabel: None,
            copy_up: false,
        }
    }
}

impl Config {
    /// A fresh container around `rootfs`: every namespace new, private `/proc /dev /sys /tmp /run`, loopback, the
    /// usual capabilities, no new privileges, no cgroup of its own.
    ///
    /// A user namespace is among them only `with_user_namespace`: an ordinary user needs one, root does not.
    #[must_use]
    pub fn sandbox(rootfs: HostPath, args: Vec<String>, with_user_namespace: bool) -> Self {
        let namespaces = NamespaceKind::ALL
            .into_iter()
            .filter(|kind| match kind {
                NamespaceKind::Time => false,
                NamespaceKind::User => with_user_namespace,
                _ => true,
            })
            .map(|kind| (kind, NamespaceSource::Create))
            .collect();
        let blank = Self::on(rootfs);
        Self {
            root: Root { readonly: true, readonly_recursive: true, ..blank.root.clone() },
            namespaces,
            hostname: Some("nsplan".to_owned()),
            mounts: sandbox_mounts(),
            devices: Device::simple(),
            device_links: DeviceLink::standard(),
            masked_paths: MASKED.into_iter().map(root_path).collect(),
            readonly_paths: READONLY.into_iter().map(root_path).collect(),
            networks: vec![Network::Loopback],
            process: Some(Process::sandbox(args)),
            ..blank
        }
    }
}

impl Config {
    /// As [`sandbox`](Self::sandbox) on the host's own root, of which only `entries` appear: nothing of the host's
    /// `/proc`, `/dev` and the like is below the container's own.
    #[must_use]
    pub fn host_sandbox(entries: Vec<RootEntry>, args: Vec<String>, user_namespace: bool) -> Self {
        let root = HostPath::root();
        let mut config = Self::sandbox(root, args, user_namespace);
        let is_replaced = |entry: &RootEntry| {
            matches!(entry.name.as_str(), "dev" | "proc" | "run" | "sys" | "tmp")
        };
        let entries = entries.into_iter().filter(|entry| !is_replaced(entry));
        config.root.entries = Some(entries.collect());
        config
    }
}

impl Process {
    /// Whether a security module is told what the program runs as.
    #[must_use]
    pub const fn is_labelled(&self) -> bool {
        self.apparmor_profile.is_some() || self.selinux_label.is_some()
    }

    /// Root inside, the usual capabilities and `PATH`, killed with its launcher.
    #[must_use]
    pub fn sandbox(args: Vec<String>) -> Self {
        let variable =
            |name: &str, value: &str| EnvVar { name: name.to_owned(), value: value.to_owned() };
        Self {
            args,
            env: vec![
                variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                variable("HOME", "/root"),
            ],
            cwd: RootPath::root(),
            user: User {
                spec: UserSpec::Ids { uid: 0, gid: 0 },
                additional_gids: Vec::new(),
                additional_groups: Vec::new(),
                umask: None,
            },
            init: false,
            terminal: false,
            console_size: None,
            capabilities: Some(CapabilitySets::container_default()),
            no_new_privileges: true,
            rlimits: BTreeMap::new(),
            oom_score_adj: None,
            apparmor_profile: None,
            selinux_label: None,
            parent_death_signal: Some(Signal::KILL),
            io_priority: None,
            scheduler: None,
            exec_cpu_affinity: None,
        }
    }
}

fn sandbox_mounts() -> Vec<Mount> {
    let plain = MountFlags::MS_NOSUID | MountFlags::MS_NODEV | MountFlags::MS_NOEXEC;
    let device = MountFlags::MS_NOSUID | MountFlags::MS_STRICTATIME;
    let scratch = MountFlags::MS_NOSUID | MountFlags::MS_NODEV;
    vec![
        Mount::filesystem("/proc", "proc", plain, &[]),
        Mount::filesystem("/dev", "tmpfs", device, &["mode=755", "size=65536k"]),
        Mount::filesystem(
            "/dev/pts",
            "devpts",
            MountFlags::MS_NOSUID | MountFlags::MS_NOEXEC,
            &["newinstance", "ptmxmode=0666", "mode=0620"],
        ),
        Mount::filesystem("/dev/shm", "tmpfs", plain, &["mode=1777", "size=65536k"]),
        Mount::filesystem("/dev/mqueue", "mqueue", plain, &[]),
        Mount::filesystem("/tmp", "tmpfs", scratch, &["mode=1777"]),
        Mount::filesystem("/run", "tmpfs", scratch, &["mode=755"]),
        // Last: what shows the network is mounted when that is there.
        Mount::filesystem("/sys", "sysfs", plain | MountFlags::MS_RDONLY, &[]),
    ]
}

/// A path known to be good.
fn root_path(text: &str) -> RootPath {
    RootPath::new(text).unwrap_or_else(|_| RootPath::root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_default_path_was_mistyped() {
        let config = Config::sandbox(root(), vec!["true".to_owned()], true);
        assert!(config.masked_paths.iter().all(|path| !path.is_root()));
        assert!(config.readonly_paths.iter().all(|path| !path.is_root()));
        assert!(config.mounts.iter().all(|mount| !mount.destination.is_root()));
        assert!(config.devices.iter().all(|device| !device.path.is_root()));
    }

    fn root() -> HostPath {
        HostPath::new("/").expect("a path")
    }
}
