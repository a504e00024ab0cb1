//! Vocabulary of system call filters.
//!
//! # References
//! OCI runtime-spec, `config-linux.md`, "Seccomp"; `seccomp(2)`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A system call filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// For calls that no rule names.
    pub default_action: SeccompAction,
    /// Architectures beside the native one, which is always meant. Calls of any other kill the thread.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<SeccompArch>,
    /// How the kernel takes the filter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SeccompFlag>,
    /// Socket of the agent that answers notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Text handed to that agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// Rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SeccompRule>,
}

impl Seccomp {
    /// A profile that allows everything.
    pub(super) const fn of_everything() -> Self {
        Self {
            default_action: SeccompAction::Allow,
            architectures: Vec::new(),
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            rules: Vec::new(),
        }
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeccompAction {
    /// It runs.
    Allow,
    /// It fails with this errno.
    Errno(u16),
    /// The process dies of `SIGSYS`.
    KillProcess,
    /// The thread dies.
    KillThread,
    /// It runs and is logged.
    Log,
    /// An agent decides, which is given the container's listener.
    Notify,
    /// A tracer decides; the number is handed to it.
    Trace(u16),
    /// The thread gets `SIGSYS`.
    Trap,
}

/// One rule: these calls, when every argument condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeccompRule {
    /// Names of system calls, at least one. Digits are a number of the native architecture's.
    pub names: Vec<String>,
    /// What happens.
    pub action: SeccompAction,
    /// Conditions, joined by "and"; two on one argument make each of the conditions a rule of its own, as in runc and crun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<SeccompArg>,
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeccompArg {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// How it is compared.
    pub op: SeccompOperator,
    /// With what; the mask for `MaskedEqual`.
    pub value: u64,
    /// The masked value for `MaskedEqual`.
    pub value_two: u64,
}

/// A comparison of unsigned numbers: of 64 bits, or of the lower 32 on architectures whose calls take 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeccompOperator {
    /// `==`
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>`
    GreaterThan,
    /// `<=`
    LessEqual,
    /// `<`
    LessThan,
    /// `(argument & value) == (value_two & value)`
    MaskedEqual,
    /// `!=`
    NotEqual,
}

impl SeccompOperator {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Equal,
        Self::GreaterEqual,
        Self::GreaterThan,
        Self::LessEqual,
        Self::LessThan,
        Self::MaskedEqual,
        Self::NotEqual,
    ];
}

macro_rules! words {
    ($(#[$outer:meta])* $Name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name {
            $($(#[$inner])* $variant,)*
        }

        impl $Name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word of the OCI runtime-spec.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What the word means; `None` for a word that is none.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                let unknown = || de::Error::custom(alloc::format!("`{word}`: no such word"));
                Self::from_name(&word).ok_or_else(unknown)
            }
        }
    };
}

words! {
    /// A calling convention with its table of system calls.
    SeccompArch {
        /// 64-bit x86.
        X86_64 = "SCMP_ARCH_X86_64",
        /// 32-bit x86.
        X86 = "SCMP_ARCH_X86",
        /// 64-bit x86 with 32-bit pointers.
        X32 = "SCMP_ARCH_X32",
        /// 64-bit ARM.
        Aarch64 = "SCMP_ARCH_AARCH64",
        /// 32-bit ARM.
        Arm = "SCMP_ARCH_ARM",
        /// 64-bit RISC-V.
        Riscv64 = "SCMP_ARCH_RISCV64",
        /// 64-bit `LoongArch`.
        Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        /// 64-bit s390.
        S390x = "SCMP_ARCH_S390X",
        /// 31-bit s390.
        S390 = "SCMP_ARCH_S390",
        /// 64-bit `PowerPC`, little-endian.
        Ppc64le = "SCMP_ARCH_PPC64LE",
        /// 64-bit `PowerPC`, big-endian.
        Ppc64 = "SCMP_ARCH_PPC64",
        /// 32-bit `PowerPC`.
        Ppc = "SCMP_ARCH_PPC",
        /// MIPS, o32, big-endian.
        Mips = "SCMP_ARCH_MIPS",
        /// MIPS, n64, big-endian.
        Mips64 = "SCMP_ARCH_MIPS64",
        /// MIPS, n32, big-endian.
        Mips64n32 = "SCMP_ARCH_MIPS64N32",
        /// MIPS, o32, little-endian.
        Mipsel = "SCMP_ARCH_MIPSEL",
        /// MIPS, n64, little-endian.
        Mipsel64 = "SCMP_ARCH_MIPSEL64",
        /// MIPS, n32, little-endian.
        Mipsel64n32 = "SCMP_ARCH_MIPSEL64N32",
    }
}

words! {
    /// How the kernel takes a filter, `seccomp(2)`.
    SeccompFlag {
        /// For all threads of the process. There is only one while a container starts, so it changes nothing.
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC",
        /// Everything but "allow" is logged (Linux 4.14).
        Log = "SECCOMP_FILTER_FLAG_LOG",
        /// Without the mitigation of speculative store bypass (Linux 4.17).
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        /// A call that waits for the agent is only interrupted by what kills (Linux 5.19).
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}
