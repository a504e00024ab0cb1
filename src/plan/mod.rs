//! Config × HostFacts → Plan: every decision of starting a container, taken before anything happens.
//!
//! [`plan`] is total and deterministic and makes no system call. It returns every refusal, not the first.
//!
//! Pure: may use `types`, `config` and `facts`; does not know that `apply` exists.
#![forbid(unsafe_code)]

mod beside;
mod bpf;
mod cgroup_checks;
mod cgroup_entry;
mod cgroup_owner;
mod cgroup_rules;
mod cgroup_systemd;
mod cgroup_v1;
mod cgroup_v2;
mod cgroup_view;
mod cgroup_weights;
mod cgroups;
pub mod criu;
#[doc(hidden)]
pub mod dbus;
mod device_rules;
mod devices;
mod draft;
mod error;
mod features;
mod filter_rules;
mod fuzz;
mod held;
mod hint;
mod hook_op;
mod hook_rules;
mod hooks;
mod idmap;
mod ignored;
mod invariants;
mod join;
mod labels;
mod last;
mod mapped;
mod minimal_init;
mod model;
mod mount_checks;
mod mounts;
mod names;
mod namespaces;
mod needs;
mod network;
mod network_rules;
mod op;
mod prepared;
mod privileges;
mod program;
mod record;
mod render;
mod resctrl;
mod resctrl_op;
mod root_entries;
pub mod seccomp;
mod slot_rules;
mod sub_cgroup;
mod text_rules;
mod treatment;
mod undo_rules;
mod update;

use alloc::vec::Vec;

pub use bpf::Instruction;
pub use error::{Note, PlanError, Refusal, UsernsBar};
pub use features::Features;
#[doc(hidden)]
pub use fuzz::{plan_bytes as fuzz_plan, plan_json as fuzz_plan_json};
pub use held::{LeftStep, StartScript};
pub use hint::{apply_hint, plan_hint};
pub use hook_op::{HookCall, HookKind, HookOp, HookState};
pub use idmap::map_with_subids;
pub use invariants::{Broken, Rule, invariants};
pub use join::{join, join_in, join_needs};
pub use model::{Actor, MountApi, Plan, PlanTextError, Resolver, Step, StepId, Topology, Undo};
pub use needs::needs;
pub use op::{
    CgroupOp, IdKind, InterfaceName, LabelModule, Link, MountOp, NamespaceOp, NetworkOp, Op,
    PrivilegeOp, ProcessOp, PropertyValue, RANDOM_DIGITS, Slot, StateOp, SyncOp, Token,
    UnitProperty, UserOp,
};
pub use prepared::{execution, plan_prepared};
pub use record::{CgroupPaths, Planned, Record, RecordError, ScopeUnit, is_container_id};
pub use resctrl_op::ResctrlOp;
pub use sub_cgroup::SubCgroup;
pub use update::{CgroupValues, Update, UpdateOp, UpdateStep, update, update_files, update_needs};

use cgroups::Cgroups;
use draft::{Draft, Word, at, step, step_undone};
use hooks::Hooks;
use idmap::IdMaps;
use last::Last;
use mounts::Mounts;
use namespaces::Namespaces;
use network::Networks;
use resctrl::Classes;
use seccomp::Placed;

use crate::config::Config;
use crate::facts::{Feature, HostFacts};
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
/// let mut config = Config::sandbox(root, vec!["sh".into()], false);
/// // The container outlives its creator.
/// config.process.as_mut().expect("a sandbox has one").parent_death_signal = None;
/// let plan = plan_created(&config, &HostFacts::example()).expect("root may do this");
/// assert!(plan.to_string().contains("starter"));
/// ```
pub fn plan_created(config: &Config, facts: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    let mut draft = Draft::new(config, facts);
    draft.word = Word::Starter;
    if config.process.as_ref().is_some_and(|process| process.parent_death_signal.is_some()) {
        let reason = "a container that outlives the command that creates it cannot die with it";
        draft.refuse(&at("/process/parentDeathSignal"), Refusal::Contradiction { reason });
    }
    plan_draft(draft)
}

fn plan_draft(mut draft: Draft<'_>) -> Result<Plan, Vec<PlanError>> {
    ignored::plan(&mut draft);
    let mut namespaces = namespaces::plan(&mut draft);
    let maps = idmap::plan(&mut draft);
    let mut cgroups = cgroups::plan(&mut draft);
    let classes = resctrl::plan(&mut draft);
    let mut mounts = mounts::plan(&mut draft, &maps);
    let proc = devices::proc_of_the_launcher(draft.config, &mounts);
    let mut trees = core::mem::take(&mut mounts.outside);
    trees.append(&mut mounts.mapped);
    let mut networks = network::plan(&mut draft);
    let beside = beside::plan(&draft, &mut namespaces, &mut networks, &mut cgroups);
    let hooks = hooks::plan(&mut draft);
    let filter = seccomp::plan(&mut draft);
    let inside = Inside {
        maps: &maps,
        cgroups: &cgroups,
        networks: &networks,
        hooks: &hooks,
        filter: &filter,
        beside: beside.as_deref(),
    };
    let init = init(&mut draft, &namespaces, &inside, mounts);
    let record = record::steps(&draft, &maps, &cgroups, &classes.directories);
    let start = if draft.is_held() { held::start(&filter, &hooks) } else { Vec::new() };
    let outer =
        Outside { maps: &maps, proc, trees, cgroups, classes, networks, hooks, filter, record };
    let (parent, intermediate) = outside(&draft, &namespaces, outer);
    let intermediate = match namespaces.topology {
        Topology::Intermediate => intermediate,
        _ => Vec::new(),
    };
    let whole = whole(draft, namespaces.topology, [parent, intermediate, init])?;
    Ok(Plan { start, ..whole })
}

