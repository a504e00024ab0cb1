//! Turns `mounts` into mounts: kind, flags, propagation, id maps.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::door::Door;
use super::fields::Fields;
use super::options::{Effect, effect};
use super::read::below_bundle;
use crate::config::error::{Expected, Problem};
use crate::config::json::Node;
use crate::config::{BindSource, Config, Mount, MountIdMap, MountKind};
use crate::types::{IdMap, MountFlags, Pointer, Propagation, RootPath};

pub(super) fn read(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    let list = Pointer::new("/mounts");
    for (index, node) in top.items(door, "mounts").iter().enumerate() {
        door.note(list.index(index), node);
        config.mounts.extend(one(door, node));
    }
}

/// What the options of one mount come to.
#[derive(Default)]
struct Wishes<'a> {
    bind: Option<bool>,
    set: MountFlags,
    clear: MountFlags,
    set_tree: MountFlags,
    clear_tree: MountFlags,
    propagation: Vec<Propagation>,
    id_map: Option<bool>,
    copy_up: Option<&'a Node<'a>>,
    remount: bool,
    data: Vec<(&'a str, &'a Node<'a>)>,
}

fn one<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<Mount> {
    let mut fields = door.fields(node)?;
    let destination = fields.required_text(door, "destination");
    let destination = destination.and_then(|(text, node)| destination_of(door, text, node));
    let fstype = fields.text(door, "type");
    let source = fields.text(door, "source");
    let wishes = wishes(door, &mut fields);
    let id_map = id_map(door, &mut fields, wishes.id_map);
    let is_bind = wishes.bind.is_some() || fstype.is_some_and(|(name, _)| name == "bind");
    let kind = if wishes.remount {
        // What is mounted there has its source and its type already.
        no_data(door, &wishes);
        Some(MountKind::Remount)
    } else if is_bind {
        bind(door, &fields, source, &wishes)
    } else {
        file_system(door, &fields, fstype, source, &wishes)
    };
    fields.finish(door);
    if let Some(at) = wishes.copy_up
        && !matches!(&kind, Some(MountKind::Filesystem { fstype, .. }) if fstype == "tmpfs")
    {
        door.invalid(at, Expected::CopyUp);
    }
    Some(Mount {
        destination: destination?,
        kind: kind?,
        set: wishes.set,
        clear: wishes.clear,
        set_recursive: wishes.set_tree,
        clear_recursive: wishes.clear_tree,
        propagation: wishes.propagation,
        id_map,
        relabel: None,
        copy_up: wishes.copy_up.is_some(),
    })
}

/// A relative destination is below the root: old tools wrote such.
fn destination_of(door: &mut Door<'_>, text: &str, node: &Node<'_>) -> Option<RootPath> {
    if text.starts_with('/') {
        return door.root_path(text, node);
    }
    door.path(RootPath::new(&format!("/{text}")), node)
}

/// The options in order; of two that contradict each other the later one counts.
fn wishes<'a>(door: &mut Door<'_>, fields: &mut Fields<'a>) -> Wishes<'a> {
    let mut wishes = Wishes::default();
    for (word, node) in fields.texts(door, "options") {
        match effect(word) {
            Some(Effect::Bind { recursive }) => wishes.bind = Some(recursive),
            Some(Effect::Set(flag)) => set(&mut wishes.set, &mut wishes.clear, flag),
            Some(Effect::Clear(flag)) => clear(&mut wishes.set, &mut wishes.clear, flag),
            Some(Effect::SetTree(flag)) => set(&mut wishes.set_tree, &mut wishes.clear_tree, flag),
            Some(Effect::ClearTree(flag)) => {
                clear(&mut wishes.set_tree, &mut wishes.clear_tree, flag);
            }
            Some(Effect::Propagate(propagation)) => wishes.propagation.push(propagation),
            Some(Effect::IdMap { recursive }) => wishes.id_map = Some(recursive),
            Some(Effect::CopyUp) => wishes.copy_up = Some(node),
            Some(Effect::Nothing) => {}
            Some(Effect::Remount) => wishes.remount = true,
            None if word.is_empty() => door.invalid(node, Expected::Words),
            None => wishes.data.push((word, node)),
        }
    }
    wishes
}

fn set(set: &mut MountFlags, clear: &mut MountFlags, flag: MountFlags) {
    if flag.intersects(MountFlags::ATIME) {
        *set -= MountFlags::ATIME;
        *clear -= MountFlags::ATIME;
    }
    *set |= flag;
    *clear -= flag;
}

fn clear(set: &mut MountFlags, clear: &mut MountFlags, flag: MountFlags) {
    *set -= flag;
    *clear |= flag;
}

fn bind(
    door: &mut Door<'_>,
    fields: &Fields<'_>,
    source: Option<(&str, &Node<'_>)>,
    wishes: &Wishes<'_>,
) -> Option<MountKind> {
    no_data(door, wishes);
    let Some((text, node)) = source else {
        door.refuse(fields.node, Problem::Missing { key: "source" });
        return None;
    };
    let source = below_bundle(door, text, node)?;
    // `"type": "bind"` alone is what `mount --bind` does.
    Some(MountKind::Bind(BindSource { source, recursive: wishes.bind.unwrap_or_default() }))
}

/// No file system is made that could take them.
fn no_data(door: &mut Door<'_>, wishes: &Wishes<'_>) {
    for (_, node) in &wishes.data {
        door.invalid(node, Expected::BindOption);
    }
}

fn file_system(
    door: &mut Door<'_>,
    fields: &Fields<'_>,
    fstype: Option<(&str, &Node<'_>)>,
    source: Option<(&str, &Node<'_>)>,
    wishes: &Wishes<'_>,
) -> Option<MountKind> {
    let Some((fstype, _)) = fstype else {
        door.refuse(fields.node, Problem::Missing { key: "type" });
        return None;
    };
    if matches!(fstype, "cgroup" | "cgroup2") {
        for (_, node) in &wishes.data {
            door.invalid(node, Expected::MountOption);
        }
        return Some(MountKind::Cgroup);
    }
    let data: Vec<String> = wishes.data.iter().map(|(word, _)| (*word).to_owned()).collect();
    let source = source.map(|(text, _)| text.to_owned());
    Some(MountKind::Filesystem { fstype: fstype.to_owned(), source, data })
}

/// The mappings, which count without an option too; the option without them means those of the user namespace.
fn id_map(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    option: Option<bool>,
) -> Option<MountIdMap> {
    let mut map = |key| {
        let node = fields.take(key)?;
        door.id_map(node).filter(|map: &IdMap| !map.is_empty())
    };
    let (uids, gids) = (map("uidMappings"), map("gidMappings"));
    match (uids, gids) {
        (None, None) => option.map(|recursive| MountIdMap {
            uid_mappings: IdMap::default(),
            gid_mappings: IdMap::default(),
            recursive,
        }),
        (Some(uid_mappings), Some(gid_mappings)) => {
            Some(MountIdMap { uid_mappings, gid_mappings, recursive: option.unwrap_or_default() })
        }
        (uids, _) => {
            let key = if uids.is_some() { "gidMappings" } else { "uidMappings" };
            door.refuse(fields.node, Problem::Missing { key });
            None
        }
    }
}
