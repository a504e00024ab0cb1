//! Decides the cgroups of a container: directories, values and how init gets in. Create, then limit, then enter.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::swap;

use super::draft::{Draft, at, step, step_undone};
use super::error::Refusal;
use super::model::{Step, Undo};
use super::op::{CgroupOp, Op};
use super::record::{CgroupPaths, ScopeUnit};
use super::{
    cgroup_checks, cgroup_entry, cgroup_owner, cgroup_systemd, cgroup_v1, cgroup_v2, device_rules,
};
use crate::config::{Cgroup, CgroupBase, CgroupDriver, PathComponent, Resources};
use crate::facts::{CgroupFacts, CgroupLayout, Hierarchy, LEAF, Unified};
use crate::types::{HostPath, NamespaceKind, Pointer};

/// What this room decided.
#[derive(Default)]
pub(super) struct Cgroups {
    /// Steps of the parent before the clone.
    pub(super) before_clone: Vec<Step>,
    /// Steps of the parent after the clone.
    pub(super) after_clone: Vec<Step>,
    /// The first steps of init.
    pub(super) init: Vec<Step>,
    /// Whether the clone puts init into [`Slot::CgroupDirectory`](super::Slot::CgroupDirectory).
    pub(super) clone_into: bool,
    /// How everything left in the container's cgroups is killed: needed when no pid namespace does it.
    pub(super) kill: Option<CgroupOp>,
    /// The directories that are the container's own.
    pub(super) own: CgroupPaths,
    /// The unit, where systemd makes them.
    pub(super) scope: Option<ScopeUnit>,
}

/// One file to be written: name, value, the part of the config.
#[derive(PartialEq)]
pub(super) struct Setting {
    pub(super) controller: &'static str,
    pub(super) file: String,
    pub(super) value: String,
    pub(super) origin: Pointer,
}

impl Setting {
    pub(super) fn new(
        controller: &'static str,
        file: &str,
        value: impl ToString,
        origin: &Pointer,
    ) -> Self {
        let (file, value) = (file.to_string(), value.to_string());
        Self { controller, file, value, origin: origin.clone() }
    }
}

pub(super) fn plan(draft: &mut Draft<'_>) -> Cgroups {
    let mut cgroups = Cgroups::default();
    let origin = at("/cgroup");
    if let Some(cgroup) = &draft.config.cgroup {
        check(draft, cgroup);
        match &draft.facts.cgroup {
            None => draft.refuse(&origin, Refusal::FactMissing { section: "cgroup" }),
            Some(facts) => match facts.layout() {
                CgroupLayout::None => {
                    draft.refuse(&origin, Refusal::ControllerMissing { controller: "any" });
                }
                layout => match (&cgroup.driver, layout) {
                    (CgroupDriver::Systemd { slice, scope }, _) => {
                        let asked = (slice.as_deref(), scope.as_str());
                        cgroup_systemd::plan(draft, &mut cgroups, &cgroup.resources, facts, asked);
                    }
                    (_, CgroupLayout::V2) => v2(draft, &mut cgroups, cgroup, facts),
                    _ => v1(draft, &mut cgroups, cgroup, facts),
                },
            },
        }
    }
    let after = &cgroups.after_clone;
    let is_killed = cgroups.kill.is_some() || after.iter().any(|s| s.undo != Undo::Nothing);
    if !is_killed && !draft.config.creates(NamespaceKind::Pid) {
        let text = "what the program leaves running is not killed: there is neither a pid namespace nor a cgroup of the container's own";
        draft.note(&at("/namespaces/pid"), text);
    }
    if draft.config.creates(NamespaceKind::Cgroup) {
        let op = super::op::NamespaceOp::Unshare { kind: NamespaceKind::Cgroup };
        cgroups.init.push(step(Op::Namespace(op), &at("/namespaces/cgroup")));
    }
    cgroups
}

fn check(draft: &mut Draft<'_>, cgroup: &Cgroup) {
    let origin = at("/cgroup/path");
    if cgroup.path.parts.is_empty() && cgroup.driver == CgroupDriver::Cgroupfs {
        let reason = "a cgroup of the container's own needs a name";
        draft.refuse(&origin, Refusal::Contradiction { reason });
    }
    cgroup_checks::values(draft, &cgroup.resources);
}

