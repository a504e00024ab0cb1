//! The kernel: its version, and which of the features that nsplan can use it has.

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::NamespaceKinds;

/// Version numbers of a kernel, ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
}

impl KernelVersion {
    /// A version.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The version at the beginning of what `uname -r` prints (`6.1.0-21-amd64`).
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = numbers.next()?.parse().ok()?;
        Some(Self { major, minor })
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KernelFacts {
    /// What `uname -r` prints.
    pub release: String,
    /// Its first two numbers.
    pub version: KernelVersion,
    /// What `uname -m` prints.
    pub machine: String,
    /// Number of the last capability (`/proc/sys/kernel/cap_last_cap`).
    pub last_capability: u8,
    /// Namespaces it has (`/proc/self/ns`).
    pub namespaces: NamespaceKinds,
    /// `/proc/sys/fs/suid_dumpable`, where it was asked for: what memory becomes by a change of ids.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub suid_dumpable: u8,
    /// Features that work here: asked of the kernel, since a filter or a backport makes a version lie.
    pub features: BTreeSet<Feature>,
}

// What serde calls takes a reference.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(value: &u8) -> bool {
    *value == 0
}

macro_rules! features {
    ($($variant:ident = $major:literal . $minor:literal, $name:literal, $without:literal;)*) => {
        /// Something a kernel may or may not have, with the version that brought it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Feature {
            $(#[doc = concat!("`", $name, "`, Linux ", $major, ".", $minor, ". Without it: ", $without, ".")]
              #[serde(rename = $name)]
              $variant,)*
        }

        impl Feature {
            /// All features, by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in facts files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The first kernel that has it.
            #[must_use]
            pub const fn since(self) -> KernelVersion {
                match self { $(Self::$variant => KernelVersion::new($major, $minor),)* }
            }

            /// What is done, or refused, without it.
            #[must_use]
            pub const fn without(self) -> &'static str {
                match self { $(Self::$variant => $without,)* }
            }
        }
    };
}

features! {
    AmbientCapabilities = 4 . 3, "ambient-capabilities", "ambient capabilities are refused";
    CgroupKill = 5 . 14, "cgroup.kill", "processes left in a cgroup are killed one by one";
    ClearSighand = 5 . 5, "clone-clear-sighand", "the child resets its signal handlers one by one";
    Clone3 = 5 . 3, "clone3", "clone(2), and a cgroup v2 is joined by a write";
    CloneIntoCgroup = 5 . 7, "clone-into-cgroup", "a cgroup v2 is joined by a write";
    CloseRange = 5 . 9, "close_range", "descriptors are closed one by one";
    CloseRangeCloexec = 5 . 11, "close-range-cloexec", "descriptors are closed one by one";
    DetachedMounts = 5 . 2, "mount-api", "mount(2) on /proc/self/fd";
    MountSetattr = 5 . 12, "mount_setattr", "a recursive attribute is set mount by mount, an id-mapped mount is refused";
    Openat2 = 5 . 6, "openat2", "paths inside the root are walked part by part";
    Pidfd = 5 . 3, "pidfd", "the process is known by its pid and start time";
    Seccomp = 3 . 17, "seccomp", "a filter is refused";
    SeccompNotify = 5 . 0, "seccomp-notify", "a filter that asks an agent is refused";
    SeccompWaitKillable = 5 . 19, "seccomp-wait-killable", "a filter with that flag is refused";
    TimeNamespace = 5 . 6, "time-namespace", "a time namespace is refused";
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl KernelFacts {
    /// The features a kernel of that version has when nothing was taken from it: for fixtures and for planning from a
    /// version alone. A running kernel is asked instead.
    #[must_use]
    pub fn features_since(version: KernelVersion) -> BTreeSet<Feature> {
        Feature::ALL.iter().copied().filter(|feature| feature.since() <= version).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_begins_with_its_version() {
        assert_eq!(KernelVersion::parse("6.1.0-21-amd64"), Some(KernelVersion::new(6, 1)));
        assert_eq!(KernelVersion::parse("7.0-rc1"), Some(KernelVersion::new(7, 0)));
        assert_eq!(KernelVersion::parse("six"), None);
        assert_eq!(KernelVersion::parse("6"), None);
    }
}
