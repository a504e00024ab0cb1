//! The `config.json` that `nsplan spec` writes: a shell in `rootfs` with the usual namespaces, mounts and rights.

/// What differs between the template of root and that of an ordinary user.
struct Parts {
    pts: &'static str,
    sys: &'static str,
    cgroup: &'static str,
    devices: &'static str,
    namespaces: String,
}

fn of_root() -> Parts {
    Parts {
        pts: r#", "gid=5""#,
        sys: r#"{ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"] }"#,
        cgroup: r#",
        { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"] }"#,
        devices: r#"
        "resources": { "devices": [{ "allow": false, "access": "rwm" }] },"#,
        namespaces: r#"
            { "type": "pid" },
            { "type": "network" },
            { "type": "ipc" },
            { "type": "uts" },
            { "type": "mount" },
            { "type": "cgroup" }
        ],"#
        .to_owned(),
    }
}

fn of_user((uid, gid): (u32, u32)) -> Parts {
    Parts {
        pts: "",
        sys: r#"{ "destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "rro"] }"#,
        cgroup: "",
        devices: "",
        namespaces: format!(
            r#"
            {{ "type": "pid" }},
            {{ "type": "ipc" }},
            {{ "type": "uts" }},
            {{ "type": "mount" }},
            {{ "type": "user" }}
        ],
        "uidMappings": [{{ "containerID": 0, "hostID": {uid}, "size": 1 }}],
        "gidMappings": [{{ "containerID": 0, "hostID": {gid}, "size": 1 }}],"#
        ),
    }
}

/// The text; `ids` are the user and group that become root inside, for an ordinary user's container.
#[must_use]
pub fn template(ids: Option<(u32, u32)>) -> String {
    let Parts { pts, sys, cgroup, devices, namespaces } = ids.map_or_else(of_root, of_user);
    format!(
        r#"{{
    "ociVersion": "1.3.0",
    "process": {{
        "terminal": true,
        "user": {{ "uid": 0, "gid": 0 }},
        "args": ["sh"],
        "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {{
            "bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
        }},
        "rlimits": [{{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }}],
        "noNewPrivileges": true
    }},
    "root": {{ "path": "rootfs", "readonly": true }},
    "hostname": "nsplan",
    "mounts": [
        {{ "destination": "/proc", "type": "proc", "source": "proc" }},
        {{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] }},
        {{ "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"{pts}] }},
        {{ "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] }},
        {{ "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] }},
        {sys}{cgroup}
    ],
    "linux": {{{devices}
        "namespaces": [{namespaces}
        "maskedPaths": ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::from_oci;
    use crate::types::HostPath;

    #[test]
    fn both_templates_are_read_and_say_nothing_in_vain() {
        let bundle = HostPath::new("/bundle").expect("absolute");
        for ids in [None, Some((1000, 1000))] {
            let parsed = from_oci(template(ids).as_bytes(), &bundle).expect("valid");
            assert_eq!(parsed.config.ignored, []);
            assert_eq!(parsed.version, "1.3.0");
        }
    }
}
