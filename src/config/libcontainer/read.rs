//! Turns a whole document into a `Config`: root, namespaces, id maps, and the rooms of the rest.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::door::{At, Door, Text};
use super::fields::Fields;
use super::generation::{Generation, detect};
use super::namespace::Spaces;
use super::{Extra, Parsed, cgroup, mount, namespace, network, process};
use crate::config::error::{ConfigErrors, Expected, Problem};
use crate::config::json::{self, Value};
use crate::config::{Config, SourceMap};
use crate::types::{HostPath, IdMap, IdMapping, NamespaceKind, Pointer};

/// Reads a `container.json` of any generation.
///
/// `base` is the directory an empty or relative root is in: that of the document. The program is not part of the
/// format, so `process.args` is empty.
///
/// # Errors
/// Everything that is wrong with the document, in the order of the text. Text that is not JSON ends the search.
pub fn from_libcontainer(text: &[u8], base: &HostPath) -> Result<Parsed, ConfigErrors> {
    let node = json::parse(text).map_err(|error| ConfigErrors(vec![error]))?;
    let mut door = Door {
        base,
        generation: detect(&node),
        source: SourceMap::default(),
        extra: Extra::default(),
        problems: json::duplicates(&node),
    };
    let config = document(&mut door, At::root(&node));
    match config {
        Some(config) if door.problems.is_empty() => {
            let Door { source, generation, extra, .. } = door;
            Ok(Parsed { config, source, generation, extra })
        }
        _ => {
            door.problems.sort_by_key(|error| (error.line, error.column));
            Err(ConfigErrors(door.problems))
        }
    }
}

/// The strings of 1.0.0 that later generations gave keys of their own.
#[derive(Default)]
pub(super) struct Context<'a> {
    pub(super) apparmor_profile: Option<Text<'a>>,
    pub(super) process_label: Option<Text<'a>>,
    pub(super) mount_label: Option<Text<'a>>,
    pub(super) restrictions: Option<At<'a>>,
}

fn document(door: &mut Door<'_>, at: At<'_>) -> Option<Config> {
    let mut top = door.fields_at(at)?;
    let mut config = Config::on(door.base.clone());
    let context = context(door, &mut top);
    let spaces = namespace::read(door, &mut top, &mut config);
    root(door, &mut top, &mut config);
    ids(door, &mut top, &spaces, &mut config);
    network::read(door, &mut top, &mut config);
    hostname(door, &mut top, &mut config);
    mount::read(door, &mut top, &context, &mut config);
    config.cgroup = cgroup::read(door, &mut top);
    config.process = Some(process::read(door, &mut top, &context));
    if door.generation == Generation::Version2 {
        version_2(door, &mut top, &mut config);
    }
    top.finish(door);
    Some(config)
}

fn context<'a>(door: &mut Door<'_>, top: &mut Fields<'a>) -> Context<'a> {
    let is_used = door.generation == Generation::Flat2014;
    let Some(mut fields) = is_used.then(|| top.fields(door, "context")).flatten() else {
        return Context::default();
    };
    let restrictions = fields.text(door, "restrictions").and_then(|text| {
        if text.text != "true" {
            door.invalid(&text, Expected::Restrictions);
        }
        Some(text.at).filter(|_| text.text == "true")
    });
    let context = Context {
        apparmor_profile: fields.text(door, "apparmor_profile"),
        process_label: fields.text(door, "process_label"),
        mount_label: fields.text(door, "mount_label"),
        restrictions,
    };
    fields.finish(door);
    context
}

fn root(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    let here = Pointer::new("/root/path");
    let Some(text) = top.text(door, "root_fs|rootfs") else {
        return door.note_default(here, "the directory of the config");
    };
    door.note(here, &text.at);
    let joined = HostPath::new(&format!("{}/{}", door.base, text.text));
    let path = if text.text.starts_with('/') { HostPath::new(text.text) } else { joined };
    if let Some(path) = door.path(&text, path) {
        config.root.path = path;
    }
}

