//! Descriptors: opened relative to one another, copied, read, written and closed.

use core::ffi::CStr;
use core::mem::{ManuallyDrop, MaybeUninit};

use super::abi::{self, OpenHow, StatFs};
use super::raw::{Outcome, Word, call, narrow};
use crate::types::{DeviceNumber, Errno};

/// A descriptor by number, owned elsewhere: what stands in a slot, or is good for one call.
///
/// A number that is not open is an error of the kernel's (`EBADF`), never a memory fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fd(pub(crate) i32);

impl Fd {
    /// Paths count from the working directory.
    pub(crate) const CWD: Self = Self(abi::AT_FDCWD);
}

impl Word for Fd {
    fn word(self) -> usize {
        self.0.word()
    }
}

/// A descriptor that is closed when this goes away, by a raw call: an `OwnedFd` for the child.
#[derive(Debug)]
pub(crate) struct Handle(Fd);

impl Handle {
    /// Takes over what a call has just opened.
    pub(super) const fn opened(answer: usize) -> Self {
        Self(Fd(narrow(answer.cast_signed())))
    }

    /// Takes over what stood in a slot.
    pub(crate) const fn taken(fd: Fd) -> Self {
        Self(fd)
    }

    /// The number, while this lives.
    pub(crate) const fn fd(&self) -> Fd {
        self.0
    }

    /// The number, to be kept open: in a slot.
    pub(crate) fn keep(self) -> Fd {
        ManuallyDrop::new(self).0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The descriptor is gone whatever the answer, and there is nobody to tell.
        let _ = close(self.0);
    }
}

/// What a descriptor refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileKind {
    mode: u32,
    /// Number, of a device node.
    pub(crate) device: DeviceNumber,
    /// Owner.
    pub(crate) uid: u32,
    /// Whether it still has a name.
    pub(crate) is_named: bool,
    /// Whether it holds nothing.
    pub(crate) is_empty: bool,
}

impl FileKind {
    /// File type bits.
    pub(crate) const fn file_type(self) -> u32 {
        self.mode & abi::S_IFMT
    }

    /// Whether it is a directory.
    pub(crate) const fn is_directory(self) -> bool {
        self.file_type() == abi::S_IFDIR
    }

    /// Whether it is a regular file.
    pub(crate) const fn is_regular(self) -> bool {
        self.file_type() == abi::S_IFREG
    }

    /// Whether it is a symbolic link.
    pub(crate) const fn is_symlink(self) -> bool {
        self.file_type() == abi::S_IFLNK
    }

    /// Whether it is the null device, 1:3.
    pub(crate) fn is_null_device(self) -> bool {
        self.file_type() == abi::S_IFCHR && self.device == DeviceNumber { major: 1, minor: 3 }
    }

    /// Whether it is a socket.
    pub(crate) fn is_socket(self) -> bool {
        self.file_type() == abi::S_IFSOCK
    }

    /// Permission bits.
    pub(crate) const fn permissions(self) -> u32 {
        self.mode & 0o7777
    }
}

/// `openat(2)`, close-on-exec.
pub(crate) fn openat(dir: Fd, path: &CStr, flags: i32, mode: u32) -> Outcome<Handle> {
    let flags = flags | abi::O_CLOEXEC;
    // SAFETY: `path` is NUL-terminated and borrowed for the call; the kernel only reads it.
    unsafe { call!(openat, dir, path, flags, mode) }.map(Handle::opened)
}

/// `openat2(2)` (Linux 5.6), close-on-exec. With scoped resolution the kernel answers `EAGAIN` when something was
/// renamed on the way; that is tried again, a bounded number of times.
pub(crate) fn openat2(dir: Fd, path: &CStr, flags: i32, resolve: u64) -> Outcome<Handle> {
    let how =
        OpenHow { flags: u64::from((flags | abi::O_CLOEXEC).cast_unsigned()), mode: 0, resolve };
    let mut tries = 0;
    loop {
        // SAFETY: `path` is NUL-terminated; `how` is a whole `open_how`, and its size is what is told; both are
        // borrowed for the call and only read.
        let answer = unsafe { call!(openat2, dir, path, &raw const how, size_of::<OpenHow>()) };
        match answer {
            Err(fault) if fault.is(Errno::EAGAIN) && tries < 512 => tries += 1,
            answer => return answer.map(Handle::opened),
        }
    }
}

/// `close(2)`.
pub(crate) fn close(fd: Fd) -> Outcome {
    // SAFETY: takes a number; every number given here is owned by the caller (a `Handle`, or a slot of a process
    // with a descriptor table of its own), so no `OwnedFd` elsewhere loses its descriptor.
    unsafe { call!(close, fd) }.map(drop)
}

/// `close_range(2)` (Linux 5.9): closes every descriptor from `first` to `last`.
pub(crate) fn close_range(first: u32, last: u32) -> Outcome {
    // SAFETY: takes numbers; called by the child on its own copy of the descriptor table, where no `OwnedFd` of the
    // launcher's is ever used.
    unsafe { call!(close_range, first, last, 0_u32) }.map(drop)
}

