//! Capabilities by name and number, and sets of them, also of those that this program does not know by name.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize, de};

/// One capability, by its number in `linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

/// Names without `CAP_`, by number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

impl Capability {
    /// Change owners of files.
    pub const CHOWN: Self = Self(0);
    /// Pass permission checks of files.
    pub const DAC_OVERRIDE: Self = Self(1);
    /// Pass permission checks for reading and searching.
    pub const DAC_READ_SEARCH: Self = Self(2);
    /// Send signals to any process.
    pub const KILL: Self = Self(5);
    /// Change group ids and write gid maps.
    pub const SETGID: Self = Self(6);
    /// Change user ids and write uid maps.
    pub const SETUID: Self = Self(7);
    /// Drop from the bounding set.
    pub const SETPCAP: Self = Self(8);
    /// Configure networks.
    pub const NET_ADMIN: Self = Self(12);
    /// Trace any process.
    pub const SYS_PTRACE: Self = Self(19);
    /// Mount, make namespaces, and much more.
    pub const SYS_ADMIN: Self = Self(21);
    /// Raise priorities, also those of real time.
    pub const SYS_NICE: Self = Self(23);
    /// Raise hard limits, lower `oom_score_adj`.
    pub const SYS_RESOURCE: Self = Self(24);
    /// Make device nodes.
    pub const MKNOD: Self = Self(27);
    /// Load BPF programs (Linux 5.8; `SYS_ADMIN` before).
    pub const BPF: Self = Self(39);

    /// The capability of that number; a set has room for 64.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number < 64 { Some(Self(number)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// All capabilities known by name.
    pub fn named() -> impl Iterator<Item = Self> {
        (0u8..41).map(Self)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => write!(f, "CAP_{name}"),
            None => write!(f, "CAP_{}", self.0),
        }
    }
}

/// A text that names no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCapability;

impl fmt::Display for UnknownCapability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown capability")
    }
}

impl core::error::Error for UnknownCapability {}

impl FromStr for Capability {
    type Err = UnknownCapability;

    /// Takes `CAP_SYS_ADMIN`, `SYS_ADMIN` or either in lower case, and `CAP_<number>` for one without a name.
    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        let upper = text.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if let Some(at) = NAMES.iter().position(|name| *name == bare) {
            return u8::try_from(at).map(Self).map_err(|_| UnknownCapability);
        }
        let number: u8 = bare.parse().map_err(|_| UnknownCapability)?;
        let is_plain = upper.starts_with("CAP_") && bare.bytes().all(|b| b.is_ascii_digit());
        Self::from_number(number).filter(|_| is_plain && number > 40).ok_or(UnknownCapability)
    }
}

/// A set of capabilities; bit N is capability N, as in `/proc/PID/status`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CapSet(u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// The set with these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Every capability up to and including number `last` (`/proc/sys/kernel/cap_last_cap`).
    #[must_use]
    pub const fn up_to(last: u8) -> Self {
        if last >= 63 { Self(u64::MAX) } else { Self((1 << (last + 1)) - 1) }
    }

    /// Whether `capability` is in it.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.0) != 0
    }

    /// Whether every member is also in `other`.
    #[must_use]
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Members of both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Members of either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Members that are not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Adds one.
    pub const fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability.0;
    }

    /// Removes one.
    pub const fn remove(&mut self, capability: Capability) {
        self.0 &= !(1 << capability.0);
    }

    /// The members by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0u8..64).map(Capability).filter(move |&capability| self.contains(capability))
    }
}

impl FromIterator<Capability> for CapSet {
    fn from_iter<I: IntoIterator<Item = Capability>>(members: I) -> Self {
        let mut set = Self::EMPTY;
        for member in members {
            set.insert(member);
        }
        set
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|capability| format!("{capability}"))).finish()
    }
}

impl Serialize for CapSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|capability| format!("{capability}")))
    }
}

impl<'de> Deserialize<'de> for CapSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        names
            .iter()
            .map(|name| {
                name.parse().map_err(|_| {
                    de::Error::invalid_value(de::Unexpected::Str(name), &"a capability name")
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_usual_spelling_and_nothing_else_is() {
        assert_eq!("SYS_ADMIN".parse(), Ok(Capability::SYS_ADMIN));
        assert_eq!("cap_sys_admin".parse(), Ok(Capability::SYS_ADMIN));
        assert_eq!("CAP_47".parse(), Ok(Capability(47)));
        for wrong in ["", "CAP_", "SYS_ADMINS", "47", "CAP_7", "CAP_64", "CAP_+47"] {
            assert_eq!(wrong.parse::<Capability>(), Err(UnknownCapability), "{wrong}");
        }
    }

    #[test]
    fn up_to_counts_the_last_one_in() {
        assert_eq!(CapSet::up_to(40).bits(), 0x1ff_ffff_ffff);
        assert_eq!(CapSet::up_to(63).bits(), u64::MAX);
    }
}
