//! Nodes and links are made below the root, on the descriptor of their directory.

use core::ffi::CStr;

use super::Child;
use super::path::Links;
use crate::apply::program::Target;
use crate::sys::abi::{self, O_NOFOLLOW, O_PATH};
use crate::sys::{Fault, Fd, Outcome, Sysno, fd, file};
use crate::types::{DeviceNumber, Errno};

impl Child<'_> {
    /// `mode` has the file type. What exists is accepted if it is the same device, and refused otherwise.
    pub(super) fn make_node(
        self,
        path: &Target,
        mode: u32,
        number: DeviceNumber,
        (uid, gid): (u32, u32),
    ) -> Outcome {
        let (directory, part) = self.make_parent(path)?;
        match file::mknodat(directory.fd(), &part.name, mode, number.encode()) {
            Ok(()) => file::fchownat(directory.fd(), &part.name, uid, gid),
            Err(fault) if fault.is(Errno::EEXIST) => {
                if is_node(directory.fd(), &part.name, mode, number)? { Ok(()) } else { Err(fault) }
            }
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn symlink(
        self,
        path: &Target,
        text: &CStr,
        replace: bool,
        only_if: Option<&Target>,
    ) -> Outcome {
        if let Some(condition) = only_if
            && self.find(condition)?.is_none()
        {
            return Ok(());
        }
        let Some((part, above)) = path.parts.split_last() else {
            return Err(Fault::new(Sysno::symlinkat, Errno::EEXIST));
        };
        let directory = self.resolve_parts(above, Links::InRoot)?;
        if replace {
            match file::unlinkat(directory.fd(), &part.name) {
                Err(fault) if !fault.is(Errno::ENOENT) => return Err(fault),
                _ => {}
            }
        }
        match file::symlinkat(text, directory.fd(), &part.name) {
            Err(fault) if fault.is(Errno::EEXIST) => Ok(()),
            answer => answer,
        }
    }
}

/// Whether the name itself, not what a link there leads to, is that node.
fn is_node(directory: Fd, name: &CStr, mode: u32, number: DeviceNumber) -> Outcome<bool> {
    let existing = fd::openat(directory, name, O_PATH | O_NOFOLLOW, 0)?;
    let kind = fd::fstat(existing.fd())?;
    let has_number = matches!(mode & abi::S_IFMT, abi::S_IFCHR | abi::S_IFBLK);
    Ok(kind.file_type() == mode & abi::S_IFMT && (!has_number || kind.device == number))
}
