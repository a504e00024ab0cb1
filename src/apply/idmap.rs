//! Id maps are written for a process, by the launcher or by a helper with the right to do so.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString as _};
use std::process::{Command, Stdio};

use super::error::Cause;
use crate::plan::IdKind;
use crate::sys::abi::{self, O_NOFOLLOW, O_WRONLY};
use crate::sys::process::Pid;
use crate::sys::{Fault, Fd, Outcome, Sysno, fd};
use crate::types::{Errno, HostPath, IdMap};

/// The file's name below `/proc/PID`.
const fn file(kind: IdKind) -> &'static str {
    match kind {
        IdKind::Uid => "uid_map",
        IdKind::Gid => "gid_map",
    }
}

/// `deny` to `/proc/PID/setgroups`.
pub(crate) fn deny_setgroups(pid: Pid) -> Outcome {
    write(pid, "setgroups", b"deny")
}

/// A map in one `write(2)`.
pub(crate) fn write_map(pid: Pid, kind: IdKind, map: &IdMap) -> Outcome {
    write(pid, file(kind), map.to_proc_text().as_bytes())
}

/// The process was not waited for yet, so its number cannot be another's.
fn write(pid: Pid, name: &str, value: &[u8]) -> Outcome {
    let path = CString::new(format!("/proc/{}/{name}", pid.number()))
        .map_err(|_| Fault::new(Sysno::openat, Errno::EINVAL))?;
    let file = fd::openat(Fd::CWD, &path, O_WRONLY | O_NOFOLLOW, 0)?;
    if fd::fstatfs(file.fd())?.magic != abi::PROC_SUPER_MAGIC {
        return Err(Fault::new(Sysno::fstatfs, Errno::EXDEV));
    }
    fd::write(file.fd(), value)
}

/// `newuidmap PID inside outside count…`.
pub(crate) fn run_helper(pid: Pid, program: &HostPath, map: &IdMap) -> Result<(), Cause> {
    let ranges = map.ranges().iter();
    let numbers = ranges.flat_map(|range| [range.container_id, range.host_id, range.size]);
    let output = Command::new(program.as_str())
        .arg(pid.number().to_string())
        .args(numbers.map(|number| number.to_string()))
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Cause::Helper { message: format!("{program}: {error}") })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let message = match said.trim() {
        "" => format!("{program}: {}", output.status),
        said => format!("{program}: {}", said.replace('\n', "; ")),
    };
    Err(Cause::Helper { message })
}
