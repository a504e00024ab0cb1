//! Names of kernel files become their text: one open, one read into a buffer that all share.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open, openat, readlinkat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{getpid, gettid, read};

use super::ProbeError;

/// The calling thread's directory of `/proc`, and the buffer.
///
/// The thread's, not the process's: what a clone hands down is the thread's.
#[derive(Debug)]
pub(super) struct Reader {
    own: OwnedFd,
    buffer: Vec<u8>,
}

const OWN: &str = "/proc/thread-self";
/// The same for the first thread of a process, and found with less: `/proc/thread-self` leads to `PID/task/TID`.
const OWN_OF_FIRST: &str = "/proc/self";
/// Room for nearly any file that the kernel writes as one record; a longer one takes several reads.
const ROOM: usize = 4 * 1024;

impl Reader {
    pub(super) fn open() -> Result<Self, ProbeError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let path = if gettid() == getpid() { OWN_OF_FIRST } else { OWN };
        let own = open(path, flags, Mode::empty())
            .map_err(|errno| ProbeError::call(format!("open({path:?}, O_PATH)"), errno))?;
        Ok(Self { own, buffer: vec![0; ROOM] })
    }

    /// A file of the calling thread.
    pub(super) fn own(&mut self, name: &str) -> Result<Cow<'_, str>, ProbeError> {
        let length = fill(self.own.as_fd(), name, &mut self.buffer, false)
            .map_err(|errno| ProbeError::call(format!("read {OWN}/{name}"), errno))?;
        Ok(text(&self.buffer[..length]))
    }

    /// A file of the calling thread that not every kernel has.
    pub(super) fn own_if_any(&mut self, name: &str) -> Result<Option<Cow<'_, str>>, ProbeError> {
        match fill(self.own.as_fd(), name, &mut self.buffer, false) {
            Ok(length) => Ok(Some(text(&self.buffer[..length]))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(ProbeError::call(format!("read {OWN}/{name}"), errno)),
        }
    }

    /// A file of the calling thread that the kernel writes record by record, a page at a time.
    pub(super) fn own_whole(&mut self, name: &str) -> Result<String, ProbeError> {
        let length = fill(self.own.as_fd(), name, &mut self.buffer, true)
            .map_err(|errno| ProbeError::call(format!("read {OWN}/{name}"), errno))?;
        Ok(text(&self.buffer[..length]).into_owned())
    }

    /// Where a link of the calling thread leads.
    pub(super) fn own_link(&self, name: &str) -> Result<Option<String>, ProbeError> {
        match readlinkat(&self.own, name) {
            Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(ProbeError::call(format!("readlink {OWN}/{name}"), errno)),
        }
    }

    /// Whether the calling thread's directory has `name`. A link is not followed: that takes the kernel twice as long.
    pub(super) fn own_has(&self, name: &str) -> bool {
        fstatat(&self.own, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// Any file by its absolute path; `None` if there is none, or the caller may not read it.
    pub(super) fn file(&mut self, path: &str) -> Result<Option<Cow<'_, str>>, ProbeError> {
        let to_end = !path.starts_with("/proc/");
        match fill(AT_FDCWD, path, &mut self.buffer, to_end) {
            Ok(length) => Ok(Some(text(&self.buffer[..length]))),
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => Ok(None),
            Err(errno) => Err(ProbeError::call(format!("read {path}"), errno)),
        }
    }
}

/// What the kernel writes is UTF-8 but for names of others; looking for those takes much longer than seeing that there are
/// none.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Reads a file into `buffer`, which grows if need be, and gives how much was read. Files of one record are whole after a
/// read that leaves room; others (`to_end`) end where a read gives nothing.
fn fill(
    dir: BorrowedFd<'_>,
    name: &str,
    buffer: &mut Vec<u8>,
    to_end: bool,
) -> Result<usize, Errno> {
    let file =
        openat(dir, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::empty())?;
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize(length * 2, 0);
        }
        match read(&file, &mut buffer[length..]) {
            Ok(0) => return Ok(length),
            Ok(more) => length += more,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno),
        }
        if !to_end && length < buffer.len() {
            return Ok(length);
        }
    }
}
