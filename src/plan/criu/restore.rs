//! A config, the facts and a checkpoint's outside become the steps around criu, and the call that makes the processes anew.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{CriuCall, CriuCgroups, CriuOptions, CriuOutside, OutsideMount};
use crate::config::{Config, MountKind, NamespaceSource, Network};
use crate::facts::HostFacts;
use crate::plan::draft::{Draft, at, step};
use crate::plan::error::{PlanError, Refusal};
use crate::plan::hook_op::HookOp;
use crate::plan::model::{Plan, Step};
use crate::plan::op::{CgroupOp, Op, StateOp};
use crate::plan::plan_created;
use crate::plan::record::CgroupPaths;
use crate::types::{HostPath, NamespaceKind};

/// What is asked of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// What either half is asked.
    pub options: CriuOptions,
    /// AppArmor profile or SELinux context instead of those that were written down: `apparmor:NAME`, `selinux:CONTEXT`.
    pub lsm_profile: Option<String>,
    /// SELinux context of mounts instead of those that were written down.
    pub lsm_mount_context: Option<String>,
    /// The container stays when the command that restores it has ended.
    pub stays: bool,
}

/// A container that criu makes anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePlan {
    /// The steps of the parent: those before [`first`](Self::first) are carried out before criu runs, the others after.
    pub plan: Plan,
    /// How many come before.
    pub first: usize,
    /// criu.
    pub call: CriuCall,
    /// The root directory, which criu needs as a mount of its own, in a mount namespace of the launcher's that nobody else
    /// sees.
    pub root: HostPath,
    /// Descriptors that criu is handed, by the numbers that its arguments name.
    pub inherited: Vec<InheritedFd>,
    /// Where criu writes the number of the first process, as the launcher sees it.
    pub pid_file: HostPath,
}

/// A descriptor that criu is handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InheritedFd {
    /// One of the launcher's standard descriptors.
    Standard {
        /// Its number there.
        from: u8,
        /// Its number in criu.
        to: u16,
    },
    /// A file that is opened for reading: a namespace.
    File {
        /// The path.
        path: HostPath,
        /// Its number in criu.
        to: u16,
    },
}

/// Far above what a launcher has open.
const FIRST_INHERITED: u16 = 100;

/// Plans a restore.
///
/// # Errors
/// Every reason why such a container could not be created here, and why criu could not fill it.
pub fn restore(
    config: &Config,
    facts: &HostFacts,
    outside: &CriuOutside,
    asked: &Restore,
) -> Result<RestorePlan, Vec<PlanError>> {
    let plan = plan_created(config, facts)?;
    let mut draft = Draft::new(config, facts);
    refuse_unrestorable(&mut draft);
    let (before, after) = split(&mut draft, &plan, asked.stays);
    let own = own_cgroups(&after);
    if asked.options.cgroups == CriuCgroups::Ignore && !own.is_empty() {
        let reason = "with --manage-cgroups-mode ignore nobody would put the processes into the container's cgroup";
        draft.refuse(&at("/cgroup"), Refusal::Contradiction { reason });
    }
    let logs = asked.options.logs();
    let pid_file = logs.child("restore.pid");
    let mut arguments = asked.options.arguments("restore", LOG);
    arguments.extend([
        format!("--root={}", config.root.path),
        format!("--pidfile={pid_file}"),
        // It ends when all are there, and they are this process's children.
        "--restore-detached".to_string(),
        "--restore-sibling".to_string(),
    ]);
    arguments.extend(asked.lsm_profile.iter().map(|word| format!("--lsm-profile={word}")));
    arguments
        .extend(asked.lsm_mount_context.iter().map(|word| format!("--lsm-mount-context={word}")));
    arguments.extend(cgroup_roots(facts, &own));
    for mount in &outside.mounts {
        if let Some(source) = source(&mut draft, mount, &own) {
            let words = format!("mnt[{}]:{source}", mount.destination);
            arguments.extend(["--external".to_string(), words]);
        }
    }
    let (inherited, words) = inherited(&mut draft, outside);
    arguments.extend(words);
    if !draft.errors.is_empty() {
        return Err(draft.errors);
    }
    let first = before.len();
    let parent = before.into_iter().chain(after).collect();
    let plan =
        Plan { parent, init: Vec::new(), intermediate: Vec::new(), start: Vec::new(), ..plan };
    let call = CriuCall { arguments, log: logs.child(LOG) };
    Ok(RestorePlan { plan, first, call, root: config.root.path.clone(), inherited, pid_file })
}

