//! Decides which mounts may not be: bad targets, missing sources, what is not carried out.
//!
//! A mount on `/` or inside `/proc` could shadow what nsplan itself relies on.

use super::draft::Draft;
use super::error::Refusal;
use crate::config::{Mount, MountKind};
use crate::facts::PathFact;
use crate::types::{HostPath, MountFlags, NamespaceKind, Pointer};

/// Files of `/proc` that tools replace to show a container its own limits; nothing here relies on them.
const PROC_EXCEPTIONS: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/dev",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// Nothing on `/` itself, and nothing inside `/proc` but what tools replace there.
pub(super) fn target(draft: &mut Draft<'_>, mount: &Mount, origin: &Pointer) {
    let target = &mount.destination;
    // An engine without privilege cannot mount the host's processes anew, and binds the host's own procfs.
    let shares_pids = !draft.config.namespaces.contains_key(&NamespaceKind::Pid);
    let is_procfs = match &mount.kind {
        MountKind::Filesystem { fstype, .. } => fstype == "proc",
        MountKind::Bind(bind) => shares_pids && bind.source.as_str() == "/proc",
        // What may be mounted there may be changed there.
        MountKind::Remount => target.as_str() == "/proc",
        MountKind::Cgroup => false,
    };
    let is_proc_itself = target.as_str() == "/proc" && is_procfs;
    let is_in_proc = target.parts().next() == Some("proc")
        && !is_proc_itself
        && !PROC_EXCEPTIONS.contains(&target.as_str());
    if target.is_root() || is_in_proc {
        draft.refuse(&origin.key("destination"), Refusal::UnsafeTarget { path: target.clone() });
    }
}

/// What the model has room for and this version does not carry out.
pub(super) fn extras(draft: &mut Draft<'_>, mount: &Mount, origin: &Pointer) {
    if mount.id_map.is_some() && !matches!(mount.kind, MountKind::Bind(_)) {
        let what = "an id map of anything but a bind mount";
        draft.refuse(&origin.key("idMap"), Refusal::NotSupported { what });
    }
    let is_tmpfs = matches!(&mount.kind, MountKind::Filesystem { fstype, .. } if fstype == "tmpfs");
    if mount.copy_up && !is_tmpfs {
        let reason = "only a tmpfs can be filled with what it covers";
        draft.refuse(&origin.key("copyUp"), Refusal::Contradiction { reason });
    }
}

/// One mount changes, and only what is its own.
pub(super) fn remount(draft: &mut Draft<'_>, mount: &Mount, origin: &Pointer) {
    let of_tree = mount.set_recursive.union(mount.clear_recursive);
    if !of_tree.is_empty() {
        let reason = "a remount changes one mount, not those below it";
        draft.refuse(origin, Refusal::Contradiction { reason });
    }
    if mount.set.union(mount.clear).intersects(MountFlags::SUPERBLOCK) {
        let reason = "a remount changes the mount, not the file system that is mounted";
        draft.refuse(origin, Refusal::Contradiction { reason });
    }
}

/// Whether a bind source is a directory, from the facts; `None` when it was refused.
pub(super) fn source_is_directory(
    draft: &mut Draft<'_>,
    path: &HostPath,
    origin: &Pointer,
) -> Option<bool> {
    // What the plan itself makes.
    if draft.config.notify.as_ref() == Some(path) {
        return Some(true);
    }
    // The kernel's own trees are directories on every host.
    if matches!(path.as_str(), "/" | "/proc" | "/sys" | "/dev/mqueue") {
        return Some(true);
    }
    let refusal = match draft.facts.paths.get(path) {
        Some(PathFact::Directory) => return Some(true),
        Some(PathFact::File | PathFact::Special) => return Some(false),
        Some(PathFact::Missing) => Refusal::PathMissing { path: path.clone() },
        Some(PathFact::Denied) => Refusal::PathDenied { path: path.clone() },
        None => Refusal::FactMissing { section: "paths" },
    };
    draft.refuse(origin, refusal);
    None
}
