//! Decides the ordered mounts of a container: root, file systems, binds, and the change of root.
//!
//! May not look at a file system; what a bind source is comes from the facts.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::draft::{Draft, at, at_index, step, step_undone};
use super::error::Refusal;
use super::idmap::IdMaps;
use super::model::{Step, Undo};
use super::op::{MountOp, Op, Slot};
use super::{cgroup_view, devices, labels, mapped, mount_checks, root_entries};
use crate::config::{BindSource, Config, Mount, MountKind, NamespaceSource, RootSwitch};
use crate::facts::{Feature, PathFact};
use crate::types::{
    HostPath, MountFlags, NamespaceKind, Pointer, Propagation, PropagationKind, RootPath,
};

/// What this room decided, in the order in which it happens.
#[derive(Default)]
pub(super) struct Mounts {
    /// By the launcher, before the clone: what is relabelled.
    pub(super) outside: Vec<Step>,
    /// By the launcher, after that: trees with an id map.
    pub(super) mapped: Vec<Step>,
    /// As the caller, on host paths.
    pub(super) sources: Vec<Step>,
    /// As the container's root, below its root directory.
    pub(super) targets: Vec<Step>,
    /// The change of root and what follows it.
    pub(super) switch: Vec<Step>,
    /// Whether the root outlives the container.
    pub(super) stays: bool,
}

impl Mounts {
    pub(super) fn push(&mut self, op: MountOp, origin: &Pointer) {
        self.targets.push(step(Op::Mount(op), origin));
    }

    /// The place of a mount. What is made stays: it is in the caller's own root file system.
    pub(super) fn make_mount_point(
        &mut self,
        target: &RootPath,
        directory: bool,
        origin: &Pointer,
    ) {
        let op = MountOp::MakeMountPoint { target: target.clone(), directory };
        let undo = if self.stays { Undo::Kept } else { Undo::Nothing };
        self.targets.push(step_undone(Op::Mount(op), origin, undo));
    }
}

/// Where copies of host trees are kept until they are attached.
pub(super) struct Sources {
    /// Whether all are opened before the ids change: the container's root may not be able to walk there.
    first: bool,
    count: u16,
}

impl Sources {
    /// Adds the step that fills a slot, at the right moment, and says which slot.
    pub(super) fn open(
        &mut self,
        mounts: &mut Mounts,
        origin: &Pointer,
        op: impl FnOnce(Slot) -> MountOp,
    ) -> Slot {
        if self.first {
            let slot = Slot::Tree(self.count);
            self.count = self.count.saturating_add(1);
            mounts.sources.push(step(Op::Mount(op(slot)), origin));
            slot
        } else {
            mounts.push(op(Slot::Tree(0)), origin);
            Slot::Tree(0)
        }
    }
}

pub(super) fn plan(draft: &mut Draft<'_>, maps: &IdMaps) -> Mounts {
    labels::check(draft);
    if !draft.config.creates(NamespaceKind::Mnt) {
        refuse_mounts(draft);
        return Mounts::default();
    }
    let mut mounts = Mounts { stays: draft.config.root.entries.is_none(), ..Mounts::default() };
    let mut sources = Sources { first: maps.become_root && draft.changes_userns(), count: 0 };
    root(draft, &mut mounts, sources.first);
    if let Some(entries) = &draft.config.root.entries {
        root_entries::plan(draft, &mut mounts, &mut sources, entries);
    }
    for (index, mount) in draft.config.mounts.iter().enumerate() {
        let origin = at_index("/mounts", index);
        mapped::plan(draft, &mut mounts, maps, mount, &origin);
        one(draft, &mut mounts, &mut sources, mount, &origin);
    }
    devices::plan(draft, &mut mounts, &mut sources);
    check_descriptors(draft, &sources);
    switch(draft, &mut mounts);
    mounts
}

/// Without a mount namespace of its own the container sees the tree it was started in, or the one it joins.
fn refuse_mounts(draft: &mut Draft<'_>) {
    let config = draft.config;
    let kind = NamespaceKind::Mnt;
    let asked = [
        ("/mounts", !config.mounts.is_empty()),
        ("/devices", !config.devices.is_empty()),
        ("/deviceLinks", !config.device_links.is_empty()),
        ("/maskedPaths", !config.masked_paths.is_empty()),
        ("/readonlyPaths", !config.readonly_paths.is_empty()),
        ("/root/readonly", config.root.readonly || config.root.readonly_recursive),
        ("/process/terminal", config.process.as_ref().is_some_and(|process| process.terminal)),
    ];
    for (pointer, _) in asked.into_iter().filter(|&(_, is_asked)| is_asked) {
        draft.refuse(&at(pointer), Refusal::NeedsNamespace { kind });
    }
    match config.namespaces.get(&kind) {
        Some(NamespaceSource::Join(_)) => {
            draft.note(&at("/root/path"), "the root is that of the joined mount namespace");
        }
        _ if config.root.path.as_str() == "/" => {}
        _ => draft.refuse(&at("/root/path"), Refusal::NeedsNamespace { kind }),
    }
}

