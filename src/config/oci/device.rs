//! Turns `linux.devices` into nodes, and `linux.resources.devices` into rules about them.

use alloc::vec::Vec;

use super::door::{Door, U32};
use super::fields::Fields;
use crate::config::error::Expected;
use crate::config::json::Node;
use crate::config::{Device, DeviceRule};
use crate::types::{DeviceAccess, DeviceKind, DeviceNumber, Pointer};

/// A number of the kernel's, or −1 where the rule is about any.
const ANY: (i64, u64) = (-1, u32::MAX as u64);

pub(super) fn nodes(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<Device> {
    let list = Pointer::new("/devices");
    let mut devices = Vec::new();
    for node in fields.items(door, "devices") {
        door.note(list.index(devices.len()), node);
        devices.extend(device(door, node));
    }
    devices
}

fn device<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<Device> {
    let mut fields = door.fields(node)?;
    let path = fields.required_text(door, "path");
    let path = path.and_then(|(text, node)| door.root_path(text, node));
    let kind = fields.required(door, "type");
    let kind = kind.and_then(|node| door.word(node, kind_of, Expected::DeviceLetter));
    // A pipe has no number; of anything else it has to be there.
    let number = if kind == Some(DeviceKind::Fifo) {
        let _ = (fields.take("major"), fields.take("minor"));
        Some(DeviceNumber { major: 0, minor: 0 })
    } else {
        let major = fields.required_number(door, "major", (0, DeviceNumber::MAX_MAJOR.into()));
        let minor = fields.required_number(door, "minor", (0, DeviceNumber::MAX_MINOR.into()));
        major.zip(minor).map(|(major, minor)| DeviceNumber { major, minor })
    };
    let mode = mode(door, &mut fields, kind);
    let uid = fields.number(door, "uid", U32).unwrap_or_default();
    let gid = fields.number(door, "gid", U32).unwrap_or_default();
    fields.finish(door);
    Some(Device { path: path?, kind: kind?, number: number?, mode, uid, gid })
}

fn kind_of(letter: &str) -> Option<DeviceKind> {
    match letter {
        "b" => Some(DeviceKind::Block),
        "c" | "u" => Some(DeviceKind::Char),
        "p" => Some(DeviceKind::Fifo),
        _ => None,
    }
}

/// Permission bits; engines write the file type along with them, which must then be that of the node.
fn mode(door: &mut Door<'_>, fields: &mut Fields<'_>, kind: Option<DeviceKind>) -> u32 {
    const TYPE: u32 = 0o170_000;
    let Some(node) = fields.take("fileMode") else { return 0o666 };
    let Some(mode) = door.number::<u32>(node, U32) else { return 0 };
    let (file_type, bits) = (mode & TYPE, mode & !TYPE);
    let is_own = file_type == 0 || kind.is_none_or(|kind| kind.file_type() == file_type);
    if !is_own || bits > 0o7777 {
        door.invalid(node, Expected::Permissions);
    }
    bits
}

pub(super) fn rules(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<DeviceRule> {
    let list = Pointer::new("/cgroup/devices");
    let mut rules = Vec::new();
    for node in fields.items(door, "devices") {
        door.note(list.index(rules.len()), node);
        rules.extend(rule(door, node));
    }
    rules
}

fn rule<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<DeviceRule> {
    let mut fields = door.fields(node)?;
    let is_there = fields.required(door, "allow").is_some();
    let allow = fields.flag(door, "allow").filter(|_| is_there);
    let kind = match fields.text(door, "type") {
        None | Some(("a", _)) => Some(None),
        Some(("b", _)) => Some(Some(DeviceKind::Block)),
        Some(("c", _)) => Some(Some(DeviceKind::Char)),
        Some((_, node)) => {
            door.invalid(node, Expected::DeviceRuleLetter);
            None
        }
    };
    let mut number = |key| {
        let number = fields.number::<i64>(door, key, ANY);
        number.and_then(|number| u32::try_from(number).ok())
    };
    let (major, minor) = (number("major"), number("minor"));
    let access = access(door, &mut fields);
    fields.finish(door);
    Some(DeviceRule { allow: allow?, kind: kind?, major, minor, access })
}

/// Letters of `rwm`; none means all of them.
fn access(door: &mut Door<'_>, fields: &mut Fields<'_>) -> DeviceAccess {
    let Some((text, node)) = fields.text(door, "access") else { return DeviceAccess::all() };
    let mut access = DeviceAccess::empty();
    for letter in text.bytes() {
        let flag = match letter {
            b'r' => DeviceAccess::READ,
            b'w' => DeviceAccess::WRITE,
            b'm' => DeviceAccess::MKNOD,
            _ => DeviceAccess::empty(),
        };
        if flag.is_empty() || access.contains(flag) {
            door.invalid(node, Expected::Access);
            return access;
        }
        access |= flag;
    }
    access
}
