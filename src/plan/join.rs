//! A process × a running container × HostFacts → Plan: every decision of joining it, taken before anything happens.
//!
//! The process gets what the container was given: namespaces, cgroups, id maps. What it is allowed to be is its own and
//! is decided by the same rooms that decide it for a container's first process.

use alloc::vec::Vec;

use super::cgroups::Cgroups;
use super::draft::{Draft, at, step};
use super::error::PlanError;
use super::idmap::{self, IdMaps};
use super::last::{self, Last};
use super::model::{Plan, Step, Topology};
use super::namespaces::{self, place};
use super::needs::limits;
use super::op::{MountOp, NamespaceOp, Op, ProcessOp, SyncOp, Token, UserOp};
use super::record::Record;
use super::resctrl;
use super::seccomp::{self, Placed};
use super::sub_cgroup::{self, SubCgroup};
use super::treatment::{self, Affinity};
use super::{Actor, cgroup_entry, devices, privileges, whole};
use crate::config::{Config, NamespaceSource, Process};
use crate::facts::{Feature, HostFacts, KernelVersion, Needs};
use crate::types::{Capability, CloneFlags, NamespaceKind};

/// The first kernel whose `setns(2)` takes a pidfd and several kinds at once. It cannot be asked for without joining
/// something, so the version has to tell.
const SETNS_TAKES_PIDFD: KernelVersion = KernelVersion { major: 5, minor: 8 };

/// Plans a process that joins a running container.
///
/// The process is a direct child of the launcher, in every namespace of the container's and in its cgroups. Nothing of it
/// outlives it, so nothing is journaled.
///
/// # Errors
/// Every reason why it cannot be carried out on a host like `facts`. That the container still runs is found out when the
/// plan is carried out: its first step takes hold of it, by pid and start time, or fails.
///
/// # References
/// `setns(2)`, `pid_namespaces(7)`, `user_namespaces(7)`.
pub fn join(process: &Process, record: &Record, facts: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    join_in(process, record, facts, &[])
}

/// As [`join`], into cgroups below the container's own, which must be there.
///
/// # Errors
/// As [`join`]; also when the container has no cgroup of its own with such a controller.
pub fn join_in(
    process: &Process,
    record: &Record,
    facts: &HostFacts,
    below: &[SubCgroup],
) -> Result<Plan, Vec<PlanError>> {
    // An init of its own has nothing to reap in a pid namespace that has one.
    let process = &Process { init: false, ..process.clone() };
    let config = joining(process, record);
    let mut draft = Draft::new(&config, facts);
    check_rights(&mut draft);
    namespaces::check_tracers(&mut draft);
    note_tracers(&mut draft, record);
    let topology = match namespaces::topology(&draft) {
        Topology::Intermediate => Topology::Intermediate,
        _ => Topology::CopiedMemory,
    };
    let joining = Joining {
        by_pidfd: facts.has(Feature::Pidfd) && facts.kernel.version >= SETNS_TAKES_PIDFD,
        topology,
        maps: maps(&mut draft, record),
        affinity: treatment::affinity(&mut draft, process),
    };
    let paths = sub_cgroup::below(&mut draft, &record.planned.cgroups, below);
    let mut cgroups = cgroup_entry::of_running(&draft, &paths);
    resctrl::enter(&mut cgroups, &record.planned.classes);
    let filter = seccomp::plan(&mut draft);
    let init = init(&mut draft, process, &joining, &cgroups, &filter);
    let intermediate = intermediate(&mut draft, process, &joining);
    let parent = parent(&draft, process, record, &joining, (cgroups, filter));
    whole(draft, topology, [parent, intermediate, init])
}

/// Which facts joining `record` will look at.
#[must_use]
pub fn join_needs(process: &Process, record: &Record) -> Needs {
    let is_named = process.user.is_in_accounts();
    let accounts = is_named.then(|| record.root_path());
    let namespaces = record.namespaces().collect();
    let rlimits = limits(process).collect();
    Needs {
        accounts,
        suid_dumpable: true,
        lsm: process.is_labelled(),
        oom_score_adj: process.oom_score_adj.is_some(),
        namespaces,
        rlimits,
        ..Needs::default()
    }
}

/// What this room decided before it came to steps.
struct Joining {
    /// By one call with a pidfd, or file by file.
    by_pidfd: bool,
    topology: Topology,
    maps: IdMaps,
    affinity: Affinity,
}

/// The container as a config of one who joins everything: what the other rooms look at.
fn joining(process: &Process, record: &Record) -> Config {
    let mut config = Config::sandbox(record.planned.rootfs.clone(), Vec::new(), false);
    let join = |kind| (kind, NamespaceSource::Join(record.namespace_path(kind)));
    config.namespaces = record.namespaces().map(join).collect();
    config.mounts.clear();
    config.seccomp = record.planned.seccomp.clone();
    config.new_keyring = record.planned.new_keyring;
    config.process = Some(process.clone());
    config
}

/// `setns(2)`: the kernel asks for `CAP_SYS_ADMIN` over each namespace, which the container's user namespace gives to
/// whoever owns it.
fn check_rights(draft: &mut Draft<'_>) {
    let first = draft.config.namespaces.keys().next().copied();
    let has_user = draft.config.namespaces.contains_key(&NamespaceKind::User);
    if let Some(kind) = first.filter(|_| !has_user) {
        let purpose = "joining a namespace of a container without a user namespace";
        draft.require_capability(&place(kind), Capability::SYS_ADMIN, purpose);
    }
}

