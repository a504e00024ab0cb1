//! The launcher's own program becomes one that nothing can write to.
//!
//! A container whose root is the host's root can reach the file of the program that started it: by executing
//! `/proc/self/exe`, in the first line of a script say, while init still runs the launcher's program (CVE-2019-5736).
//! What it reaches must be on a read-only mount, or sealed.

use std::env;
use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::child::read_only;
use super::journal::io_fault;
use crate::sys::abi::{self, O_PATH, O_RDONLY};
use crate::sys::process::{self, StringTable};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host, image, mount};
use crate::types::{Errno, HostPath};

/// The program that a process runs.
const OWN: &CStr = c"/proc/self/exe";

/// Makes sure that the calling program's file cannot be written through its processes: the process goes on from a read-only
/// copy of its program's mount (Linux 5.12). Where it cannot, the program is executed again from there, or from a sealed copy
/// in memory. Returns at once if it is so already.
///
/// To be called first thing in `main`, before there is another thread, by a program that starts containers as the host's root
/// without a user namespace; the `nsplan` command does. A program that cannot be executed again (its state would be lost)
/// should live on a read-only file system instead.
///
/// # Errors
/// When neither copy can be made. Then a container must not be started without a user namespace.
///
/// # References
/// `open_tree(2)`, `mount_setattr(2)`, `PR_SET_MM(2const)`, `memfd_create(2)`, `execveat(2)`.
pub fn seal_program() -> Result<(), Fault> {
    seal_program_to_start().map(drop)
}

/// The mount of the read-only copy that a program goes on from, held until init takes it along: see
/// [`Io::sealed`](super::Io::sealed). Dropped, it is unmounted.
#[derive(Debug)]
pub struct Sealed {
    /// None, where the program was out of reach as it was.
    pub(super) mount: Option<Handle>,
}

/// As [`seal_program`], by a program that starts one container next: what is to be unmounted goes with the root that init
/// leaves, which spares it an unmount of its own. That takes 80 µs on a machine that is idle and milliseconds on one that is
/// not, as it waits for every core (`synchronize_rcu_expedited` in the kernel's `fs/namespace.c`).
///
/// # Errors
/// As for [`seal_program`].
pub fn seal_program_to_start() -> Result<Sealed, Fault> {
    let own = fd::openat(Fd::CWD, OWN, O_PATH, 0)?;
    if is_out_of_reach(&own)? {
        return Ok(Sealed { mount: None });
    }
    let copy = match read_only_mount(&own) {
        Err(fault) if is_missing(fault) => {
            sealed_copy(open().map_err(|error| io_fault(Sysno::openat, &error))?)?
        }
        answer => {
            let copy = answer?;
            if go_on_from(&copy).is_ok() {
                return Ok(Sealed { mount: Some(copy) });
            }
            copy
        }
    };
    let args = table(env::args_os())?;
    let env = table(env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    }))?;
    Err(process::execve_fd(copy.fd(), &args, &env))
}

/// Changes this process's program to the same file on that mount, without another program's start. The kernel makes sure of
/// the rest: it refuses as long as anything of the old file is mapped. It also refuses without `CAP_SYS_ADMIN`, without
/// `CONFIG_CHECKPOINT_RESTORE`, and where a filter does.
fn go_on_from(mount: &Handle) -> Outcome {
    let path = CString::new(format!("/proc/self/fd/{}", mount.fd().0));
    let path = path.map_err(|_| Fault::new(Sysno::openat, Errno::EINVAL))?;
    let file = fd::openat(Fd::CWD, &path, O_RDONLY, 0)?;
    image::adopt(file.fd())
}

/// On a read-only mount, or a file in memory that is sealed: `nsplan` was here before.
fn is_out_of_reach(own: &Handle) -> Outcome<bool> {
    let system = fd::fstatfs(own.fd())?;
    if system.flags & abi::MOUNT_ATTR_RDONLY != 0 {
        return Ok(true);
    }
    // Only a file in memory has seals, and those are in a tmpfs of the kernel's.
    if system.magic != abi::TMPFS_MAGIC {
        return Ok(false);
    }
    let seals = open().and_then(|file| Ok(fcntl(&file, FcntlArg::F_GET_SEALS)?));
    Ok(seals
        .is_ok_and(|seals| SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE)))
}

fn open() -> io::Result<File> {
    File::open("/proc/self/exe")
}

/// A program's file, opened once, in a form that nothing can write to: on a read-only copy of its mount, or as a sealed
/// copy in memory. The calling program's own without a path.
pub(crate) fn sealed(program: Option<&HostPath>) -> Outcome<Handle> {
    let path = program.map_or_else(|| Ok(OWN.into()), super::cgroup::c_path)?;
    let file = fd::openat(Fd::CWD, &path, O_RDONLY, 0)?;
    let is_own = program.is_none();
    if is_own && is_out_of_reach(&file)? || is_on_read_only_mount(&file)? {
        return Ok(file);
    }
    match read_only_mount(&file) {
        Err(fault) if is_missing(fault) => sealed_copy(File::from(host::owned(file))),
        answer => answer,
    }
}

fn is_on_read_only_mount(file: &Handle) -> Outcome<bool> {
    Ok(fd::fstatfs(file.fd())?.flags & abi::MOUNT_ATTR_RDONLY != 0)
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

fn sealed_copy(mut original: File) -> Outcome<Handle> {
    let mut copy = memory_file()?;
    io::copy(&mut original, &mut copy).map_err(|error| io_fault(Sysno::write, &error))?;
    seal(&copy)?;
    Ok(host::handle(copy.into()))
}

/// An empty file in memory that can be sealed.
pub(crate) fn memory_file() -> Outcome<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = memfd_create(c"nsplan", flags)
        .map_err(|errno| Fault::new(Sysno::memfd_create, Errno(errno as i32)))?;
    Ok(file.into())
}

/// From here on nothing can change the file.
pub(crate) fn seal(file: &File) -> Outcome {
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(file, FcntlArg::F_ADD_SEALS(seals))
        .map(drop)
        .map_err(|errno| Fault::new(Sysno::fcntl, Errno(errno as i32)))
}

fn table(strings: impl Iterator<Item = OsString>) -> Outcome<StringTable> {
    let strings: Result<Vec<_>, _> = strings.map(|text| CString::new(text.into_vec())).collect();
    let strings = strings.map_err(|_| Fault::new(Sysno::execveat, Errno::EINVAL))?;
    Ok(StringTable::new(strings))
}
