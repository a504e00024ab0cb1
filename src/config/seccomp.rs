//! Vocabulary of system call filters.
//!
//! # References
//! OCI runtime-spec, `config-linux.md`, "Seccomp"; `seccomp(2)`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

/// A system call filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// For calls that no rule names.
    pub default_action: SeccompAction,
    /// `SCMP_ARCH_*` names beside the native architecture.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_*` names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Socket of the agent that answers notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Text handed to that agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// Rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SeccompRule>,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// An agent decides.
    Notify,
    /// A tracer decides; the number is handed to it.
    Trace(u16),
    /// The thread gets `SIGSYS`.
    Trap,
}

/// One rule: these calls, when every argument condition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeccompRule {
    /// Names of system calls, at least one.
    pub names: Vec<String>,
    /// What happens.
    pub action: SeccompAction,
    /// Conditions, joined by "and".
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<SeccompArg>,
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// A comparison of unsigned 64-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// `(argument & value) == value_two`
    MaskedEqual,
    /// `!=`
    NotEqual,
}