const LOG: &str = "restore.log";

/// What a start would do and criu does not.
fn refuse_unrestorable(draft: &mut Draft<'_>) {
    let config = draft.config;
    let is_link = |network: &Network| !matches!(network, Network::Loopback);
    let has_links = config.networks.iter().any(is_link) || !config.net_devices.is_empty();
    let hooks = &config.hooks;
    let has_hooks = !hooks.prestart.is_empty()
        || !hooks.create_runtime.is_empty()
        || !hooks.create_container.is_empty()
        || !hooks.start_container.is_empty()
        || !hooks.poststart.is_empty();
    let is_terminal = config.process.as_ref().is_some_and(|process| process.terminal);
    for (is_asked, place, reason) in [
        (has_links, "/networks", "links are not made again around a container that is restored"),
        (has_hooks, "/hooks", "hooks are not run again for a container that is restored"),
        (
            is_terminal,
            "/process/terminal",
            "the master of a restored terminal is not handed out by criu's command line",
        ),
    ] {
        if is_asked {
            draft.refuse(&at(place), Refusal::Contradiction { reason });
        }
    }
}

/// The steps of a start that are the launcher's alone, before and after there is a process.
fn split(draft: &mut Draft<'_>, plan: &Plan, stays: bool) -> (Vec<Step>, Vec<Step>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    // Init's device policy is the launcher's here, as criu makes init.
    let of_init =
        plan.init.iter().filter(|s| matches!(s.op, Op::Cgroup(CgroupOp::DevicePolicy { .. })));
    for planned in plan.parent.iter().chain(of_init) {
        match &planned.op {
            Op::State(StateOp::OpenJournal | StateOp::MakeNotify)
            | Op::Hook(HookOp::Promise)
            | Op::Cgroup(
                CgroupOp::MakeDirectory { .. }
                | CgroupOp::Write { .. }
                | CgroupOp::InheritCpuset { .. }
                | CgroupOp::EnableControllers { .. }
                | CgroupOp::GiveTo { .. }
                | CgroupOp::DevicePolicy { .. }
                | CgroupOp::MoveToLeaf { .. },
            ) => before.push(planned.clone()),
            Op::State(StateOp::WriteRecord { .. }) => after.push(planned.clone()),
            Op::Cgroup(CgroupOp::StartScope { .. }) => {
                let reason = "a scope of systemd's is not made around processes that are restored";
                draft.refuse(&at("/cgroup/driver"), Refusal::Contradiction { reason });
            }
            Op::Resctrl(_) => {
                let reason = "a class of service is not given to processes that are restored";
                draft.refuse(&at("/intelRdt"), Refusal::Contradiction { reason });
            }
            // Of the clone, the channels and what criu restores itself.
            _ => {}
        }
    }
    if stays {
        after.push(step(Op::State(StateOp::Stay), &at("/process")));
    }
    (before, after)
}

fn own_cgroups(steps: &[Step]) -> CgroupPaths {
    let own = steps.iter().find_map(|step| match &step.op {
        Op::State(StateOp::WriteRecord { planned }) => Some(planned.cgroups.clone()),
        _ => None,
    });
    own.unwrap_or_default()
}

/// The cgroups that processes are put into, as paths of their hierarchies: those of the container that is made now.
fn cgroup_roots(facts: &HostFacts, own: &CgroupPaths) -> Vec<String> {
    let Some(cgroup) = &facts.cgroup else { return Vec::new() };
    let below = |own: &HostPath, mount: &HostPath, root: &str| {
        let path = own.as_str().strip_prefix(mount.as_str()).unwrap_or_default();
        format!("{}{path}", root.trim_end_matches('/'))
    };
    let mut words = Vec::new();
    for hierarchy in &cgroup.hierarchies {
        let mut controllers = hierarchy.controllers.iter();
        let Some(own) = controllers.find_map(|name| own.v1.get(name)) else { continue };
        let names: Vec<&str> = hierarchy.controllers.iter().map(String::as_str).collect();
        let path = below(own, &hierarchy.mount_point, &hierarchy.root);
        words.push(format!("--cgroup-root={}:{path}", names.join(",")));
    }
    if let (Some(own), Some(unified)) = (&own.v2, &cgroup.unified)
        // A root without a controller's name counts for all that have none of their own.
        && words.is_empty()
    {
        words.push(format!("--cgroup-root={}", below(own, &unified.mount_point, &unified.root)));
    }
    words
}

