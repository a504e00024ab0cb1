//! The root becomes a mount of its own, and later the process's root.

use core::ffi::CStr;

use super::Child;
use super::mounts::read_only;
use super::procfs::FdPath;
use crate::apply::program::PrepareRoot;
use crate::plan::MountApi;
use crate::sys::abi::{self, MS_BIND, MS_MOVE, MS_REC, MountAttr, O_DIRECTORY, O_PATH};
use crate::sys::{Fd, Handle, Outcome, fd, file, mount};

impl Child<'_> {
    /// The directory is looked up once, on the host, which is trusted; everything else goes by its descriptor.
    pub(super) fn prepare_root(self, root: &PrepareRoot) -> Outcome {
        let directory = fd::openat(Fd::CWD, &root.path, O_PATH | O_DIRECTORY, 0)?;
        let copy = match self.program.api {
            MountApi::Detached | MountApi::DetachedWithoutSetattr => {
                let copy = mount::clone_tree(directory.fd(), c"", true)?;
                if root.readonly_submounts && self.program.api == MountApi::Detached {
                    set_readonly_below(&copy)?;
                }
                mount::move_mount(copy.fd(), directory.fd(), c"")?;
                copy
            }
            MountApi::Classic => {
                let path = FdPath::new(directory.fd())?;
                let here = Some(path.as_cstr());
                mount::mount(here, path.as_cstr(), None, MS_BIND | MS_REC, None)?;
                reopen(&root.path)?
            }
        };
        if root.readonly_now {
            self.change(copy.fd(), &read_only(), abi::MOUNT_ATTR_RDONLY, 0)?;
        }
        self.keep(self.program.root, copy);
        Ok(())
    }

    /// A tmpfs over a directory that is there anyway; the host's own tree keeps it uncovered.
    pub(super) fn empty_root(self, path: &CStr, for_mapped_root: bool) -> Outcome {
        let directory = fd::openat(Fd::CWD, path, O_PATH | O_DIRECTORY, 0)?;
        let root = match self.program.api {
            MountApi::Detached | MountApi::DetachedWithoutSetattr => {
                let fs = mount::fsopen(c"tmpfs")?;
                mount::set_string(fs.fd(), c"mode", c"755")?;
                if for_mapped_root {
                    mount::set_string(fs.fd(), c"uid", c"0")?;
                    mount::set_string(fs.fd(), c"gid", c"0")?;
                }
                mount::create(fs.fd())?;
                let root = mount::fsmount(fs.fd(), 0)?;
                mount::move_mount(root.fd(), directory.fd(), c"")?;
                root
            }
            MountApi::Classic => {
                let here = FdPath::new(directory.fd())?;
                let kind = Some(c"tmpfs");
                let data = if for_mapped_root { c"mode=755,uid=0,gid=0" } else { c"mode=755" };
                mount::mount(kind, here.as_cstr(), kind, 0, Some(data))?;
                reopen(path)?
            }
        };
        self.keep(self.program.root, root);
        Ok(())
    }

    /// Old and new root on one another: no directory for the old one is needed in the new one, `pivot_root(2)`.
    pub(super) fn pivot_root(self) -> Outcome {
        file::fchdir(self.at(self.program.root)?)?;
        self.take_program_along();
        mount::pivot_root(c".", c".")?;
        mount::detach(c".")?;
        file::chdir(c"/")
    }

    /// Mounts the copy that the launcher's program is on somewhere in the root that is detached next, on any file that every
    /// host has: so it leaves the namespace with that, without an unmount and a wait of its own. Where it cannot be mounted
    /// the close is that unmount.
    ///
    /// It may not be in a namespace, if only in the nameless one of its descriptor, when anybody else is in the container:
    /// whoever gets hold of it and may mount could make it writable again (`mount_setattr(2)`).
    fn take_program_along(self) {
        if let Some(sealed) = self.launch.sealed {
            let _ = mount::move_mount(sealed, Fd::CWD, c"/proc/version");
            let _ = fd::close(sealed);
        }
    }

    pub(super) fn move_root(self) -> Outcome {
        file::fchdir(self.at(self.program.root)?)?;
        mount::mount(Some(c"."), c"/", None, MS_MOVE, None)?;
        file::chroot(c".")?;
        file::chdir(c"/")
    }

    pub(super) fn readonly_root(self) -> Outcome {
        let root = self.at(self.program.root)?;
        if self.program.api == MountApi::Detached {
            return mount::setattr(root, false, &read_only());
        }
        // The root was changed before: `/` is what the descriptor is.
        super::mounts::remount(root, c"/", abi::MOUNT_ATTR_RDONLY, 0)
    }
}

/// Opens what is mounted on a directory now. A walk to `/` itself ends below what was mounted over it; going up from
/// there does not, as `..` crosses mounts even where it leads nowhere, `path_resolution(7)`.
fn reopen(path: &CStr) -> Outcome<Handle> {
    let path = if path == c"/" { c"/.." } else { path };
    fd::openat(Fd::CWD, path, O_PATH | O_DIRECTORY, 0)
}

/// All mounts of a tree but its top, which is still to be filled; a top that is read-only already stays so.
fn set_readonly_below(tree: &Handle) -> Outcome {
    let was_readonly = fd::fstatfs(tree.fd())?.flags & abi::MOUNT_ATTR_RDONLY != 0;
    mount::setattr(tree.fd(), true, &read_only())?;
    if was_readonly {
        return Ok(());
    }
    let writable = MountAttr { clear: abi::MOUNT_ATTR_RDONLY, ..MountAttr::default() };
    mount::setattr(tree.fd(), false, &writable)
}
