//! Decides for each kind of namespace who creates or joins it, and in which order.

use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::{Refusal, UsernsBar};
use super::hooks;
use super::model::{Step, Topology};
use super::op::{NamespaceOp, Op};
use crate::config::{Config, Limit, NamespaceSource};
use crate::facts::{Caller, Feature, UsernsFacts};
use crate::types::{Capability, CloneFlags, NamespaceKind, Pointer};

/// Joining order: the user namespace first, since it brings the rights for the others; the mount namespace last, since
/// paths mean something else afterwards.
pub(super) const JOIN_ORDER: [NamespaceKind; 8] = [
    NamespaceKind::User,
    NamespaceKind::Cgroup,
    NamespaceKind::Ipc,
    NamespaceKind::Net,
    NamespaceKind::Pid,
    NamespaceKind::Time,
    NamespaceKind::Uts,
    NamespaceKind::Mnt,
];

/// What this room decided.
pub(super) struct Namespaces {
    pub(super) topology: Topology,
    /// Namespaces created by the clone that makes init.
    pub(super) created: CloneFlags,
    /// Steps that open and join, for the first process cloned.
    pub(super) joins: Vec<Step>,
}

pub(super) fn place(kind: NamespaceKind) -> Pointer {
    at("/namespaces").key(kind.name())
}

pub(super) fn plan(draft: &mut Draft<'_>) -> Namespaces {
    check_support(draft);
    check_rights(draft);
    check_time_offsets(draft);
    check_tracers(draft);
    let topology = topology(draft);
    let mut created = CloneFlags::empty();
    for kind in NamespaceKind::ALL {
        // A cgroup namespace begins where its maker is, so init makes it itself once it is in its cgroup. A time
        // namespace counts for children only; the intermediate makes it.
        let is_by_clone = !matches!(kind, NamespaceKind::Cgroup | NamespaceKind::Time);
        if is_by_clone && draft.config.creates(kind) {
            created |= kind.clone_flag();
        }
    }
    let mut joins = joins(draft);
    joins.extend(time(draft));
    Namespaces { topology, created, joins }
}

fn check_support(draft: &mut Draft<'_>) {
    for &kind in draft.config.namespaces.keys() {
        if !draft.facts.kernel.namespaces.contains(&kind) {
            draft.refuse(&place(kind), Refusal::NamespaceMissing { kind });
        }
    }
    if draft.config.namespaces.contains_key(&NamespaceKind::Time) {
        draft.require(&place(NamespaceKind::Time), Feature::TimeNamespace);
    }
}

/// Everything but a user namespace needs `CAP_SYS_ADMIN`, which a new user namespace gives inside itself.
fn check_rights(draft: &mut Draft<'_>) {
    if draft.config.creates(NamespaceKind::User) {
        let origin = place(NamespaceKind::User);
        match &draft.facts.userns {
            None => draft.refuse(&origin, Refusal::FactMissing { section: "userns" }),
            Some(facts) => {
                if let Some(by) = userns_bar(&draft.facts.caller, facts) {
                    draft.refuse(&origin, Refusal::UserNamespacesForbidden { by });
                }
            }
        }
        return;
    }
    if draft.config.namespaces.contains_key(&NamespaceKind::User) {
        return;
    }
    let first = draft.config.namespaces.keys().next().copied();
    if let Some(kind) = first {
        draft.require_capability(
            &place(kind),
            Capability::SYS_ADMIN,
            "a namespace without a user namespace of the container's own",
        );
    }
}

fn userns_bar(caller: &Caller, facts: &UsernsFacts) -> Option<UsernsBar> {
    let is_admin = caller.effective.contains(Capability::SYS_ADMIN);
    if facts.max == 0 {
        Some(UsernsBar::Max)
    } else if is_admin {
        None
    } else if facts.unprivileged_clone == Some(false) {
        Some(UsernsBar::Sysctl)
    } else if facts.apparmor_restricted {
        Some(UsernsBar::Apparmor)
    } else {
        None
    }
}

fn check_time_offsets(draft: &mut Draft<'_>) {
    if !draft.config.time_offsets.is_empty() {
        draft.require_created(&at("/timeOffsets"), NamespaceKind::Time);
    }
    for (clock, offset) in &draft.config.time_offsets {
        if offset.nanosecs >= 1_000_000_000 {
            let name = match clock {
                crate::config::Clock::Boottime => "boottime",
                crate::config::Clock::Monotonic => "monotonic",
            };
            let origin = at("/timeOffsets").key(name);
            draft.refuse(&origin, Refusal::LimitInvalid { expected: "less than 1000000000 ns" });
        }
    }
}

