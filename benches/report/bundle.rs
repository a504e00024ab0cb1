//! The containers that are started: one default, and what differs from it. As a bundle for the OCI runtimes and nsplan, as
//! words for bubblewrap and unshare.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::payload;

/// What differs from the default container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Default,
    Seccomp,
    UserNamespace,
    NoCgroup,
    HostNetwork,
    Limits,
}

impl Variant {
    pub(crate) const ALL: [Self; 6] = [
        Self::Default,
        Self::Seccomp,
        Self::UserNamespace,
        Self::NoCgroup,
        Self::HostNetwork,
        Self::Limits,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Seccomp => "+ seccomp profile",
            Self::UserNamespace => "+ user namespace",
            Self::NoCgroup => "no cgroup",
            Self::HostNetwork => "host network",
            Self::Limits => "+ limits",
        }
    }
}

/// A root file system with nothing but the payloads and the directories that are mounted on.
pub(crate) fn root(at: &Path) -> std::io::Result<PathBuf> {
    let root = at.join("rootfs");
    for name in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    let payloads =
        [("exits", payload::exits()), ("stamps", payload::stamps()), ("stays", payload::stays())];
    for (name, bytes) in payloads {
        let file = root.join("bin").join(name);
        fs::write(&file, bytes)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(root)
}

/// Two bundles below `at` of a container `id` whose program is `payload`: with a `config.json`, and with a `container.json`
/// where that can say nearly the same.
pub(crate) fn bundles(
    at: &Path,
    root: &Path,
    variant: Variant,
    payload: &str,
    id: &str,
) -> std::io::Result<(PathBuf, Option<PathBuf>)> {
    let name = variant.name().replace([' ', '+'], "");
    let dir = at.join(format!("{name}-{payload}-{id}"));
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("config.json"), oci(root, variant, payload, id).to_string())?;
    let Some(config) = libcontainer(root, variant, id) else { return Ok((dir, None)) };
    let other = at.join(format!("{name}-{payload}-{id}-libcontainer"));
    fs::create_dir_all(&other)?;
    fs::write(other.join("container.json"), config.to_string())?;
    Ok((dir, Some(other)))
}

const CAPABILITIES: [&str; 3] = ["AUDIT_WRITE", "KILL", "NET_BIND_SERVICE"];

const MASKED: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];
const READONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const MEMORY: u64 = 256 << 20;
const PIDS: u64 = 100;
const QUOTA: u64 = 50_000;
const PERIOD: u64 = 100_000;

fn oci(root: &Path, variant: Variant, payload: &str, id: &str) -> Value {
    let mounts = oci_mounts(variant);
    let mut kinds = vec!["pid", "ipc", "uts", "mount", "cgroup"];
    if variant != Variant::HostNetwork {
        kinds.push("network");
    }
    if variant == Variant::UserNamespace {
        kinds.push("user");
    }
    let namespaces: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind})).collect();
    let capabilities: Vec<String> = CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
    let mut linux = json!({
        "namespaces": namespaces, "maskedPaths": MASKED, "readonlyPaths": READONLY,
        "resources": {"devices": [{"allow": false, "access": "rwm"}]},
        "cgroupsPath": format!("/{id}"),
    });
    if variant == Variant::UserNamespace {
        let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
        linux["uidMappings"] = map.clone();
        linux["gidMappings"] = map;
    }
    if variant == Variant::Limits {
        linux["resources"]["memory"] = json!({"limit": MEMORY});
        linux["resources"]["pids"] = json!({"limit": PIDS});
        linux["resources"]["cpu"] = json!({"quota": QUOTA, "period": PERIOD});
    }
    if variant == Variant::Seccomp {
        linux["seccomp"] = crate::profile::profile();
    }
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": [format!("/bin/{payload}")],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": root, "readonly": true},
        "hostname": "report",
        "mounts": mounts,
        "linux": linux,
    })
}

fn oci_mounts(variant: Variant) -> Vec<Value> {
    let mount = |to: &str, kind: &str, options: &[&str]| json!({"destination": to, "type": kind, "source": kind, "options": options});
    let mut mounts = vec![
        mount("/proc", "proc", &[]),
        mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    if variant == Variant::HostNetwork {
        // A new sysfs shows the network of its maker's namespace, which is the host's: bound, as engines do.
        let options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
        mounts.push(
            json!({"destination": "/sys", "type": "none", "source": "/sys", "options": options}),
        );
    } else {
        mounts.push(mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]));
    }
    if !matches!(variant, Variant::NoCgroup | Variant::HostNetwork) {
        let options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
        mounts.push(mount("/sys/fs/cgroup", "cgroup", &options));
    }
    mounts
}

/// The same for libcontainer's format, as far as it goes: it has no cgroup namespace and no seccomp profile.
fn libcontainer(root: &Path, variant: Variant, id: &str) -> Option<Value> {
    if matches!(variant, Variant::Seccomp | Variant::HostNetwork) {
        return None;
    }
    let mount = |to: &str, kind: &str, flags: u32, data: &str| json!({"destination": to, "device": kind, "flags": flags, "data": data});
    let mut kinds = vec!["NEWNS", "NEWUTS", "NEWIPC", "NEWPID", "NEWNET"];
    let map = json!([{"container_id": 0, "host_id": 0, "size": 65536}]);
    let mut config = json!({
        "rootfs": root, "readonlyfs": true, "hostname": "report",
        "mounts": [
            mount("/proc", "proc", 0, ""),
            mount("/dev", "tmpfs", 0x100_0002, "mode=755,size=65536k"),
            mount("/dev/pts", "devpts", 10, "newinstance,ptmxmode=0666,mode=0620,gid=5"),
            mount("/dev/shm", "tmpfs", 14, "mode=1777,size=65536k"),
            mount("/dev/mqueue", "mqueue", 14, ""),
            mount("/sys", "sysfs", 15, ""),
        ],
        "capabilities": CAPABILITIES, "networks": [{"type": "loopback"}],
        "rlimits": [{"type": 7, "hard": 1024, "soft": 1024}],
        "mask_paths": MASKED, "readonly_paths": READONLY,
    });
    if variant == Variant::UserNamespace {
        kinds.push("NEWUSER");
        config["uid_mappings"] = map.clone();
        config["gid_mappings"] = map;
    }
    if variant != Variant::NoCgroup {
        config["cgroups"] = json!({"name": id, "allow_all_devices": false});
    }
    if variant == Variant::Limits {
        config["cgroups"]["memory"] = json!(MEMORY);
        config["cgroups"]["cpu_quota"] = json!(QUOTA);
        config["cgroups"]["cpu_period"] = json!(PERIOD);
    }
    let namespaces: Vec<Value> = kinds.iter().map(|kind| json!({"type": kind})).collect();
    config["namespaces"] = json!(namespaces);
    Some(config)
}
