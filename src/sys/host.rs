//! The launcher's side: what needs no raw call is done with nix and handed on as values of this crate.

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::clone::Gone;
use super::fd::{Fd, Handle};
use super::process::Pid;
use super::raw::{Fault, Outcome, Sysno, call};
use crate::types::Errno;

const PAGE: usize = 64 * 1024;

fn fault(call: Sysno) -> impl Fn(nix::Error) -> Fault {
    move |error| Fault::new(call, Errno(error as i32))
}

/// Maps `length` bytes for a stack, of which the lowest part faults (64 KiB: a page on every configuration).
pub(super) fn map_stack(length: usize) -> Outcome<NonNull<u8>> {
    let size = NonZeroUsize::new(length).unwrap_or(NonZeroUsize::MIN);
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_STACK | MapFlags::MAP_NORESERVE;
    // SAFETY: an anonymous private mapping at an address of the kernel's choice replaces nothing of ours.
    let map = unsafe { mmap_anonymous(None, size, access, flags) }.map_err(fault(Sysno::mmap))?;
    // SAFETY: the range is the lowest part of the mapping just made, which nothing refers to yet.
    unsafe { mprotect(map, PAGE, ProtFlags::PROT_NONE) }.map_err(fault(Sysno::mprotect))?;
    Ok(map.cast())
}

/// Unmaps it.
pub(super) fn unmap(map: NonNull<u8>, length: usize) {
    // SAFETY: called by the only owner's `drop` with what `map_stack` gave it; no child runs there any more, since
    // the owner is dropped against proof only. Failure would leak the range, nothing worse.
    let _ = unsafe { munmap(map.cast(), length) };
}

/// `socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)`: messages keep their bounds, and a closed end is noticed.
pub(crate) fn channel() -> Outcome<(OwnedFd, OwnedFd)> {
    let (family, kind) = (AddressFamily::Unix, SockType::SeqPacket);
    socketpair(family, kind, None, SockFlag::SOCK_CLOEXEC).map_err(fault(Sysno::socketpair))
}

/// How a process ended, as `wait(2)` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    Signaled(i32),
}

/// `waitid(P_PID, WEXITED)` of a child that was not waited for yet; also of one that sends no `SIGCHLD`. `None` when
/// `block` is false and it still runs.
pub(crate) fn wait(pid: Pid, block: bool) -> Outcome<Option<(Ended, Gone)>> {
    const WNOHANG: i32 = 1;
    const WEXITED: i32 = 4;
    const WALL: i32 = 0x4000_0000;
    const P_PID: u32 = 1;
    let options = WEXITED | WALL | if block { 0 } else { WNOHANG };
    // SAFETY: all bytes of `siginfo_t` may be zero: it is integers and a union of plain data.
    let mut info: libc::siginfo_t = unsafe { core::mem::zeroed() };
    loop {
        let number = pid.number();
        // SAFETY: `info` is a whole `siginfo_t`, ours alone while the kernel fills it; usage is not asked for.
        let answer = unsafe { call!(waitid, P_PID, number, &raw mut info, options, 0_usize) };
        match answer {
            Err(fault) if fault.is(Errno::EINTR) => {}
            Err(fault) => return Err(fault),
            Ok(_) => break,
        }
    }
    // SAFETY: `waitid` fills the members of `SIGCHLD`'s part of the union, or leaves the zeros of above.
    let ended = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    if ended == 0 {
        return Ok(None);
    }
    let how = if info.si_code == libc::CLD_EXITED {
        Ended::Exited(status)
    } else {
        Ended::Signaled(status)
    };
    Ok(Some((how, Gone::by_wait())))
}

/// `pidfd_open(2)` (Linux 5.3) of a child that was not waited for yet, so that the number is still its own.
pub(crate) fn pidfd_open(pid: Pid) -> Outcome<Handle> {
    // SAFETY: takes numbers, and makes a new close-on-exec descriptor that the handle owns.
    unsafe { call!(pidfd_open, pid.number(), 0_u32) }.map(Handle::opened)
}

/// `flock(LOCK_EX | LOCK_NB)`: false when another holds it.
pub(crate) fn try_lock(fd: Fd) -> Outcome<bool> {
    const LOCK_EX: u32 = 2;
    const LOCK_NB: u32 = 4;
    // SAFETY: takes numbers and touches no memory of ours.
    match unsafe { call!(flock, fd, LOCK_EX | LOCK_NB) } {
        Ok(_) => Ok(true),
        Err(fault) if fault.is(Errno::EAGAIN) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// `clock_gettime(CLOCK_BOOTTIME)`, in nanoseconds: with suspended times, and as the caller's time namespace has it.
pub(crate) fn since_boot() -> Outcome<u64> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `struct timespec`, which `now` is on 64-bit machines.
    unsafe { call!(clock_gettime, libc::CLOCK_BOOTTIME, &raw mut now) }?;
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let rest = u64::try_from(now.tv_nsec).unwrap_or_default();
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
}

/// The caller's effective user id.
pub(crate) fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Hands a descriptor over to the types of the standard library.
pub(crate) fn owned(handle: Handle) -> OwnedFd {
    // SAFETY: the handle owned the descriptor alone and gives it up here.
    unsafe { OwnedFd::from_raw_fd(handle.keep().0) }
}

/// Takes a descriptor over from the types of the standard library.
pub(crate) fn handle(fd: OwnedFd) -> Handle {
    Handle::taken(Fd(fd.into_raw_fd()))
}

/// The number of a descriptor that its owner keeps.
pub(crate) fn number(fd: &impl AsRawFd) -> Fd {
    Fd(fd.as_raw_fd())
}