/// What is mounted there now.
fn source(draft: &mut Draft<'_>, mount: &OutsideMount, own: &CgroupPaths) -> Option<HostPath> {
    let found = match &mount.hierarchy {
        Some(name) => hierarchy(draft.facts, name, own),
        None => bound(draft.config, &mount.destination),
    };
    if found.is_none() {
        let at = at("/mounts").key(&mount.destination);
        let reason =
            "the checkpoint has a mount of the host's there, and the configuration has none";
        draft.refuse(&at, Refusal::Contradiction { reason });
    }
    found
}

fn hierarchy(facts: &HostFacts, name: &str, own: &CgroupPaths) -> Option<HostPath> {
    let cgroup = facts.cgroup.as_ref()?;
    if name.is_empty() {
        let unified = cgroup.unified.as_ref()?;
        return own.v2.clone().or_else(|| unified.directory(&unified.caller));
    }
    let words: BTreeSet<&str> = name.split(',').collect();
    let is_it = |hierarchy: &&crate::facts::Hierarchy| {
        let named = hierarchy.name.as_deref().map(|name| name.trim_start_matches("name="));
        hierarchy.controllers.iter().any(|name| words.contains(name.as_str()))
            || named.is_some_and(|name| words.contains(format!("name={name}").as_str()))
    };
    let hierarchy = cgroup.hierarchies.iter().find(is_it)?;
    let controller = hierarchy.controllers.iter().find_map(|name| own.v1.get(name));
    controller.cloned().or_else(|| hierarchy.directory(&hierarchy.caller))
}

fn bound(config: &Config, destination: &str) -> Option<HostPath> {
    let is_there = |path: &crate::types::RootPath| path.as_str() == destination;
    let mount = config.mounts.iter().rev().find(|mount| is_there(&mount.destination));
    if let Some(MountKind::Bind(bind)) = mount.map(|mount| &mount.kind) {
        return Some(bind.source.clone());
    }
    // A hidden file is the host's empty device; in a user namespace nodes of devices are the host's too.
    let is_node = config.devices.iter().any(|device| is_there(&device.path));
    match () {
        () if config.masked_paths.iter().any(is_there) => HostPath::new("/dev/null").ok(),
        () if is_node => HostPath::new(destination).ok(),
        () => None,
    }
}

/// Descriptors that criu is handed, and its words for them.
fn inherited(draft: &mut Draft<'_>, outside: &CriuOutside) -> (Vec<InheritedFd>, Vec<String>) {
    let (mut given, mut words) = (Vec::new(), Vec::new());
    let mut to = FIRST_INHERITED;
    let mut name = |to: u16, key: &str| {
        words.extend(["--inherit-fd".to_string(), format!("fd[{to}]:{key}")]);
    };
    for (from, key) in (0..).zip(&outside.descriptors) {
        if !key.is_empty() {
            given.push(InheritedFd::Standard { from, to });
            name(to, key);
            to += 1;
        }
    }
    for (kind, key) in &outside.namespaces {
        match draft.config.namespaces.get(kind) {
            Some(NamespaceSource::Join(path)) => {
                given.push(InheritedFd::File { path: path.clone(), to });
                name(to, key);
                to += 1;
            }
            _ => {
                let origin = at("/namespaces").key(kind.name());
                let reason =
                    "the checkpoint was in somebody else's, and the configuration names none";
                draft.refuse(&origin, Refusal::Contradiction { reason });
            }
        }
    }
    let config = draft.config;
    for (kind, source) in &config.namespaces {
        let is_known = outside.namespaces.contains_key(kind) || *kind == NamespaceKind::Cgroup;
        if matches!(source, NamespaceSource::Join(_)) && !is_known {
            let origin = at("/namespaces").key(kind.name());
            let reason = "criu makes this namespace anew, it joins none";
            draft.refuse(&origin, Refusal::Contradiction { reason });
        }
    }
    (given, words)
}
