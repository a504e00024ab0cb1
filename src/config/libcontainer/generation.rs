//! Tells from the keys of a document which generation of the format it is.

use crate::config::json::{Node, Value};

/// A generation of libcontainer's `container.json`, oldest first.
///
/// The shape of 1.1.0 to 1.4.0 is one generation: the keys that came in between do not change the meaning of others,
/// and four of the five samples of 1.2.0 and 1.4.0 are the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Generation {
    /// 1.0.0 (June 2014): flat, `namespaces` an object, strings in `context`.
    Flat2014,
    /// 1.1.0 to 1.4.0: `mount_config`, `namespaces` an object, networks joined with `ns_path`.
    NamespaceMap,
    /// December 2014: `namespaces` an array, its kinds under `name`.
    NamespaceName,
    /// The seed, December 2014 to February 2015: kinds under `type`. What is written back.
    Seed,
    /// Some days of February 2015: flat again, `devices` with `major`, `minor`, `permissions`.
    Flat2015,
    /// 2.0.0 to 2.2.1: mounts with numeric flags, lists of masked and read-only paths, nothing implied.
    Version2,
}

/// Keys that only version 2 has.
const VERSION_2: [&str; 9] = [
    "rootfs",
    "readonlyfs",
    "privatefs",
    "parent_death_signal",
    "mask_paths",
    "readonly_paths",
    "system_properties",
    "seccomp",
    "seccomp_config",
];

/// Keys of `mount_config` that stand at the top of a flat document.
const FLAT: [&str; 8] = [
    "context",
    "mounts",
    "device_nodes",
    "devices",
    "readonly_fs",
    "no_pivot_root",
    "pivot_dir",
    "mount_label",
];

/// The generation of a document; the seed's when nothing tells.
pub(super) fn detect(document: &Node<'_>) -> Generation {
    let has = |keys: &[&str]| keys.iter().any(|key| member(document, key).is_some());
    let namespaces = member(document, "namespaces").map(|node| &node.value);
    let is_flat = !has(&["mount_config"]) && has(&FLAT);
    match namespaces {
        Some(Value::Object(_)) if is_flat => Generation::Flat2014,
        Some(Value::Object(_)) => Generation::NamespaceMap,
        Some(Value::List(list)) if list.iter().any(|item| member(item, "name").is_some()) => {
            Generation::NamespaceName
        }
        _ if has(&["mount_config"]) => Generation::Seed,
        _ if has(&VERSION_2) || has_typeless_mount(document) => Generation::Version2,
        _ if is_flat => Generation::Flat2015,
        _ => Generation::Seed,
    }
}

/// Version 2 calls the file system type of a mount its `device`.
fn has_typeless_mount(document: &Node<'_>) -> bool {
    let mounts = member(document, "mounts").map(|node| &node.value);
    match mounts {
        Some(Value::List(mounts)) => mounts.iter().any(|mount| member(mount, "device").is_some()),
        _ => false,
    }
}

/// The member of that name; even `null` shows that the writer knew the key.
fn member<'n>(node: &'n Node<'n>, key: &str) -> Option<&'n Node<'n>> {
    let Value::Object(members) = &node.value else {
        return None;
    };
    members.iter().find(|member| member.key.eq_ignore_ascii_case(key)).map(|member| &member.node)
}