fn ids(door: &mut Door<'_>, top: &mut Fields<'_>, spaces: &Spaces<'_>, config: &mut Config) {
    let is_new = config.creates(NamespaceKind::User);
    let space = spaces.get(&NamespaceKind::User).filter(|_| is_new);
    config.uid_mappings = id_map(door, top, "uid_mappings", space, "/uidMappings");
    config.gid_mappings = id_map(door, top, "gid_mappings", space, "/gidMappings");
}

/// One of the two maps; `space` is the new user namespace that needs it.
fn id_map(
    door: &mut Door<'_>,
    top: &mut Fields<'_>,
    key: &'static str,
    space: Option<&At<'_>>,
    canonical: &str,
) -> IdMap {
    let canonical = Pointer::new(canonical);
    let list = top.take(door, key);
    let items = list.as_ref().map_or_else(Vec::new, |list| door.items_at(list));
    let (Some(list), false) = (list, items.is_empty()) else {
        if let Some(space) = space {
            door.refuse(space, Problem::NoMappings { key });
        }
        return IdMap::default();
    };
    if space.is_none() {
        door.refuse(&list, Problem::NeedsNamespace(NamespaceKind::User));
    }
    door.note(canonical.clone(), &list);
    let before = door.problems.len();
    let ranges = items.iter().map(|item| range(door, item.clone())).collect();
    for (index, item) in items.iter().enumerate() {
        door.note(canonical.index(index), item);
    }
    match IdMap::new(ranges) {
        Ok(map) if map.to_host(0).is_some() => return map,
        _ if door.problems.len() > before => {}
        Ok(_) => door.refuse(&list, Problem::RootUnmapped),
        Err(error) => {
            let at = error.index().and_then(|index| items.get(index)).unwrap_or(&list);
            door.refuse(at, Problem::IdMap(error));
        }
    }
    IdMap::default()
}

fn range(door: &mut Door<'_>, at: At<'_>) -> IdMapping {
    let Some(mut fields) = door.fields_at(at) else {
        return IdMapping { container_id: 0, host_id: 0, size: 0 };
    };
    let range = IdMapping {
        container_id: fields.unsigned(door, "container_id", u32::MAX),
        host_id: fields.unsigned(door, "host_id", u32::MAX),
        size: fields.unsigned(door, "size", u32::MAX),
    };
    fields.finish(door);
    range
}

fn hostname(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    let Some(text) = top.text(door, "hostname") else {
        return;
    };
    door.note(Pointer::new("/hostname"), &text.at);
    if text.text.len() > 64 {
        door.invalid(&text, Expected::HostName);
    }
    if !config.creates(NamespaceKind::Uts) {
        door.refuse(&text.at, Problem::NeedsNamespace(NamespaceKind::Uts));
    }
    config.hostname = Some(text.text.to_owned());
}

/// What only version 2 can say about the whole container.
fn version_2(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    if let Some(at) = top.take(door, "seccomp").filter(|at| !is_empty(&at.node.value)) {
        config.seccomp = super::seccomp::read(door, at);
    }
    if let Some(at) = top.take(door, "seccomp_config").filter(|at| !is_empty(&at.node.value)) {
        door.refuse(&at, Problem::NoEquivalent);
    }
    let Some(properties) = top.take(door, "system_properties") else {
        return;
    };
    let Value::Object(members) = &properties.node.value else {
        return door.wrong(&properties, Expected::Object);
    };
    for member in members {
        let at = At { node: &member.node, pointer: properties.pointer.key(&member.key) };
        if member.key.is_empty() || member.key.contains('\0') {
            door.refuse(&at, Problem::Nul);
        }
        door.note(Pointer::new("/sysctl").key(&member.key), &at);
        // An empty value is one too: some parameters are lists.
        let value = door.text_at(at).map_or_else(String::new, |value| value.text.to_owned());
        config.sysctl.insert(member.key.as_ref().to_owned(), value);
    }
}

/// Whether a value asks for nothing, however deep.
pub(super) fn is_empty(value: &Value<'_>) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(text) => *text == "0",
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Object(members) => members.iter().all(|member| is_empty(&member.node.value)),
    }
}
