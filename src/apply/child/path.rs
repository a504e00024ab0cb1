//! A path below the root becomes a descriptor, and missing directories are made, on descriptors all the way.

use core::ffi::CStr;
use core::mem;

use super::Child;
use crate::apply::program::{Known, Parts, Target};
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

impl Child<'_> {
    /// What `target` is now, `O_PATH`.
    pub(super) fn resolve(self, target: &Target, links: Links) -> Outcome<Handle> {
        match self.program.resolver {
            Resolver::Openat2 => self.openat2(&target.whole, links),
            Resolver::PartByPart => walk(self.at(self.program.root)?, target.parts()),
        }
    }

    /// As `resolve`, but `None` if there is no such thing.
    pub(super) fn find(self, target: &Target) -> Outcome<Option<Handle>> {
        match self.resolve(target, Links::InRoot) {
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => Ok(None),
            answer => answer.map(Some),
        }
    }

    pub(super) fn resolve_parts(self, parts: Parts<'_>, links: Links) -> Outcome<Handle> {
        match self.program.resolver {
            Resolver::Openat2 => self.openat2(parts.down_to(), links),
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
    pub(super) fn make_directories(self, parts: Parts<'_>) -> Outcome<Handle> {
        let mut depth = parts.count();
        let mut here = loop {
            match self.resolve_parts(parts.first(depth), Links::InRoot) {
                Err(fault) if fault.is(Errno::ENOENT) && depth > 0 => depth -= 1,
                answer => break answer?,
            }
        };
        for (name, made) in parts.names().zip(1..).skip(depth) {
            // `mkdirat` follows no link: one that leads nowhere still does so afterwards, and is refused by that.
            match file::mkdirat(here.fd(), name, 0o755) {
                Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
                _ => {}
            }
            let below = self.resolve_parts(parts.first(made), Links::InRoot)?;
            self.leave(mem::replace(&mut here, below));
        }
        Ok(here)
    }

    /// The directory that a step makes things in, looked up unless it is the one at hand, and at hand from now on.
    pub(super) fn work_in(
        self,
        known: Known,
        look_up: impl FnOnce() -> Outcome<Handle>,
    ) -> Outcome<Directory> {
        let place = self.program.directory;
        if known.directory
            && let Ok(fd) = self.at(place)
        {
            return Ok(Directory { fd, _own: None });
        }
        let found = look_up()?;
        // Who takes single steps may have mounted something over it before the next.
        if self.launch.marks {
            return Ok(Directory::of(found));
        }
        if let Ok(last) = self.take(place) {
            self.leave(last);
        }
        let fd = found.fd();
        self.keep(place, found);
        Ok(Directory { fd, _own: None })
    }

    /// What a mount goes on: what the step before has made or found, or what is there by its path.
    pub(super) fn mount_point(
        self,
        target: &Target,
        links: Links,
        is_found: bool,
    ) -> Outcome<Handle> {
        match self.take(self.program.mount_point) {
            Ok(found) if is_found => Ok(found),
            _ => self.resolve(target, links),
        }
    }

    pub(super) fn make_mount_point(
        self,
        target: &Target,
        directory: bool,
        known: Known,
    ) -> Outcome {
        let made = if known.is_new {
            let (name, above) = name_of(target)?;
            let inside = self.work_in(known, || self.make_directories(above))?;
            self.make_in(&inside, name, target, directory)?
        } else if directory {
            self.make_directories(target.parts())?
        } else {
            match self.resolve(target, Links::InRoot) {
                Err(fault) if fault.is(Errno::ENOENT) => {
                    let (name, above) = name_of(target)?;
                    let inside = Directory::of(self.make_directories(above)?);
                    self.make_in(&inside, name, target, false)?
                }
                answer => answer?,
            }
        };
        if known.is_mounted_on && !self.launch.marks {
            self.keep(self.program.mount_point, made);
        } else {
            self.leave(made);
        }
        Ok(())
    }

    /// A new directory or empty file. What is there already is taken as it is; a link to nowhere stays refused.
    fn make_in(
        self,
        inside: &Directory,
        name: &CStr,
        target: &Target,
        directory: bool,
    ) -> Outcome<Handle> {
        let made = if directory {
            file::mkdirat(inside.fd, name, 0o755)
        } else {
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
            fd::openat(inside.fd, name, flags, 0o644).map(drop)
        };
        match made {
            Ok(()) => fd::openat(inside.fd, name, O_PATH | O_NOFOLLOW, 0),
            Err(fault) if fault.is(Errno::EEXIST) => self
                .resolve(target, Links::InRoot)
                .map_err(|other| if directory { other } else { fault }),
            Err(fault) => Err(fault),
        }
    }
}

/// A directory that a step makes things in: of its own, and closed with it, or kept for those that follow.
pub(super) struct Directory {
    pub(super) fd: Fd,
    _own: Option<Handle>,
}

impl Directory {
    pub(super) fn of(own: Handle) -> Self {
        Self { fd: own.fd(), _own: Some(own) }
    }
}

/// The name of what is to be made, and the path of the directory it is in.
pub(super) fn name_of(target: &Target) -> Outcome<(&CStr, Parts<'_>)> {
    target.parts().split_last().ok_or(Fault::new(Sysno::openat, Errno::EISDIR))
}

/// Without `openat2`: each part by itself; a symbolic link is refused, wherever it leads.
pub(super) fn walk(root: Fd, parts: Parts<'_>) -> Outcome<Handle> {
    let mut here = fd::openat(root, c".", O_PATH | O_DIRECTORY, 0)?;
    for name in parts.names() {
        here = fd::openat(here.fd(), name, O_PATH | O_NOFOLLOW, 0)?;
        if fd::fstat(here.fd())?.is_symlink() {
            return Err(Fault::new(Sysno::openat, Errno::ELOOP));
        }
    }
    Ok(here)
}
