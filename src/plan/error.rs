//! Why something cannot be planned, and what a plan does differently from what was asked.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::facts::{AccountError, Feature, KernelVersion};
use crate::types::{CapSet, HostPath, NamespaceKind, Pointer, Resource, RootPath};

/// One refusal: which part of the config, and what about the host or the config forbids it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The part of the config.
    pub origin: Pointer,
    /// Why.
    pub refusal: Refusal,
}

/// Something worth knowing about a plan that is carried out all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The part of the config.
    #[serde(rename = "for")]
    pub origin: Pointer,
    /// What.
    pub text: String,
}

/// What stands against a part of a config. User data only in strings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The config has no first process, or it has no program.
    NoProgram,
    /// Planning this needs a section of the facts that was not looked at.
    FactMissing {
        /// The section, by its name in the facts file.
        section: &'static str,
    },
    /// The kernel has no such namespaces.
    NamespaceMissing {
        /// Which.
        kind: NamespaceKind,
    },
    /// User namespaces are forbidden here.
    UserNamespacesForbidden {
        /// By what.
        by: UsernsBar,
    },
    /// The caller lacks capabilities.
    CapabilityMissing {
        /// Which of those it would need.
        missing: CapSet,
        /// For what.
        purpose: &'static str,
    },
    /// The kernel lacks a feature, and there is no other safe way.
    FeatureMissing {
        /// Which.
        feature: Feature,
        /// The running kernel.
        kernel: KernelVersion,
    },
    /// Something can only be done in a namespace of the container's own, which the config does not create.
    NeedsNamespace {
        /// Which.
        kind: NamespaceKind,
    },
    /// Two parts of the config contradict each other.
    Contradiction {
        /// How.
        reason: &'static str,
    },
    /// A created user namespace does not map an id that is needed.
    IdNotMapped {
        /// `user` or `group`.
        what: &'static str,
        /// The id inside.
        id: u32,
    },
    /// The caller may not map these ids.
    IdsNotGranted {
        /// The file that grants: `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// First id outside.
        first: u32,
        /// How many.
        count: u32,
        /// What is granted.
        granted: Vec<(u32, u32)>,
    },
    /// Ids are granted, but the program that maps them is not installed.
    MapHelperMissing {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
    },
    /// Supplementary groups are asked for where `setgroups(2)` is denied.
    SetgroupsDenied,
    /// No controller enforces the limit.
    ControllerMissing {
        /// Which.
        controller: &'static str,
    },
    /// The controller exists, but the caller's cgroup cannot pass it on to a child.
    ControllerNotDelegated {
        /// Which.
        controller: String,
        /// The caller's cgroup.
        directory: String,
    },
    /// The controller exists, but not on this cgroup version, in this form.
    LimitUnsupported {
        /// The controller and the version that lacks it.
        what: &'static str,
    },
    /// A limit has a value that the kernel refuses.
    LimitInvalid {
        /// What was expected.
        expected: &'static str,
    },
    /// The caller may not make the cgroup.
    CgroupDenied {
        /// The directory that is not writable.
        directory: String,
    },
    /// A scope is asked for, and nobody can be asked.
    SystemdMissing {
        /// Whether systemd runs here at all.
        is_running: bool,
    },
    /// A security module is asked for that this host does not run.
    ModuleMissing {
        /// Its name.
        module: &'static str,
    },
    /// A host path does not exist.
    PathMissing {
        /// The path.
        path: HostPath,
    },
    /// A host path may not be looked at by the caller.
    PathDenied {
        /// The path.
        path: HostPath,
    },
    /// A host path is not a directory.
    NotDirectory {
        /// The path.
        path: HostPath,
    },
    /// Nothing may be mounted there: it would shadow what nsplan itself relies on.
    UnsafeTarget {
        /// The target.
        path: RootPath,
    },
    /// The user or group cannot be resolved with the container's accounts.
    Account(AccountError),
    /// A hard limit above the caller's.
    LimitAboveHard {
        /// Which.
        resource: Resource,
        /// The caller's hard limit.
        hard: u64,
    },
    /// A text that becomes a C string holds a NUL byte.
    NulByte,
    /// This version of nsplan does not carry it out.
    NotSupported {
        /// What.
        what: &'static str,
    },
}

/// What forbids user namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernsBar {
    /// `user.max_user_namespaces` is 0.
    Max,
    /// `kernel.unprivileged_userns_clone` is 0 and the caller has no privilege.
    Sysctl,
    /// AppArmor takes their capabilities away (`kernel.apparmor_restrict_unprivileged_userns`).
    Apparmor,
}

