//! Cgroup steps of the launcher, and how they are undone.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use std::fs;
use std::thread;
use std::time::Duration;

use super::control::{CgroupHandle, ControlError};
use crate::plan::Instruction;
use crate::sys::abi::{self, O_DIRECTORY, O_PATH, O_RDONLY, O_RDWR, O_WRONLY};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, bpf, fd, file};
use crate::types::{Errno, HostPath};

/// A path of the host's as a C string.
pub(crate) fn c_path(path: &HostPath) -> Outcome<CString> {
    CString::new(path.as_str()).map_err(|_| Fault::new(Sysno::openat, Errno::EINVAL))
}

/// One value in one `write(2)`, to a file that exists.
pub(crate) fn write(path: &HostPath, value: &[u8]) -> Outcome {
    fd::write(open_to_write(path)?.fd(), value)
}

/// `mkdir(path, 0755)`.
pub(crate) fn make(path: &HostPath) -> Outcome {
    file::mkdirat(Fd::CWD, &c_path(path)?, 0o755)
}

/// Whether there is such a directory.
pub(crate) fn exists(path: &HostPath) -> Outcome<bool> {
    match fd::openat(Fd::CWD, &c_path(path)?, O_PATH | O_DIRECTORY, 0) {
        Ok(_) => Ok(true),
        Err(fault) if fault.is(Errno::ENOENT) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// `cpuset.cpus` and `cpuset.mems` from the directory above, where they are empty. `ENODATA` if they are empty there too.
pub(crate) fn inherit_cpuset(directory: &HostPath) -> Outcome {
    let above = directory.as_str().rsplit_once('/').map_or("/", |(above, _)| above);
    let above = HostPath::new(above).map_err(|_| Fault::new(Sysno::openat, Errno::EINVAL))?;
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let own = fd::openat(Fd::CWD, &c_path(&directory.child(name))?, O_RDWR, 0)?;
        let mut first = [0; 8];
        let length = fd::read(own.fd(), &mut first)?;
        if first[..length].trim_ascii().is_empty() {
            let inherited = read(&above.child(name))?;
            if inherited.trim().is_empty() {
                return Err(Fault::new(Sysno::read, Errno::ENODATA));
            }
            fd::write(own.fd(), inherited.trim().as_bytes())?;
        }
    }
    Ok(())
}

/// `+cpu +memory` to `cgroup.subtree_control`, for those that are not on; of `more` those that can be.
pub(crate) fn enable(directory: &HostPath, controllers: &[String], more: &[String]) -> Outcome {
    let file = directory.child("cgroup.subtree_control");
    let on = read(&file)?;
    let off = |names: &[String]| -> Vec<String> {
        let is_off = |name: &&String| !on.split_whitespace().any(|word| word == name.as_str());
        names.iter().filter(is_off).map(|name| alloc::format!("+{name}")).collect()
    };
    let switch = |names: &[String]| match names {
        [] => Ok(()),
        names => write(&file, names.join(" ").as_bytes()),
    };
    let (needed, wished) = (off(controllers), off(more));
    let all = [needed.as_slice(), &wished].concat();
    // The kernel switches on all or none, and one of them may be refused: `cpu` beside real-time processes.
    switch(&all).or_else(|fault| {
        if wished.is_empty() {
            return Err(fault);
        }
        switch(&needed)?;
        for name in &wished {
            let _ = switch(core::slice::from_ref(name));
        }
        Ok(())
    })
}

/// Gives a directory and those of its files that are there to a user.
pub(crate) fn give(directory: &HostPath, files: &[String], uid: u32) -> Outcome {
    let keep_group = u32::MAX;
    file::fchownat(Fd::CWD, &c_path(directory)?, uid, keep_group)?;
    for name in files {
        match file::fchownat(Fd::CWD, &c_path(&directory.child(name))?, uid, keep_group) {
            // Of a controller that is off here, or of a newer kernel.
            Err(fault) if fault.is(Errno::ENOENT) => {}
            answer => answer?,
        }
    }
    Ok(())
}

/// Loads a device program and attaches it.
pub(crate) fn device_policy(directory: &HostPath, program: &[Instruction]) -> Outcome {
    let words: Vec<_> = program.iter().map(|instruction| instruction.to_bytes()).collect();
    let directory = open_directory(directory)?;
    bpf::police(directory.fd(), &words)
}

/// `open(directory, O_DIRECTORY)`.
pub(crate) fn open_directory(directory: &HostPath) -> Outcome<Handle> {
    fd::openat(Fd::CWD, &c_path(directory)?, O_RDONLY | O_DIRECTORY, 0)
}

/// `open(file, O_WRONLY)`.
pub(crate) fn open_to_write(file: &HostPath) -> Outcome<Handle> {
    fd::openat(Fd::CWD, &c_path(file)?, O_WRONLY, 0)
}

/// Pauses of 50 µs to 100 ms, together about a second: the kernel lets go of a cgroup a moment after its last process.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> {
    (0..18_u32).map(|n| Duration::from_micros(50 << n.min(11)))
}

