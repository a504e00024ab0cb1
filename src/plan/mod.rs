//! Config × HostFacts → Plan: every decision of starting a container, taken before anything happens.
//!
//! [`plan`] is total and deterministic and makes no system call. It returns every refusal, not the first.
//!
//! Pure: may use `types`, `config` and `facts`; does not know that `apply` exists.
#![forbid(unsafe_code)]

mod bpf;
mod cgroup_checks;
mod cgroup_rules;
mod cgroup_systemd;
mod cgroup_v1;
mod cgroup_v2;
mod cgroup_view;
mod cgroup_weights;
mod cgroups;
#[doc(hidden)]
pub mod dbus;
mod device_rules;
mod devices;
mod draft;
mod error;
mod filter_rules;
mod fuzz;
mod held;
mod hint;
mod idmap;
mod ignored;
mod invariants;
mod join;
mod labels;
mod minimal_init;
mod model;
mod mount_checks;
mod mounts;
mod namespaces;
mod network;
mod network_rules;
mod op;
mod privileges;
mod program;
mod record;
mod render;
mod root_entries;
pub mod seccomp;
mod text_rules;
mod undo_rules;

use alloc::vec::Vec;

pub use bpf::Instruction;
pub use error::{Note, PlanError, Refusal, UsernsBar};
#[doc(hidden)]
pub use fuzz::{plan_bytes as fuzz_plan, plan_json as fuzz_plan_json};
pub use held::{LeftStep, StartScript};
pub use hint::{apply_hint, plan_hint};
pub use idmap::map_with_subids;
pub use invariants::{Broken, Rule, invariants};
pub use join::{join, join_needs};
pub use model::{Actor, MountApi, Plan, PlanTextError, Resolver, Step, StepId, Topology, Undo};
pub use op::{
    CgroupOp, IdKind, InterfaceName, LabelModule, Link, MountOp, NamespaceOp, NetworkOp, Op,
    PrivilegeOp, ProcessOp, PropertyValue, RANDOM_DIGITS, Slot, StateOp, SyncOp, Token,
    UnitProperty, UserOp,
};
pub use record::{CgroupPaths, Planned, Record, RecordError, is_container_id};

use cgroups::Cgroups;
use draft::{Draft, at, step, step_undone};
use idmap::IdMaps;
use mounts::Mounts;
use namespaces::Namespaces;
use network::Networks;
use seccomp::Placed;

use crate::config::{CgroupDriver, Config, MountKind, Process, UserSpec};
use crate::facts::{Feature, HostFacts, Needs};
use crate::types::{CloneFlags, NamespaceKind};

/// Plans a container.
///
/// # Errors
/// Every reason why `config` cannot be carried out on a host like `facts`, in the order of the rooms.
///
/// ```
/// use nsplan::{config::Config, facts::HostFacts, plan::plan, types::HostPath};
///
/// let facts = HostFacts::example();
/// let root = HostPath::new("/srv/rootfs").expect("absolute");
/// let config = Config::sandbox(root, vec!["sh".into()], false);
/// let plan = plan(&config, &facts).expect("root may do this");
/// assert_eq!(plan, nsplan::plan::plan(&config, &facts).expect("again"));
/// println!("{plan}");
/// ```
pub fn plan(config: &Config, facts: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    plan_draft(Draft::new(config, facts))
}

/// Plans a container that is created and then waits for the word to run its program, which is the last script's.
///
/// # Errors
/// As [`plan`].
///
/// ```
/// use nsplan::{config::Config, facts::HostFacts, plan::plan_created, types::HostPath};
///
/// let root = HostPath::new("/srv/rootfs").expect("absolute");
/// let config = Config::sandbox(root, vec!["sh".into()], false);
/// let plan = plan_created(&config, &HostFacts::example()).expect("root may do this");
/// assert!(plan.to_string().contains("starter"));
/// ```
pub fn plan_created(config: &Config, facts: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    let mut draft = Draft::new(config, facts);
    draft.is_held = true;
    if config.process.as_ref().is_some_and(|process| process.parent_death_signal.is_some()) {
        let reason = "a container that outlives the command that creates it cannot die with it";
        draft.refuse(&at("/process/parentDeathSignal"), Refusal::Contradiction { reason });
    }
    plan_draft(draft)
}