/// `close_range(CLOSE_RANGE_CLOEXEC)` (Linux 5.11): marks every descriptor from `first` to `last`.
pub(crate) fn mark_range(first: u32, last: u32) -> Outcome {
    // SAFETY: takes numbers; descriptors stay open, so every owner of one keeps it.
    unsafe { call!(close_range, first, last, abi::CLOSE_RANGE_CLOEXEC) }.map(drop)
}

/// `fcntl(F_SETFD, FD_CLOEXEC)`.
pub(crate) fn close_on_exec(fd: Fd) -> Outcome {
    // SAFETY: takes numbers; the descriptor stays open, so its owner keeps it.
    unsafe { call!(fcntl, fd, abi::F_SETFD, abi::FD_CLOEXEC) }.map(drop)
}

/// `dup3(2)`: makes `to` another name of `from` that stays open over `execve`.
pub(crate) fn dup3(from: Fd, to: Fd) -> Outcome {
    // SAFETY: takes numbers; called by the child on its own copy of the descriptor table only.
    unsafe { call!(dup3, from, to, 0_u32) }.map(drop)
}

/// `lseek(SEEK_SET)` to the beginning.
pub(crate) fn rewind(fd: Fd) -> Outcome {
    // SAFETY: takes numbers and touches no memory of ours.
    unsafe { call!(lseek, fd, 0_usize, 0_u32) }.map(drop)
}

/// `fcntl(F_DUPFD_CLOEXEC)`: a copy with a number of at least `least`.
pub(crate) fn dup_above(fd: Fd, least: i32) -> Outcome<Handle> {
    // SAFETY: takes numbers and makes a new descriptor, which the returned handle owns.
    unsafe { call!(fcntl, fd, abi::F_DUPFD_CLOEXEC, least) }.map(Handle::opened)
}

/// `fcntl(F_GETFD)`: whether the number is open.
pub(crate) fn is_open(fd: Fd) -> bool {
    // SAFETY: takes numbers and only asks.
    unsafe { call!(fcntl, fd, abi::F_GETFD) }.is_ok()
}

/// `fcntl(F_GETFD)`: whether the descriptor is closed by `execve`.
pub(crate) fn closes_on_exec(fd: Fd) -> Outcome<bool> {
    // SAFETY: takes numbers and only asks.
    unsafe { call!(fcntl, fd, abi::F_GETFD) }.map(|flags| flags & abi::FD_CLOEXEC.word() != 0)
}

/// `write(2)`, once. A short write is `EIO`: files of the kernel's take a value whole or not at all.
pub(crate) fn write(fd: Fd, bytes: &[u8]) -> Outcome {
    // SAFETY: `bytes` is readable for its whole length during the call.
    let written = unsafe { call!(write, fd, bytes.as_ptr(), bytes.len()) }?;
    if written == bytes.len() {
        return Ok(());
    }
    Err(super::Fault::new(super::Sysno::write, Errno::EIO))
}

/// `read(2)`, once: how many bytes came, none at the end.
pub(crate) fn read(fd: Fd, into: &mut [u8]) -> Outcome<usize> {
    // SAFETY: `into` is writable for its whole length during the call, and nothing else refers to it.
    unsafe { call!(read, fd, into.as_mut_ptr(), into.len()) }
}

/// `fstat(2)`.
pub(crate) fn fstat(fd: Fd) -> Outcome<FileKind> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has the room of the kernel's `struct stat`, whose layout libc repeats on both machines, and
    // nothing else refers to it.
    unsafe { call!(fstat, fd, stat.as_mut_ptr()) }?;
    // SAFETY: the kernel has filled it whole, or the line above would have returned.
    let stat = unsafe { stat.assume_init() };
    Ok(FileKind {
        mode: stat.st_mode,
        device: DeviceNumber::decode(low_half(stat.st_rdev)),
        uid: stat.st_uid,
        is_named: stat.st_nlink > 0,
        is_empty: stat.st_size == 0,
    })
}

/// Device numbers use 32 of the 64 bits that the structure has for them.
const fn low_half(word: u64) -> u32 {
    let bytes = word.to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// `fstatfs(2)`: the file system's magic number and the flags of the mount the descriptor was opened through.
pub(crate) fn fstatfs(fd: Fd) -> Outcome<StatFs> {
    let mut stat = StatFs::default();
    // SAFETY: `StatFs` has the size and layout of the kernel's `struct statfs` on 64-bit machines (a test compares
    // it with libc's), and nothing else refers to it.
    unsafe { call!(fstatfs, fd, &raw mut stat) }?;
    Ok(stat)
}

/// Whether the other end of a socket is closed: `ppoll(2)` without waiting.
pub(crate) fn is_hung_up(fd: Fd) -> Outcome<bool> {
    let mut poll = libc::pollfd { fd: fd.0, events: 0, revents: 0 };
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: one `pollfd` is given and one is announced; the time may be written back (what is
    // left of it) into a value of our own that is not used again; the signal mask is null, which means "keep".
    unsafe { call!(ppoll, &raw mut poll, 1_usize, &raw mut now, 0_usize, 0_usize) }?;
    Ok(poll.revents & libc::POLLHUP != 0)
}