/// The directories from the base down to the container's own, all of them below `mount_point`.
pub(super) struct Directories {
    pub(super) base: HostPath,
    pub(super) below: Vec<HostPath>,
}

impl Directories {
    /// `parts` below `start`, a path below a mount point.
    pub(super) fn new<'a>(
        mount_point: &HostPath,
        start: &str,
        parts: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut base = mount_point.clone();
        for part in start.split('/').filter(|part| !part.is_empty()) {
            base = base.child(part);
        }
        let mut below = Vec::new();
        let mut path = base.clone();
        for part in parts {
            path = path.child(part);
            below.push(path.clone());
        }
        Self { base, below }
    }

    pub(super) fn own(&self) -> &HostPath {
        self.below.last().unwrap_or(&self.base)
    }
}

/// `cgroup` as a path below a mount point that shows only `root` and what is below it.
pub(super) fn seen_from<'a>(root: &str, cgroup: &'a str) -> Option<&'a str> {
    if root == "/" {
        return Some(cgroup.trim_start_matches('/'));
    }
    let rest = cgroup.strip_prefix(root)?;
    (rest.is_empty() || rest.starts_with('/')).then(|| rest.trim_start_matches('/'))
}

/// systemd lives in a cgroup of its own that takes no children.
pub(super) fn above_systemd(init: &str) -> &str {
    init.strip_suffix("/init.scope").unwrap_or(init)
}

fn directories(
    cgroup: &Cgroup,
    mount_point: &HostPath,
    root: &str,
    (init, caller): (&str, &str),
) -> Option<Directories> {
    let start = match cgroup.path.base {
        CgroupBase::Root => "",
        CgroupBase::Init => seen_from(root, above_systemd(init))?,
        CgroupBase::Caller => seen_from(root, caller)?,
    };
    let parts = cgroup.path.parts.iter().map(PathComponent::as_str);
    Some(Directories::new(mount_point, start, parts))
}

/// The container's own directory below `mount_point`, or the caller's, in which a container without one stays.
pub(super) fn directory(
    cgroup: Option<&Cgroup>,
    mount_point: &HostPath,
    root: &str,
    seen: (&str, &str),
) -> Option<HostPath> {
    if let Some(cgroup) = cgroup {
        return directories(cgroup, mount_point, root, seen).map(|found| found.own().clone());
    }
    let parts = seen_from(root, seen.1)?.split('/').filter(|part| !part.is_empty());
    Some(parts.fold(mount_point.clone(), |path, part| path.child(part)))
}

/// Makes each directory; the last one is the container's own and must be new, unless systemd may have made it (`shared`).
pub(super) fn make(steps: &mut Vec<Step>, directories: &Directories, shared: bool) {
    let origin = at("/cgroup/path");
    let last = directories.below.len().saturating_sub(1);
    for (index, path) in directories.below.iter().enumerate() {
        let is_own = index == last;
        let fresh = is_own && !shared;
        let op = CgroupOp::MakeDirectory { path: path.clone(), fresh };
        let undo = CgroupOp::RemoveDirectory { path: path.clone(), shared: !is_own };
        steps.push(step_undone(Op::Cgroup(op), &origin, Undo::by(Op::Cgroup(undo))));
    }
}

pub(super) fn write(steps: &mut Vec<Step>, directory: &HostPath, setting: &Setting) {
    let file = directory.child(&setting.file);
    let op = CgroupOp::Write { file, value: setting.value.clone() };
    steps.push(step_undone(Op::Cgroup(op), &setting.origin, Undo::WithDirectory));
}

/// What belongs to the v2 tree of a hybrid host, where each controller is in one place; and the rest.
pub(super) fn split(
    resources: &Resources,
    is_on_v2: impl Fn(&str) -> bool,
) -> (Resources, Resources) {
    let (mut v1, mut v2) = (resources.clone(), Resources::default());
    let mut part = |controller, take: fn(&mut Resources, &mut Resources)| {
        if is_on_v2(controller) {
            take(&mut v1, &mut v2);
        }
    };
    part("memory", |v1, v2| swap(&mut v1.memory, &mut v2.memory));
    part("pids", |v1, v2| swap(&mut v1.pids, &mut v2.pids));
    part("io", |v1, v2| swap(&mut v1.block_io, &mut v2.block_io));
    part("hugetlb", |v1, v2| swap(&mut v1.hugepage_limits, &mut v2.hugepage_limits));
    part("rdma", |v1, v2| swap(&mut v1.rdma, &mut v2.rdma));
    part("cpuset", |v1, v2| {
        swap(&mut v1.cpu.cpus, &mut v2.cpu.cpus);
        swap(&mut v1.cpu.mems, &mut v2.cpu.mems);
    });
    part("cpu", |v1, v2| {
        swap(&mut v1.cpu, &mut v2.cpu);
        // The two lists are the business of `cpuset`.
        swap(&mut v1.cpu.cpus, &mut v2.cpu.cpus);
        swap(&mut v1.cpu.mems, &mut v2.cpu.mems);
    });
    swap(&mut v1.unified, &mut v2.unified);
    (v1, v2)
}