fn plan_draft(mut draft: Draft<'_>) -> Result<Plan, Vec<PlanError>> {
    let facts = draft.facts;
    refuse_unsupported(&mut draft);
    ignored::plan(&mut draft);
    let namespaces = namespaces::plan(&mut draft);
    let maps = idmap::plan(&mut draft);
    let cgroups = cgroups::plan(&mut draft);
    let mut mounts = mounts::plan(&mut draft, &maps);
    let relabels = core::mem::take(&mut mounts.outside);
    let networks = network::plan(&mut draft);
    let filter = seccomp::plan(&mut draft);
    let init = init(&mut draft, &namespaces, &maps, &cgroups, mounts, &networks, &filter);
    let record = record::steps(&draft, &maps, &cgroups);
    let outer = Outer { relabels, cgroups, networks, filter, record };
    let start = if draft.is_held { held::start(&outer.filter) } else { Vec::new() };
    let (parent, intermediate) = outside(&draft, &namespaces, &maps, outer);
    if !draft.errors.is_empty() {
        return Err(draft.errors);
    }
    let (init, intermediate) = match namespaces.topology {
        Topology::Intermediate => (init, intermediate),
        _ => (init, Vec::new()),
    };
    Ok(Plan {
        schema: Plan::SCHEMA,
        topology: namespaces.topology,
        mount_api: mount_api(facts),
        resolver: resolver(facts),
        parent,
        intermediate,
        init,
        start,
        notes: draft.notes,
    })
}

/// Which facts planning `config` will look at, so that a probe reads no others.
#[must_use]
pub fn needs(config: &Config) -> Needs {
    let creates_userns = config.creates(NamespaceKind::User);
    let has_cgroup_mount =
        config.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Cgroup));
    let is_recursive = |set: crate::types::MountFlags| !set.is_empty();
    let named = config
        .process
        .as_ref()
        .is_some_and(|process| matches!(process.user.spec, UserSpec::Named { .. }));
    let sources = config.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind(bind) => Some(bind.source.clone()),
        _ => None,
    });
    Needs {
        subids: creates_userns && idmap::needs_subids(&config.uid_mappings, &config.gid_mappings),
        cgroup: config.cgroup.is_some() || has_cgroup_mount,
        systemd: config
            .cgroup
            .as_ref()
            .is_some_and(|cgroup| matches!(cgroup.driver, CgroupDriver::Systemd { .. })),
        mounts: config.root.readonly_recursive
            || mounts::binds_hosts_own(config)
            || config.mounts.iter().any(|mount| is_recursive(mount.set_recursive)),
        accounts: named.then(|| config.root.path.clone()),
        paths: sources.chain([config.root.path.clone()]).collect(),
    }
}

/// What the model has room for and this version does not carry out: refused, never dropped.
fn refuse_unsupported(draft: &mut Draft<'_>) {
    let config = draft.config;
    let process = config.process.as_ref();
    let parts = [
        ("/hooks", !config.hooks.is_empty(), "hooks"),
        ("/intelRdt", config.intel_rdt.is_some(), "Intel RDT"),
        ("/memoryPolicy", config.memory_policy.is_some(), "a memory policy"),
        ("/personality", config.personality.is_some(), "a personality"),
        (
            "/process/ioPriority",
            process.is_some_and(|p| p.io_priority.is_some()),
            "an I/O priority",
        ),
        (
            "/process/scheduler",
            process.is_some_and(|p| p.scheduler.is_some()),
            "a scheduling policy",
        ),
    ];
    for (pointer, is_asked, what) in parts {
        if is_asked {
            draft.refuse(&at(pointer), Refusal::NotSupported { what });
        }
    }
}

