//! A config becomes the list of the facts that a plan of it asks for.

use super::{cgroup_owner, idmap, mounts, namespaces};
use crate::config::{CgroupDriver, Config, MountKind};
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
    let process = config.process.as_ref();
    let of_scheduler = process.is_some_and(|process| process.scheduler.is_some());
    let of_scheduler = [Resource::Nice, Resource::Rtprio].into_iter().filter(|_| of_scheduler);
    let limited = process.into_iter().flat_map(|process| process.rlimits.keys().copied());
    Needs {
        subids: creates_userns && idmap::needs_subids(&config.uid_mappings, &config.gid_mappings),
        cgroup: config.cgroup.is_some() || has_cgroup_mount,
        delegate: config.cgroup.is_some() && cgroup_owner::is_asked(config),
        systemd: config
            .cgroup
            .as_ref()
            .is_some_and(|cgroup| matches!(cgroup.driver, CgroupDriver::Systemd { .. })),
        mounts: config.root.readonly_recursive
            || config.intel_rdt.is_some()
            || mounts::binds_hosts_own(config)
            || config.mounts.iter().any(|mount| is_recursive(mount.set_recursive)),
        suid_dumpable: namespaces::joins_pid(config),
        accounts: named.then(|| config.root.path.clone()),
        paths: sources.chain([config.root.path.clone()]).collect(),
        namespaces: config.namespaces.keys().copied().collect(),
        rlimits: limited.chain(of_scheduler).chain([Resource::Nofile]).collect(),
    }
}
