//! What every container of the spec has without asking: nodes and links in `/dev`, loopback, rules for those nodes.

use alloc::vec::Vec;

use super::door::Door;
use crate::config::{Config, Device, DeviceLink, DeviceRule, MountKind, Network};
use crate::types::{DeviceAccess, DeviceKind, NamespaceKind, Pointer};

/// What is reported as the origin of a default.
const DEFAULT: &str = "OCI runtime-spec";

/// Adds nodes, links and loopback to a config whose document has been read.
pub(super) fn add(door: &mut Door<'_>, config: &mut Config) {
    if config.creates(NamespaceKind::Net) {
        config.networks.push(Network::Loopback);
        door.note_default(Pointer::new("/networks/0"), DEFAULT);
    }
    // A `/dev` of the host's has its own nodes, and what is made in it would stay there.
    let is_foreign = config.mounts.iter().any(|mount| {
        mount.destination.as_str() == "/dev" && matches!(mount.kind, MountKind::Bind(_))
    });
    if is_foreign || !config.creates(NamespaceKind::Mnt) {
        return;
    }
    let list = Pointer::new("/devices");
    for device in Device::simple() {
        if config.devices.iter().all(|asked| asked.path != device.path) {
            door.note_default(list.index(config.devices.len()), DEFAULT);
            config.devices.push(device);
        }
    }
    let list = Pointer::new("/deviceLinks");
    for link in DeviceLink::standard() {
        if config.devices.iter().all(|asked| asked.path != link.path) {
            door.note_default(list.index(config.device_links.len()), DEFAULT);
            config.device_links.push(link);
        }
    }
}

/// Rules that follow those of the document: any node may be made, and the default ones used, terminals among them.
pub(super) fn rules(door: &mut Door<'_>, rules: &mut Vec<DeviceRule>) {
    let list = Pointer::new("/cgroup/devices");
    for (kind, major, minor, access) in RULES {
        door.note_default(list.index(rules.len()), DEFAULT);
        let access = if access == "m" { DeviceAccess::MKNOD } else { DeviceAccess::all() };
        rules.push(DeviceRule { allow: true, kind: Some(kind), major, minor, access });
    }
}

/// Kind, numbers (any where absent), access.
type Rule = (DeviceKind, Option<u32>, Option<u32>, &'static str);

const RULES: [Rule; 10] = [
    (DeviceKind::Char, None, None, "m"),
    (DeviceKind::Block, None, None, "m"),
    (DeviceKind::Char, Some(1), Some(3), "rwm"), // null
    (DeviceKind::Char, Some(1), Some(5), "rwm"), // zero
    (DeviceKind::Char, Some(1), Some(7), "rwm"), // full
    (DeviceKind::Char, Some(1), Some(8), "rwm"), // random
    (DeviceKind::Char, Some(1), Some(9), "rwm"), // urandom
    (DeviceKind::Char, Some(5), Some(0), "rwm"), // tty
    (DeviceKind::Char, Some(5), Some(2), "rwm"), // ptmx
    (DeviceKind::Char, Some(136), None, "rwm"),  // pts/*
];
