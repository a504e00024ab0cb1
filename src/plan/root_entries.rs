//! Decides how a root is put together from some entries of a directory: an empty one, and a bind for each.

use alloc::format;

use super::draft::{Draft, at};
use super::mounts::{Mounts, Sources, remount_below};
use super::op::MountOp;
use crate::config::{RootEntry, RootEntryKind};
use crate::types::{MountFlags, Pointer, RootPath};

pub(super) fn plan(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    sources: &mut Sources,
    entries: &[RootEntry],
) {
    for (index, entry) in entries.iter().enumerate() {
        let origin = at("/root/entries").index(index);
        let Ok(target) = RootPath::new(&format!("/{}", entry.name.as_str())) else { continue };
        match &entry.kind {
            RootEntryKind::Link(says) => {
                draft.check_nul(&origin, says);
                let (path, target) = (target, says.clone());
                mounts.push(
                    MountOp::Symlink { path, target, replace: false, only_if: None },
                    &origin,
                );
            }
            RootEntryKind::Directory => bind(draft, mounts, sources, entry, &target, &origin),
            RootEntryKind::File => bind(draft, mounts, sources, entry, &target, &origin),
        }
    }
}

fn bind(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    sources: &mut Sources,
    entry: &RootEntry,
    target: &RootPath,
    origin: &Pointer,
) {
    let source = draft.config.root.path.child(entry.name.as_str());
    let recursive = entry.kind == RootEntryKind::Directory;
    mounts.make_mount_point(target, recursive, origin);
    let slot = sources.open(mounts, origin, |slot| MountOp::CloneTree {
        source: source.clone(),
        recursive,
        slot,
    });
    let is_readonly = draft.config.root.readonly_recursive;
    let set = if is_readonly { MountFlags::MS_RDONLY } else { MountFlags::empty() };
    mounts.push(
        MountOp::Attach {
            slot,
            target: target.clone(),
            recursive,
            set: if recursive { MountFlags::empty() } else { set },
            clear: MountFlags::empty(),
            set_recursive: if recursive { set } else { MountFlags::empty() },
            clear_recursive: MountFlags::empty(),
        },
        origin,
    );
    if is_readonly && recursive {
        remount_below(draft, mounts, &source, target, set, origin);
    }
}
