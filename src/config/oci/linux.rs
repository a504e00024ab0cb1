//! Turns `linux` into namespaces, id maps, clocks, devices, paths, kernel parameters, and the rooms of the rest.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::door::{Door, I64};
use super::fields::Fields;
use super::options::propagation;
use super::{default, device, extras, resources, seccomp};
use crate::config::error::{Expected, Problem};
use crate::config::json::Value;
use crate::config::{Clock, Config, NamespaceSource, NetDevice, TimeOffset};
use crate::types::{IdMap, NamespaceKind, Pointer, Propagation, RootPath};

pub(super) fn read(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    if let Some(mut fields) = top.fields(door, "linux") {
        namespaces(door, &mut fields, config);
        ids(door, &mut fields, config);
        time_offsets(door, &mut fields, config);
        config.devices = device::nodes(door, &mut fields);
        net_devices(door, &mut fields, config);
        config.cgroup = resources::read(door, &mut fields);
        root_propagation(door, &mut fields, config);
        if let Some(node) = fields.take("seccomp") {
            door.note(Pointer::new("/seccomp"), node);
            config.seccomp = seccomp::read(door, node);
        }
        sysctl(door, &mut fields, config);
        config.masked_paths = paths(door, &mut fields, "maskedPaths");
        config.readonly_paths = paths(door, &mut fields, "readonlyPaths");
        if let Some((label, node)) = fields.text(door, "mountLabel") {
            door.note(Pointer::new("/mountLabel"), node);
            config.mount_label = Some(label.to_owned());
        }
        extras::personality(door, &mut fields, config);
        extras::intel_rdt(door, &mut fields, config);
        extras::memory_policy(door, &mut fields, config);
        fields.finish(door);
    }
    default::add(door, config);
}

fn namespaces(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    if let Some(node) = fields.take("namespaces") {
        door.note(Pointer::new("/namespaces"), node);
    }
    for node in fields.items(door, "namespaces") {
        let Some(mut fields) = door.fields(node) else { continue };
        let kind = fields.required(door, "type");
        let kind = kind.and_then(|it| door.word(it, kind_of, Expected::OciNamespace));
        let source = match fields.text(door, "path") {
            Some((text, node)) => door.host_path(text, node).map(NamespaceSource::Join),
            None => Some(NamespaceSource::Create),
        };
        fields.finish(door);
        let (Some(kind), Some(source)) = (kind, source) else { continue };
        door.note(Pointer::new("/namespaces").key(kind.name()), node);
        if config.namespaces.insert(kind, source).is_some() {
            door.refuse(node, Problem::Twice { found: word_of(kind).to_owned() });
        }
    }
}

/// The words of the spec, three of which are not those of `/proc/PID/ns`.
fn word_of(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Mnt => "mount",
        NamespaceKind::Net => "network",
        other => other.name(),
    }
}

/// The words of all kinds.
pub(super) fn namespace_words() -> impl Iterator<Item = &'static str> {
    NamespaceKind::ALL.into_iter().map(word_of)
}

fn kind_of(word: &str) -> Option<NamespaceKind> {
    NamespaceKind::ALL.into_iter().find(|kind| word_of(*kind) == word)
}

fn ids(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    config.uid_mappings = map(door, fields, "uidMappings", config);
    config.gid_mappings = map(door, fields, "gidMappings", config);
}

/// Without one in a new user namespace, the caller is its root: `crun spec --rootless` leaves it at that.
fn map(door: &mut Door<'_>, fields: &mut Fields<'_>, key: &str, config: &Config) -> IdMap {
    let Some(node) = fields.take(key) else { return IdMap::default() };
    let here = Pointer::root().key(key);
    door.note(here.clone(), node);
    if let Value::List(items) = &node.value {
        for (index, item) in items.iter().enumerate() {
            door.note(here.index(index), item);
        }
    }
    let map = door.id_map(node).unwrap_or_default();
    if !map.is_empty() && !config.namespaces.contains_key(&NamespaceKind::User) {
        door.refuse(node, Problem::NeedsNamespace(NamespaceKind::User));
    }
    map
}

fn time_offsets(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    let Some(mut fields) = fields.fields(door, "timeOffsets") else { return };
    door.note(Pointer::new("/timeOffsets"), fields.node);
    for (key, clock) in [("boottime", Clock::Boottime), ("monotonic", Clock::Monotonic)] {
        let Some(mut offset) = fields.fields(door, key) else { continue };
        door.note(Pointer::new("/timeOffsets").key(key), offset.node);
        let secs = offset.number(door, "secs", I64).unwrap_or_default();
        let nanosecs = offset.number(door, "nanosecs", (0, 999_999_999)).unwrap_or_default();
        offset.finish(door);
        config.time_offsets.insert(clock, TimeOffset { secs, nanosecs });
    }
    fields.finish(door);
}

fn net_devices(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    for member in fields.map(door, "netDevices") {
        door.note(Pointer::new("/netDevices").key(&member.key), &member.node);
        if !is_interface(&member.key) {
            door.refuse_at(member.place, Problem::InterfaceName);
        }
        let Some(mut fields) = door.fields(&member.node) else { continue };
        let name = fields.text(door, "name");
        if let Some((_, node)) = name.filter(|(name, _)| !is_interface(name)) {
            door.invalid(node, Expected::InterfaceName);
        }
        fields.finish(door);
        let name = name.map(|(name, _)| name.to_owned());
        config.net_devices.insert(member.key.as_ref().to_owned(), NetDevice { name });
    }
}

/// What the kernel takes as the name of an interface (`dev_valid_name`).
fn is_interface(name: &str) -> bool {
    let is_odd = |c: char| c == '/' || c == ':' || c.is_ascii_whitespace();
    (1..16).contains(&name.len()) && !matches!(name, "." | "..") && !name.contains(is_odd)
}

/// The mounts below have it too: the spec means what the container's tree as a whole does.
fn root_propagation(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    let Some((text, node)) = fields.text(door, "rootfsPropagation") else { return };
    door.note(Pointer::new("/root/propagation"), node);
    match propagation(text) {
        Some(Propagation { kind, .. }) => {
            config.root.propagation = Some(Propagation { kind, recursive: true });
        }
        None => door.invalid(node, Expected::Propagation),
    }
}

fn sysctl(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    for member in fields.map(door, "sysctl") {
        door.note(Pointer::new("/sysctl").key(&member.key), &member.node);
        if let Some(value) = door.text(&member.node) {
            config.sysctl.insert(member.key.as_ref().to_owned(), value.to_owned());
        }
    }
}

fn paths(door: &mut Door<'_>, fields: &mut Fields<'_>, key: &str) -> Vec<RootPath> {
    let list = Pointer::root().key(key);
    let mut paths = Vec::new();
    for (text, node) in fields.texts(door, key) {
        door.note(list.index(paths.len()), node);
        paths.extend(door.root_path(text, node));
    }
    paths
}
