//! A config becomes the list of the facts that a plan of it asks for.

use super::{cgroup_owner, idmap, mounts, namespaces};
use crate::config::{Cgroup, CgroupBase, CgroupDriver, Config, MountKind, Process};
use crate::facts::Needs;
use crate::types::{MountFlags, NamespaceKind, Resource};

/// Which facts planning `config` will look at, so that a probe reads no others.
#[must_use]
pub fn needs(config: &Config) -> Needs {
    let creates_userns = config.creates(NamespaceKind::User);
    let has_cgroup_mount =
        config.mounts.iter().any(|mount| matches!(mount.kind, MountKind::Cgroup));
    let is_recursive = |set: MountFlags| !set.is_empty();
    let named = config.process.as_ref().is_some_and(|process| process.user.is_in_accounts());
    let sources = config.mounts.iter().filter_map(|mount| match &mount.kind {
        MountKind::Bind(bind) => Some(bind.source.clone()),
        _ => None,
    });
    let limited = config.process.iter().flat_map(limits);
    let process = config.process.as_ref();
    let relabels = config.mounts.iter().any(|mount| mount.relabel.is_some());
    Needs {
        subids: creates_userns && idmap::needs_subids(&config.uid_mappings, &config.gid_mappings),
        cgroup: config.cgroup.is_some() || has_cgroup_mount,
        cgroup_of_init: config.cgroup.as_ref().is_some_and(begins_with_init),
        delegate: config.cgroup.is_some() && cgroup_owner::is_asked(config),
        systemd: config.cgroup.as_ref().is_some_and(is_of_systemd),
        userns: creates_userns,
        lsm: config.mount_label.is_some() || relabels || process.is_some_and(Process::is_labelled),
        oom_score_adj: process.is_some_and(|process| process.oom_score_adj.is_some()),
        mounts: config.root.readonly_recursive
            || config.intel_rdt.is_some()
            || mounts::binds_hosts_own(config)
            || config.mounts.iter().any(|mount| is_recursive(mount.set_recursive)),
        suid_dumpable: namespaces::joins_pid(config),
        accounts: named.then(|| config.root.path.clone()),
        paths: sources.chain([config.root.path.clone()]).collect(),
        namespaces: config.namespaces.keys().copied().collect(),
        rlimits: limited.chain([Resource::Nofile]).collect(),
    }
}

fn is_of_systemd(cgroup: &Cgroup) -> bool {
    matches!(cgroup.driver, CgroupDriver::Systemd { .. })
}

/// Whether it is below where the first process is.
fn begins_with_init(cgroup: &Cgroup) -> bool {
    cgroup.path.base == CgroupBase::Init || is_of_systemd(cgroup)
}

/// The caller's own limits that those of a process are held against.
pub(super) fn limits(process: &Process) -> impl Iterator<Item = Resource> {
    let of_scheduler = [Resource::Nice, Resource::Rtprio];
    let of_scheduler = of_scheduler.into_iter().filter(|_| process.scheduler.is_some());
    process.rlimits.keys().copied().chain(of_scheduler)
}
