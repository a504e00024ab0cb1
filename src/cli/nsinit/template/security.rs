//! What the levels of `--security` stand for.
//!
//! Pure.

use super::super::super::report::Problem;

/// What a container's root usually has.
pub(super) const LOW: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Enough to install packages.
const MEDIUM: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
];
/// Enough for a service that is installed.
const HIGH: &[&str] = &["AUDIT_WRITE", "KILL", "NET_BIND_SERVICE"];

/// The capabilities of a level.
pub(super) fn level(name: &str) -> Result<&'static [&'static str], Problem> {
    match name {
        "low" => Ok(LOW),
        "medium" => Ok(MEDIUM),
        "high" => Ok(HIGH),
        _ => Err(Problem::new("expected `high`, `medium` or `low`")),
    }
}
