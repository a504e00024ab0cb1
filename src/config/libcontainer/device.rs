//! Turns device objects into nodes to make and into rules of the cgroup.

use alloc::vec::Vec;

use super::door::{At, Door, Text};
use super::fields::Fields;
use super::system;
use crate::config::error::{Expected, Problem};
use crate::config::{Device, DeviceRule};
use crate::types::{DeviceAccess, DeviceKind, DeviceNumber, Pointer};

/// Members of a device that its cgroup rule does not need.
const UNUSED_IN_RULES: [&str; 4] = ["path", "file_mode", "uid", "gid"];

/// A node in `/dev`. Its owner is an id inside: the original took it for one of the host, where root is nobody inside.
pub(super) fn node(door: &mut Door<'_>, at: At<'_>, seat: &Pointer) -> Option<Device> {
    let mut fields = door.fields_at(at)?;
    let kind = kind(door, &mut fields, Expected::DeviceKind);
    let path = fields.required(door, "path").and_then(|path| door.root_path(&path));
    let number = DeviceNumber {
        major: fields.unsigned(door, "major_number|major", DeviceNumber::MAX_MAJOR),
        minor: fields.unsigned(door, "minor_number|minor", DeviceNumber::MAX_MINOR),
    };
    let mode = mode(door, &mut fields, kind);
    let uid = fields.unsigned(door, "uid", MAX_ID);
    let gid = fields.unsigned(door, "gid", MAX_ID);
    fields.keep(door, seat, &["cgroup_permissions|permissions"]);
    let whole = fields.at.clone();
    fields.finish(door);
    let path = path?;
    if path.is_root() {
        door.refuse(&whole, Problem::RootItself);
    }
    Some(Device { path, kind: kind?, number, mode, uid, gid })
}

/// The last id the kernel takes; the one above means "no id".
const MAX_ID: u32 = u32::MAX - 1;

/// A rule that grants access.
pub(super) fn rule(
    door: &mut Door<'_>,
    at: At<'_>,
    seat: &Pointer,
    allow: bool,
) -> Option<DeviceRule> {
    let mut fields = door.fields_at(at)?;
    let kind = kind(door, &mut fields, Expected::DeviceRuleKind);
    let major = number(door, &mut fields, "major_number|major", DeviceNumber::MAX_MAJOR);
    let minor = number(door, &mut fields, "minor_number|minor", DeviceNumber::MAX_MINOR);
    let access = match fields.text(door, "cgroup_permissions|permissions") {
        Some(text) => access(door, &text),
        None => {
            door.refuse(&fields.at, Problem::Missing { key: "cgroup_permissions" });
            None
        }
    };
    fields.keep(door, seat, &UNUSED_IN_RULES);
    fields.finish(door);
    Some(DeviceRule { allow, kind: Some(kind?), major, minor, access: access? })
}

/// The kind, which the format writes as the code point of its letter.
fn kind(door: &mut Door<'_>, fields: &mut Fields<'_>, expected: Expected) -> Option<DeviceKind> {
    let before = door.problems.len();
    let Some(number) = fields.number(door, "type", 1, u32::MAX.into()) else {
        if door.problems.len() == before {
            door.refuse(&fields.at, Problem::Missing { key: "type" });
        }
        return None;
    };
    match (number.value, expected) {
        (98, _) => Some(DeviceKind::Block),
        (99, _) => Some(DeviceKind::Char),
        (112, Expected::DeviceKind) => Some(DeviceKind::Fifo),
        _ => {
            let found = number.at.found();
            door.refuse(&number.at, Problem::Invalid { found, expected });
            None
        }
    }
}

/// A number of a rule; −1 stands for any.
fn number(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    keys: &'static str,
    max: u32,
) -> Option<u32> {
    let number = fields.number(door, keys, -1, max.into()).map_or(0, |number| number.value);
    u32::try_from(number).ok()
}

/// Permission bits; lists of the host's own devices repeat the file type in them.
fn mode(door: &mut Door<'_>, fields: &mut Fields<'_>, kind: Option<DeviceKind>) -> u32 {
    let Some(number) = fields.number(door, "file_mode", 0, u32::MAX.into()) else {
        return 0;
    };
    let bits = u32::try_from(number.value).unwrap_or_default();
    let kind_bits = bits & !0o7777;
    if kind_bits != 0 && kind.is_some_and(|kind| kind.file_type() != kind_bits) {
        let found = number.at.found();
        door.refuse(&number.at, Problem::Invalid { found, expected: Expected::Permissions });
    }
    bits & 0o7777
}

fn access(door: &mut Door<'_>, text: &Text<'_>) -> Option<DeviceAccess> {
    let mut access = DeviceAccess::empty();
    for letter in text.text.chars() {
        let one = match letter {
            'r' => DeviceAccess::READ,
            'w' => DeviceAccess::WRITE,
            'm' => DeviceAccess::MKNOD,
            _ => DeviceAccess::empty(),
        };
        if one.is_empty() || access.contains(one) {
            door.invalid(text, Expected::Access);
            return None;
        }
        access |= one;
    }
    Some(access)
}

/// The nodes of a list, noted at `/devices/N`.
pub(super) fn nodes(door: &mut Door<'_>, items: Vec<At<'_>>, devices: &mut Vec<Device>) {
    let seat = Pointer::new("/mount_config/device_nodes");
    for at in items {
        let index = devices.len();
        door.note(Pointer::new("/devices").index(index), &at);
        devices.extend(node(door, at, &seat.index(index)));
    }
}

/// Notes of the links nobody asked for by name.
pub(super) fn note_links(door: &mut Door<'_>) {
    for index in 0..system::links().len() {
        door.note_default(Pointer::new("/deviceLinks").index(index), "libcontainer device link");
    }
}
