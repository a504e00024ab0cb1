//! What a configuration has that nobody asked for: mounts, nodes, and which nodes may be used.
//!
//! Pure.

use serde_json::{Value, json};

/// `MS_NOSUID | MS_NODEV | MS_NOEXEC`.
pub(super) const PLAIN: u64 = 0x2 | 0x4 | 0x8;
pub(super) const MS_RDONLY: u64 = 0x1;
const MS_STRICTATIME: u64 = 0x100_0000;

pub(super) fn mounts(has_user_namespace: bool) -> Vec<Value> {
    let mount = |destination: &str, device: &str, flags: u64, data: &str| json!({ "source": device, "destination": destination, "device": device, "flags": flags, "data": data });
    // The group of terminals may not be mapped.
    let pts = if has_user_namespace { "" } else { ",gid=5" };
    let pts = format!("newinstance,ptmxmode=0666,mode=0620{pts}");
    vec![
        mount("/proc", "proc", PLAIN, ""),
        mount("/dev", "tmpfs", 0x2 | MS_STRICTATIME, "mode=755"),
        mount("/dev/pts", "devpts", 0x2 | 0x8, &pts),
        mount("/dev/shm", "tmpfs", PLAIN, "mode=1777,size=65536k"),
        mount("/dev/mqueue", "mqueue", PLAIN, ""),
        mount("/sys", "sysfs", PLAIN | MS_RDONLY, ""),
    ]
}

/// The container's own control groups. Read-only, where the original let whoever was root inside change its limits.
pub(super) fn cgroups() -> Value {
    json!({ "source": "cgroup", "destination": "/sys/fs/cgroup", "device": "cgroup", "flags": PLAIN | MS_RDONLY })
}

/// Nodes by name, with their numbers; `tty` is among those that a container makes.
const NODES: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/urandom", 1, 9),
    ("/dev/random", 1, 8),
];

/// `c`, as the format writes it.
const CHAR: u32 = 99;
/// `b`, as the format writes it.
const BLOCK: u32 = 98;

pub(super) fn devices() -> Vec<Value> {
    let node = |(path, major, minor): (&str, u32, u32)| json!({ "type": CHAR, "path": path, "major": major, "minor": minor, "permissions": "rwm", "file_mode": 0o666 });
    NODES.map(node).into()
}

/// Nodes may be made; those of terminals and those that are made may be used.
pub(super) fn allowed_devices() -> Vec<Value> {
    let rule = |kind: u32, major: i64, minor: i64, permissions: &str| json!({ "type": kind, "major": major, "minor": minor, "permissions": permissions });
    let mut rules = vec![rule(CHAR, -1, -1, "m"), rule(BLOCK, -1, -1, "m")];
    let usable = [(5, 1), (4, 0), (4, 1), (136, -1), (5, 2), (10, 200)];
    rules.extend(usable.map(|(major, minor)| rule(CHAR, major, minor, "rwm")));
    rules.extend(NODES.map(|(_, major, minor)| rule(CHAR, major.into(), minor.into(), "rwm")));
    rules
}
