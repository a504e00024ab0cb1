//! Files of procfs are opened and written, each through a lookup that cannot be led elsewhere.

use alloc::ffi::CString;
use core::ffi::CStr;

use super::{Child, path};
use crate::apply::program::{Place, Target};
use crate::plan::Resolver;
use crate::sys::abi::{self, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_WRONLY};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd};
use crate::types::Errno;

impl Child<'_> {
    /// A file of the host's procfs, while the host's tree is still there.
    pub(super) fn write_host_proc(self, path: &CString, value: &[u8]) -> Outcome {
        let file = fd::openat(Fd::CWD, path, O_WRONLY | O_NOFOLLOW, 0)?;
        verify(file.fd())?;
        fd::write(file.fd(), value)
    }

    /// A file below `sys` of the container's procfs: no link on the way, and nothing that is mounted over it.
    pub(super) fn sysctl(self, proc: Place, path: &Target, value: &[u8]) -> Outcome {
        let file = self.open_plain(self.at(proc)?, path)?;
        verify(file.fd())?;
        fd::write(file.fd(), value)
    }

    /// A file of the process's own below the container's procfs.
    pub(super) fn exec_label(self, proc: Place, path: &Target, value: &[u8]) -> Outcome {
        let file = self.open_own(self.at(proc)?, path)?;
        verify(file.fd())?;
        fd::write(file.fd(), value)
    }

    fn open_plain(self, proc: Fd, path: &Target) -> Outcome<Handle> {
        let Some((name, above)) = path.parts().split_last() else {
            return Err(Fault::new(Sysno::openat, Errno::EISDIR));
        };
        match self.program.resolver {
            Resolver::Openat2 => {
                let scope = abi::RESOLVE_BENEATH | abi::RESOLVE_NO_XDEV | abi::RESOLVE_NO_SYMLINKS;
                fd::openat2(proc, &path.whole, O_WRONLY, scope)
            }
            Resolver::PartByPart => {
                let directory = path::walk(proc, above)?;
                fd::openat(directory.fd(), name, O_WRONLY | O_NOFOLLOW, 0)
            }
        }
    }

    /// A file below `self`, which is a link to a number.
    fn open_own(self, proc: Fd, path: &Target) -> Outcome<Handle> {
        match self.program.resolver {
            Resolver::Openat2 => {
                let scope =
                    abi::RESOLVE_BENEATH | abi::RESOLVE_NO_XDEV | abi::RESOLVE_NO_MAGICLINKS;
                fd::openat2(proc, &path.whole, O_WRONLY, scope)
            }
            Resolver::PartByPart => fd::openat(proc, &path.whole, O_WRONLY | O_NOFOLLOW, 0),
        }
    }
}

/// Whatever was opened, it is on a procfs.
fn verify(file: Fd) -> Outcome {
    if fd::fstatfs(file)?.magic == abi::PROC_SUPER_MAGIC {
        return Ok(());
    }
    Err(Fault::new(Sysno::fstatfs, Errno::EXDEV))
}

/// The path of a descriptor for calls that take only paths: `/proc/self/fd/N`, on the stack.
pub(super) struct FdPath {
    text: [u8; Self::ROOM],
}

impl FdPath {
    const PREFIX: &[u8] = b"/proc/self/fd/";
    const ROOM: usize = 32;

    /// Checks that procfs is what is mounted there, too.
    pub(super) fn new(of: Fd) -> Outcome<Self> {
        let directory = fd::openat(Fd::CWD, c"/proc/self/fd", O_PATH | O_DIRECTORY, 0)?;
        verify(directory.fd())?;
        Ok(Self::format(of.0.unsigned_abs()))
    }

    /// The digits are written from the last to the first, behind them there are zeros.
    fn format(number: u32) -> Self {
        let digits = number.checked_ilog10().map_or(1, |more| 1 + more);
        let mut text = [0; Self::ROOM];
        for (to, from) in text.iter_mut().zip(Self::PREFIX) {
            *to = *from;
        }
        let mut rest = number;
        let places = text.iter_mut().skip(Self::PREFIX.len());
        let mut power = 10_u32.pow(digits - 1);
        for place in places.take(usize::try_from(digits).unwrap_or(0)) {
            *place = b'0' + u8::try_from(rest / power).unwrap_or(0);
            rest %= power;
            power = (power / 10).max(1);
        }
        Self { text }
    }

    pub(super) fn as_cstr(&self) -> &CStr {
        // There is always a zero: prefix and digits are 24 bytes at most.
        CStr::from_bytes_until_nul(&self.text).unwrap_or(c"/proc/self/fd")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_an_allocation() {
        for number in [0, 7, 10, 99, 100, 1023, 1_048_576, u32::MAX] {
            let text = FdPath::format(number);
            assert_eq!(text.as_cstr().to_str(), Ok(&*format!("/proc/self/fd/{number}")));
        }
    }
}
