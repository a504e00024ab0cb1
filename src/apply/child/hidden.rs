//! Paths are hidden or made read-only, on the descriptor that was looked at and no other.

use super::Child;
use super::mounts::{read_only, remount_by_fd};
use super::path::Links;
use super::procfs::FdPath;
use crate::apply::program::Target;
use crate::plan::MountApi;
use crate::sys::abi::{self, MS_BIND, MS_REC, O_PATH};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, mount};
use crate::types::Errno;

/// What an empty directory that hides another allows: nothing.
const LOCKED: u64 = abi::MOUNT_ATTR_RDONLY
    | abi::MOUNT_ATTR_NOSUID
    | abi::MOUNT_ATTR_NODEV
    | abi::MOUNT_ATTR_NOEXEC;

impl Child<'_> {
    pub(super) fn mask(self, target: &Target) -> Outcome {
        let Some(found) = self.find(target)? else { return Ok(()) };
        if fd::fstat(found.fd())?.is_directory() {
            self.mask_directory(&found)?;
        } else {
            self.mask_file(&found)?;
        }
        self.leave(found);
        Ok(())
    }

    /// One empty file system for all: the first is mounted, the others are copies of that mount.
    fn mask_directory(self, found: &Handle) -> Outcome {
        if self.program.api == MountApi::Classic {
            let path = FdPath::new(found.fd())?;
            return mount::mount(Some(c"tmpfs"), path.as_cstr(), Some(c"tmpfs"), LOCKED, None);
        }
        if let Ok(first) = self.at(self.program.mask_directory) {
            return self.cover_with_copy(first, found);
        }
        let fs = mount::fsopen(c"tmpfs")?;
        mount::create(fs.fd())?;
        let first = mount::fsmount(fs.fd(), LOCKED)?;
        self.leave(fs);
        mount::move_mount(first.fd(), found.fd(), c"")?;
        self.keep(self.program.mask_directory, first);
        Ok(())
    }

    fn mask_file(self, found: &Handle) -> Outcome {
        let device = self.null_device()?;
        if self.program.api == MountApi::Classic {
            let (from, to) = (FdPath::new(device)?, FdPath::new(found.fd())?);
            return mount::mount(Some(from.as_cstr()), to.as_cstr(), None, MS_BIND, None);
        }
        self.cover_with_copy(device, found)
    }

    fn cover_with_copy(self, original: Fd, found: &Handle) -> Outcome {
        let copy = mount::clone_tree(original, c"", false)?;
        mount::move_mount(copy.fd(), found.fd(), c"")?;
        self.leave(copy);
        Ok(())
    }

    /// The container's, else the host's; whichever, it is the device of that number that was opened.
    fn null_device(self) -> Outcome<Fd> {
        let place = self.program.mask_device;
        if let Ok(known) = self.at(place) {
            return Ok(known);
        }
        let own = self.open_null(Links::Refused);
        let device = match own {
            Ok(Some(own)) => own,
            _ => {
                let host = fd::openat(Fd::CWD, c"/dev/null", O_PATH, 0)?;
                if !fd::fstat(host.fd())?.is_null_device() {
                    return Err(Fault::new(Sysno::fstat, Errno::ENODEV));
                }
                host
            }
        };
        self.keep(place, device);
        self.at(place)
    }

    fn open_null(self, links: Links) -> Outcome<Option<Handle>> {
        let own = self.resolve(&self.program.null_device, links)?;
        Ok(fd::fstat(own.fd())?.is_null_device().then_some(own))
    }

    /// All mounts below become read-only with it, where the kernel can do that at once.
    pub(super) fn make_readonly(self, target: &Target) -> Outcome {
        let Some(found) = self.find(target)? else { return Ok(()) };
        match self.program.api {
            MountApi::Detached => {
                let copy = mount::clone_tree(found.fd(), c"", true)?;
                mount::setattr(copy.fd(), true, &read_only())?;
                mount::move_mount(copy.fd(), found.fd(), c"")?;
                self.leave(copy);
                self.leave(found);
                Ok(())
            }
            MountApi::DetachedWithoutSetattr => {
                let copy = mount::clone_tree(found.fd(), c"", true)?;
                mount::move_mount(copy.fd(), found.fd(), c"")?;
                remount_by_fd(copy.fd(), abi::MOUNT_ATTR_RDONLY, 0)
            }
            MountApi::Classic => {
                let path = FdPath::new(found.fd())?;
                let here = path.as_cstr();
                mount::mount(Some(here), here, None, MS_BIND | MS_REC, None)?;
                let copy = self.resolve(target, Links::InRoot)?;
                remount_by_fd(copy.fd(), abi::MOUNT_ATTR_RDONLY, 0)
            }
        }
    }
}