fn mount_api(facts: &HostFacts) -> MountApi {
    match (facts.has(Feature::DetachedMounts), facts.has(Feature::MountSetattr)) {
        (true, true) => MountApi::Detached,
        (true, false) => MountApi::DetachedWithoutSetattr,
        (false, _) => MountApi::Classic,
    }
}

fn resolver(facts: &HostFacts) -> Resolver {
    if facts.has(Feature::Openat2) { Resolver::Openat2 } else { Resolver::PartByPart }
}

/// The script of the process that becomes the container's first.
fn init(
    draft: &mut Draft<'_>,
    namespaces: &Namespaces,
    maps: &IdMaps,
    cgroups: &Cgroups,
    mounts: Mounts,
    networks: &Networks,
    filter: &Placed,
) -> Vec<Step> {
    let Some(process) = draft.config.process.as_ref() else {
        draft.refuse(&at("/process"), Refusal::NoProgram);
        return Vec::new();
    };
    let root = at("/root");
    let mut steps = Vec::new();
    steps.extend(process.parent_death_signal.map(privileges::death_signal));
    steps.extend(cgroups.init.iter().cloned());
    if !maps.parent.is_empty() {
        let op = SyncOp::Await(Token::MapsWritten);
        steps.push(step(Op::Sync(op), &at("/uidMappings")));
    }
    if namespaces.topology == Topology::CopiedMemory {
        steps.extend(namespaces.joins.iter().cloned());
    }
    steps.push(step(Op::Process(ProcessOp::NewSession), &at("/process")));
    steps.extend(privileges::oom_score(draft, process));
    let proc_kept = devices::proc_is_kept(&mounts);
    steps.extend(mounts.sources);
    if maps.become_root {
        let op = UserOp::BecomeRoot { clear_groups: maps.setgroups_allowed };
        steps.push(step(Op::User(op), &at("/uidMappings")));
    }
    steps.extend(networks.init.iter().cloned());
    if !mounts.targets.is_empty() {
        steps.push(step(Op::Process(ProcessOp::Umask { mask: 0 }), &root));
    }
    steps.extend(mounts.targets);
    steps.extend(mounts.switch);
    steps.extend(names(draft));
    steps.extend(privileges::limits(draft, process));
    networks.wait_in(&mut steps);
    // No program runs that a later command would not find.
    steps.push(step(Op::Sync(SyncOp::Await(Token::Recorded)), &at("/process")));
    steps.extend(last_steps(draft, process, maps, proc_kept, filter));
    steps
}

/// Host and domain name.
fn names(draft: &mut Draft<'_>) -> Vec<Step> {
    let asked = [
        ("/hostname", &draft.config.hostname, true),
        ("/domainname", &draft.config.domainname, false),
    ];
    let mut steps = Vec::new();
    for (pointer, name, is_host) in asked {
        let Some(name) = name.clone() else { continue };
        // A joined one is somebody's whose wish it is too: containers of a pod share it, and each names it.
        draft.require_own(&at(pointer), NamespaceKind::Uts);
        draft.check_nul(&at(pointer), &name);
        if name.len() > 64 {
            draft.refuse(&at(pointer), Refusal::LimitInvalid { expected: "at most 64 bytes" });
        }
        let op = if is_host {
            NamespaceOp::SetHostname { name }
        } else {
            NamespaceOp::SetDomainname { name }
        };
        steps.push(step(Op::Namespace(op), &at(pointer)));
    }
    steps
}

