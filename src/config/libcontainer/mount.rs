//! Turns the mount section of every generation, and what it implies, into mounts, nodes, links and protected paths.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::device;
use super::door::{At, Door, MAX_INT};
use super::fields::Fields;
use super::read::{Context, is_empty};
use super::{Generation, system};
use crate::config::error::{Expected, Problem};
use crate::config::{BindSource, Config, Mount, MountKind, Relabel, RootSwitch};
use crate::types::{MountFlags, NamespaceKind, Pointer, Propagation, PropagationKind, RootPath};

/// What the original reports these mounts as, in its step 3.
const SYSTEM_MOUNT: &str = "libcontainer system mount";

/// Reads everything that needs a new mount namespace, and refuses it when there is none.
pub(super) fn read<'a>(
    door: &mut Door<'_>,
    top: &mut Fields<'a>,
    context: &Context<'a>,
    config: &mut Config,
) {
    let is_new = config.creates(NamespaceKind::Mnt);
    let is_version_2 = door.generation == Generation::Version2;
    let restrict = if is_version_2 { None } else { top.flag(door, "restrict_sys") };
    let restrict = restrict.or_else(|| context.restrictions.clone());
    if is_new && !is_version_2 {
        system_mounts(door, restrict.as_ref(), config);
    }
    let mut asked: Vec<At<'a>> = restrict.iter().cloned().collect();
    match top.fields(door, "mount_config") {
        Some(mut inner) => {
            asked.push(inner.at.clone());
            section(door, &mut inner, context, config);
            inner.finish(door);
        }
        None => asked.extend(section(door, top, context, config)),
    }
    if !is_new {
        for at in asked {
            door.refuse(&at, Problem::NeedsNamespace(NamespaceKind::Mnt));
        }
        return;
    }
    config.device_links = system::links();
    device::note_links(door);
    if let Some(at) = restrict {
        restrict_sys(door, &at, config);
    }
}

/// The mounts that come before the user's, each noted as nobody's wish but a read-only `/sys`.
fn system_mounts(door: &mut Door<'_>, restrict: Option<&At<'_>>, config: &mut Config) {
    // In a new user namespace group 5 exists only if it is mapped, and the kernel refuses a group that does not.
    let is_mapped = config.gid_mappings.to_host(5).is_some();
    let tty_group = !config.creates(NamespaceKind::User) || is_mapped;
    config.mounts = system::mounts(restrict.is_some(), tty_group);
    for index in 0..system::COUNT {
        door.note_default(Pointer::new("/mounts").index(index), SYSTEM_MOUNT);
    }
    if let Some(at) = restrict {
        door.note(Pointer::new("/mounts").index(system::SYS), at);
    }
}

fn restrict_sys(door: &mut Door<'_>, at: &At<'_>, config: &mut Config) {
    config.readonly_paths = system::READONLY.into_iter().map(system::path).collect();
    config.masked_paths = vec![system::path(system::MASKED)];
    for index in 0..config.readonly_paths.len() {
        door.note(Pointer::new("/readonlyPaths").index(index), at);
    }
    door.note(Pointer::new("/maskedPaths/0"), at);
}

/// The members that stand in `mount_config`, or at the top of a flat document; returns those that ask for something.
fn section<'a>(
    door: &mut Door<'_>,
    fields: &mut Fields<'a>,
    context: &Context<'a>,
    config: &mut Config,
) -> Vec<At<'a>> {
    let mut asked = Vec::new();
    if let Some(at) = fields.flag(door, "no_pivot_root") {
        door.note(Pointer::new("/root/switch"), &at);
        config.root.switch = RootSwitch::MoveMount;
        config.root.propagation = Some(recursive(PropagationKind::Slave));
        asked.push(at);
    }
    if let Some(at) = fields.flag(door, "readonly_fs|readonlyfs") {
        door.note(Pointer::new("/root/readonly"), &at);
        config.root.readonly = true;
        asked.push(at);
    }
    if let Some(directory) = fields.text(door, "pivot_dir") {
        door.keep(Pointer::new("/mount_config/pivot_dir"), &directory.at);
        asked.push(directory.at);
    }
    let label = fields.text(door, "mount_label");
    let label = door.one_of(label, context.mount_label.as_ref());
    if let Some(label) = label {
        door.note(Pointer::new("/mountLabel"), &label.at);
        config.mount_label = Some(label.text.to_owned());
        asked.push(label.at);
    }
    if door.generation == Generation::Version2 {
        asked.extend(version_2(door, fields, config));
    }
    let mounts = fields.items(door, "mounts");
    asked.extend(mounts.iter().cloned());
    for at in mounts {
        user_mount(door, at, config);
    }
    let nodes = fields.items(door, "device_nodes|devices");
    asked.extend(nodes.iter().cloned());
    device::nodes(door, nodes, &mut config.devices);
    asked
}

