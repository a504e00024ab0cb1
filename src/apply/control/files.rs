//! Directories of a cgroup tree become texts, lists of processes and lists of directories.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use std::fs;
use std::io;

use super::ControlError;
use crate::apply::cgroup;
use crate::apply::journal::io_fault;
use crate::facts::CgroupStats;
use crate::sys::Sysno;
use crate::types::{Errno, HostPath};

/// Deeper than the kernel lets a v2 tree grow by default is not looked.
const MOST_LEVELS: usize = 64;

/// A text, or `None` where the file or the whole cgroup is gone, or the kernel has the file switched off (pressure).
pub(super) fn read(path: &HostPath) -> Result<Option<String>, ControlError> {
    match fs::read(path.as_str()) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(kernel(path, Sysno::read, &error)),
    }
}

fn is_absent(error: &io::Error) -> bool {
    let errno = Errno(error.raw_os_error().unwrap_or(0));
    matches!(errno, Errno::ENOENT | Errno::ENODEV | Errno::EOPNOTSUPP)
}

pub(super) fn kernel(path: &HostPath, call: Sysno, error: &io::Error) -> ControlError {
    ControlError::Kernel { path: path.clone(), fault: io_fault(call, error) }
}

/// One value in one `write(2)`, to a file that exists.
pub(super) fn write(path: &HostPath, value: &[u8]) -> Result<(), ControlError> {
    cgroup::write(path, value).map_err(|fault| ControlError::Kernel { path: path.clone(), fault })
}

/// Whether it is a directory of the v2 tree: only there does each say which controllers it has.
pub(super) fn is_unified(directory: &HostPath) -> bool {
    fs::exists(directory.child("cgroup.controllers").as_str()).unwrap_or(false)
}

/// Every file with a part in the statistics, of all directories together.
pub(super) fn statistics(
    directories: &[HostPath],
) -> Result<BTreeMap<String, String>, ControlError> {
    let mut texts = BTreeMap::new();
    for directory in directories {
        let entries = match fs::read_dir(directory.as_str()) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(kernel(directory, Sysno::openat, &error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        for name in names.filter(|name| CgroupStats::is_source(name)) {
            if let Some(text) = read(&directory.child(&name))? {
                texts.insert(name, text);
            }
        }
    }
    Ok(texts)
}

/// The directory and those below it, each before those below it. Names in a cgroup file system are safe to walk: it has
/// no links.
pub(super) fn tree(directory: &HostPath) -> Vec<HostPath> {
    let mut found = [directory.clone()].to_vec();
    let mut level = found.clone();
    for _ in 0..MOST_LEVELS {
        level = level.iter().flat_map(below).collect();
        if level.is_empty() {
            break;
        }
        found.extend(level.iter().cloned());
    }
    found
}

fn below(directory: &HostPath) -> Vec<HostPath> {
    let Ok(entries) = fs::read_dir(directory.as_str()) else { return Vec::new() };
    let directories =
        entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories
        .filter_map(|entry| entry.file_name().to_str().map(ToOwned::to_owned))
        .map(|name| directory.child(&name))
        .collect()
}

/// Numbers of the processes in a directory; 0 stands for one that this pid namespace does not see. A threaded cgroup
/// has no list: its processes are in that of its domain.
pub(super) fn processes(directory: &HostPath) -> Result<Vec<u32>, ControlError> {
    let text = read(&directory.child("cgroup.procs"))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}
