//! A path below the root becomes a descriptor, and missing directories are made, on descriptors all the way.

use core::ffi::CStr;

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
fn down_to(parts: &[Part]) -> &CStr {
    parts.last().map_or(c".", |part| &part.down_to)
}

impl Child<'_> {
    /// What `target` is now, `O_PATH`.
    pub(super) fn resolve(self, target: &Target, links: Links) -> Outcome<Handle> {
        match self.program.resolver {
            Resolver::Openat2 => self.openat2(&target.whole, links),
            Resolver::PartByPart => walk(self.at(self.program.root)?, &target.parts),
        }
    }

    /// As `resolve`, but `None` if there is no such thing.
    pub(super) fn find(self, target: &Target) -> Outcome<Option<Handle>> {
        match self.resolve(target, Links::InRoot) {
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => Ok(None),
            answer => answer.map(Some),
        }
    }

    pub(super) fn resolve_parts(self, parts: &[Part], links: Links) -> Outcome<Handle> {
        match self.program.resolver {
            Resolver::Openat2 => self.openat2(down_to(parts), links),
            Resolver::PartByPart => walk(self.at(self.program.root)?, parts),
        }
    }

    fn openat2(self, path: &CStr, links: Links) -> Outcome<Handle> {
        let links = match links {
            Links::InRoot => abi::RESOLVE_NO_MAGICLINKS,
            Links::Refused => abi::RESOLVE_NO_SYMLINKS,
        };
        fd::openat2(self.at(self.program.root)?, path, O_PATH, abi::RESOLVE_IN_ROOT | links)
    }

    /// The directory of that path, and of every missing one above it.
    ///
    /// From the deepest that exists on down: each is made by name in the one above, and then looked up like any other.
    pub(super) fn make_directories(self, parts: &[Part]) -> Outcome<Handle> {
        let mut depth = parts.len();
        let mut here = loop {
            let (down, _) = parts.split_at(depth);
            match self.resolve_parts(down, Links::InRoot) {
                Err(fault) if fault.is(Errno::ENOENT) && depth > 0 => depth -= 1,
                answer => break answer?,
            }
        };
        for (part, made) in parts.iter().skip(depth).zip(depth + 1..) {
            // `mkdirat` follows no link: one that leads nowhere still does so afterwards, and is refused by that.
            match file::mkdirat(here.fd(), &part.name, 0o755) {
                Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
                _ => {}
            }
            let (down, _) = parts.split_at(made);
            here = self.resolve_parts(down, Links::InRoot)?;
        }
        Ok(here)
    }

    /// The directory that `target` is in, and its name there. The directory and those above are made if missing.
    pub(super) fn make_parent(self, target: &Target) -> Outcome<(Handle, &Part)> {
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
        match fd::openat(above.fd(), &part.name, flags, 0o644) {
            // Made by another meanwhile; or a link to nowhere, which stays refused.
            Err(fault) if fault.is(Errno::EEXIST) => {
                self.resolve(target, Links::InRoot).map(drop).map_err(|_| fault)
            }
            answer => answer.map(drop),
        }
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