fn root(draft: &mut Draft<'_>, mounts: &mut Mounts, for_mapped_root: bool) {
    let root = &draft.config.root;
    let origin = at("/root/path");
    match draft.facts.paths.get(&root.path) {
        Some(PathFact::Missing) => {
            draft.refuse(&origin, Refusal::PathMissing { path: root.path.clone() });
        }
        Some(PathFact::File | PathFact::Special) => {
            draft.refuse(&origin, Refusal::NotDirectory { path: root.path.clone() });
        }
        _ => {}
    }
    let kind = match (root.propagation.map(|p| p.kind), root.switch) {
        (Some(PropagationKind::Slave | PropagationKind::Shared), _)
        | (None, RootSwitch::MoveMount) => PropagationKind::Slave,
        _ => PropagationKind::Private,
    };
    let propagation = Propagation { kind, recursive: true };
    let isolate = MountOp::IsolateTree { propagation };
    mounts.sources.push(step(Op::Mount(isolate), &at("/root/propagation")));
    if root.entries.is_some() {
        let path = root.path.clone();
        mounts.sources.push(step(Op::Mount(MountOp::EmptyRoot { path, for_mapped_root }), &origin));
        return;
    }
    // Nothing is ever created in the host's own root.
    let readonly_now = root.readonly && root.path.as_str() == "/";
    let path = root.path.clone();
    let readonly_submounts = root.readonly_recursive;
    let prepare = MountOp::PrepareRoot { path, readonly_submounts, readonly_now };
    mounts.sources.push(step(Op::Mount(prepare), &origin));
    if readonly_submounts {
        let source = draft.config.root.path.clone();
        let target = RootPath::root();
        remount_below(
            draft,
            mounts,
            &source,
            &target,
            MountFlags::MS_RDONLY,
            &at("/root/readonlyRecursive"),
        );
    }
}

/// Before Linux 5.12 a recursive flag is set mount by mount, from the mount table.
pub(super) fn remount_below(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    source: &HostPath,
    target: &RootPath,
    set: MountFlags,
    origin: &Pointer,
) {
    if draft.facts.has(Feature::MountSetattr) {
        return;
    }
    let Some(table) = &draft.facts.mounts else {
        draft.refuse(origin, Refusal::FactMissing { section: "mounts" });
        return;
    };
    let prefix = if source.as_str() == "/" { "" } else { source.as_str() };
    let base = if target.is_root() { "" } else { target.as_str() };
    for below in table {
        let Some(rest) = below.mount_point.strip_prefix(prefix) else { continue };
        if rest.len() < 2 || !rest.starts_with('/') || below.flags.contains(set) {
            continue;
        }
        let Ok(target) = RootPath::new(&format!("{base}{rest}")) else { continue };
        let clear = MountFlags::empty();
        mounts.push(MountOp::Remount { target, set, clear }, origin);
    }
}

fn one(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    sources: &mut Sources,
    mount: &Mount,
    origin: &Pointer,
) {
    mount_checks::target(draft, mount, origin);
    mount_checks::extras(draft, mount, origin);
    mounts.outside.extend(labels::relabel(draft, mount, origin));
    match &mount.kind {
        MountKind::Bind(bind) => attach(draft, mounts, sources, mount, bind, origin),
        MountKind::Remount => {
            mount_checks::remount(draft, mount, origin);
            let (target, set, clear) = (mount.destination.clone(), mount.set, mount.clear);
            mounts.push(MountOp::Remount { target, set, clear }, origin);
        }
        MountKind::Cgroup => cgroup_view::plan(draft, mounts, sources, mount, origin),
        MountKind::Filesystem { fstype, source, data } => match host_substitute(draft, fstype) {
            Some(bind) => {
                let text = format!(
                    "{} is the host's: a new one needs its namespace made together with the user namespace",
                    mount.destination
                );
                draft.note(origin, text);
                let mount = Mount { set_recursive: mount.set, ..mount.clone() };
                attach(draft, mounts, sources, &mount, &bind, origin);
            }
            None => filesystem(draft, mounts, mount, (fstype, source.as_ref(), data), origin),
        },
    }
    for &propagation in &mount.propagation {
        mounts.push(MountOp::Propagate { target: mount.destination.clone(), propagation }, origin);
    }
}

/// Whether [`host_substitute`] will put the host's own tree in the place of a new file system, flags and all.
pub(super) fn binds_hosts_own(config: &Config) -> bool {
    let in_userns = config.namespaces.contains_key(&NamespaceKind::User);
    let is_foreign = |mount: &Mount| match &mount.kind {
        MountKind::Filesystem { fstype, .. } => {
            owner(fstype).is_some_and(|(kind, _)| !config.creates(kind))
        }
        _ => false,
    };
    in_userns && config.mounts.iter().any(is_foreign)
}

