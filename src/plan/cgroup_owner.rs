//! Decides whose a container's v2 cgroup is: its own user's, where that user can see it to write to it.
//!
//! # References
//! OCI runtime-spec, `config-linux.md`, "Cgroup ownership"; `cgroup-v2.rst` of the kernel, "Model of Delegation".

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::draft::{Draft, at, step_undone};
use super::model::{Step, Undo};
use super::op::{CgroupOp, Op};
use crate::config::{Config, Mount, MountKind, UserSpec};
use crate::facts::Unified;
use crate::types::{Capability, HostPath, MountFlags, NamespaceKind};

/// What a kernel that does not say lets be given away.
const FILES: [&str; 3] = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

/// Whether the container has its tree of cgroups mounted for writing, in a cgroup namespace of its own.
pub(super) fn is_asked(config: &Config) -> bool {
    let is_writable = |mount: &Mount| {
        let flags = mount.set.difference(mount.clear);
        matches!(mount.kind, MountKind::Cgroup)
            && mount.destination.as_str() == "/sys/fs/cgroup"
            && !flags.contains(MountFlags::MS_RDONLY)
    };
    config.mounts.iter().any(is_writable) && config.creates(NamespaceKind::Cgroup)
}

/// The step, if it [is asked for](is_asked) and the user is another than the caller.
pub(super) fn plan(draft: &mut Draft<'_>, unified: &Unified, own: &HostPath) -> Option<Step> {
    if !is_asked(draft.config) {
        return None;
    }
    let uid = owner(draft)?;
    let caller = &draft.facts.caller;
    if uid == caller.uid {
        return None;
    }
    let origin = at("/process/user");
    if !(caller.in_initial_userns && caller.effective.contains(Capability::CHOWN)) {
        draft.note(&origin, "the container's cgroup stays the caller's, who may not give it away");
        return None;
    }
    let files: Vec<String> = match unified.delegate.as_slice() {
        [] => FILES.map(str::to_owned).into(),
        files => files.to_vec(),
    };
    let op = CgroupOp::GiveTo { directory: own.clone(), files, uid };
    Some(step_undone(Op::Cgroup(op), &origin, Undo::WithDirectory))
}

/// The first process's user, as the host counts; `None` where only the file system or another's user namespace knows.
fn owner(draft: &Draft<'_>) -> Option<u32> {
    let config = draft.config;
    let UserSpec::Ids { uid, .. } = config.process.as_ref()?.user.spec else { return None };
    match config.namespaces.get(&NamespaceKind::User) {
        None => Some(uid),
        Some(_) if config.creates(NamespaceKind::User) => config.uid_mappings.to_host(uid),
        Some(_) => None,
    }
}