impl fmt::Display for UsernsBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Max => "user.max_user_namespaces = 0",
            Self::Sysctl => "kernel.unprivileged_userns_clone = 0",
            Self::Apparmor => "kernel.apparmor_restrict_unprivileged_userns = 1",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => f.write_str("no program to run"),
            Self::FactMissing { section } => {
                write!(f, "the facts of the host have no `{section}`")
            }
            Self::NamespaceMissing { kind } => write!(f, "this kernel has no {kind} namespaces"),
            Self::UserNamespacesForbidden { by } => {
                write!(f, "user namespaces are forbidden here: {by}")
            }
            Self::CapabilityMissing { missing, purpose } => {
                write!(f, "{purpose} needs")?;
                write_capabilities(f, *missing)?;
                f.write_str(", which the caller does not have")
            }
            Self::FeatureMissing { feature, kernel } => write!(
                f,
                "needs {feature} (Linux {}), which this kernel ({kernel}) does not offer",
                feature.since()
            ),
            Self::NeedsNamespace { kind } => {
                write!(f, "needs a {kind} namespace of the container's own")
            }
            Self::Contradiction { reason } => f.write_str(reason),
            Self::IdNotMapped { what, id } => {
                write!(f, "{what} {id} is not mapped in the container's user namespace")
            }
            Self::IdsNotGranted { file, first, count, granted } => {
                write_grant(f, file, *first, *count, granted)
            }
            Self::MapHelperMissing { program } => {
                write!(f, "`{program}` is not installed, and only it may map more than one id here")
            }
            Self::SetgroupsDenied => f.write_str(
                "supplementary groups cannot be set: setgroups is denied in this user namespace",
            ),
            other => other.fmt_rest(f),
        }
    }
}

impl Refusal {
    /// The later half of the sentences: cgroups, paths, accounts, limits.
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ControllerMissing { controller } => {
                write!(f, "no cgroup controller `{controller}` here to enforce it")
            }
            Self::ControllerNotDelegated { controller, directory } => {
                write!(
                    f,
                    "the cgroup controller `{controller}` cannot be enabled below {directory}"
                )
            }
            Self::LimitUnsupported { what } => write!(f, "{what}"),
            Self::LimitInvalid { expected } => write!(f, "expected {expected}"),
            Self::CgroupDenied { directory } => {
                write!(f, "the caller may not make cgroups in {directory}")
            }
            Self::SystemdMissing { is_running: false } => {
                f.write_str("systemd does not run on this host")
            }
            Self::SystemdMissing { is_running: true } => {
                f.write_str("systemd does not answer the caller on its bus")
            }
            Self::ModuleMissing { module } => write!(f, "{module} is not active on this host"),
            Self::PathMissing { path } => write!(f, "{path} does not exist"),
            Self::PathDenied { path } => write!(f, "{path} may not be looked at by the caller"),
            Self::NotDirectory { path } => write!(f, "{path} is not a directory"),
            Self::UnsafeTarget { path } => write!(f, "nothing may be mounted on {path}"),
            Self::Account(error) => write!(f, "{error}"),
            Self::LimitAboveHard { resource, hard } => write!(
                f,
                "{resource} cannot be raised above the caller's hard limit of {hard} without CAP_SYS_RESOURCE"
            ),
            Self::NulByte => f.write_str("holds a NUL byte, which no C string can"),
            Self::NotSupported { what } => {
                write!(f, "{what} cannot be carried out by this version")
            }
            // The earlier half is `Display` itself.
            _ => Ok(()),
        }
    }
}

fn write_capabilities(f: &mut fmt::Formatter<'_>, set: CapSet) -> fmt::Result {
    for (at, capability) in set.iter().enumerate() {
        f.write_str(if at == 0 { " " } else { ", " })?;
        write!(f, "{capability}")?;
    }
    Ok(())
}

fn write_grant(
    f: &mut fmt::Formatter<'_>,
    file: &str,
    first: u32,
    count: u32,
    granted: &[(u32, u32)],
) -> fmt::Result {
    let last = u64::from(first) + u64::from(count) - 1;
    write!(f, "ids {first}..{last} are not granted to the caller: {file} grants ")?;
    if granted.is_empty() {
        return f.write_str("none");
    }
    for (at, (first, count)) in granted.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { ", " })?;
        write!(f, "{first}..{}", u64::from(*first) + u64::from(*count) - 1)?;
    }
    Ok(())
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.refusal)
    }
}

impl core::error::Error for PlanError {}
