//! Names and numbers of what a process carries: resource limits and signals.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! resources {
    ($($variant:ident = $number:literal, $name:literal, $meaning:literal;)*) => {
        /// A resource of `setrlimit(2)`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Resource {
            $(#[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl Resource {
            /// All resources, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The constant's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The constant's value.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }
        }
    };
}

resources! {
    Cpu = 0, "RLIMIT_CPU", "CPU time in seconds.";
    Fsize = 1, "RLIMIT_FSIZE", "Size of a file in bytes.";
    Data = 2, "RLIMIT_DATA", "Size of the data segment in bytes.";
    Stack = 3, "RLIMIT_STACK", "Size of the stack in bytes.";
    Core = 4, "RLIMIT_CORE", "Size of a core file in bytes.";
    Rss = 5, "RLIMIT_RSS", "Resident memory in bytes; without effect since Linux 2.4.30.";
    Nproc = 6, "RLIMIT_NPROC", "Processes of the real user id.";
    Nofile = 7, "RLIMIT_NOFILE", "Open file descriptors, one more than the highest.";
    Memlock = 8, "RLIMIT_MEMLOCK", "Locked memory in bytes.";
    As = 9, "RLIMIT_AS", "Address space in bytes.";
    Locks = 10, "RLIMIT_LOCKS", "File locks; without effect since Linux 2.4.25.";
    Sigpending = 11, "RLIMIT_SIGPENDING", "Queued signals of the real user id.";
    Msgqueue = 12, "RLIMIT_MSGQUEUE", "POSIX message queues in bytes.";
    Nice = 13, "RLIMIT_NICE", "Ceiling of the nice value, as 20 minus it.";
    Rtprio = 14, "RLIMIT_RTPRIO", "Ceiling of the real-time priority.";
    Rttime = 15, "RLIMIT_RTTIME", "Real-time CPU time without blocking, in microseconds.";
}

impl Resource {
    /// The resource of that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|resource| resource.number() == number)
    }

    /// The resource of that name (`RLIMIT_NOFILE`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|resource| resource.name() == name)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A limit: the kernel enforces `soft`, a process may raise it up to `hard`. `u64::MAX` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rlimit {
    /// What is enforced.
    pub soft: u64,
    /// The ceiling.
    pub hard: u64,
}

/// A signal by number, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Signal(u8);

/// Names without `SIG`, by number, from 1; the generic numbering (all but alpha, mips, parisc, sparc).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

impl Signal {
    /// `SIGKILL`.
    pub const KILL: Self = Self(9);
    /// `SIGTERM`.
    pub const TERM: Self = Self(15);

    /// What a shell adds to the number of the signal that has ended a program, to make an exit code of it.
    pub const EXIT_OFFSET: u8 = 128;

    /// The signal of that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        if number >= 1 && number <= 64 { Some(Self(number)) } else { None }
    }

    /// The signal of that name, with or without `SIG`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let at = SIGNALS.iter().position(|known| *known == bare)?;
        u8::try_from(at + 1).ok().map(Self)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SIGNALS.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl From<Signal> for u8 {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

impl TryFrom<u8> for Signal {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, &'static str> {
        Self::from_number(number).ok_or("signal numbers go from 1 to 64")
    }
}