fn recursive(kind: PropagationKind) -> Propagation {
    Propagation { kind, recursive: true }
}

/// What only version 2 says: propagation of the root, and its own lists of paths.
fn version_2<'a>(door: &mut Door<'_>, fields: &mut Fields<'a>, config: &mut Config) -> Vec<At<'a>> {
    let private = fields.flag(door, "privatefs");
    let kind = if private.is_some() { PropagationKind::Private } else { PropagationKind::Slave };
    config.root.propagation = Some(recursive(kind));
    let masked = fields.items(door, "mask_paths");
    let readonly = fields.items(door, "readonly_paths");
    config.masked_paths = paths(door, &masked, "/maskedPaths");
    config.readonly_paths = paths(door, &readonly, "/readonlyPaths");
    private.into_iter().chain(masked).chain(readonly).collect()
}

fn paths(door: &mut Door<'_>, items: &[At<'_>], canonical: &str) -> Vec<RootPath> {
    let mut paths = Vec::new();
    for at in items {
        let text = door.word_at(at.clone(), Expected::Path);
        if let Some(path) = text.and_then(|text| door.path(&text, RootPath::new(text.text))) {
            if path.is_root() {
                door.refuse(at, Problem::RootItself);
            }
            door.note(Pointer::new(canonical).index(paths.len()), at);
            paths.push(path);
        }
    }
    paths
}

fn user_mount(door: &mut Door<'_>, at: At<'_>, config: &mut Config) {
    let index = config.mounts.len();
    let Some(mut fields) = door.fields_at(at.clone()) else {
        return;
    };
    let mount = if door.generation == Generation::Version2 {
        flag_mount(door, &mut fields)
    } else {
        let seat = index.saturating_sub(system::COUNT);
        typed_mount(door, &mut fields, &Pointer::new("/mount_config/mounts").index(seat))
    };
    fields.finish(door);
    if let Some(mount) = mount {
        door.note(Pointer::new("/mounts").index(index), &at);
        config.mounts.push(mount);
    }
}

/// A mount up to 2015: `bind` or `tmpfs`.
fn typed_mount(door: &mut Door<'_>, fields: &mut Fields<'_>, seat: &Pointer) -> Option<Mount> {
    let Some(kind) = fields.required(door, "type") else {
        fields.skip_rest();
        return None;
    };
    match kind.text {
        "bind" => bind(door, fields),
        "tmpfs" => {
            let unused = ["source", "writable", "relabel", "private", "slave"];
            fields.keep(door, seat, &unused);
            let destination = destination(door, fields, None)?;
            Some(Mount::filesystem(destination.as_str(), "tmpfs", system::PLAIN, &[]))
        }
        "devtmpfs" if door.generation == Generation::Flat2014 => {
            // The word of 1.0.0 for the `/dev` that every later generation has anyway.
            door.note(Pointer::new("/mounts").index(system::DEV), &fields.at);
            None
        }
        _ => {
            door.invalid(&kind, Expected::MountType);
            fields.skip_rest();
            None
        }
    }
}

