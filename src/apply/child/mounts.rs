//! File systems and copied trees are attached below the root, by descriptor.

use core::ffi::CStr;

use super::path::Links;
use super::procfs::FdPath;
use super::{Child, copy};
use crate::apply::program::{Attach, Filesystem, Place, Target};
use crate::plan::MountApi;
use crate::sys::abi::{self, MS_BIND, MS_REC, MS_REMOUNT, MountAttr, O_PATH};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, mount};
use crate::types::{DeviceNumber, Errno, MountFlags};

impl Child<'_> {
    pub(super) fn filesystem(self, new: &Filesystem) -> Outcome {
        let links = if new.strict { Links::Refused } else { Links::InRoot };
        let mounted = if self.program.api == MountApi::Classic {
            let target = self.mount_point(&new.target, links, new.is_found)?;
            // What is there is held open before it is covered.
            let covered =
                new.copy_up.then(|| fd::openat(target.fd(), c".", O_PATH, 0)).transpose()?;
            let source = new.source.as_deref().unwrap_or(&new.fstype);
            let path = FdPath::new(target.fd())?;
            let data = new.data.as_deref();
            mount::mount(Some(source), path.as_cstr(), Some(&new.fstype), new.flags, data)?;
            let mounted = self.resolve(&new.target, links)?;
            if let Some(covered) = covered {
                copy::copy(covered.fd(), mounted.fd(), has_mode(new))?;
            }
            mounted
        } else {
            let mounted = self.make(new)?;
            let target = self.mount_point(&new.target, links, new.is_found)?;
            if new.copy_up {
                copy::copy(target.fd(), mounted.fd(), has_mode(new))?;
            }
            mount::move_mount(mounted.fd(), target.fd(), c"")?;
            self.leave(target);
            mounted
        };
        match new.keep {
            Some(place) => self.keep(place, mounted),
            None => self.leave(mounted),
        }
        Ok(())
    }

    /// A new file system, mounted nowhere yet.
    fn make(self, new: &Filesystem) -> Outcome<Handle> {
        let fs = mount::fsopen(&new.fstype)?;
        if let Some(source) = &new.source {
            mount::set_string(fs.fd(), c"source", source)?;
        }
        for (key, value) in &new.options {
            match value {
                Some(value) => mount::set_string(fs.fd(), key, value)?,
                None => mount::set_flag(fs.fd(), key)?,
            }
        }
        mount::create(fs.fd())?;
        let mounted = mount::fsmount(fs.fd(), new.attributes)?;
        self.leave(fs);
        Ok(mounted)
    }

    pub(super) fn clone_tree(self, source: &CStr, recursive: bool, place: Place) -> Outcome {
        let tree = if self.program.api == MountApi::Classic {
            fd::openat(Fd::CWD, source, O_PATH, 0)?
        } else {
            mount::clone_tree(Fd::CWD, source, recursive)?
        };
        self.keep(place, tree);
        Ok(())
    }

    /// What was opened is verified, not what the path says: a node of another number is refused.
    pub(super) fn clone_device(
        self,
        source: &CStr,
        file_type: u32,
        number: DeviceNumber,
        place: Place,
    ) -> Outcome {
        self.clone_tree(source, false, place)?;
        let kind = fd::fstat(self.at(place)?)?;
        if kind.file_type() == file_type && kind.device == number {
            return Ok(());
        }
        Err(Fault::new(Sysno::fstat, Errno::ENODEV))
    }

    pub(super) fn attach(self, attach: &Attach) -> Outcome {
        let tree = self.take(attach.place)?;
        if self.program.api == MountApi::Detached {
            // Nobody can reach the tree before it has all its flags.
            if let Some(attr) = &attach.all {
                mount::setattr(tree.fd(), true, attr)?;
            }
            if let Some(attr) = &attach.top {
                mount::setattr(tree.fd(), false, attr)?;
            }
        }
        let target = self.mount_point(&attach.target, Links::InRoot, attach.is_found)?;
        let mounted = self.put(&tree, &target, attach.recursive)?;
        self.leave(target);
        if self.program.api == MountApi::Detached || attach.top.is_none() {
            self.leave(tree);
            return Ok(());
        }
        let top = match mounted {
            Some(()) => tree,
            None => self.resolve(&attach.target, Links::InRoot)?,
        };
        remount_by_fd(top.fd(), attach.set, attach.clear)
    }

    /// Attaches `tree` on `target`. `None` if `tree` is only what was copied, not the new mount.
    pub(super) fn put(
        self,
        tree: &Handle,
        target: &Handle,
        recursive: bool,
    ) -> Outcome<Option<()>> {
        if self.program.api != MountApi::Classic {
            return mount::move_mount(tree.fd(), target.fd(), c"").map(Some);
        }
        let (from, to) = (FdPath::new(tree.fd())?, FdPath::new(target.fd())?);
        let flags = MS_BIND | if recursive { MS_REC } else { 0 };
        mount::mount(Some(from.as_cstr()), to.as_cstr(), None, flags, None)?;
        Ok(None)
    }

    pub(super) fn remount(
        self,
        target: &Target,
        attr: &MountAttr,
        set: u64,
        clear: u64,
    ) -> Outcome {
        let mounted = self.resolve(target, Links::InRoot)?;
        self.change(mounted.fd(), attr, set, clear)
    }

    /// Changes the flags of an attached mount in the way this kernel knows.
    pub(super) fn change(self, mounted: Fd, attr: &MountAttr, set: u64, clear: u64) -> Outcome {
        match self.program.api {
            MountApi::Detached => mount::setattr(mounted, false, attr),
            _ => remount_by_fd(mounted, set, clear),
        }
    }

    pub(super) fn propagate(self, target: &Target, kind: u64, recursive: bool) -> Outcome {
        let mounted = self.resolve(target, Links::InRoot)?;
        if self.program.api == MountApi::Detached {
            let attr = MountAttr { propagation: kind, ..MountAttr::default() };
            return mount::setattr(mounted.fd(), recursive, &attr);
        }
        let flags = kind | if recursive { MS_REC } else { 0 };
        if target.is_root() {
            // After the change of root, when `/proc` is the container's.
            return mount::mount(None, c"/", None, flags, None);
        }
        let path = FdPath::new(mounted.fd())?;
        mount::mount(None, path.as_cstr(), None, flags, None)
    }
}

