//! A container's state directory: found without following links, checked, and locked for the launcher's life; or only
//! looked at, by those who are not its launcher.

use alloc::ffi::CString;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::ffi::CStr;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use super::control::Pace;
use super::error::Cause;
use super::journal::io_fault;
use super::running::StateError;
use crate::plan::{Record, is_container_id};
use crate::sys::abi::{
    O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};
use crate::sys::{Fd, Handle, Outcome, Sysno, fd, file, host};
use crate::types::Errno;

mod door;

pub use door::{WORD_DIRECTORY, WORD_SOCKET, listen_to_word};

/// The journal's file.
pub(super) const JOURNAL: &str = "journal";
const JOURNAL_C: &CStr = c"journal";
/// The record's file, and what it is called until it is complete.
const RECORD: &CStr = c"state.json";
const NEW_RECORD: &CStr = c"state.json.new";
/// A change of limits that is being made, and what it is called until it is complete.
const PENDING: &CStr = c"update.json";
const NEW_PENDING: &CStr = c"update.json.new";
/// How long a look at the lock may last.
const LOOK: Duration = Duration::from_millis(5);
/// More than any container needs, and less than would hurt.
const LARGEST_RECORD: u64 = 1024 * 1024;

/// `root/id`, with its journal locked.
#[derive(Debug)]
pub(crate) struct Directory {
    root: Handle,
    own: Handle,
    name: CString,
    journal: File,
    /// Whether the journal was empty when it was locked.
    is_new: bool,
}

impl Directory {
    /// Opens it, making what is missing.
    pub(crate) fn open(root: &Path, id: &str) -> Result<Self, Cause> {
        let in_use = || Cause::InUse { id: id.to_string() };
        Self::open_in(open_root(root)?, id, true)?.ok_or_else(in_use)
    }

    /// Opens it if it is there.
    pub(crate) fn existing(root: &Path, id: &str) -> Result<Option<Self>, Cause> {
        match see_root(root)? {
            Some(root) => Self::open_in(root, id, false),
            None => Ok(None),
        }
    }

    fn open_in(root: Handle, id: &str, makes: bool) -> Result<Option<Self>, Cause> {
        let name = check_id(id)?;
        // Whoever removes the directory holds the lock, so what was locked may be gone from it: then once more.
        for _ in 0..16 {
            if makes {
                make(root.fd(), &name)?;
            }
            let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
            let own = match fd::openat(root.fd(), &name, flags, 0) {
                Err(fault) if fault.is(Errno::ENOENT) && makes => continue,
                Err(fault) if fault.is(Errno::ENOENT) => return Ok(None),
                answer => answer?,
            };
            check_owner(own.fd())?;
            let flags = O_RDWR | O_NOFOLLOW | if makes { O_CREAT } else { 0 };
            let journal = match fd::openat(own.fd(), JOURNAL_C, flags, 0o600) {
                Err(fault) if fault.is(Errno::ENOENT) && makes => continue,
                Err(fault) if fault.is(Errno::ENOENT) => return Ok(None),
                answer => answer?,
            };
            if !lock(journal.fd())? {
                return Err(Cause::InUse { id: id.to_string() });
            }
            let kind = fd::fstat(journal.fd())?;
            if kind.is_named {
                let journal = File::from(host::owned(journal));
                return Ok(Some(Self { root, own, name, journal, is_new: kind.is_empty }));
            }
        }
        Err(Cause::InUse { id: id.to_string() })
    }