fn v1(draft: &mut Draft<'_>, cgroups: &mut Cgroups, cgroup: &Cgroup, facts: &CgroupFacts) {
    let unified = facts.unified.as_ref();
    let is_on_v2 = |controller: &str| {
        let v1_name = if controller == "io" { "blkio" } else { controller };
        unified.is_some_and(|tree| tree.controllers.contains(controller))
            && facts.v1(v1_name).is_none()
    };
    let (resources, other) = split(&cgroup.resources, is_on_v2);
    let settings = cgroup_v1::settings(draft, &resources);
    for setting in &settings {
        if facts.v1(setting.controller).is_none() {
            let controller = setting.controller;
            draft.refuse(&setting.origin, Refusal::ControllerMissing { controller });
        }
    }
    let mut is_denied = false;
    for hierarchy in facts.hierarchies.iter().filter(|h| !h.controllers.is_empty()) {
        let seen = (hierarchy.init.as_str(), hierarchy.caller.as_str());
        let Some(found) = directories(cgroup, &hierarchy.mount_point, &hierarchy.root, seen) else {
            let directory = hierarchy.mount_point.to_string();
            draft.refuse(&at("/cgroup/path"), Refusal::CgroupDenied { directory });
            continue;
        };
        if !hierarchy.writable && !is_denied {
            // Once is enough: where one hierarchy is the administrator's, all are.
            is_denied = true;
            let directory = found.base.to_string();
            draft.refuse(&at("/cgroup/path"), Refusal::CgroupDenied { directory });
        }
        let steps = &mut cgroups.before_clone;
        make(steps, &found, false);
        limit_v1(steps, &found, hierarchy, &settings);
        cgroup_entry::v1(cgroups, found.own());
        let named = hierarchy.controllers.iter().map(|name| (name.clone(), found.own().clone()));
        cgroups.own.v1.extend(named);
        if hierarchy.controllers.contains("freezer") || cgroups.kill.is_none() {
            cgroups.kill = Some(CgroupOp::Kill { directory: found.own().clone() });
        }
    }
    match unified {
        _ if other == Resources::default() => {}
        Some(unified) => {
            let settings = cgroup_v2::settings(draft, &other, unified.bfq);
            if let Some(found) = make_v2(draft, cgroups, cgroup, unified, &settings) {
                cgroup_entry::v2(draft, cgroups, found.own());
            }
        }
        None => {
            let what = "raw v2 values on a host whose controllers are on cgroup v1";
            draft.refuse(&at("/cgroup/unified"), Refusal::LimitUnsupported { what });
        }
    }
}

/// The values of one hierarchy; its cpusets are filled first.
pub(super) fn limit_v1(
    steps: &mut Vec<Step>,
    directories: &Directories,
    hierarchy: &Hierarchy,
    settings: &[Setting],
) {
    if hierarchy.controllers.contains("cpuset") {
        for directory in &directories.below {
            let op = CgroupOp::InheritCpuset { directory: directory.clone() };
            steps.push(step_undone(Op::Cgroup(op), &at("/cgroup/cpu"), Undo::WithDirectory));
        }
    }
    for setting in settings.iter().filter(|s| hierarchy.controllers.contains(s.controller)) {
        write(steps, directories.own(), setting);
    }
}

