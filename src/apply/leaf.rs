//! The processes of a v2 cgroup that was given to the caller go into a leaf of it, and come back.
//!
//! A cgroup with processes of its own may not switch controllers on for its children (`cgroups(7)`, "no internal
//! processes"), so they are put aside while containers are beside them.

use std::fs;

use super::cgroup::{self, c_path, pauses};
use crate::facts::LEAF;
use crate::sys::abi::{O_DIRECTORY, O_RDONLY};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, file, host};
use crate::types::{Errno, HostPath};

/// So often the list of processes is read again: what forks meanwhile is in it then.
const MOST_PASSES: u8 = 16;

/// Moves everybody into the leaf. Nobody returns from there as long as the answer is held.
pub(crate) fn enter(directory: &HostPath) -> Outcome<Handle> {
    let lock = lock(directory)?;
    let leaf = directory.child(LEAF);
    match cgroup::make(&leaf) {
        Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
        _ => {}
    }
    move_all(directory, &leaf)?;
    Ok(lock)
}

/// Moves everybody back and removes the leaf, unless somebody else's cgroup is in the directory.
pub(crate) fn leave(directory: &HostPath) -> Outcome {
    let leaf = directory.child(LEAF);
    if !cgroup::exists(&leaf)? {
        return Ok(());
    }
    let _lock = lock(directory)?;
    if !is_alone(directory)? {
        return Ok(());
    }
    let file = directory.child("cgroup.subtree_control");
    let on = cgroup::read(&file)?;
    let off: Vec<_> = on.split_whitespace().map(|name| format!("-{name}")).collect();
    if !off.is_empty() {
        cgroup::write(&file, off.join(" ").as_bytes())?;
    }
    move_all(&leaf, directory)?;
    match file::rmdir(&c_path(&leaf)?) {
        Err(fault) if fault.is(Errno::ENOENT) => Ok(()),
        answer => answer,
    }
}

/// One at a time, from here on: `flock(2)` of the directory, given back when the descriptor is closed.
fn lock(directory: &HostPath) -> Outcome<Handle> {
    let handle = fd::openat(Fd::CWD, &c_path(directory)?, O_RDONLY | O_DIRECTORY, 0)?;
    let mut pauses = pauses();
    while !host::try_lock(handle.fd())? {
        match pauses.next() {
            Some(pause) => std::thread::sleep(pause),
            None => return Err(Fault::new(Sysno::flock, Errno::EAGAIN)),
        }
    }
    Ok(handle)
}

fn is_alone(directory: &HostPath) -> Outcome<bool> {
    let entries = fs::read_dir(directory.as_str())
        .map_err(|error| super::journal::io_fault(Sysno::getdents64, &error))?;
    let others =
        entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(others.filter(|entry| entry.file_name() != LEAF).count() == 0)
}

fn move_all(from: &HostPath, to: &HostPath) -> Outcome {
    let target = to.child("cgroup.procs");
    for _ in 0..MOST_PASSES {
        let list = cgroup::read(&from.child("cgroup.procs"))?;
        if list.is_empty() {
            return Ok(());
        }
        for pid in list.lines() {
            match cgroup::write(&target, pid.as_bytes()) {
                // It has ended meanwhile.
                Err(fault) if fault.is(Errno::ESRCH) => {}
                answer => answer?,
            }
        }
    }
    Err(Fault::new(Sysno::write, Errno::EBUSY))
}
