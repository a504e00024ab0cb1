//! Decides the id maps of a created user namespace, who may write them, and how.

use alloc::vec;
use alloc::vec::Vec;

use super::draft::{Draft, at, at_index, step};
use super::error::Refusal;
use super::model::Step;
use super::op::{IdKind, Op, UserOp};
use crate::facts::{HostFacts, SubidRange};
use crate::types::{Capability, HostPath, IdMap, IdMapping, NamespaceKind};

/// What this room decided.
#[derive(Default)]
pub(super) struct IdMaps {
    /// Steps of the parent between the clone and the word that the maps are written.
    pub(super) parent: Vec<Step>,
    /// What the user namespace maps; empty when none is created.
    pub(super) uids: IdMap,
    pub(super) gids: IdMap,
    /// Whether `setgroups(2)` works in the container.
    pub(super) setgroups_allowed: bool,
    /// Whether the process must take on the ids of the namespace's root, since it has none that is mapped.
    pub(super) become_root: bool,
}

/// How one map gets written.
enum Writer {
    /// The parent writes the file.
    Direct,
    /// A set-uid helper does.
    Helper(HostPath),
    /// It was refused.
    Nobody,
}

pub(super) fn plan(draft: &mut Draft<'_>) -> IdMaps {
    if !draft.config.creates(NamespaceKind::User) {
        return without_userns(draft);
    }
    let caller = &draft.facts.caller;
    let uids = given_or_caller(&draft.config.uid_mappings, caller.uid);
    let gids = given_or_caller(&draft.config.gid_mappings, caller.gid);
    check_root(draft, &uids, &gids);
    let uid_writer = writer(draft, IdKind::Uid, &uids);
    let gid_writer = writer(draft, IdKind::Gid, &gids);

    let mut parent = Vec::new();
    // A gid map written without privilege is only taken once setgroups is denied, else a process could leave a group
    // that a file's permissions exclude: user_namespaces(7).
    let is_privileged = draft.facts.caller.effective.contains(Capability::SETGID);
    let denies = matches!(gid_writer, Writer::Direct) && !is_privileged;
    if denies {
        parent.push(step(Op::User(UserOp::DenySetgroups), &at("/gidMappings")));
    }
    parent.extend(write(IdKind::Uid, uid_writer, &uids));
    parent.extend(write(IdKind::Gid, gid_writer, &gids));
    let caller = &draft.facts.caller;
    let become_root =
        uids.to_host(0) != Some(caller.uid) || gids.to_host(0) != Some(caller.gid) || !denies;
    IdMaps {
        parent,
        uids,
        gids,
        setgroups_allowed: !denies && draft.facts.caller.setgroups_allowed,
        become_root,
    }
}

pub(super) fn without_userns(draft: &mut Draft<'_>) -> IdMaps {
    let maps = [
        ("/uidMappings", &draft.config.uid_mappings),
        ("/gidMappings", &draft.config.gid_mappings),
    ];
    for (name, map) in maps {
        if !map.is_empty() {
            draft.refuse(&at(name), Refusal::NeedsNamespace { kind: NamespaceKind::User });
        }
    }
    let is_joined = draft.changes_userns();
    let caller = &draft.facts.caller;
    IdMaps {
        setgroups_allowed: is_joined
            || caller.setgroups_allowed && caller.effective.contains(Capability::SETGID),
        become_root: is_joined,
        ..IdMaps::default()
    }
}

/// The config's map, or the caller as the namespace's root and nothing else.
fn given_or_caller(given: &IdMap, caller: u32) -> IdMap {
    if given.is_empty() {
        let range = IdMapping { container_id: 0, host_id: caller, size: 1 };
        IdMap::new(vec![range]).unwrap_or_default()
    } else {
        given.clone()
    }
}

/// The container's mounts and files are made by its root, so there must be one.
fn check_root(draft: &mut Draft<'_>, uids: &IdMap, gids: &IdMap) {
    for (map, what, name) in [(uids, "user", "/uidMappings"), (gids, "group", "/gidMappings")] {
        if map.to_host(0).is_none() {
            draft.refuse(&at(name), Refusal::IdNotMapped { what, id: 0 });
        }
    }
}

fn names(kind: IdKind) -> (&'static str, &'static str, &'static str) {
    match kind {
        IdKind::Uid => ("/uidMappings", "/etc/subuid", "newuidmap"),
        IdKind::Gid => ("/gidMappings", "/etc/subgid", "newgidmap"),
    }
}