fn v2(draft: &mut Draft<'_>, cgroups: &mut Cgroups, cgroup: &Cgroup, facts: &CgroupFacts) {
    let Some(unified) = &facts.unified else { return };
    let settings = cgroup_v2::settings(draft, &cgroup.resources, unified.bfq);
    let Some(found) = make_v2(draft, cgroups, cgroup, unified, &settings) else { return };
    let policy = cgroup_v2::device_policy(draft, &cgroup.resources, found.own());
    let (late, early) = if binds_init(draft, cgroup) { (None, policy) } else { (policy, None) };
    cgroups.before_clone.extend(early);
    cgroups.before_clone.extend(cgroup_owner::plan(draft, unified, found.own()));
    cgroups.kill = Some(CgroupOp::Kill { directory: found.own().clone() });
    cgroup_entry::v2(draft, cgroups, found.own());
    cgroups.after_clone.extend(late);
}

/// Whether what init does itself depends on the device policy, which then must stand when it is cloned. Otherwise it is loaded
/// while init mounts: that takes the kernel 300 µs, a tenth of a start. No program runs before it is: that waits until the
/// container is recorded, which comes later still.
fn binds_init(draft: &Draft<'_>, cgroup: &Cgroup) -> bool {
    let rules = cgroup.resources.devices.as_deref().unwrap_or_default();
    let has_terminal = draft.config.process.as_ref().is_some_and(|process| process.terminal);
    has_terminal || !device_rules::grant_every_node(rules)
}

/// The directories in the v2 tree, their controllers and values.
fn make_v2(
    draft: &mut Draft<'_>,
    cgroups: &mut Cgroups,
    cgroup: &Cgroup,
    unified: &Unified,
    settings: &[Setting],
) -> Option<Directories> {
    let origin = at("/cgroup/path");
    let seen = (unified.init.as_str(), unified.caller.as_str());
    let Some(found) = directories(cgroup, &unified.mount_point, &unified.root, seen) else {
        let directory = unified.mount_point.to_string();
        draft.refuse(&origin, Refusal::CgroupDenied { directory });
        return None;
    };
    if !unified.writable {
        let directory = found.base.to_string();
        draft.refuse(&origin, Refusal::CgroupDenied { directory });
    }
    let wanted = cgroup_v2::wanted(draft, settings, &unified.controllers);
    let more = cgroup_v2::more(unified, cgroup.path.base, &wanted);
    let steps = &mut cgroups.before_clone;
    if cgroup_v2::needs_leaf(draft, unified, cgroup.path.base, &wanted) {
        if found.below.first().is_some_and(|first| *first == found.base.child(LEAF)) {
            let reason = "this name is that of the leaf for the caller's own processes";
            draft.refuse(&origin, Refusal::Contradiction { reason });
        }
        let directory = found.base.clone();
        let back = CgroupOp::ReturnFromLeaf { directory: directory.clone() };
        let op = Op::Cgroup(CgroupOp::MoveToLeaf { directory });
        steps.push(step_undone(op, &at("/cgroup"), Undo::by(Op::Cgroup(back))));
    }
    make(steps, &found, false);
    enable(steps, &found, (&wanted, &more));
    for setting in settings {
        write(steps, found.own(), setting);
    }
    Some(found)
}

/// Controllers are switched on from the base down to the parent of the container's own, while all of it is empty.
///
/// What nobody has set a limit with is measured with: those controllers are switched on where that is possible.
pub(super) fn enable(
    steps: &mut Vec<Step>,
    directories: &Directories,
    (wanted, more): (&[String], &[String]),
) {
    if wanted.is_empty() && more.is_empty() {
        return;
    }
    let parents = directories.below.len().saturating_sub(1);
    let above = core::iter::once((&directories.base, Undo::Kept));
    let below = directories.below.iter().take(parents).map(|path| (path, Undo::WithDirectory));
    for (directory, undo) in above.chain(below) {
        let op = CgroupOp::EnableControllers {
            directory: directory.clone(),
            controllers: wanted.to_vec(),
            more: more.to_vec(),
        };
        steps.push(step_undone(Op::Cgroup(op), &at("/cgroup"), undo));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_seen_below_the_part_that_is_mounted() {
        assert_eq!(seen_from("/", "/a/b"), Some("a/b"));
        assert_eq!(seen_from("/docker/x", "/docker/x"), Some(""));
        assert_eq!(seen_from("/docker/x", "/docker/x/y"), Some("y"));
        assert_eq!(seen_from("/docker/x", "/docker/xy"), None);
        assert_eq!(seen_from("/docker/x", "/"), None);
    }
}