/// Whether others are in the process's pid namespace already, who are of a container.
pub(super) fn joins_pid(config: &Config) -> bool {
    matches!(config.namespaces.get(&NamespaceKind::Pid), Some(NamespaceSource::Join(_)))
}

/// A change of ids takes the dumpable flag away, which keeps them from tracing it; but not everywhere (`proc_sys_fs(5)`).
pub(super) fn check_tracers(draft: &mut Draft<'_>) {
    if joins_pid(draft.config) && draft.facts.kernel.suid_dumpable == 1 {
        let reason = "fs.suid_dumpable is 1, so processes of a pid namespace that is joined could trace one that changes its ids: expected 0 or 2";
        draft.refuse(&place(NamespaceKind::Pid), Refusal::Contradiction { reason });
    }
}

/// An intermediate is needed where an effect counts for children only, and where rights must be taken from a namespace
/// before others are made: `setns(2)`, `pid_namespaces(7)`, `time_namespaces(7)`.
pub(super) fn topology(draft: &Draft<'_>) -> Topology {
    let config = draft.config;
    let is_joined = |kind| matches!(config.namespaces.get(&kind), Some(NamespaceSource::Join(_)));
    let counts_for_children =
        is_joined(NamespaceKind::Pid) || config.namespaces.contains_key(&NamespaceKind::Time);
    let creates_by_clone = NamespaceKind::ALL.into_iter().any(|kind| config.creates(kind));
    let joins_below = draft.joins_any() && config.creates(NamespaceKind::User);
    let creates_in_joined = is_joined(NamespaceKind::User) && creates_by_clone;
    if counts_for_children || joins_below || creates_in_joined {
        Topology::Intermediate
    } else if draft.joins_any() || hooks::run_inside(config) || stays(config) || draft.is_prepared()
    {
        // Processes of a joined namespace, and hooks in the container's, could trace one that shares memory with its
        // launcher; an init that stays would share it for good, and one that waits for who knows how long.
        Topology::CopiedMemory
    } else if changes_oom_score(draft) || has_little_memory(config) {
        // Who runs out of memory is killed with all who share it, and so they have one `oom_score_adj` together.
        Topology::CopiedMemory
    } else {
        Topology::SharedMemory
    }
}

/// `__set_oom_adj` in the kernel's `fs/proc/base.c` sets it for every process that shares the memory.
fn changes_oom_score(draft: &Draft<'_>) -> bool {
    let wish = draft.config.process.as_ref().and_then(|process| process.oom_score_adj);
    wish.is_some() && wish != draft.facts.caller.oom_score_adj
}

/// Whether init itself could run out of it: its mounts alone are some hundred kilobytes of the kernel's.
fn has_little_memory(config: &Config) -> bool {
    const ENOUGH: u64 = 4 << 20;
    let limit = config.cgroup.as_ref().and_then(|cgroup| cgroup.resources.memory.limit);
    matches!(limit, Some(Limit::At(bytes)) if bytes < ENOUGH)
}

/// Whether init stays as the program's parent.
fn stays(config: &Config) -> bool {
    config.process.as_ref().is_some_and(|process| process.init)
}

fn joins(draft: &Draft<'_>) -> Vec<Step> {
    let wanted: Vec<_> = JOIN_ORDER
        .into_iter()
        .filter_map(|kind| match draft.config.namespaces.get(&kind) {
            Some(NamespaceSource::Join(path)) => Some((kind, path)),
            _ => None,
        })
        .collect();
    let open = wanted.iter().map(|&(kind, path)| {
        step(Op::Namespace(NamespaceOp::Open { kind, path: path.clone() }), &place(kind))
    });
    let join = wanted
        .iter()
        .map(|&(kind, _)| step(Op::Namespace(NamespaceOp::Join { kind }), &place(kind)));
    open.chain(join).collect()
}

fn time(draft: &Draft<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    if draft.config.creates(NamespaceKind::Time) {
        let kind = NamespaceKind::Time;
        steps.push(step(Op::Namespace(NamespaceOp::Unshare { kind }), &place(kind)));
        for (&clock, offset) in &draft.config.time_offsets {
            let op =
                NamespaceOp::SetTimeOffset { clock, secs: offset.secs, nanosecs: offset.nanosecs };
            steps.push(step(Op::Namespace(op), &at("/timeOffsets")));
        }
    }
    steps
}
