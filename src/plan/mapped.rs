//! Decides the copies of host trees whose ids are mapped: the launcher makes them, before the clone.

use super::draft::{Draft, step};
use super::error::Refusal;
use super::idmap::IdMaps;
use super::mounts::Mounts;
use super::op::{MountOp, Op, Slot};
use crate::config::{Mount, MountKind};
use crate::facts::Feature;
use crate::types::{Capability, IdMap, Pointer};

/// The tree of a mount that has an id map.
pub(super) fn plan(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    maps: &IdMaps,
    mount: &Mount,
    origin: &Pointer,
) {
    let (Some(map), MountKind::Bind(bind)) = (&mount.id_map, &mount.kind) else { return };
    let origin = origin.key("idMap");
    draft.require(&origin, Feature::MountSetattr);
    draft.require(&origin, Feature::DetachedMounts);
    if !draft.facts.caller.in_initial_userns {
        let reason = "an id map needs the rights of the first user namespace, to which the file system belongs";
        draft.refuse(&origin, Refusal::Contradiction { reason });
    }
    draft.require_capability(&origin, Capability::SYS_ADMIN, "an id-mapped mount");
    let given = |given: &IdMap, own: &IdMap| if given.is_empty() { own } else { given }.clone();
    let uids = given(&map.uid_mappings, &maps.uids);
    let gids = given(&map.gid_mappings, &maps.gids);
    if uids.is_empty() || gids.is_empty() {
        let reason =
            "an id map of its own, or a user namespace that the container creates, is needed";
        draft.refuse(&origin, Refusal::Contradiction { reason });
    }
    let slot = slot(mounts.mapped.len());
    let op = MountOp::MapTree {
        source: bind.source.clone(),
        recursive: bind.recursive,
        map_recursive: map.recursive && bind.recursive,
        uids,
        gids,
        slot,
    };
    mounts.mapped.push(step(Op::Mount(op), &origin));
}

/// Where the tree of that number is kept.
fn slot(number: usize) -> Slot {
    Slot::Mapped(u16::try_from(number).unwrap_or(u16::MAX))
}

/// Where the tree made last is kept.
pub(super) fn last(mounts: &Mounts) -> Slot {
    slot(mounts.mapped.len().saturating_sub(1))
}
