//! The environment of a container's program becomes that of the calling process.

use std::ffi::OsStr;

use super::stage::StageError;
use crate::config::EnvVar;
use crate::sys::{Fault, Sysno, environment};
use crate::types::Errno;

/// Replaces the environment of the calling process; of two variables of one name the later one counts.
///
/// # Errors
/// In a program with several threads, where nothing could keep the others from reading it meanwhile; and when a name is
/// empty or holds `=`, or a text holds NUL. Nothing is changed then.
pub fn replace_environment(variables: &[EnvVar]) -> Result<(), StageError> {
    let is_odd = |variable: &EnvVar| {
        variable.name.is_empty()
            || variable.name.contains(['=', '\0'])
            || variable.value.contains('\0')
    };
    if variables.iter().any(is_odd) {
        return Err(Fault::new(Sysno::execve, Errno::EINVAL).into());
    }
    let pairs =
        variables.iter().map(|variable| (OsStr::new(&variable.name), OsStr::new(&variable.value)));
    environment::replace(pairs).map_err(|count| StageError::Threads { count })
}
