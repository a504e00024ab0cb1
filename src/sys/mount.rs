//! Mounts: the calls by descriptor of Linux 5.2 and 5.12, and `mount(2)`.

use core::ffi::CStr;
use core::ptr;

use super::abi::{self, MountAttr};
use super::fd::{Fd, Handle};
use super::raw::{Outcome, call};

/// `open_tree(2)` (Linux 5.2), close-on-exec: a detached copy of what is mounted at `path`.
pub(crate) fn clone_tree(dir: Fd, path: &CStr, recursive: bool) -> Outcome<Handle> {
    let below = if recursive { abi::AT_RECURSIVE } else { 0 };
    let empty = if path.is_empty() { abi::AT_EMPTY_PATH } else { 0 };
    let flags = (below | empty).cast_unsigned() | abi::OPEN_TREE_CLONE | abi::OPEN_TREE_CLOEXEC;
    // SAFETY: `path` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(open_tree, dir, path, flags) }.map(Handle::opened)
}

/// `move_mount(2)` (Linux 5.2): attaches the mount `from` at what `dir` and `path` name; an empty path is `dir`.
pub(crate) fn move_mount(from: Fd, dir: Fd, path: &CStr) -> Outcome {
    let to = if path.is_empty() { abi::MOVE_MOUNT_T_EMPTY_PATH } else { 0 };
    let flags = abi::MOVE_MOUNT_F_EMPTY_PATH | to;
    // SAFETY: both strings are NUL-terminated, one static and one borrowed for the call; they are only read.
    unsafe { call!(move_mount, from, c"", dir, path, flags) }.map(drop)
}

/// `mount_setattr(2)` (Linux 5.12) of the mount that `mount` is the root of.
pub(crate) fn setattr(mount: Fd, recursive: bool, attr: &MountAttr) -> Outcome {
    let flags = abi::AT_EMPTY_PATH | if recursive { abi::AT_RECURSIVE } else { 0 };
    let attr = ptr::from_ref(attr);
    // SAFETY: `attr` is a whole `mount_attr`, borrowed for the call, and its size is what is told; the path is a
    // static empty string.
    unsafe { call!(mount_setattr, mount, c"", flags, attr, size_of::<MountAttr>()) }.map(drop)
}

/// `fsopen(2)` (Linux 5.2), close-on-exec.
pub(crate) fn fsopen(fstype: &CStr) -> Outcome<Handle> {
    // SAFETY: `fstype` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(fsopen, fstype, abi::FSOPEN_CLOEXEC) }.map(Handle::opened)
}

/// `fsconfig(FSCONFIG_SET_STRING)`.
pub(crate) fn set_string(fs: Fd, key: &CStr, value: &CStr) -> Outcome {
    // SAFETY: both strings are NUL-terminated and borrowed for the call; they are only read.
    unsafe { call!(fsconfig, fs, abi::FSCONFIG_SET_STRING, key, value, 0_u32) }.map(drop)
}

/// `fsconfig(FSCONFIG_SET_FLAG)`.
pub(crate) fn set_flag(fs: Fd, key: &CStr) -> Outcome {
    // SAFETY: `key` is NUL-terminated and borrowed for the call; this command wants no value, which null says.
    unsafe { call!(fsconfig, fs, abi::FSCONFIG_SET_FLAG, key, 0_usize, 0_u32) }.map(drop)
}

/// `fsconfig(FSCONFIG_CMD_CREATE)`.
pub(crate) fn create(fs: Fd) -> Outcome {
    // SAFETY: this command takes neither key nor value, which the nulls say.
    unsafe { call!(fsconfig, fs, abi::FSCONFIG_CMD_CREATE, 0_usize, 0_usize, 0_u32) }.map(drop)
}

/// `fsmount(2)`, close-on-exec: a detached mount with these `MOUNT_ATTR_*`.
pub(crate) fn fsmount(fs: Fd, attributes: u64) -> Outcome<Handle> {
    // SAFETY: takes numbers, and makes a new descriptor that the handle owns.
    unsafe { call!(fsmount, fs, abi::FSMOUNT_CLOEXEC, attributes) }.map(Handle::opened)
}

/// `mount(2)`; what is `None` is given as null.
pub(crate) fn mount(
    source: Option<&CStr>,
    target: &CStr,
    fstype: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> Outcome {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: each string is NUL-terminated and borrowed for the call, or null, which `mount(2)` allows for all but
    // the target. The data is read as a page at most, and as a string by every file system that takes text.
    unsafe { call!(mount, pointer(source), target, pointer(fstype), flags, pointer(data)) }
        .map(drop)
}

/// `umount2(path, MNT_DETACH)`.
pub(crate) fn detach(path: &CStr) -> Outcome {
    // SAFETY: `path` is NUL-terminated and borrowed for the call; it is only read.
    unsafe { call!(umount2, path, abi::MNT_DETACH) }.map(drop)
}

/// `pivot_root(2)`.
pub(crate) fn pivot_root(new: &CStr, old: &CStr) -> Outcome {
    // SAFETY: both strings are NUL-terminated and borrowed for the call; they are only read.
    unsafe { call!(pivot_root, new, old) }.map(drop)
}
