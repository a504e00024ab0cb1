//! Turns `namespaces`, in its three forms, into which are created and which joined.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;

use super::Generation;
use super::door::{At, Door};
use super::fields::Fields;
use crate::config::error::{Expected, Found, Problem};
use crate::config::json::Value;
use crate::config::{Config, NamespaceSource};
use crate::types::{NamespaceKind, Pointer};

/// Where each namespace was asked for.
pub(super) type Spaces<'a> = BTreeMap<NamespaceKind, At<'a>>;

/// Reads the kinds that are new and those that are joined; others stay the caller's.
pub(super) fn read<'a>(
    door: &mut Door<'_>,
    top: &mut Fields<'a>,
    config: &mut Config,
) -> Spaces<'a> {
    let mut spaces = Spaces::new();
    if let Some(at) = top.take(door, "namespaces") {
        match &at.node.value {
            Value::Object(_) => map(door, &at, &mut spaces, config),
            Value::List(_) => list(door, &at, &mut spaces, config),
            _ => door.wrong(&at, Expected::Namespaces),
        }
    }
    if door.generation == Generation::NamespaceMap {
        let ipc = top.text(door, "ipc");
        if let Some((path, ipc)) = ipc.and_then(|ipc| Some((door.host_path(&ipc)?, ipc))) {
            config.namespaces.insert(NamespaceKind::Ipc, NamespaceSource::Join(path));
            spaces.insert(NamespaceKind::Ipc, ipc.at);
        }
    }
    for (kind, at) in &spaces {
        door.note(Pointer::new("/namespaces").key(kind.name()), at);
    }
    spaces
}

/// The form of 1.0.0 to 1.4.0: a kind and whether it is new.
fn map<'a>(door: &mut Door<'_>, at: &At<'a>, spaces: &mut Spaces<'a>, config: &mut Config) {
    let Value::Object(members) = &at.node.value else {
        return;
    };
    for member in members {
        let here = At { node: &member.node, pointer: at.pointer.key(&member.key) };
        let Some(kind) = kind(&member.key) else {
            let found = Found::Text(member.key.as_ref().to_owned());
            door.refuse(&here, Problem::Invalid { found, expected: Expected::NamespaceType });
            continue;
        };
        match member.node.value {
            Value::Bool(true) => {
                config.namespaces.insert(kind, NamespaceSource::Create);
                spaces.insert(kind, here);
            }
            Value::Bool(false) | Value::Null => {}
            _ => door.wrong(&here, Expected::Bool),
        }
    }
}

/// The form since December 2014: kinds, and paths of those that are joined.
fn list<'a>(door: &mut Door<'_>, at: &At<'a>, spaces: &mut Spaces<'a>, config: &mut Config) {
    for at in door.items_at(at) {
        let Some(mut fields) = door.fields_at(at.clone()) else {
            continue;
        };
        let name = fields.required(door, "type|name");
        let path = fields.text(door, "path");
        let path = path.map(|path| door.host_path(&path));
        fields.finish(door);
        let Some(name) = name else { continue };
        let source = match path {
            None => NamespaceSource::Create,
            Some(Some(path)) => NamespaceSource::Join(path),
            Some(None) => continue,
        };
        match kind(name.text) {
            None => door.invalid(&name, Expected::NamespaceType),
            Some(kind) if spaces.contains_key(&kind) => {
                door.refuse(&at, Problem::Twice { found: name.text.to_owned() });
            }
            Some(kind) => {
                config.namespaces.insert(kind, source);
                spaces.insert(kind, at);
            }
        }
    }
}

/// The kinds the format knows and what it calls them.
pub(super) const KINDS: [(&str, NamespaceKind); 6] = [
    ("NEWNS", NamespaceKind::Mnt),
    ("NEWUTS", NamespaceKind::Uts),
    ("NEWIPC", NamespaceKind::Ipc),
    ("NEWUSER", NamespaceKind::User),
    ("NEWPID", NamespaceKind::Pid),
    ("NEWNET", NamespaceKind::Net),
];

fn kind(name: &str) -> Option<NamespaceKind> {
    KINDS.iter().find(|(known, _)| *known == name).map(|&(_, kind)| kind)
}
