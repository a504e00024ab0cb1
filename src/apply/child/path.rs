//! A path below the root becomes a descriptor, and missing directories are made, on descriptors all the way.

use super::Child;
use crate::apply::program::{Part, Target};
use crate::plan::Resolver;
use crate::sys::abi::{self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_WRONLY};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, file};
use crate::types::Errno;

/// Whether symbolic links on the way count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// They are followed, and never lead out of the root.
    InRoot,
    /// One anywhere is `ELOOP`.
    Refused,
}

/// The whole path of a list of parts.
fn down_to(parts: &[Part]) -> &core::ffi::CStr {
    parts.last().map_or(c".", |part| &part.down_to)
}

impl Child<'_> {
    /// What `target` is now, `O_PATH`.
    pub(super) fn resolve(self, target: &Target, links: Links) -> Outcome<Handle> {
        self.resolve_parts(&target.parts, links)
    }

    /// As `resolve`, but `None` if there is no such thing.
    pub(super) fn find(self, target: &Target) -> Outcome<Option<Handle>> {
        match self.resolve(target, Links::InRoot) {
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => Ok(None),
            answer => answer.map(Some),
        }
    }

    pub(super) fn resolve_parts(self, parts: &[Part], links: Links) -> Outcome<Handle> {
        let root = self.at(self.program.root)?;
        match (self.program.resolver, links) {
            (Resolver::Openat2, Links::InRoot) => {
                let scope = abi::RESOLVE_IN_ROOT | abi::RESOLVE_NO_MAGICLINKS;
                fd::openat2(root, down_to(parts), O_PATH, scope)
            }
            (Resolver::Openat2, Links::Refused) => {
                let scope = abi::RESOLVE_IN_ROOT | abi::RESOLVE_NO_SYMLINKS;
                fd::openat2(root, down_to(parts), O_PATH, scope)
            }
            (Resolver::PartByPart, _) => walk(root, parts),
        }
    }

    /// The directory of that path, and of every missing one above it.
    pub(super) fn make_directories(self, parts: &[Part]) -> Outcome<Handle> {
        match self.resolve_parts(parts, Links::InRoot) {
            Err(fault) if fault.is(Errno::ENOENT) => {}
            answer => return answer,
        }
        let mut above = self.resolve_parts(&[], Links::InRoot)?;
        for end in 1..=parts.len() {
            let Some((part, down)) = parts.get(..end).and_then(|down| Some((down.last()?, down)))
            else {
                break;
            };
            let found = match self.resolve_parts(down, Links::InRoot) {
                Err(fault) if fault.is(Errno::ENOENT) => {
                    // A link to nowhere is here too, and refused: `mkdirat` does not follow it.
                    file::mkdirat(above.fd(), &part.name, 0o755)?;
                    self.resolve_parts(down, Links::InRoot)?
                }
                answer => answer?,
            };
            above = found;
        }
        Ok(above)
    }

    /// The directory that `target` is in, and its name there. The directory and those above are made if missing.
    pub(super) fn make_parent<'t>(self, target: &'t Target) -> Outcome<(Handle, &'t Part)> {
        let Some((part, above)) = target.parts.split_last() else {
            return Err(Fault::new(Sysno::openat, Errno::EISDIR));
        };
        Ok((self.make_directories(above)?, part))
    }

    pub(super) fn make_mount_point(self, target: &Target, directory: bool) -> Outcome {
        if directory {
            return self.make_directories(&target.parts).map(drop);
        }
        match self.resolve(target, Links::InRoot) {
            Err(fault) if fault.is(Errno::ENOENT) => {}
            answer => return answer.map(drop),
        }
        let (above, part) = self.make_parent(target)?;
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
        fd::openat(above.fd(), &part.name, flags, 0o644).map(drop)
    }
}

/// Without `openat2`: each part by itself; a symbolic link is refused, wherever it leads.
pub(super) fn walk(root: Fd, parts: &[Part]) -> Outcome<Handle> {
    let mut here = fd::openat(root, c".", O_PATH | O_DIRECTORY, 0)?;
    for part in parts {
        here = fd::openat(here.fd(), &part.name, O_PATH | O_NOFOLLOW, 0)?;
        if fd::fstat(here.fd())?.is_symlink() {
            return Err(Fault::new(Sysno::openat, Errno::ELOOP));
        }
    }
    Ok(here)
}