/// A bind mount: with everything below the source, and read-only all the way down unless writable.
fn bind(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<Mount> {
    let source = fields.required(door, "source").and_then(|source| door.host_path(&source));
    let destination = destination(door, fields, None);
    let relabel = relabel(door, fields);
    let is_writable = fields.flag(door, "writable").is_some();
    let mut propagation = Vec::new();
    if fields.flag(door, "slave").is_some() {
        propagation.push(recursive(PropagationKind::Slave));
    }
    if fields.flag(door, "private").is_some() {
        propagation.push(Propagation { kind: PropagationKind::Private, recursive: false });
    }
    let readonly = if is_writable { MountFlags::empty() } else { MountFlags::MS_RDONLY };
    Some(Mount {
        kind: MountKind::Bind(BindSource { source: source?, recursive: true }),
        set_recursive: readonly,
        propagation,
        relabel,
        ..empty(destination?)
    })
}

fn empty(destination: RootPath) -> Mount {
    Mount { destination, ..Mount::filesystem("/", "tmpfs", MountFlags::empty(), &[]) }
}

fn relabel(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<Relabel> {
    let text = fields.text(door, "relabel")?;
    match text.text {
        "z" => Some(Relabel::Shared),
        "Z" => Some(Relabel::Private),
        _ => {
            door.invalid(&text, Expected::Relabel);
            None
        }
    }
}

/// The place of a mount, which may be neither `/` nor in `/proc`; `/proc` itself only for a new `proc`.
fn destination(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    fstype: Option<&str>,
) -> Option<RootPath> {
    let text = fields.required(door, "destination")?;
    let path = door.root_path(&text)?;
    let proc = system::path("/proc");
    if path.is_root() {
        door.refuse(&text.at, Problem::RootItself);
    } else if proc.contains(&path) && (path != proc || fstype != Some("proc")) {
        door.refuse(&text.at, Problem::MountInProc);
    }
    Some(path)
}

/// Bits of `mount(2)` that say what is done rather than how the mount shall be.
const MS_BIND: u64 = 1 << 12;
const MS_REC: u64 = 1 << 14;

/// A mount of version 2: device, numeric flags, data.
fn flag_mount(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<Mount> {
    let device = fields.required(door, "device");
    let source = fields.text(door, "source");
    let data = fields.text(door, "data");
    let flags = fields.number(door, "flags", 0, MAX_INT);
    let relabel = relabel(door, fields);
    for key in ["premount_cmds", "postmount_cmds"] {
        if let Some(at) = fields.take(door, key).filter(|at| !is_empty(&at.node.value)) {
            door.refuse(&at, Problem::NoEquivalent);
        }
    }
    let fstype = device.as_ref().map(|device| device.text);
    let destination = destination(door, fields, fstype);
    let device = device?;
    let bits = flags.as_ref().map_or(0, |flags| u64::try_from(flags.value).unwrap_or_default());
    let (set, propagation, unknown) = decode(bits);
    if let Some(flags) = flags.filter(|_| unknown != 0) {
        door.refuse(&flags.at, Problem::UnknownMountFlags { bits: unknown });
    }
    let is_bind = device.text == "bind" || bits & MS_BIND != 0;
    if let Some(data) = data.as_ref().filter(|_| is_bind || device.text == "cgroup") {
        door.refuse(&data.at, Problem::NoEquivalent);
    }
    let kind = if is_bind {
        let Some(source) = source else {
            door.refuse(&fields.at, Problem::Missing { key: "source" });
            return None;
        };
        let source = door.host_path(&source)?;
        MountKind::Bind(BindSource { source, recursive: bits & MS_REC != 0 })
    } else if device.text == "cgroup" {
        MountKind::Cgroup
    } else {
        let source = source.map(|source| source.text.to_owned());
        let data = data.map_or_else(Vec::new, |data| options(data.text));
        MountKind::Filesystem { fstype: device.text.to_owned(), source, data }
    };
    Some(Mount { kind, set, propagation, relabel, ..empty(destination?) })
}

/// Flags of the mount, changes of its propagation, and the bits that are neither.
fn decode(bits: u64) -> (MountFlags, Vec<Propagation>, u64) {
    let kinds = [
        PropagationKind::Unbindable,
        PropagationKind::Private,
        PropagationKind::Slave,
        PropagationKind::Shared,
    ];
    let recursive = bits & MS_REC != 0;
    let propagation = kinds
        .into_iter()
        .filter(|kind| bits & kind.bits() != 0)
        .map(|kind| Propagation { kind, recursive })
        .collect();
    let known = kinds.into_iter().fold(MS_BIND | MS_REC, |known, kind| known | kind.bits());
    let rest = bits & !known;
    (MountFlags::from_bits_truncate(rest), propagation, rest & !MountFlags::all().bits())
}

/// Mount options, split at commas outside of double quotes: SELinux contexts have commas inside.
fn options(data: &str) -> Vec<String> {
    let mut is_quoted = false;
    data.split(|c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    })
    .filter(|option| !option.is_empty())
    .map(ToOwned::to_owned)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_outside_of_quotes() {
        let split = options("mode=755,context=\"u:r:t:s0:c1,c2\",,ro");
        assert_eq!(split, ["mode=755", "context=\"u:r:t:s0:c1,c2\"", "ro"]);
    }

    #[test]
    fn flag_words_are_taken_apart_completely() {
        let (set, propagation, unknown) = decode(0x1000 | 0x4000 | 0x1 | (1 << 19) | 0x20);
        assert_eq!(set, MountFlags::MS_RDONLY);
        assert_eq!(propagation, [recursive(PropagationKind::Slave)]);
        assert_eq!(unknown, 0x20, "MS_REMOUNT is no property of a mount");
    }
}
