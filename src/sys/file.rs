//! Names in directories: made, removed, entered.

use core::ffi::CStr;

use super::abi;
use super::fd::Fd;
use super::raw::{Fault, Outcome, Sysno, call};
use crate::types::Errno;

/// `mkdirat(2)`.
pub(crate) fn mkdirat(dir: Fd, name: &CStr, mode: u32) -> Outcome {
    // SAFETY: `name` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(mkdirat, dir, name, mode) }.map(drop)
}

/// `mknodat(2)`; `mode` has the file type, `device` is encoded as [`crate::types::DeviceNumber::encode`] does.
pub(crate) fn mknodat(dir: Fd, name: &CStr, mode: u32, device: u32) -> Outcome {
    // SAFETY: `name` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(mknodat, dir, name, mode, device) }.map(drop)
}

/// `symlinkat(2)`.
pub(crate) fn symlinkat(text: &CStr, dir: Fd, name: &CStr) -> Outcome {
    // SAFETY: both strings are NUL-terminated and borrowed for the call; they are only read.
    unsafe { call!(symlinkat, text, dir, name) }.map(drop)
}

/// `renameat2(2)` within a directory, without flags: what had the new name is gone in the same moment.
pub(crate) fn rename(dir: Fd, from: &CStr, to: &CStr) -> Outcome {
    // SAFETY: both names are NUL-terminated and borrowed for the call; they are only read.
    unsafe { call!(renameat2, dir, from, dir, to, 0_u32) }.map(drop)
}

/// `unlinkat(2)` of something that is not a directory.
pub(crate) fn unlinkat(dir: Fd, name: &CStr) -> Outcome {
    // SAFETY: `name` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(unlinkat, dir, name, 0_u32) }.map(drop)
}

/// `unlinkat(AT_REMOVEDIR)`.
pub(crate) fn rmdir(path: &CStr) -> Outcome {
    rmdirat(Fd::CWD, path)
}

/// `unlinkat(AT_REMOVEDIR)` of a name in a directory.
pub(crate) fn rmdirat(dir: Fd, name: &CStr) -> Outcome {
    // SAFETY: `name` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(unlinkat, dir, name, abi::AT_REMOVEDIR) }.map(drop)
}

/// `fchownat(2)` of the name itself, also when it is a symbolic link.
pub(crate) fn fchownat(dir: Fd, name: &CStr, uid: u32, gid: u32) -> Outcome {
    // SAFETY: `name` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(fchownat, dir, name, uid, gid, abi::AT_SYMLINK_NOFOLLOW) }.map(drop)
}

/// `fchown(2)`: of the user alone.
pub(crate) fn fchown(file: Fd, uid: u32) -> Outcome {
    // SAFETY: no pointer is passed; -1 leaves the group as it is.
    unsafe { call!(fchown, file, uid, u32::MAX) }.map(drop)
}

/// `setxattr(2)`: makes or replaces an extended attribute of what the path leads to.
pub(crate) fn setxattr(path: &CStr, name: &CStr, value: &[u8]) -> Outcome {
    // SAFETY: both strings are NUL-terminated, `value` is readable for the length that is announced, and all three are
    // borrowed for the call and only read.
    unsafe { call!(setxattr, path, name, value.as_ptr(), value.len(), 0_u32) }.map(drop)
}

/// Whether `getxattr(2)` finds an extended attribute, whatever its value.
pub(crate) fn has_xattr(path: &CStr, name: &CStr) -> Outcome<bool> {
    // SAFETY: both strings are NUL-terminated and borrowed for the call; a length of 0 asks for the value's length and
    // writes nothing.
    match unsafe { call!(getxattr, path, name, 0_usize, 0_usize) } {
        Ok(_) => Ok(true),
        Err(fault) if fault.is(Errno::ENODATA) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// `faccessat2(X_OK, AT_EACCESS)` (Linux 5.8); before, `faccessat(2)`, which asks for the real ids.
pub(crate) fn may_execute(path: &CStr) -> Outcome {
    const X_OK: u32 = 1;
    // SAFETY: `path` is NUL-terminated and borrowed for the call; it is only read.
    match unsafe { call!(faccessat2, Fd::CWD, path, X_OK, abi::AT_EACCESS) } {
        Err(fault) if fault.is(Errno::ENOSYS) => {}
        answer => return answer.map(drop),
    }
    // SAFETY: as above.
    unsafe { call!(faccessat, Fd::CWD, path, X_OK) }.map(drop)
}

/// `lgetxattr(2)`: the length of an extended attribute of the name itself, and its value.
#[cfg(test)]
pub(crate) fn lgetxattr(path: &CStr, name: &CStr, value: &mut [u8]) -> Outcome<usize> {
    // SAFETY: both strings are NUL-terminated and borrowed for the call; `value` is writable for the length that is
    // announced, and nothing else refers to it.
    unsafe { call!(lgetxattr, path, name, value.as_mut_ptr(), value.len()) }
}

/// `umask(2)`, which cannot fail.
pub(crate) fn umask(mask: u32) -> Outcome {
    // SAFETY: takes a number; the mask is the child's own, since it is cloned without `CLONE_FS`.
    unsafe { call!(umask, mask) }.map(drop)
}

/// `chdir(2)`.
pub(crate) fn chdir(path: &CStr) -> Outcome {
    // SAFETY: `path` is NUL-terminated and borrowed for the call; the working directory is the child's own, since it
    // is cloned without `CLONE_FS`.
    unsafe { call!(chdir, path) }.map(drop)
}

/// `fchdir(2)`.
pub(crate) fn fchdir(dir: Fd) -> Outcome {
    // SAFETY: takes a number; the working directory is the child's own, since it is cloned without `CLONE_FS`.
    unsafe { call!(fchdir, dir) }.map(drop)
}

/// `chroot(2)`.
pub(crate) fn chroot(path: &CStr) -> Outcome {
    // SAFETY: `path` is NUL-terminated and borrowed for the call; the root is the child's own, since it is cloned
    // without `CLONE_FS`.
    unsafe { call!(chroot, path) }.map(drop)
}

/// `getcwd(2)`, of which only one thing is wanted: that the working directory is below the root. The kernel puts
/// `(unreachable)` before the path of one that is not.
pub(crate) fn is_cwd_below_root() -> Outcome<bool> {
    let mut path = [0_u8; 4096];
    // SAFETY: `path` is writable for the length that is announced, and nothing else refers to it.
    unsafe { call!(getcwd, path.as_mut_ptr(), path.len()) }?;
    Ok(path.first() == Some(&b'/'))
}

/// The fault of a working directory outside the root.
pub(crate) const UNREACHABLE: Fault = Fault::new(Sysno::getcwd, Errno::ENOENT);