    /// Whether no launcher has done anything here that must be undone: each step is journaled first, the record too.
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.journal
    }

    /// All of it.
    pub(super) fn text(&mut self) -> Outcome<String> {
        let mut text = String::new();
        let start = self.journal.seek(SeekFrom::Start(0));
        start.map_err(|error| io_fault(Sysno::lseek, &error))?;
        // Each line counts alone, and one that is none for nothing.
        match self.journal.read_to_string(&mut text) {
            Err(error) if error.kind() != std::io::ErrorKind::InvalidData => {
                Err(io_fault(Sysno::read, &error))
            }
            _ => Ok(text),
        }
    }

    /// Begins anew.
    pub(super) fn empty(&mut self) -> Outcome {
        self.journal.set_len(0).map_err(|error| io_fault(Sysno::ftruncate, &error))?;
        let start = self.journal.seek(SeekFrom::Start(0));
        start.map(drop).map_err(|error| io_fault(Sysno::lseek, &error))
    }

    /// Puts a record in the place of the one that is there, if any: a reader finds the one or the other.
    pub(crate) fn write_record(&self, text: &[u8]) -> Outcome {
        write_record(self.own.fd(), text)
    }

    /// Removes it, also one that was not finished, and an interrupted change of limits.
    pub(crate) fn remove_record(&self) -> Outcome {
        self.remove_files(&[RECORD, NEW_RECORD, PENDING, NEW_PENDING])
    }

    fn remove_files(&self, names: &[&CStr]) -> Outcome {
        for name in names {
            match file::unlinkat(self.own.fd(), name) {
                Err(fault) if !fault.is(Errno::ENOENT) => return Err(fault),
                _ => {}
            }
        }
        Ok(())
    }

    /// The record, if there is one.
    pub(crate) fn record(&self, id: &str) -> Result<Option<Record>, StateError> {
        read_record(self.own.fd(), id)
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

/// A container's state directory as others than its launcher see it: nothing is made, nothing is locked.
#[derive(Debug)]
pub(crate) struct Seen {
    own: Handle,
}

impl Seen {
    /// `root/id`, if there is one.
    pub(crate) fn open(root: &Path, id: &str) -> Result<Option<Self>, StateError> {
        let name = check_id(id)?;
        let Some(root) = see_root(root)? else { return Ok(None) };
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
        let own = match fd::openat(root.fd(), &name, flags, 0) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(None),
            answer => answer?,
        };
        check_owner(own.fd())?;
        Ok(Some(Self { own }))
    }

    /// The names of all directories below `root` that may be containers, in order.
    pub(crate) fn names(root: &Path) -> Result<Vec<String>, StateError> {
        if see_root(root)?.is_none() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(root).map_err(|e| io_fault(Sysno::getdents64, &e))?;
        let is_directory =
            |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        let names = entries.flatten().filter(is_directory).map(|entry| entry.file_name());
        let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| is_container_id(name));
        names.sort_unstable();
        Ok(names)
    }

    /// The record, if there is one.
    pub(crate) fn record(&self, id: &str) -> Result<Option<Record>, StateError> {
        read_record(self.own.fd(), id)
    }

    /// Whether the record is this command's to change, by a lock on the directory, which lasts as long as this does.
    pub(crate) fn claim(&self) -> Result<bool, StateError> {
        Ok(lock(self.own.fd())?)
    }

    /// Puts a record in the place of the one that is there; one of a container that has gone meanwhile goes as well.
    pub(crate) fn write_record(&self, text: &[u8]) -> Outcome {
        write_record(self.own.fd(), text)?;
        if !self.is_container() {
            let _ = file::unlinkat(self.own.fd(), RECORD);
        }
        Ok(())
    }

    /// Writes down a change of limits before it is made.
    pub(crate) fn write_pending(&self, text: &[u8]) -> Outcome {
        replace(self.own.fd(), (NEW_PENDING, PENDING), text)
    }

    /// One that was written down and is not finished.
    pub(crate) fn pending(&self) -> Result<Option<String>, StateError> {
        read_trusted(self.own.fd(), PENDING)
    }

    /// It is finished.
    pub(crate) fn remove_pending(&self) -> Outcome {
        match file::unlinkat(self.own.fd(), PENDING) {
            Err(fault) if fault.is(Errno::ENOENT) => Ok(()),
            answer => answer,
        }
    }

    /// Whether there is a journal: what the directory of a container always has.
    pub(crate) fn is_container(&self) -> bool {
        fd::openat(self.own.fd(), JOURNAL_C, O_PATH | O_NOFOLLOW, 0).is_ok()
    }

    /// Whether the container stays until it is deleted.
    pub(crate) fn is_kept(&self) -> Result<bool, StateError> {
        let text = read_trusted(self.own.fd(), JOURNAL_C)?;
        Ok(text.is_some_and(|text| super::journal::is_kept(&text)))
    }

    /// Whether its launcher lives, by the lock on the journal.
    pub(crate) fn is_locked(&self) -> Result<bool, StateError> {
        match fd::openat(self.own.fd(), JOURNAL_C, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0) {
            Err(fault) if fault.is(Errno::ENOENT) => Ok(false),
            // Held for a moment only, if at all; a launcher tries more than once.
            answer => Ok(!host::try_lock(answer?.fd())?),
        }
    }
}

