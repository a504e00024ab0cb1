//! Decides the mounts that show a container its cgroups: one on v2, a tmpfs with a mount a hierarchy on v1.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::cgroups;
use super::draft::Draft;
use super::error::Refusal;
use super::mounts::{Mounts, Sources};
use super::op::MountOp;
use crate::config::{Cgroup, CgroupDriver, Mount};
use crate::facts::{CgroupFacts, CgroupLayout, Hierarchy, Unified};
use crate::types::{HostPath, MountFlags, NamespaceKind, Pointer, RootPath};

/// The container's own view of the cgroup tree: one mount on v2, a tmpfs with a mount a hierarchy on v1.
///
/// In a cgroup namespace these are new mounts, which begin where the namespace does. Without one a new mount would show
/// the whole tree of the host, so that the container's own directory is bound instead.
pub(super) fn plan(
    draft: &mut Draft<'_>,
    mounts: &mut Mounts,
    sources: &mut Sources,
    mount: &Mount,
    origin: &Pointer,
) {
    let Some(facts) = &draft.facts.cgroup else {
        draft.refuse(origin, Refusal::FactMissing { section: "cgroup" });
        return;
    };
    let is_bound = !draft.config.namespaces.contains_key(&NamespaceKind::Cgroup);
    let flags = mount.set.difference(mount.clear);
    let is_scope = |cgroup: &Cgroup| matches!(cgroup.driver, CgroupDriver::Systemd { .. });
    if is_bound && draft.config.cgroup.as_ref().is_some_and(is_scope) {
        let reason =
            "a scope of systemd's is shown in a cgroup namespace of the container's own only";
        draft.refuse(origin, Refusal::Contradiction { reason });
    }
    let cgroup = draft.config.cgroup.as_ref().filter(|_| is_bound);
    let mut view = View { mounts, sources, cgroup, is_bound, flags, origin };
    let target = &mount.destination;
    match facts.layout() {
        CgroupLayout::None => {
            draft.refuse(origin, Refusal::ControllerMissing { controller: "any" });
        }
        CgroupLayout::V2 => {
            view.mounts.make_mount_point(target, true, origin);
            if let Some(unified) = &facts.unified {
                view.unified(unified, target);
            }
        }
        CgroupLayout::V1 | CgroupLayout::Hybrid => view.v1(facts, target),
    }
}

/// The mounts of one view as they are made.
struct View<'a> {
    mounts: &'a mut Mounts,
    sources: &'a mut Sources,
    cgroup: Option<&'a Cgroup>,
    is_bound: bool,
    flags: MountFlags,
    origin: &'a Pointer,
}

impl View<'_> {
    fn v1(&mut self, facts: &CgroupFacts, target: &RootPath) {
        let origin = self.origin;
        self.mounts.make_mount_point(target, true, origin);
        let open = self.flags.difference(MountFlags::MS_RDONLY);
        new_mount(self.mounts, "tmpfs", &["mode=755"], open, target, origin);
        // The container has no directory of its own in a hierarchy without controllers, nor always in the v2 tree beside.
        let is_bound = self.is_bound;
        let is_own = |hierarchy: &&Hierarchy| !is_bound || !hierarchy.controllers.is_empty();
        for hierarchy in facts.hierarchies.iter().filter(is_own) {
            let (directory, options) = names(hierarchy);
            let Some(below) = child(target, &directory) else { continue };
            self.mounts.make_mount_point(&below, true, origin);
            if self.is_bound {
                let seen = (hierarchy.init.as_str(), hierarchy.caller.as_str());
                self.bind(&hierarchy.mount_point, &hierarchy.root, seen, &below);
            } else {
                let options: Vec<_> = options.iter().map(String::as_str).collect();
                new_mount(self.mounts, "cgroup", &options, self.flags, &below, origin);
            }
            // Co-mounted controllers are also found under their single names.
            for name in hierarchy.controllers.iter().filter(|name| **name != directory) {
                let Some(path) = child(target, name) else { continue };
                let (target, replace, only_if) = (directory.clone(), false, None);
                self.mounts.push(MountOp::Symlink { path, target, replace, only_if }, origin);
            }
        }
        if let Some(unified) = &facts.unified
            && !self.is_bound
            && let Some(below) = child(target, "unified")
        {
            self.mounts.make_mount_point(&below, true, origin);
            self.unified(unified, &below);
        }
        if self.flags.contains(MountFlags::MS_RDONLY) {
            let set = MountFlags::MS_RDONLY;
            let (target, clear) = (target.clone(), MountFlags::empty());
            self.mounts.push(MountOp::Remount { target, set, clear }, origin);
        }
    }

    fn unified(&mut self, unified: &Unified, target: &RootPath) {
        if self.is_bound {
            let seen = (unified.init.as_str(), unified.caller.as_str());
            self.bind(&unified.mount_point, &unified.root, seen, target);
        } else {
            new_mount(self.mounts, "cgroup2", &[], self.flags, target, self.origin);
        }
    }

    /// What cannot be seen from here is not shown: the tree is mounted from a part that the container is not in.
    fn bind(&mut self, mount_point: &HostPath, root: &str, seen: (&str, &str), target: &RootPath) {
        let Some(source) = cgroups::directory(self.cgroup, mount_point, root, seen) else { return };
        let recursive = false;
        let slot = self.sources.open(self.mounts, self.origin, |slot| MountOp::CloneTree {
            source,
            recursive,
            slot,
        });
        let op = MountOp::Attach {
            slot,
            target: target.clone(),
            recursive,
            set: self.flags,
            clear: MountFlags::empty(),
            set_recursive: MountFlags::empty(),
            clear_recursive: MountFlags::empty(),
        };
        self.mounts.push(op, self.origin);
    }
}

/// The directory a hierarchy is shown as, and the options that mount it.
fn names(hierarchy: &Hierarchy) -> (String, Vec<String>) {
    let mut options: Vec<_> = hierarchy.controllers.iter().cloned().collect();
    match &hierarchy.name {
        Some(name) => {
            options.extend(["none".into(), format!("name={name}")]);
            (name.clone(), options)
        }
        None => (options.join(","), options),
    }
}

fn child(target: &RootPath, name: &str) -> Option<RootPath> {
    RootPath::new(&format!("{target}/{name}")).ok()
}

fn new_mount(
    mounts: &mut Mounts,
    fstype: &str,
    data: &[&str],
    flags: MountFlags,
    target: &RootPath,
    origin: &Pointer,
) {
    mounts.push(
        MountOp::Filesystem {
            fstype: fstype.to_string(),
            source: Some(fstype.trim_end_matches('2').to_string()),
            data: data.iter().map(|option| (*option).to_string()).collect(),
            flags,
            target: target.clone(),
            strict: false,
            keep: None,
            copy_up: false,
        },
        origin,
    );
}
