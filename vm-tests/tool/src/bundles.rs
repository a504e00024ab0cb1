//! Descriptions of a container become OCI bundles, which we and the peers read alike, with a root file system of a few
//! empty directories and two programs of a few instructions.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use serde_json::{Value, json};

/// A container to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    pub name: &'static str,
    /// Not only a dev with six nodes: proc, devpts, shm, mqueue, sysfs, masked and read-only paths, a control group with
    /// device rules.
    pub mounts: bool,
    pub userns: bool,
    pub limits: bool,
    /// A container engine's default filter of system calls.
    pub seccomp: bool,
    /// The program inside.
    pub program: &'static str,
}

const BARE: Configuration = Configuration {
    name: "namespaces",
    mounts: false,
    userns: false,
    limits: false,
    seccomp: false,
    program: "/tiny",
};
const DEFAULT: Configuration = Configuration { name: "default", mounts: true, ..BARE };

pub const ALL: [Configuration; 6] = [
    BARE,
    DEFAULT,
    Configuration { name: "userns", userns: true, ..DEFAULT },
    Configuration { name: "limits", limits: true, ..DEFAULT },
    Configuration { name: "seccomp", seccomp: true, ..DEFAULT },
    // What is exec'ed into.
    Configuration { name: "stays", program: "/stays", ..DEFAULT },
];

/// What is measured, from the barest to the fullest: starts of bundles, then what is done with the default one.
pub const MEASURED: [&str; 7] =
    ["namespaces", "default", "userns", "limits", "seccomp", "exec", "lifecycle"];

const FILTER: &str = include_str!("../../../tests/data/seccomp/docker-default.json");

/// Where ids of a user namespace begin on the host.
pub const FIRST_ID: u32 = 100_000;
const IDS: u32 = 65_536;

pub const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];
pub const MASKED: [&str; 4] = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
pub const READONLY: [&str; 4] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"];
pub const MEMORY: u64 = 64 << 20;
pub const PIDS: u64 = 100;
pub const QUOTA: (u64, u64) = (50_000, 100_000);

const NOSUID: u64 = libc::MS_NOSUID;
const NODEV: u64 = libc::MS_NODEV;
const NOEXEC: u64 = libc::MS_NOEXEC;
const RDONLY: u64 = libc::MS_RDONLY;

/// Destination, type, flags, data.
pub const MOUNTS: [(&str, &str, u64, &str); 6] = [
    ("/proc", "proc", NOSUID | NODEV | NOEXEC, ""),
    ("/dev", "tmpfs", NOSUID, "mode=755,size=65536k"),
    ("/dev/pts", "devpts", NOSUID | NOEXEC, "newinstance,ptmxmode=0666,mode=0620"),
    ("/dev/shm", "tmpfs", NOSUID | NODEV | NOEXEC, "mode=1777,size=65536k"),
    ("/dev/mqueue", "mqueue", NOSUID | NODEV | NOEXEC, ""),
    ("/sys", "sysfs", NOSUID | NODEV | NOEXEC | RDONLY, ""),
];

/// Writes `DIR/NAME/{config.json,rootfs/}` for every configuration.
pub fn write(dir: &str) -> Result<(), String> {
    for configuration in ALL {
        let bundle = Path::new(dir).join(configuration.name);
        let root = bundle.join("rootfs");
        let put = |name: &str, value: &Value| {
            fs::write(bundle.join(name), format!("{value:#}\n"))
                .map_err(|error| format!("{name}: {error}"))
        };
        root_file_system(&root, &configuration)
            .map_err(|error| format!("{}: {error}", root.display()))?;
        put("config.json", &oci(&configuration)?)?;
    }
    Ok(())
}

fn root_file_system(root: &Path, configuration: &Configuration) -> std::io::Result<()> {
    let owner = if configuration.userns { FIRST_ID } else { 0 };
    for name in ["", "dev", "etc", "proc", "sys", "tmp"] {
        fs::create_dir_all(root.join(name))?;
        chown(root.join(name), Some(owner), Some(owner))?;
    }
    for (name, program) in [("tiny", crate::payload::exits()), ("stays", crate::payload::stays())] {
        fs::write(root.join(name), program)?;
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn map() -> Value {
    json!([{"containerID": 0, "hostID": FIRST_ID, "size": IDS}])
}

fn oci(configuration: &Configuration) -> Result<Value, String> {
    let mut kinds = vec!["pid", "network", "ipc", "uts", "mount"];
    kinds.extend(configuration.userns.then_some("user"));
    let capabilities = CAPABILITIES.map(|name| format!("CAP_{name}"));
    let mut linux = json!({
        "namespaces": kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>(),
    });
    let mounts = MOUNTS.iter().filter(|(to, ..)| configuration.mounts || *to == "/dev");
    let mounts: Vec<Value> =
        mounts.map(|&(to, kind, flags, data)| oci_mount(to, kind, flags, data)).collect();
    if configuration.mounts {
        linux["cgroupsPath"] = json!(format!("/bench-{}", configuration.name));
        linux["maskedPaths"] = json!(MASKED);
        linux["readonlyPaths"] = json!(READONLY);
        linux["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
    }
    if configuration.userns {
        linux["uidMappings"] = map();
        linux["gidMappings"] = map();
    }
    if configuration.limits {
        linux["resources"]["memory"] = json!({"limit": MEMORY});
        linux["resources"]["pids"] = json!({"limit": PIDS});
        linux["resources"]["cpu"] = json!({"quota": QUOTA.0, "period": QUOTA.1});
    }
    if configuration.seccomp {
        linux["seccomp"] = serde_json::from_str(FILTER).map_err(|error| error.to_string())?;
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "hostname": "bench",
        "process": {
            "cwd": "/",
            "args": [configuration.program],
            "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0},
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": mounts,
        "linux": linux,
    }))
}

fn oci_mount(to: &str, kind: &str, flags: u64, data: &str) -> Value {
    let words = [(NOSUID, "nosuid"), (NODEV, "nodev"), (NOEXEC, "noexec"), (RDONLY, "ro")];
    let words = words.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, word)| *word);
    let options: Vec<&str> = words.chain(data.split(',').filter(|word| !word.is_empty())).collect();
    json!({"destination": to, "type": kind, "source": kind, "options": options})
}
