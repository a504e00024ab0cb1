//! Whether the program of a process can be got at, as the kernel says.
#![allow(unsafe_code, reason = "the mount is asked for by a raw call")]

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;

/// Whether whoever can look at that process, and may mount, can make its program's mount writable. As long as it is in a
/// namespace, be it the nameless one of a descriptor, the kernel lets him.
pub(crate) fn can_be_made_writable(pid: u32) -> bool {
    let mut options = std::fs::OpenOptions::new();
    let Ok(exe) = options.read(true).custom_flags(libc::O_PATH).open(format!("/proc/{pid}/exe"))
    else {
        return false;
    };
    // SAFETY: all bytes of the structure may be zero: it is four words.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_clr = libc::MOUNT_ATTR_RDONLY;
    let (flags, size) = (libc::AT_EMPTY_PATH, size_of::<libc::mount_attr>());
    let fd = exe.as_raw_fd();
    // SAFETY: the path is a static empty string, `attr` is whole and its size is what is told; both are only read.
    let answer = unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size)
    };
    answer == 0
}
