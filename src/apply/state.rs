//! A container's state directory: found without following links, checked, and locked for the launcher's life.

use alloc::ffi::CString;
use alloc::string::ToString as _;
use core::ffi::CStr;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::error::Cause;
use super::journal::io_fault;
use crate::sys::abi::{O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR};
use crate::sys::{Fd, Handle, Outcome, Sysno, fd, file, host};
use crate::types::Errno;

/// The journal's file.
pub(super) const JOURNAL: &str = "journal";
const JOURNAL_C: &CStr = c"journal";

/// `root/id`, with its journal locked.
#[derive(Debug)]
pub(crate) struct Directory {
    root: Handle,
    own: Handle,
    name: CString,
    journal: File,
}

impl Directory {
    /// Opens it, making what is missing.
    pub(crate) fn open(root: &Path, id: &str) -> Result<Self, Cause> {
        let name = check_id(id)?;
        let root = open_root(root)?;
        // Whoever removes the directory holds the lock, so what was locked may be gone from it: then once more.
        for _ in 0..16 {
            make(root.fd(), &name)?;
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
            let own = match fd::openat(root.fd(), &name, flags, 0) {
                Err(fault) if fault.is(Errno::ENOENT) => continue,
                answer => answer?,
            };
            check_owner(own.fd())?;
            let flags = O_RDWR | O_CREAT | O_NOFOLLOW;
            let journal = match fd::openat(own.fd(), JOURNAL_C, flags, 0o600) {
                Err(fault) if fault.is(Errno::ENOENT) => continue,
                answer => answer?,
            };
            if !host::try_lock(journal.fd())? {
                return Err(Cause::InUse { id: id.to_string() });
            }
            if fd::fstat(journal.fd())?.is_named {
                let journal = File::from(host::owned(journal));
                return Ok(Self { root, own, name, journal });
            }
        }
        Err(Cause::InUse { id: id.to_string() })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.journal
    }

    /// Begins anew.
    pub(super) fn empty(&mut self) -> Outcome {
        self.journal.set_len(0).map_err(|error| io_fault(Sysno::ftruncate, &error))?;
        let start = self.journal.seek(SeekFrom::Start(0));
        start.map(drop).map_err(|error| io_fault(Sysno::lseek, &error))
    }

    /// Removes the journal, and the directory unless others keep files in it.
    pub(super) fn remove(self) -> Outcome {
        file::unlinkat(self.own.fd(), JOURNAL_C)?;
        match file::rmdirat(self.root.fd(), &self.name) {
            Err(fault) if fault.is(Errno::ENOTEMPTY) => Ok(()),
            answer => answer,
        }
    }
}

fn check_id(id: &str) -> Result<CString, Cause> {
    let is_name = !matches!(id, "" | "." | "..") && !id.contains('/') && id.len() < 256;
    CString::new(id)
        .ok()
        .filter(|_| is_name)
        .ok_or(Cause::State { reason: "an id is one plain file name" })
}

fn make(dir: Fd, name: &CStr) -> Outcome {
    match file::mkdirat(dir, name, 0o700) {
        Err(fault) if fault.is(Errno::EEXIST) => Ok(()),
        answer => answer,
    }
}

fn open_root(root: &Path) -> Result<Handle, Cause> {
    let Ok(path) = CString::new(root.as_os_str().as_bytes()) else {
        return Err(Cause::State { reason: "the path of the state directory holds a NUL byte" });
    };
    make(Fd::CWD, &path)?;
    let root = fd::openat(Fd::CWD, &path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
    check_owner(root.fd())?;
    Ok(root)
}

/// What is read back from here is carried out, so nobody else may have written it.
fn check_owner(directory: Fd) -> Result<(), Cause> {
    let kind = fd::fstat(directory)?;
    if kind.uid != host::effective_uid() {
        return Err(Cause::State { reason: "the state directory belongs to another user" });
    }
    if kind.permissions() & 0o022 != 0 {
        return Err(Cause::State { reason: "the state directory can be written to by others" });
    }
    Ok(())
}
