//! Nodes and links are made below the root, on the descriptor of their directory.

use core::ffi::CStr;

use super::Child;
use super::path::{Directory, Links, name_of};
use crate::apply::program::Act;
use crate::sys::abi::{self, O_NOFOLLOW, O_PATH};
use crate::sys::{Fd, Outcome, fd, file};
use crate::types::{DeviceNumber, Errno};

impl Child<'_> {
    /// `mode` has the file type. What exists is accepted if it is the same device, and refused otherwise.
    pub(super) fn make_node(self, node: &Act) -> Outcome {
        let Act::MakeNode { path, mode, number, uid, gid, known } = node else { return Ok(()) };
        let (name, above) = name_of(path)?;
        let inside = self.work_in(*known, || self.make_directories(above))?;
        let directory = inside.fd;
        match file::mknodat(directory, name, *mode, number.encode()) {
            Ok(()) => file::fchownat(directory, name, *uid, *gid),
            Err(fault) if fault.is(Errno::EEXIST) => {
                if is_node(directory, name, *mode, *number)? {
                    Ok(())
                } else {
                    Err(fault)
                }
            }
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn symlink(self, link: &Act) -> Outcome {
        let Act::Symlink { path, text, replace, only_if, known } = link else { return Ok(()) };
        let (name, above) = name_of(path)?;
        let look_up = || self.resolve_parts(above, Links::InRoot);
        let directory = match only_if {
            Some(condition) if self.find(condition)?.is_none() => return Ok(()),
            // Another step cannot know whether this one was taken.
            Some(_) => Directory::of(look_up()?),
            None => self.work_in(*known, look_up)?,
        };
        if *replace {
            match file::unlinkat(directory.fd, name) {
                Err(fault) if !fault.is(Errno::ENOENT) => return Err(fault),
                _ => {}
            }
        }
        match file::symlinkat(text, directory.fd, name) {
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