/// The plan of these scripts, of the parent, the intermediate and init; or why there is none.
fn whole(
    draft: Draft<'_>,
    topology: Topology,
    [parent, intermediate, init]: [Vec<Step>; 3],
) -> Result<Plan, Vec<PlanError>> {
    if !draft.errors.is_empty() {
        return Err(draft.errors);
    }
    Ok(Plan {
        schema: Plan::SCHEMA,
        topology,
        mount_api: mount_api(draft.facts),
        resolver: resolver(draft.facts),
        parent,
        intermediate,
        init,
        start: Vec::new(),
        notes: draft.notes,
    })
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

/// What the rooms decided for init, beside its mounts.
struct Inside<'a> {
    maps: &'a IdMaps,
    cgroups: &'a Cgroups,
    networks: &'a Networks,
    hooks: &'a Hooks,
    filter: &'a Placed,
    /// If its network is made meanwhile, what init does before it needs that.
    beside: Option<&'a [Step]>,
}

/// What the rooms decided for the parent.
struct Outside<'a> {
    maps: &'a IdMaps,
    proc: Option<Step>,
    trees: Vec<Step>,
    cgroups: Cgroups,
    classes: Classes,
    networks: Networks,
    hooks: Hooks,
    filter: Placed,
    record: Vec<Step>,
}

/// For how many steps there is room from the start beside those of mounts and cgroups: a vector that grows is copied again
/// and again, and what it has grown out of are pages that were touched for that alone.
const ROOM: usize = 24;

/// The script of the process that becomes the container's first.
fn init(
    draft: &mut Draft<'_>,
    namespaces: &Namespaces,
    inside: &Inside<'_>,
    mounts: Mounts,
) -> Vec<Step> {
    let Inside { maps, cgroups, networks, hooks, .. } = *inside;
    let Some(process) = draft.config.process.as_ref() else {
        draft.refuse(&at("/process"), Refusal::NoProgram);
        return Vec::new();
    };
    let root = at("/root");
    let of_mounts = mounts.sources.len() + mounts.targets.len() + mounts.switch.len();
    let mut steps = Vec::with_capacity(of_mounts + ROOM);
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
    steps.extend(mounts.sources);
    if maps.become_root {
        let op = UserOp::BecomeRoot { clear_groups: maps.setgroups_allowed };
        steps.push(step(Op::User(op), &at("/uidMappings")));
    }
    steps.extend(networks.init.iter().cloned());
    if !mounts.targets.is_empty() {
        steps.push(step(Op::Process(ProcessOp::Umask { mask: 0 }), &root));
    }
    match inside.beside {
        Some(before) => beside::extend(draft, &mut steps, mounts.targets, before),
        None => steps.extend(mounts.targets),
    }
    if !hooks.inside.is_empty() {
        // What the parent tells comes in the order in which it tells it.
        networks.wait_in(&mut steps);
        steps.push(recorded());
        steps.extend(hooks.inside.iter().cloned());
    }
    steps.extend(mounts.switch);
    steps.extend(names::plan(draft));
    steps.extend(privileges::limits(draft, process));
    steps.extend(treatment::plan(draft, process));
    if hooks.inside.is_empty() {
        networks.wait_in(&mut steps);
        steps.push(recorded());
    }
    let last = Last { maps, filter: inside.filter, hooks: &hooks.start };
    steps.extend(last::plan(draft, process, &last));
    steps
}

/// No program runs that a later command would not find.
fn recorded() -> Step {
    step(Op::Sync(SyncOp::Await(Token::Recorded)), &at("/process"))
}

/// The scripts of the parent and of the process in between.
fn outside(
    draft: &Draft<'_>,
    namespaces: &Namespaces,
    outer: Outside<'_>,
) -> (Vec<Step>, Vec<Step>) {
    let Outside { maps, proc, trees, cgroups, classes, networks, hooks, filter, record } = outer;
    let everyone = at("/process");
    let sync = |op| step(Op::Sync(op), &everyone);
    let of_cgroups = cgroups.before_clone.len() + cgroups.after_clone.len();
    let mut parent = Vec::with_capacity(of_cgroups + ROOM);
    parent.extend(filter.connect.filter(|_| !draft.is_held()));
    let undo = Undo::by(Op::State(StateOp::CloseJournal));
    parent.push(step_undone(Op::State(StateOp::OpenJournal), &everyone, undo));
    parent.extend(held::rooms(draft));
    parent.extend(hooks.promise);
    parent.extend(proc);
    parent.extend(trees);
    parent.extend(cgroups.before_clone);
    parent.extend(classes.before_clone);
    parent.extend(hooks.before_clone);
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
    parent.extend(classes.after_clone);
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
    parent.extend(hooks.runtime);
    if draft.is_held() {
        parent.extend(held::keep());
        return (parent, intermediate);
    }
    if draft.is_prepared() {
        parent.extend(prepared::hand_out());
    }
    parent.push(sync(SyncOp::Await(Token::Ready)));
    parent.extend(filter.hand_over);
    parent.push(sync(SyncOp::AwaitExec));
    parent.extend(hooks.poststart);
    (parent, intermediate)
}
