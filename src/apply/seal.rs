//! The launcher's own program becomes one that nothing can write to.
//!
//! A container whose root is the host's root can reach the file of the program that started it: by executing
//! `/proc/self/exe`, in the first line of a script say, while init still runs the launcher's program (CVE-2019-5736).
//! What it reaches must be on a read-only mount, or sealed.

use std::env;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::child::read_only;
use crate::sys::abi::{self, O_PATH};
use crate::sys::process::{self, StringTable};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host, mount};
use crate::types::Errno;

/// The program that a process runs.
const OWN: &CStr = c"/proc/self/exe";

/// Makes sure that the calling program's file cannot be written through its processes, by executing it again from a
/// read-only copy of its mount (Linux 5.12), or from a sealed copy in memory. Returns at once if it is so already.
///
/// To be called first thing in `main` by a program that starts containers as the host's root without a user namespace;
/// the `nsplan` command does. A program that cannot be executed again (its state would be lost) should live on a
/// read-only file system instead.
///
/// # Errors
/// When neither copy can be made. Then a container must not be started without a user namespace.
///
/// # References
/// `open_tree(2)`, `mount_setattr(2)`, `memfd_create(2)`, `execveat(2)`.
pub fn seal_program() -> Result<(), Fault> {
    let own = fd::openat(Fd::CWD, OWN, O_PATH, 0)?;
    if is_out_of_reach(&own)? {
        return Ok(());
    }
    let copy = match read_only_mount(&own) {
        Err(fault) if is_missing(fault) => sealed_copy()?,
        answer => answer?,
    };
    let args = table(env::args_os())?;
    let env = table(env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    }))?;
    Err(process::execve_fd(copy.fd(), &args, &env))
}

/// On a read-only mount, or a file in memory that is sealed: `nsplan` was here before.
fn is_out_of_reach(own: &Handle) -> Outcome<bool> {
    if fd::fstatfs(own.fd())?.flags & abi::MOUNT_ATTR_RDONLY != 0 {
        return Ok(true);
    }
    // Only a file in memory has seals; any other answers EINVAL.
    let seals = open().and_then(|file| Ok(fcntl(&file, FcntlArg::F_GET_SEALS)?));
    Ok(seals
        .is_ok_and(|seals| SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE)))
}

fn open() -> io::Result<File> {
    File::open("/proc/self/exe")
}

/// Linux before 5.12, or a file system that lets nobody copy its mount.
fn is_missing(fault: Fault) -> bool {
    [Errno::ENOSYS, Errno::EINVAL, Errno::EPERM].into_iter().any(|errno| fault.is(errno))
}

fn read_only_mount(own: &Handle) -> Outcome<Handle> {
    let copy = mount::clone_tree(own.fd(), c"", false)?;
    mount::setattr(copy.fd(), false, &read_only())?;
    Ok(copy)
}

fn sealed_copy() -> Outcome<Handle> {
    let copy = copy_in_memory().map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::EIO, Errno);
        Fault::new(Sysno::memfd_create, errno)
    })?;
    Ok(host::handle(copy))
}

fn copy_in_memory() -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut copy = File::from(memfd_create(c"nsplan", flags)?);
    io::copy(&mut open()?, &mut copy)?;
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(copy.into())
}

fn table(strings: impl Iterator<Item = OsString>) -> Outcome<StringTable> {
    let strings: Result<Vec<_>, _> = strings.map(|text| CString::new(text.into_vec())).collect();
    let strings = strings.map_err(|_| Fault::new(Sysno::execveat, Errno::EINVAL))?;
    Ok(StringTable::new(strings))
}
