//! The running kernel becomes `KernelFacts`: it is asked for every feature, its version is only a name.

use std::collections::BTreeSet;

use nix::errno::Errno;
use nix::sys::utsname::uname;
use nix::unistd::{AccessFlags, access};

use super::ProbeError;
use super::read::Reader;
use crate::facts::{CgroupFacts, FactsError, Feature, KernelFacts, KernelVersion, ProcStatus};
use crate::sys::probe::{Clone3, Question, answers, clone3, has_capability};
use crate::types::NamespaceKind;

pub(super) fn kernel(
    reader: &Reader,
    status: &ProcStatus,
    needed: &BTreeSet<NamespaceKind>,
) -> Result<KernelFacts, ProbeError> {
    let names = uname().map_err(|errno| ProbeError::call("uname", errno))?;
    let release = names.release().to_string_lossy().into_owned();
    let version = KernelVersion::parse(&release).ok_or_else(|| FactsError {
        file: "uname -r",
        line: 0,
        column: 0,
        problem: format!("expected a version, found `{release}`"),
    })?;
    let has_namespace = |kind: &NamespaceKind| reader.own_has(&format!("ns/{kind}"));
    let namespaces: BTreeSet<_> = needed.iter().copied().filter(has_namespace).collect();
    let clone3 = clone3();
    let has = |feature: &Feature| match feature {
        Feature::AmbientCapabilities => status.ambient.is_some(),
        // A file of cgroups that are not the root, so it may be out of sight; `cgroup_kill` looks closer.
        Feature::CgroupKill => version >= feature.since(),
        Feature::Clone3 => clone3 >= Clone3::Plain,
        Feature::ClearSighand => clone3 >= Clone3::SetTid,
        Feature::CloneIntoCgroup => clone3 >= Clone3::Cgroup,
        Feature::CloseRange => answers(Question::CLOSE_RANGE),
        Feature::CloseRangeCloexec => answers(Question::CLOSE_RANGE_CLOEXEC),
        Feature::DetachedMounts => answers(Question::OPEN_TREE) && answers(Question::FSCONFIG),
        Feature::MountSetattr => answers(Question::MOUNT_SETATTR),
        Feature::Openat2 => answers(Question::OPENAT2),
        Feature::Pidfd => answers(Question::PIDFD_OPEN) && answers(Question::PIDFD_SEND_SIGNAL),
        Feature::Seccomp => answers(Question::SECCOMP_FILTER),
        Feature::SeccompNotify => answers(Question::SECCOMP_NOTIFY),
        Feature::SeccompWaitKillable => answers(Question::SECCOMP_WAIT_KILLABLE),
        Feature::TimeNamespace => namespaces.contains(&NamespaceKind::Time),
    };
    let features = Feature::ALL.iter().copied().filter(has).collect();
    let machine = names.machine().to_string_lossy().into_owned();
    Ok(KernelFacts {
        release,
        version,
        machine,
        last_capability: last_capability(),
        suid_dumpable: 0,
        namespaces,
        features,
    })
}

/// The highest capability, looked for from the newest that we know.
fn last_capability() -> u8 {
    let mut last = 40;
    while last > 0 && !has_capability(last) {
        last -= 1;
    }
    while last < 63 && has_capability(last + 1) {
        last += 1;
    }
    last
}

/// Corrects [`Feature::CgroupKill`] where the caller's v2 cgroup is in sight and is not the root, which has no such file.
pub(super) fn cgroup_kill(kernel: &mut KernelFacts, cgroup: &CgroupFacts) {
    let Some(unified) = &cgroup.unified else {
        return;
    };
    let Some(dir) = unified.directory(&unified.caller) else {
        return;
    };
    // Every cgroup but the root has a type: its absence says that the caller sits at the root of the tree.
    let has = |name: &str| access(dir.child(name).as_str(), AccessFlags::F_OK);
    if has("cgroup.type").is_err() {
        return;
    }
    match has("cgroup.kill") {
        Ok(()) => drop(kernel.features.insert(Feature::CgroupKill)),
        Err(Errno::ENOENT) => drop(kernel.features.remove(&Feature::CgroupKill)),
        Err(_) => {}
    }
}
