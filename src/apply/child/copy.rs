//! A directory's content is copied into a new tmpfs, entry by entry, in a fixed amount of memory.
//!
//! The tree that is read belongs to the container, and may be hostile: every name is looked up in the directory it was
//! read from, links are never followed, and the depth is limited, since each directory on the way costs a piece of the
//! stack.

use core::ffi::CStr;

use crate::sys::abi::{O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT};
use crate::sys::tree::{self, Attributes};
use crate::sys::{Fault, Fd, Outcome, Sysno, fd, file};
use crate::types::Errno;

/// How many directories may be in one another.
const DEEPEST: u32 = 32;
/// Entries read at once; one entry is 280 bytes at most.
const ENTRIES: usize = 1024;
/// The file type of a regular file.
const S_IFREG: u32 = 0o100_000;
/// Where the name begins in a `struct linux_dirent64`, and where its length is.
const NAME: usize = 19;
const LENGTH: usize = 16;

/// What is in the directory `from`, and its own attributes unless the new root is to keep `own_mode`.
pub(super) fn copy(from: Fd, to: Fd, own_mode: bool) -> Outcome {
    let from = fd::openat(from, c".", O_RDONLY | O_DIRECTORY, 0)?;
    let to = fd::openat(to, c".", O_RDONLY | O_DIRECTORY, 0)?;
    content(from.fd(), to.fd(), DEEPEST)?;
    let attributes = tree::attributes(from.fd(), c"")?;
    give(to.fd(), c".", &attributes)?;
    if own_mode { Ok(()) } else { tree::set_mode(to.fd(), attributes.mode & 0o7777) }
}

fn content(from: Fd, to: Fd, deeper: u32) -> Outcome {
    let mut buffer = [0_u8; ENTRIES];
    loop {
        let end = tree::entries(from, &mut buffer)?;
        if end == 0 {
            return Ok(());
        }
        let mut at = 0;
        while at < end {
            let Some((name, next)) = entry(&buffer[..end], at) else {
                return Err(Fault::new(Sysno::getdents64, Errno::EIO));
            };
            at = next;
            if name != c"." && name != c".." {
                one(from, to, name, deeper)?;
            }
        }
    }
}

/// The name of the entry at `at`, and where the next one is.
fn entry(buffer: &[u8], at: usize) -> Option<(&CStr, usize)> {
    let length = buffer.get(at + LENGTH..at + LENGTH + 2)?;
    let next = at + usize::from(u16::from_ne_bytes([length[0], length[1]]));
    let name = CStr::from_bytes_until_nul(buffer.get(at + NAME..next)?).ok()?;
    Some((name, next))
}

fn one(from: Fd, to: Fd, name: &CStr, deeper: u32) -> Outcome {
    let attributes = tree::attributes(from, name)?;
    let permissions = attributes.mode & 0o7777;
    match attributes.mode & S_IFMT {
        S_IFDIR => {
            let deeper = deeper.checked_sub(1).ok_or(Fault::new(Sysno::mkdirat, Errno::ELOOP))?;
            file::mkdirat(to, name, 0o700)?;
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
            let (inner, made) =
                (fd::openat(from, name, flags, 0)?, fd::openat(to, name, flags, 0)?);
            content(inner.fd(), made.fd(), deeper)?;
            own(to, name, &attributes)?;
            tree::set_mode(made.fd(), permissions)?;
        }
        S_IFREG => {
            let source = fd::openat(from, name, O_RDONLY | O_NOFOLLOW, 0)?;
            let made = tree::create(to, name, 0o600)?;
            tree::send_all(source.fd(), made.fd())?;
            own(to, name, &attributes)?;
            // After the owner, since a change of owner takes set-user-id bits away.
            tree::set_mode(made.fd(), permissions)?;
        }
        S_IFLNK => {
            link(from, to, name)?;
            own(to, name, &attributes)?;
        }
        _ => {
            file::mknodat(to, name, attributes.mode, attributes.device)?;
            own(to, name, &attributes)?;
        }
    }
    tree::set_times(to, name, &attributes.times)
}

fn link(from: Fd, to: Fd, name: &CStr) -> Outcome {
    let mut text = [0_u8; 4096];
    let length = tree::read_link(from, name, &mut text[..4095])?;
    let text = CStr::from_bytes_until_nul(&text[..=length]);
    file::symlinkat(text.map_err(|_| Fault::new(Sysno::readlinkat, Errno::EINVAL))?, to, name)
}

fn give(dir: Fd, name: &CStr, attributes: &Attributes) -> Outcome {
    own(dir, name, attributes)?;
    tree::set_times(dir, name, &attributes.times)
}

/// An owner that the container's user namespace does not know stays the one that makes the copy.
fn own(dir: Fd, name: &CStr, attributes: &Attributes) -> Outcome {
    match file::fchownat(dir, name, attributes.uid, attributes.gid) {
        Err(fault) if fault.is(Errno::EINVAL) || fault.is(Errno::EPERM) => Ok(()),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_runs_over_its_buffer_is_none() {
        let mut buffer = [0_u8; 64];
        buffer[LENGTH] = 24;
        buffer[NAME] = b'a';
        assert_eq!(entry(&buffer, 0), Some((c"a", 24)));
        buffer[LENGTH] = 65;
        assert_eq!(entry(&buffer, 0), None);
        assert_eq!(entry(&buffer, 60), None);
    }
}