/// Whether the options say which mode the root has.
fn has_mode(new: &Filesystem) -> bool {
    new.options.iter().any(|(key, _)| **key == *c"mode")
}

pub(in crate::apply) fn read_only() -> MountAttr {
    MountAttr { set: abi::MOUNT_ATTR_RDONLY, ..MountAttr::default() }
}

pub(super) fn remount_by_fd(mounted: Fd, set: u64, clear: u64) -> Outcome {
    let path = FdPath::new(mounted)?;
    remount(mounted, path.as_cstr(), set, clear)
}

/// `mount(MS_REMOUNT | MS_BIND)` replaces all flags, so those the mount has are given again: in a user namespace they may
/// be locked, and leaving one out is `EPERM`.
pub(super) fn remount(mounted: Fd, path: &CStr, set: u64, clear: u64) -> Outcome {
    let asked = MountFlags::from_bits_truncate(set).difference(MountFlags::SUPERBLOCK);
    let cleared = MountFlags::from_bits_truncate(clear);
    let held = held(fd::fstatfs(mounted)?.flags).difference(cleared);
    let kept =
        if asked.intersects(MountFlags::ATIME) { held.difference(MountFlags::ATIME) } else { held };
    mount::mount(None, path, None, MS_REMOUNT | MS_BIND | kept.union(asked).bits(), None)
}

/// The flags of `statfs(2)` are those of `mount(2)`, but for the access time.
fn held(flags: u64) -> MountFlags {
    const SAME: MountFlags = MountFlags::MS_RDONLY
        .union(MountFlags::MS_NOSUID)
        .union(MountFlags::MS_NODEV)
        .union(MountFlags::MS_NOEXEC)
        .union(MountFlags::MS_NOATIME)
        .union(MountFlags::MS_NODIRATIME);
    let same = MountFlags::from_bits_truncate(flags).intersection(SAME);
    let no_follow = if flags & abi::ST_NOSYMFOLLOW == 0 {
        MountFlags::empty()
    } else {
        MountFlags::MS_NOSYMFOLLOW
    };
    let atime = if flags & abi::ST_RELATIME != 0 {
        MountFlags::MS_RELATIME
    } else if same.contains(MountFlags::MS_NOATIME) {
        MountFlags::empty()
    } else {
        MountFlags::MS_STRICTATIME
    };
    same.union(no_follow).union(atime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remount_keeps_what_may_be_locked() {
        assert_eq!(
            held(0x1000 | 0x6),
            MountFlags::MS_RELATIME | MountFlags::MS_NOSUID | MountFlags::MS_NODEV
        );
        assert_eq!(held(0x400), MountFlags::MS_NOATIME);
        assert_eq!(held(0), MountFlags::MS_STRICTATIME);
    }
}
