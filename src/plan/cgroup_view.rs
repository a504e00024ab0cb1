//! Decides the mounts that show a container its cgroups: one on v2, a tmpfs with a mount a hierarchy on v1.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::draft::Draft;
use super::error::Refusal;
use super::mounts::Mounts;
use super::op::MountOp;
use crate::config::Mount;
use crate::facts::{CgroupFacts, CgroupLayout, Hierarchy};
use crate::types::{MountFlags, NamespaceKind, Pointer, RootPath};

/// The container's own view of the cgroup tree: one mount on v2, a tmpfs with a mount a hierarchy on v1.
pub(super) fn plan(draft: &mut Draft<'_>, mounts: &mut Mounts, mount: &Mount, origin: &Pointer) {
    draft.require_created(origin, NamespaceKind::Cgroup);
    let Some(facts) = &draft.facts.cgroup else {
        draft.refuse(origin, Refusal::FactMissing { section: "cgroup" });
        return;
    };
    let flags = mount.set.difference(mount.clear);
    let target = &mount.destination;
    match facts.layout() {
        CgroupLayout::None => {
            draft.refuse(origin, Refusal::ControllerMissing { controller: "any" });
        }
        CgroupLayout::V2 => {
            mounts.make_mount_point(target, true, origin);
            new_mount(mounts, "cgroup2", &[], flags, target, origin);
        }
        CgroupLayout::V1 | CgroupLayout::Hybrid => {
            v1(mounts, facts, flags, target, origin);
        }
    }
}

fn v1(
    mounts: &mut Mounts,
    facts: &CgroupFacts,
    flags: MountFlags,
    target: &RootPath,
    origin: &Pointer,
) {
    mounts.make_mount_point(target, true, origin);
    let open = flags.difference(MountFlags::MS_RDONLY);
    new_mount(mounts, "tmpfs", &["mode=755"], open, target, origin);
    for hierarchy in &facts.hierarchies {
        let (directory, options) = names(hierarchy);
        let Some(below) = child(target, &directory) else { continue };
        mounts.make_mount_point(&below, true, origin);
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        new_mount(mounts, "cgroup", &options, flags, &below, origin);
        // Co-mounted controllers are also found under their single names.
        for name in hierarchy.controllers.iter().filter(|name| **name != directory) {
            let Some(path) = child(target, name) else { continue };
            let (target, replace, only_if) = (directory.clone(), false, None);
            mounts.push(MountOp::Symlink { path, target, replace, only_if }, origin);
        }
    }
    if facts.unified.is_some()
        && let Some(below) = child(target, "unified")
    {
        mounts.make_mount_point(&below, true, origin);
        new_mount(mounts, "cgroup2", &[], flags, &below, origin);
    }
    if flags.contains(MountFlags::MS_RDONLY) {
        let set = MountFlags::MS_RDONLY;
        mounts.push(MountOp::Remount { target: target.clone(), set }, origin);
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
        },
        origin,
    );
}