/// Removes a directory and what the container made below it.
pub(crate) fn remove(path: &HostPath) -> Outcome {
    let name = c_path(path)?;
    let mut pauses = pauses();
    let mut is_looked_into = false;
    loop {
        match file::rmdir(&name) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(()),
            // Most containers make none, and looking for them takes longer than the removal.
            Err(fault) if is_busy(fault) && !is_looked_into => {
                is_looked_into = true;
                remove_below(path, 0);
            }
            Err(fault) if is_busy(fault) => match pauses.next() {
                Some(pause) => thread::sleep(pause),
                None => return Err(fault),
            },
            answer => return answer,
        }
    }
}

/// Leaves a directory that other containers may be in: the last one out removes it.
///
/// Who made it (`own`) and cannot remove it marks it as left, and then tries once more: so whoever leaves after that
/// look finds the mark, and whoever left before it is not in the way. Who found it removes it only if it is marked; a
/// directory of the administrator's never is.
pub(crate) fn leave(path: &HostPath, own: bool) -> Outcome {
    let name = c_path(path)?;
    let go = || match file::rmdir(&name) {
        Err(fault) if fault.is(Errno::ENOENT) => Ok(true),
        Err(fault) if is_busy(fault) => Ok(false),
        answer => answer.map(|()| true),
    };
    if !own {
        return if is_left(&name) { go().map(drop) } else { Ok(()) };
    }
    if !go()? {
        // Without room for a mark (a user's v2 cgroup before Linux 5.7) it stays, empty.
        let _ = LEFT.iter().any(|mark| file::setxattr(&name, mark, b"1").is_ok());
        go()?;
    }
    Ok(())
}

/// Marks of a directory that its maker has left to others: what an ordinary user may set, and what root could before.
const LEFT: [&core::ffi::CStr; 2] = [c"user.nsplan.left", c"trusted.nsplan.left"];

fn is_left(name: &core::ffi::CStr) -> bool {
    LEFT.iter().any(|mark| file::has_xattr(name, mark).unwrap_or(false))
}

fn is_busy(fault: Fault) -> bool {
    fault.is(Errno::EBUSY) || fault.is(Errno::ENOTEMPTY)
}

/// A cgroup file system has no links and no bind mounts of a container's making, so names are safe to walk.
fn remove_below(path: &HostPath, depth: u8) {
    let Ok(entries) = fs::read_dir(path.as_str()) else { return };
    for entry in entries.flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let below = entry.file_name().into_string().ok().map(|name| path.child(&name));
        if let Some(below) = below.filter(|_| is_directory && depth < 64) {
            remove_below(&below, depth + 1);
            // Its parent's removal fails, and says so, if this does.
            let _ = c_path(&below).and_then(|name| file::rmdir(&name));
        }
    }
}

/// How long the processes of a container may take to die: one that waits for a disk, or is frozen, takes longest.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Kills everything in a directory and below, and waits until it is empty.
pub(crate) fn kill(directory: &HostPath) -> Outcome {
    if !exists(directory)? {
        return Ok(());
    }
    let is_v2 = open_directory(directory).and_then(|open| fd::fstatfs(open.fd()))?.magic
        == abi::CGROUP2_SUPER_MAGIC;
    let handle = match is_v2 {
        true => CgroupHandle::v2(directory.clone()),
        false => CgroupHandle::v1([directory.clone()]),
    };
    handle.kill(LAST_WAIT).map_err(|error| match error {
        ControlError::Kernel { fault, .. } => fault,
        _ => Fault::new(Sysno::kill, Errno::EBUSY),
    })
}

/// All of a file of the kernel's, which tells no size beforehand.
pub(crate) fn read(path: &HostPath) -> Outcome<String> {
    const ROOM: usize = 1024;
    let file = fd::openat(Fd::CWD, &c_path(path)?, O_RDONLY, 0)?;
    let mut text = Vec::new();
    let mut part = [0; ROOM];
    loop {
        let length = fd::read(file.fd(), &mut part)?;
        if length == 0 {
            break;
        }
        text.extend_from_slice(&part[..length]);
    }
    String::from_utf8(text).map_err(|_| Fault::new(Sysno::read, Errno::EINVAL))
}

/// Whether a path names a cgroup below the root of a cgroup tree: only there may an undo from a file be carried out.
pub(crate) fn is_below_cgroup_root(path: &HostPath) -> bool {
    let Some((above, name)) = path.as_str().rsplit_once('/') else { return false };
    let is_plain = !name.is_empty() && path.as_str().split('/').all(|part| part != "..");
    let Ok(above) = CString::new(above) else { return false };
    let magic = fd::openat(Fd::CWD, &above, O_PATH | O_DIRECTORY, 0)
        .and_then(|above| fd::fstatfs(above.fd()))
        .map(|stat| stat.magic);
    is_plain && matches!(magic, Ok(abi::CGROUP_SUPER_MAGIC | abi::CGROUP2_SUPER_MAGIC))
}