fn writer(draft: &mut Draft<'_>, kind: IdKind, map: &IdMap) -> Writer {
    let facts = draft.facts;
    check_visible(draft, kind, map);
    let (id, capability) = match kind {
        IdKind::Uid => (facts.caller.uid, Capability::SETUID),
        IdKind::Gid => (facts.caller.gid, Capability::SETGID),
    };
    if facts.caller.effective.contains(capability) {
        return Writer::Direct;
    }
    if let [only] = map.ranges()
        && only.host_id == id
        && only.size == 1
    {
        return Writer::Direct;
    }
    helper(draft, kind, map, id)
}

/// Ids outside that the caller's own namespace does not know cannot be mapped by anybody.
fn check_visible(draft: &mut Draft<'_>, kind: IdKind, map: &IdMap) {
    let facts: &HostFacts = draft.facts;
    let (known, what) = match kind {
        IdKind::Uid => (&facts.caller.uid_map, "user"),
        IdKind::Gid => (&facts.caller.gid_map, "group"),
    };
    if facts.caller.in_initial_userns || known.is_empty() {
        return;
    }
    for (index, range) in map.ranges().iter().enumerate() {
        // The caller sees an id if its own map has it on the inside.
        let is_known = known.iter().any(|own| {
            own.to_host(range.host_id).is_some()
                && own.to_host(range.host_id + (range.size - 1)).is_some()
        });
        if !is_known {
            let origin = at_index(names(kind).0, index);
            draft.refuse(&origin, Refusal::IdNotMapped { what, id: range.host_id });
        }
    }
}

fn helper(draft: &mut Draft<'_>, kind: IdKind, map: &IdMap, own: u32) -> Writer {
    let (list, file, program) = names(kind);
    let Some(subids) = &draft.facts.subids else {
        draft.refuse(&at(list), Refusal::FactMissing { section: "subids" });
        return Writer::Nobody;
    };
    let (granted, helper) = match kind {
        IdKind::Uid => (&subids.uids, &subids.newuidmap),
        IdKind::Gid => (&subids.gids, &subids.newgidmap),
    };
    let mut is_granted = true;
    for (index, range) in map.ranges().iter().enumerate() {
        let is_own = range.host_id == own && range.size == 1;
        if !is_own && !grants(granted, range) {
            is_granted = false;
            let granted = granted.iter().map(|range| (range.first, range.count)).collect();
            let refusal =
                Refusal::IdsNotGranted { file, first: range.host_id, count: range.size, granted };
            draft.refuse(&at_index(list, index), refusal);
        }
    }
    match helper {
        Some(path) if is_granted => Writer::Helper(path.clone()),
        Some(_) => Writer::Nobody,
        None => {
            draft.refuse(&at(list), Refusal::MapHelperMissing { program });
            Writer::Nobody
        }
    }
}

/// Whether one granted range holds all of `range`: the helpers do not join neighbours either.
fn grants(granted: &[SubidRange], range: &IdMapping) -> bool {
    granted.iter().any(|grant| {
        let end = u64::from(grant.first) + u64::from(grant.count);
        range.host_id >= grant.first && u64::from(range.host_id) + u64::from(range.size) <= end
    })
}

fn write(kind: IdKind, writer: Writer, map: &IdMap) -> Option<Step> {
    let map = map.clone();
    let op = match writer {
        Writer::Direct => UserOp::WriteIdMap { kind, map },
        Writer::Helper(program) => UserOp::RunMapHelper { kind, program, map },
        Writer::Nobody => return None,
    };
    Some(step(Op::User(op), &at(names(kind).0)))
}

/// Whether planning a user namespace for this caller will look at sub-ids.
pub(super) fn needs_subids(uids: &IdMap, gids: &IdMap) -> bool {
    let is_more = |map: &IdMap| map.ranges().len() > 1 || map.ranges().iter().any(|r| r.size > 1);
    is_more(uids) || is_more(gids)
}

/// A user namespace with the caller as root and every granted sub-id after it: what an ordinary user wants when more
/// than one id is needed inside.
#[must_use]
pub fn map_with_subids(caller: u32, granted: &[SubidRange]) -> IdMap {
    let mut ranges = vec![IdMapping { container_id: 0, host_id: caller, size: 1 }];
    let mut next = 1u32;
    for grant in granted {
        if grant.count == 0 {
            continue;
        }
        ranges.push(IdMapping { container_id: next, host_id: grant.first, size: grant.count });
        let Some(after) = next.checked_add(grant.count) else { break };
        next = after;
    }
    IdMap::new(ranges)
        .or_else(|_| IdMap::new(vec![IdMapping { container_id: 0, host_id: caller, size: 1 }]))
        .unwrap_or_default()
}
