//! Names and numbers of how a process is treated: scheduling, I/O priority, NUMA memory policy, execution domain.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:expr, $text:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $(#[doc = $meaning] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The constant's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The constant's value.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(Self::$variant => $number,)* }
            }

            /// The one of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.name() == name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// A scheduling policy, `sched(7)`.
    SchedulerPolicy {
        Other = 0, "SCHED_OTHER", "Time sharing.";
        Fifo = 1, "SCHED_FIFO", "Real time, first in, first out.";
        Rr = 2, "SCHED_RR", "Real time, in turns.";
        Batch = 3, "SCHED_BATCH", "Time sharing of what computes.";
        Iso = 4, "SCHED_ISO", "Reserved by the kernel, which implements it nowhere.";
        Idle = 5, "SCHED_IDLE", "Only what nobody else wants.";
        Deadline = 6, "SCHED_DEADLINE", "A share of every period before a deadline (Linux 3.14).";
    }
}

words! {
    /// A flag of `sched_setattr(2)`.
    SchedulerFlag {
        ResetOnFork = 0x01, "SCHED_FLAG_RESET_ON_FORK", "Children begin with the default policy.";
        Reclaim = 0x02, "SCHED_FLAG_RECLAIM", "Unused time of others may be taken (Linux 4.13).";
        DlOverrun = 0x04, "SCHED_FLAG_DL_OVERRUN", "`SIGXCPU` on an overrun (Linux 4.16).";
        KeepPolicy = 0x08, "SCHED_FLAG_KEEP_POLICY", "The policy stays as it is (Linux 5.3).";
        KeepParams = 0x10, "SCHED_FLAG_KEEP_PARAMS", "The parameters stay as they are (Linux 5.3).";
        UtilClampMin = 0x20, "SCHED_FLAG_UTIL_CLAMP_MIN", "Sets the lower clamp of utilisation (Linux 5.3).";
        UtilClampMax = 0x40, "SCHED_FLAG_UTIL_CLAMP_MAX", "Sets the upper clamp of utilisation (Linux 5.3).";
    }
}

words! {
    /// A class of I/O priority, `ioprio_set(2)`.
    IoClass {
        RealTime = 1, "IOPRIO_CLASS_RT", "First, whatever others wait for.";
        BestEffort = 2, "IOPRIO_CLASS_BE", "In turns, by priority.";
        Idle = 3, "IOPRIO_CLASS_IDLE", "Only when nobody else wants the device.";
    }
}

words! {
    /// A NUMA memory policy, `set_mempolicy(2)`.
    MemoryPolicyMode {
        Default = 0, "MPOL_DEFAULT", "The node of the CPU that runs.";
        Preferred = 1, "MPOL_PREFERRED", "One node first, then others.";
        Bind = 2, "MPOL_BIND", "These nodes only.";
        Interleave = 3, "MPOL_INTERLEAVE", "Page by page over these nodes.";
        Local = 4, "MPOL_LOCAL", "The node of the CPU that asks (Linux 3.8).";
        PreferredMany = 5, "MPOL_PREFERRED_MANY", "These nodes first, then others (Linux 5.15).";
        WeightedInterleave = 6, "MPOL_WEIGHTED_INTERLEAVE", "Over these nodes by their weights (Linux 6.9).";
    }
}

words! {
    /// A flag of `set_mempolicy(2)`.
    MemoryPolicyFlag {
        NumaBalancing = 1 << 13, "MPOL_F_NUMA_BALANCING", "Pages may move to where they are used (Linux 5.12).";
        RelativeNodes = 1 << 14, "MPOL_F_RELATIVE_NODES", "Nodes are counted within the cpuset.";
        StaticNodes = 1 << 15, "MPOL_F_STATIC_NODES", "Nodes are not renumbered when the cpuset changes.";
    }
}

words! {
    /// An execution domain, `personality(2)`.
    PersonalityDomain {
        Linux = 0x0, "LINUX", "What the kernel was built for.";
        Linux32 = 0x8, "LINUX32", "`uname(2)` names a 32-bit machine.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_its_name_and_no_other() {
        assert_eq!(SchedulerPolicy::from_name("SCHED_RR"), Some(SchedulerPolicy::Rr));
        assert_eq!(SchedulerPolicy::from_name("SCHED_rr"), None);
        assert_eq!(MemoryPolicyFlag::StaticNodes.number(), 0x8000);
        assert_eq!(PersonalityDomain::Linux32.number(), 8);
    }
}
