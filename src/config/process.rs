//! Vocabulary of the first process.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::types::{
    CapSet, IoClass, Resource, Rlimit, RootPath, SchedulerFlag, SchedulerPolicy, Signal,
};

/// The first process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Program and arguments. A program without a slash is looked up in the `PATH` of `env`, inside.
    pub args: Vec<String>,
    /// The complete environment, in order; `HOME` is added when missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Working directory inside.
    pub cwd: RootPath,
    /// Who it runs as.
    pub user: User,
    /// Whether the program is a child of a small init, which stays as the container's first process: it passes signals
    /// on, waits for orphans and ends with the program's exit code. Without it the program is the first process itself.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub init: bool,
    /// Whether it gets a terminal of its own.
    pub terminal: bool,
    /// Size of that terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// Capabilities; absent: none at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilitySets>,
    /// Whether `execve` may not grant privileges (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
    /// Resource limits; others are inherited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rlimits: BTreeMap<Resource, Rlimit>,
    /// `/proc/PID/oom_score_adj`, −1000 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// AppArmor profile entered at exec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
    /// SELinux context entered at exec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux_label: Option<String>,
    /// Signal the process gets when the launcher dies; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_death_signal: Option<Signal>,
    /// I/O priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// Scheduling policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// CPUs of a process that joins; without effect on the first process.
    #[serde(rename = "execCPUAffinity", default, skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<ExecCpuAffinity>,
}

/// One variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvVar {
    /// Name, without `=`.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Who a process runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// User and group.
    #[serde(flatten)]
    pub spec: UserSpec,
    /// Supplementary groups on top of those that `spec` brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
    /// More of them, by their names in the container's own `/etc/group`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_groups: Vec<String>,
    /// File mode creation mask; absent: 022.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
}

impl User {
    /// Whether the container's own `/etc/passwd` and `/etc/group` say who that is.
    #[must_use]
    pub fn is_in_accounts(&self) -> bool {
        matches!(self.spec, UserSpec::Named { .. }) || !self.additional_groups.is_empty()
    }
}

/// User and group, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UserSpec {
    /// By number, as inside the container; no file is read.
    Ids {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
    /// By the container's own `/etc/passwd` and `/etc/group`. A part made of digits only is always a number.
    Named {
        /// User name or number; absent: the user that the container's root would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Group name or number; absent: the user's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<String>,
    },
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// The five sets of capabilities.
///
/// # References
/// `capabilities(7)`, "Thread capability sets".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitySets {
    /// What `execve` may ever grant.
    pub bounding: CapSet,
    /// What counts now.
    pub effective: CapSet,
    /// What may become effective.
    pub permitted: CapSet,
    /// What survives `execve` of a file that asks for it.
    pub inheritable: CapSet,
    /// What survives `execve` of any file without set-user-id bit or file capabilities (Linux 4.3).
    pub ambient: CapSet,
}

/// I/O priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// Class.
    pub class: IoClass,
    /// 0 (highest) to 7.
    pub priority: u8,
}

/// Scheduling policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// Policy.
    pub policy: SchedulerPolicy,
    /// Nice value for `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: i32,
    /// Static priority for `SCHED_FIFO` and `SCHED_RR`.
    pub priority: u32,
    /// Flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<SchedulerFlag>,
    /// Nanoseconds of run time a period, `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds until the deadline.
    pub deadline: u64,
    /// Nanoseconds of a period.
    pub period: u64,
}

/// CPUs of a process that joins a container: lists like `0-3,8`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecCpuAffinity {
    /// Until it has entered the cgroup; absent: the launcher's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// From then on; absent: all that the cgroup has.
    #[serde(rename = "final", skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}