/// From the labels to `execve`: each of these takes a right away, so their order is the order of the rights.
fn last_steps(
    draft: &mut Draft<'_>,
    process: &Process,
    maps: &IdMaps,
    proc_kept: bool,
    filter: &Placed,
) -> Vec<Step> {
    let user = privileges::user(draft, process);
    let mut steps = privileges::labels(draft, process, proc_kept);
    steps.extend(privileges::identity(draft, process, &user, maps, filter.needs_admin));
    steps.extend(process.parent_death_signal.map(privileges::death_signal));
    let mask = process.user.umask.unwrap_or(0o022);
    if mask > 0o777 {
        let expected = "a mask from 0000 to 0777";
        draft.refuse(&at("/process/user/umask"), Refusal::LimitInvalid { expected });
    }
    let everyone = at("/process");
    steps.push(step(Op::Process(ProcessOp::Umask { mask }), &at("/process/user/umask")));
    steps.push(step(Op::Process(ProcessOp::CloseDescriptors), &everyone));
    steps.extend(minimal_init::plan(draft, process));
    let path = process.cwd.clone();
    steps.push(step(Op::Process(ProcessOp::ChangeDirectory { path }), &at("/process/cwd")));
    let execute = program::execute(draft, process, &user);
    if draft.is_held {
        steps.extend(held::wait(execute.as_ref()));
    }
    steps.push(step(Op::Sync(SyncOp::Signal(Token::Ready)), &everyone));
    steps.extend(filter.install.clone());
    steps.extend(execute);
    steps
}

/// What the rooms decided for the parent.
struct Outer {
    relabels: Vec<Step>,
    cgroups: Cgroups,
    networks: Networks,
    filter: Placed,
    record: Vec<Step>,
}

/// The scripts of the parent and of the process in between.
fn outside(
    draft: &Draft<'_>,
    namespaces: &Namespaces,
    maps: &IdMaps,
    outer: Outer,
) -> (Vec<Step>, Vec<Step>) {
    let Outer { relabels, cgroups, networks, filter, record } = outer;
    let everyone = at("/process");
    let sync = |op| step(Op::Sync(op), &everyone);
    let mut parent = Vec::from_iter(filter.connect.filter(|_| !draft.is_held));
    let undo = Undo::by(Op::State(StateOp::CloseJournal));
    parent.push(step_undone(Op::State(StateOp::OpenJournal), &everyone, undo));
    parent.extend(draft.is_held.then(held::door));
    parent.extend(relabels);
    parent.extend(cgroups.before_clone);
    let kill = cgroups.kill.filter(|_| !draft.config.creates(NamespaceKind::Pid));
    let undo = kill.map_or(Undo::Nothing, |kill| Undo::by(Op::Cgroup(kill)));
    let is_direct = namespaces.topology != Topology::Intermediate;
    let mut flags = match namespaces.topology {
        Topology::SharedMemory => namespaces.created | CloneFlags::CLONE_VM,
        Topology::CopiedMemory => namespaces.created,
        Topology::Intermediate => CloneFlags::empty(),
    };
    flags.set(CloneFlags::CLONE_INTO_CGROUP, cgroups.clone_into);
    let starts = if is_direct { Actor::Init } else { Actor::Intermediate };
    let clone = Op::Process(ProcessOp::Clone { flags, starts });
    parent.push(step_undone(clone, &at("/namespaces"), undo));
    let mut intermediate = namespaces.joins.clone();
    if !is_direct {
        let flags = namespaces.created | CloneFlags::CLONE_PARENT;
        let clone = ProcessOp::Clone { flags, starts: Actor::Init };
        intermediate.push(step(Op::Process(clone), &at("/namespaces")));
        intermediate.push(sync(SyncOp::Signal(Token::InitPid)));
        parent.push(sync(SyncOp::Await(Token::InitPid)));
    }
    parent.extend(cgroups.after_clone);
    if !maps.parent.is_empty() {
        parent.extend(maps.parent.iter().cloned());
        let op = SyncOp::Signal(Token::MapsWritten);
        parent.push(step(Op::Sync(op), &at("/uidMappings")));
    }
    parent.extend(networks.of_parent());
    parent.extend(record);
    if draft.config.process.as_ref().is_some_and(|process| process.terminal) {
        parent.push(step(Op::Sync(SyncOp::Await(Token::Terminal)), &at("/process/terminal")));
    }
    if draft.is_held {
        parent.extend(held::keep());
        return (parent, intermediate);
    }
    parent.push(sync(SyncOp::Await(Token::Ready)));
    parent.extend(filter.hand_over);
    parent.push(sync(SyncOp::AwaitExec));
    (parent, intermediate)
}