/// `CAP_SYS_PTRACE` counts for the launcher's memory only where the container has no user namespace of its own.
fn note_tracers(draft: &mut Draft<'_>, record: &Record) {
    let sets = record.planned.process.capabilities.unwrap_or_default();
    let has_user = draft.config.namespaces.contains_key(&NamespaceKind::User);
    if !has_user && sets.bounding.contains(Capability::SYS_PTRACE) {
        let text = "the container's CAP_SYS_PTRACE counts on the host too: its processes could trace this one until its program runs";
        draft.note(&at("/process/capabilities/bounding"), text);
    }
}

/// The maps are written already; what is left is to become somebody whom they know.
fn maps(draft: &mut Draft<'_>, record: &Record) -> IdMaps {
    if !draft.changes_userns() {
        return idmap::without_userns(draft);
    }
    let (uids, gids) = (record.planned.uid_mappings.clone(), record.planned.gid_mappings.clone());
    // A user namespace that was joined by path: its maps are not known here.
    let has_root = uids.is_empty() || (uids.to_host(0).is_some() && gids.to_host(0).is_some());
    IdMaps {
        parent: Vec::new(),
        uids,
        gids,
        setgroups_allowed: record.planned.setgroups,
        become_root: has_root,
    }
}

fn parent(
    draft: &Draft<'_>,
    process: &Process,
    record: &Record,
    joining: &Joining,
    (cgroups, filter): (Cgroups, Placed),
) -> Vec<Step> {
    let everyone = at("/process");
    let origin = at("/namespaces");
    let sync = |op| step(Op::Sync(op), &everyone);
    let (pid, start_time) = (record.pid, record.start_time);
    let kinds = draft.config.namespaces.keys().copied();
    let keep = joining.by_pidfd && !draft.config.namespaces.is_empty();
    let hold = NamespaceOp::Hold { pid, start_time, keep };
    let mut steps = Vec::from_iter(filter.connect);
    steps.push(step(Op::Namespace(hold), &origin));
    if !joining.by_pidfd {
        let open = |kind| step(Op::Namespace(NamespaceOp::OpenHeld { kind }), &place(kind));
        steps.extend(kinds.map(open));
    }
    if process.is_labelled() {
        steps.push(step(Op::Process(ProcessOp::HoldProc), &everyone));
    }
    steps.extend(cgroups.before_clone);
    let is_direct = joining.topology != Topology::Intermediate;
    let starts = if is_direct { Actor::Init } else { Actor::Intermediate };
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_INTO_CGROUP, cgroups.clone_into);
    let (narrow, back) =
        joining.affinity.around.clone().map(|[narrow, back]| (narrow, back)).unzip();
    steps.extend(narrow);
    steps.push(step(Op::Process(ProcessOp::Clone { flags, starts }), &origin));
    steps.extend(back);
    if !is_direct {
        steps.push(sync(SyncOp::Await(Token::InitPid)));
    }
    steps.extend(cgroups.after_clone);
    if process.terminal {
        steps.push(step(Op::Sync(SyncOp::Await(Token::Terminal)), &at("/process/terminal")));
    }
    steps.push(sync(SyncOp::Await(Token::Ready)));
    steps.extend(filter.hand_over);
    steps.push(sync(SyncOp::AwaitExec));
    steps
}

/// The process in between enters the namespaces, since a pid namespace counts for children only.
fn intermediate(draft: &mut Draft<'_>, process: &Process, joining: &Joining) -> Vec<Step> {
    if joining.topology != Topology::Intermediate {
        return Vec::new();
    }
    let mut steps = enter(draft, process, joining);
    let clone = ProcessOp::Clone { flags: CloneFlags::CLONE_PARENT, starts: Actor::Init };
    steps.push(step(Op::Process(clone), &at("/namespaces")));
    steps.push(step(Op::Sync(SyncOp::Signal(Token::InitPid)), &at("/process")));
    steps
}

/// What is written to the host's procfs, then the way in.
fn enter(draft: &mut Draft<'_>, process: &Process, joining: &Joining) -> Vec<Step> {
    let mut steps: Vec<_> = privileges::oom_score(draft, process).into_iter().collect();
    if joining.by_pidfd {
        let kinds: Vec<_> = draft.config.namespaces.keys().copied().collect();
        if !kinds.is_empty() {
            let op = Op::Namespace(NamespaceOp::JoinHeld { kinds });
            steps.push(step(op, &at("/namespaces")));
        }
    } else {
        let wanted = namespaces::JOIN_ORDER
            .into_iter()
            .filter(|kind| draft.config.namespaces.contains_key(kind));
        let join = |kind| step(Op::Namespace(NamespaceOp::Join { kind }), &place(kind));
        steps.extend(wanted.map(join));
    }
    steps
}

fn init(
    draft: &mut Draft<'_>,
    process: &Process,
    joining: &Joining,
    cgroups: &Cgroups,
    filter: &Placed,
) -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend(process.parent_death_signal.map(privileges::death_signal));
    steps.extend(cgroups.init.iter().cloned());
    steps.extend(joining.affinity.inside.clone());
    if joining.topology != Topology::Intermediate {
        steps.extend(enter(draft, process, joining));
    }
    steps.push(step(Op::Process(ProcessOp::NewSession), &at("/process")));
    if joining.maps.become_root {
        let op = UserOp::BecomeRoot { clear_groups: joining.maps.setgroups_allowed };
        steps.push(step(Op::User(op), &at("/namespaces/user")));
    }
    if process.terminal {
        let origin = at("/process/terminal");
        steps.push(step(Op::Mount(MountOp::FindDevpts), &origin));
        let open = devices::open_terminal(draft, process, false);
        steps.push(step(Op::Mount(open), &origin));
    }
    steps.extend(privileges::limits(draft, process));
    steps.extend(treatment::plan(draft, process));
    let last = Last { maps: &joining.maps, filter, hooks: &[] };
    steps.extend(last::plan(draft, process, &last));
    steps
}