fn write_record(directory: Fd, text: &[u8]) -> Outcome {
    replace(directory, (NEW_RECORD, RECORD), text)
}

/// A reader finds the old text or all of the new one.
fn replace(directory: Fd, (fresh, name): (&CStr, &CStr), text: &[u8]) -> Outcome {
    let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    let file = fd::openat(directory, fresh, flags, 0o600)?;
    fd::write(file.fd(), text)?;
    file::rename(directory, fresh, name)
}

/// What is read back is authority: a plain file that nobody else could write to, and no larger than a limit.
fn read_record(directory: Fd, id: &str) -> Result<Option<Record>, StateError> {
    let Some(text) = read_trusted(directory, RECORD)? else { return Ok(None) };
    let wrong = |error| StateError::Record { id: id.to_string(), error };
    let record = Record::from_json(&text).map_err(wrong)?;
    if record.id != id {
        let reason = "state.json is of a container with another name";
        return Err(StateError::Distrusted { reason });
    }
    Ok(Some(record))
}

fn read_trusted(directory: Fd, name: &CStr) -> Result<Option<String>, StateError> {
    let distrust = |reason| Err(StateError::Distrusted { reason });
    let flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    let file = match fd::openat(directory, name, flags, 0) {
        Err(fault) if fault.is(Errno::ENOENT) => return Ok(None),
        Err(fault) if fault.is(Errno::ELOOP) => return distrust("a state file is a symbolic link"),
        answer => answer?,
    };
    let kind = fd::fstat(file.fd())?;
    if !kind.is_regular() {
        return distrust("a state file is not a regular file");
    }
    if kind.uid != host::effective_uid() || kind.permissions() & 0o022 != 0 {
        return distrust("a state file belongs to another user, or others can write to it");
    }
    let mut bytes = Vec::new();
    let read = File::from(host::owned(file)).take(LARGEST_RECORD + 1).read_to_end(&mut bytes);
    let length = read.map_err(|error| io_fault(Sysno::read, &error))?;
    if u64::try_from(length).is_ok_and(|length| length > LARGEST_RECORD) {
        return distrust("a state file is larger than 1 MiB");
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(_) => distrust("a state file is not UTF-8"),
    }
}

fn check_id(id: &str) -> Result<CString, Cause> {
    CString::new(id)
        .ok()
        .filter(|_| is_container_id(id))
        .ok_or(Cause::State { reason: "an id is one plain file name" })
}

/// Somebody who only looks whether there is a lock holds it for a moment.
fn lock(journal: Fd) -> Outcome<bool> {
    let mut pace = Pace::until(LOOK);
    loop {
        match host::try_lock(journal) {
            Ok(false) if pace.rest() => {}
            answer => return answer,
        }
    }
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
    open_checked(&path)
}

/// The root of all, if it is there.
fn see_root(root: &Path) -> Result<Option<Handle>, Cause> {
    let Ok(path) = CString::new(root.as_os_str().as_bytes()) else {
        return Err(Cause::State { reason: "the path of the state directory holds a NUL byte" });
    };
    match open_checked(&path) {
        Err(Cause::Kernel(fault)) if fault.is(Errno::ENOENT) => Ok(None),
        answer => answer.map(Some),
    }
}

fn open_checked(path: &CStr) -> Result<Handle, Cause> {
    let root = fd::openat(Fd::CWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
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
