//! What a copy of a tree needs: directories read, files' bytes moved, attributes looked at and given.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use super::abi;
use super::fd::{Fd, Handle};
use super::raw::{Outcome, call};

/// Attributes of a name in a directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    /// File type and permission bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Number of a device node, as `mknodat(2)` takes it.
    pub(crate) device: u32,
    /// Access and modification, each seconds and nanoseconds.
    pub(crate) times: [[i64; 2]; 2],
}

/// `newfstatat(AT_SYMLINK_NOFOLLOW)`; an empty name is the directory itself.
pub(crate) fn attributes(dir: Fd, name: &CStr) -> Outcome<Attributes> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    let flags = abi::AT_SYMLINK_NOFOLLOW | if name.is_empty() { abi::AT_EMPTY_PATH } else { 0 };
    // SAFETY: `name` is NUL-terminated and borrowed for the call; `stat` has the room of the kernel's `struct stat`, whose
    // layout libc repeats on both machines, and nothing else refers to it.
    unsafe { call!(newfstatat, dir, name, stat.as_mut_ptr(), flags) }?;
    // SAFETY: the kernel has filled it whole, or the line above would have returned.
    let stat = unsafe { stat.assume_init() };
    let bytes = stat.st_rdev.to_le_bytes();
    Ok(Attributes {
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        // Device numbers use 32 of the 64 bits that the structure has for them.
        device: u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        times: [[stat.st_atime, stat.st_atime_nsec], [stat.st_mtime, stat.st_mtime_nsec]],
    })
}

/// `getdents64(2)`: how many bytes of the buffer hold entries; none at the end.
pub(crate) fn entries(dir: Fd, buffer: &mut [u8]) -> Outcome<usize> {
    // SAFETY: `buffer` is writable for the length that is announced, and nothing else refers to it.
    unsafe { call!(getdents64, dir, buffer.as_mut_ptr(), buffer.len()) }
}

/// `sendfile(2)` from where `from` stands to its end.
pub(crate) fn send_all(from: Fd, to: Fd) -> Outcome {
    const MOST: usize = 0x7fff_f000;
    loop {
        // SAFETY: takes numbers; the offset is null, which means the file's own.
        if unsafe { call!(sendfile, to, from, 0_usize, MOST) }? == 0 {
            return Ok(());
        }
    }
}

/// `readlinkat(2)` into the buffer; how many bytes the link says.
pub(crate) fn read_link(dir: Fd, name: &CStr, buffer: &mut [u8]) -> Outcome<usize> {
    // SAFETY: `name` is NUL-terminated and borrowed for the call; `buffer` is writable for the length that is announced.
    unsafe { call!(readlinkat, dir, name, buffer.as_mut_ptr(), buffer.len()) }
}

/// `fchmod(2)`.
pub(crate) fn set_mode(fd: Fd, mode: u32) -> Outcome {
    // SAFETY: takes numbers and touches no memory of ours.
    unsafe { call!(fchmod, fd, mode) }.map(drop)
}

/// `utimensat(2)` of the name itself, also when it is a symbolic link.
pub(crate) fn set_times(dir: Fd, name: &CStr, times: &[[i64; 2]; 2]) -> Outcome {
    let times = core::ptr::from_ref(times);
    // SAFETY: `name` is NUL-terminated; `times` is two `struct timespec` of two 64-bit numbers each, as on both machines;
    // both are borrowed for the call and only read.
    unsafe { call!(utimensat, dir, name, times, abi::AT_SYMLINK_NOFOLLOW) }.map(drop)
}

/// `openat(2)` of a new file for writing, close-on-exec.
pub(crate) fn create(dir: Fd, name: &CStr, mode: u32) -> Outcome<Handle> {
    super::fd::openat(dir, name, abi::O_WRONLY | abi::O_CREAT | abi::O_EXCL, mode)
}