/// The namespace that must be owned to mount a new one, and where the host has its own.
fn owner(fstype: &str) -> Option<(NamespaceKind, &'static str)> {
    match fstype {
        "proc" => Some((NamespaceKind::Pid, "/proc")),
        "sysfs" => Some((NamespaceKind::Net, "/sys")),
        "mqueue" => Some((NamespaceKind::Ipc, "/dev/mqueue")),
        _ => None,
    }
}

/// A user namespace may only mount a fresh proc, sysfs or mqueue for a pid, net or ipc namespace that it owns.
fn host_substitute(draft: &Draft<'_>, fstype: &str) -> Option<BindSource> {
    let (owner, source) = owner(fstype)?;
    if !draft.changes_userns() || draft.config.creates(owner) {
        return None;
    }
    Some(BindSource { source: HostPath::new(source).ok()?, recursive: true })
}

fn filesystem(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    mount: &Mount,
    (fstype, source, data): (&str, Option<&String>, &[String]),
    origin: &Pointer,
) {
    let target = &mount.destination;
    draft.check_nul(origin, fstype);
    for option in data.iter().chain(source) {
        draft.check_nul(origin, option);
    }
    mounts.make_mount_point(target, true, origin);
    // What is still to be filled cannot be read-only yet.
    let flags = mount.set.difference(mount.clear);
    let late = if mount.copy_up { flags & MountFlags::MS_RDONLY } else { MountFlags::empty() };
    mounts.push(
        MountOp::Filesystem {
            fstype: fstype.to_string(),
            source: source.cloned(),
            data: labels::with_context(draft, fstype, data),
            flags: flags.difference(late),
            target: target.clone(),
            strict: matches!(target.as_str(), "/proc" | "/sys"),
            keep: kept_slot(draft, fstype, target),
            copy_up: mount.copy_up,
        },
        origin,
    );
    if !late.is_empty() {
        let (target, clear) = (target.clone(), MountFlags::empty());
        mounts.push(MountOp::Remount { target, set: late, clear }, origin);
    }
}

fn kept_slot(draft: &Draft<'_>, fstype: &str, target: &RootPath) -> Option<Slot> {
    let process = draft.config.process.as_ref();
    let writes_proc = !draft.config.sysctl.is_empty()
        || process.is_some_and(|p| p.apparmor_profile.is_some() || p.selinux_label.is_some());
    match (fstype, target.as_str()) {
        ("proc", "/proc") if writes_proc => Some(Slot::Proc),
        ("devpts", "/dev/pts") if process.is_some_and(|p| p.terminal) => Some(Slot::Devpts),
        _ => None,
    }
}

fn attach(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    sources: &mut Sources,
    mount: &Mount,
    bind: &BindSource,
    origin: &Pointer,
) {
    let target = &mount.destination;
    let Some(is_directory) =
        mount_checks::source_is_directory(draft, &bind.source, &origin.key("source"))
    else {
        return;
    };
    mounts.make_mount_point(target, is_directory, origin);
    let slot = match &mount.id_map {
        // The last one made is this mount's.
        Some(_) => mapped::last(mounts),
        None => sources.open(mounts, origin, |slot| MountOp::CloneTree {
            source: bind.source.clone(),
            recursive: bind.recursive,
            slot,
        }),
    };
    mounts.push(
        MountOp::Attach {
            slot,
            target: target.clone(),
            recursive: bind.recursive,
            set: mount.set,
            clear: mount.clear,
            set_recursive: mount.set_recursive,
            clear_recursive: mount.clear_recursive,
        },
        origin,
    );
    if bind.recursive && !mount.set_recursive.is_empty() {
        remount_below(draft, mounts, &bind.source, target, mount.set_recursive, origin);
    }
    if !mount.clear_recursive.is_empty() {
        draft.require(origin, Feature::MountSetattr);
    }
}

/// Sources that are all opened first each hold a descriptor.
fn check_descriptors(draft: &mut Draft<'_>, sources: &Sources) {
    let soft = draft.facts.caller.rlimits.get(&crate::types::Resource::Nofile).map(|l| l.soft);
    if let Some(soft) = soft
        && u64::from(sources.count) + 64 > soft
    {
        let reason = "more bind mounts than the caller may open descriptors (RLIMIT_NOFILE)";
        draft.refuse(&at("/mounts"), Refusal::Contradiction { reason });
    }
}

fn switch(draft: &mut Draft<'_>, mounts: &mut Mounts) {
    let root = &draft.config.root;
    let mut push = |op, pointer: &str| mounts.switch.push(step(Op::Mount(op), &at(pointer)));
    match root.switch {
        RootSwitch::PivotRoot => push(MountOp::PivotRoot, "/root/switch"),
        RootSwitch::MoveMount => push(MountOp::MoveRoot, "/root/switch"),
    }
    if let Some(propagation) = root.propagation
        && matches!(propagation.kind, PropagationKind::Shared | PropagationKind::Unbindable)
    {
        push(MountOp::Propagate { target: RootPath::root(), propagation }, "/root/propagation");
    }
    let is_late = root.path.as_str() != "/" || root.entries.is_some();
    if root.readonly && is_late {
        push(MountOp::ReadonlyRoot, "/root/readonly");
    }
}
