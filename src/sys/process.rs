//! What a process does to itself: sessions, limits, namespaces, names, execve and the end.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::num::NonZeroU32;
use core::ptr;

use super::abi::{self, IfReq};
use super::fd::{Fd, Handle};
use super::raw::{Fault, Outcome, call, narrow};
use crate::types::{Errno, Rlimit};

/// A process by number, never 0 and never negative: those mean "many" to `kill(2)` and "any" to `wait(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pid(NonZeroU32);

impl Pid {
    /// The process of that number.
    pub(crate) fn new(number: i32) -> Option<Self> {
        u32::try_from(number).ok().and_then(NonZeroU32::new).map(Self)
    }

    /// Its number.
    pub(crate) const fn number(self) -> i32 {
        self.0.get().cast_signed()
    }
}

/// `setpgid(0, 0)`: this process leads a process group of its own.
pub(crate) fn begin_group() -> Outcome {
    // SAFETY: takes numbers and touches no memory of ours.
    unsafe { call!(setpgid, 0_u32, 0_u32) }.map(drop)
}

/// `clone(2)` as `fork(2)` calls it: `None` in the child, which goes on in a copy of this memory.
pub(crate) fn fork() -> Outcome<Option<Pid>> {
    let flags = abi::SIGCHLD.cast_unsigned();
    // SAFETY: without `CLONE_VM` and a new stack the child goes on with copies of everything, this frame included;
    // nothing is shared that one could free for the other. Neither task is the launcher's, whose other threads could
    // hold locks: callers are children, which take none.
    let answer = unsafe { call!(clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) }?;
    Ok(Pid::new(narrow(answer.cast_signed())))
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitStatus(u32);

impl WaitStatus {
    /// What a shell would show: the exit code, or 128 and the number of the signal.
    pub(crate) const fn code(self) -> u32 {
        match self.0 & 0x7f {
            0 => (self.0 >> 8) & 0xff,
            signal => 128 + signal,
        }
    }
}

/// `wait4(-1, WNOHANG | __WALL)`: a child of this process that has ended.
pub(crate) fn reap() -> Outcome<Option<(Pid, WaitStatus)>> {
    let options = abi::WNOHANG | abi::WALL;
    let mut status = 0_u32;
    // SAFETY: the kernel writes one `int`, which `status` is; usage is not asked for.
    let answer = unsafe { call!(wait4, -1_i32, &raw mut status, options, 0_usize) }?;
    Ok(Pid::new(narrow(answer.cast_signed())).map(|pid| (pid, WaitStatus(status))))
}

/// `setsid(2)`.
pub(crate) fn setsid() -> Outcome {
    // SAFETY: takes nothing and touches no memory of ours.
    unsafe { call!(setsid) }.map(drop)
}

/// `prlimit64(2)` of this process.
pub(crate) fn set_rlimit(resource: u32, limit: Rlimit) -> Outcome {
    let words = [limit.soft, limit.hard];
    // SAFETY: `struct rlimit64` is these two words in this order; it is only read, and the old limit, which is not
    // wanted, is null.
    unsafe { call!(prlimit64, 0_u32, resource, words.as_ptr(), 0_usize) }.map(drop)
}

/// `prlimit64(RLIMIT_NOFILE)` of this process: every descriptor is below it, unless it was lowered since.
pub(crate) fn descriptor_limit() -> Outcome<u32> {
    const RLIMIT_NOFILE: u32 = 7;
    let mut words = [0_u64; 2];
    // SAFETY: `struct rlimit64` is two words, which the kernel writes; no new limit is given.
    unsafe { call!(prlimit64, 0_u32, RLIMIT_NOFILE, 0_usize, words.as_mut_ptr()) }?;
    Ok(u32::try_from(words[0]).unwrap_or(u32::MAX))
}

/// `setns(2)`.
pub(crate) fn setns(namespace: Fd, flag: u64) -> Outcome {
    // SAFETY: takes numbers; which namespaces a task is in has no bearing on its memory.
    unsafe { call!(setns, namespace, flag) }.map(drop)
}

/// `unshare(2)` of namespaces.
pub(crate) fn unshare(flag: u64) -> Outcome {
    // SAFETY: takes a number; callers give namespace flags only, which leave memory and descriptors shared as they
    // were.
    unsafe { call!(unshare, flag) }.map(drop)
}

/// `sethostname(2)`.
pub(crate) fn sethostname(name: &CStr) -> Outcome {
    // SAFETY: `name` is readable for the length announced, which is that of its bytes.
    unsafe { call!(sethostname, name, name.count_bytes()) }.map(drop)
}

/// `setdomainname(2)`.
pub(crate) fn setdomainname(name: &CStr) -> Outcome {
    // SAFETY: `name` is readable for the length announced, which is that of its bytes.
    unsafe { call!(setdomainname, name, name.count_bytes()) }.map(drop)
}

/// `ioctl(SIOCGIFFLAGS)` and `ioctl(SIOCSIFFLAGS)` of `lo` on a datagram socket.
pub(crate) fn loopback_up() -> Outcome {
    let kind = abi::SOCK_DGRAM | abi::SOCK_CLOEXEC;
    // SAFETY: takes numbers, and makes a new descriptor that the handle owns.
    let socket = unsafe { call!(socket, abi::AF_INET, kind, 0_u32) }.map(Handle::opened)?;
    let mut request =
        IfReq { name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0", flags: 0, padding: [0; 22] };
    let fd = socket.fd();
    // SAFETY: `IfReq` is as large as `struct ifreq`; the kernel reads the name and writes the flags.
    unsafe { call!(ioctl, fd, abi::SIOCGIFFLAGS, &raw mut request) }?;
    request.flags |= abi::IFF_UP;
    // SAFETY: as above; the kernel only reads it.
    unsafe { call!(ioctl, fd, abi::SIOCSIFFLAGS, &raw mut request) }.map(drop)
}

/// Null-terminated pointers to strings that live in the same value: what `execve` takes.
///
/// Built before the clone; the strings are never touched again, so that their addresses hold.
#[derive(Debug)]
pub(crate) struct StringTable {
    /// What the pointers are into; never read, only kept.
    _strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers are into `_strings`, which the same value owns and never changes or hands out mutably; reading
// them from another thread, or from a child that shares the memory, is reading immutable data.
unsafe impl Sync for StringTable {}
// SAFETY: as above: the heap blocks that the pointers are into move with their owner.
unsafe impl Send for StringTable {}

impl StringTable {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Self { _strings: strings, pointers }
    }
}

/// `execve(2)`; returns only when it has failed.
pub(crate) fn execve(path: &CStr, args: &StringTable, env: &StringTable) -> Fault {
    let (args, env) = (args.pointers.as_ptr(), env.pointers.as_ptr());
    // SAFETY: `path` is NUL-terminated; both arrays end in null and point to NUL-terminated strings that their
    // tables own, and both tables outlive the call. On success nothing of this memory is used by this task again.
    let answer = unsafe { call!(execve, path, args, env) };
    answer.err().unwrap_or(Fault::new(super::Sysno::execve, Errno(0)))
}

/// `execveat(2)` of the file a descriptor is; returns only when it has failed.
pub(crate) fn execve_fd(file: Fd, args: &StringTable, env: &StringTable) -> Fault {
    let (args, env) = (args.pointers.as_ptr(), env.pointers.as_ptr());
    // SAFETY: the path is a static empty string; both arrays end in null and point to NUL-terminated strings that their
    // tables own, and both tables outlive the call. On success nothing of this memory is used by this task again.
    let answer = unsafe { call!(execveat, file, c"", args, env, abi::AT_EMPTY_PATH) };
    answer.err().unwrap_or(Fault::new(super::Sysno::execveat, Errno(0)))
}

/// Closes every descriptor from `first` on: `close_range(2)`, or one by one before Linux 5.9.
pub(crate) fn close_from(first: u32) -> Outcome {
    match super::fd::close_range(first, abi::LAST_FD) {
        Err(fault) if fault.is(Errno::ENOSYS) => {
            for number in first..descriptor_limit()? {
                let _ = super::fd::close(Fd(number.cast_signed()));
            }
            Ok(())
        }
        answer => answer,
    }
}

/// A moment of the monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64);

/// `clock_gettime(CLOCK_MONOTONIC)`.
fn now() -> Outcome<Moment> {
    let mut time = [0_i64; 2];
    // SAFETY: `struct timespec` is two 64-bit numbers on both machines; the kernel writes them, and nothing else refers to
    // them.
    unsafe { call!(clock_gettime, abi::CLOCK_MONOTONIC, time.as_mut_ptr()) }?;
    Ok(Moment(time[0].saturating_mul(1_000_000_000).saturating_add(time[1])))
}

/// The moment so many seconds from now.
pub(crate) fn deadline(seconds: u32) -> Outcome<Moment> {
    Ok(Moment(now()?.0.saturating_add(i64::from(seconds) * 1_000_000_000)))
}

impl Moment {
    /// How long it is until then, as a `struct timespec`; `None` when it has come.
    pub(crate) fn left(self) -> Outcome<Option<[i64; 2]>> {
        let left = self.0.saturating_sub(now()?.0);
        Ok((left > 0).then_some([left / 1_000_000_000, left % 1_000_000_000]))
    }
}

/// `wait4(2)` of a child: its status word, `None` when `block` is false and it still runs.
pub(crate) fn end_of(pid: Pid, block: bool) -> Outcome<Option<i32>> {
    let mut status = 0_i32;
    let options = abi::WALL | if block { 0 } else { abi::WNOHANG };
    loop {
        let (number, place) = (pid.number(), &raw mut status);
        // SAFETY: the status is a local that the kernel writes; usage is not asked for.
        match unsafe { call!(wait4, number, place, options, 0_usize) } {
            Err(fault) if fault.is(Errno::EINTR) => {}
            answer => return Ok((answer? != 0).then_some(status)),
        }
    }
}

/// `ppoll(2)` of nothing, for good.
pub(crate) fn sleep() -> ! {
    loop {
        // SAFETY: no descriptor is given and none announced; no time is an endless one, and no mask keeps the one there is.
        let _ = unsafe { call!(ppoll, 0_usize, 0_usize, 0_usize, 0_usize, 0_usize) };
    }
}

/// `exit_group(2)`; where a filter has it fail, the process ends by an instruction that there is none of.
pub(crate) fn exit(code: u32) -> ! {
    // SAFETY: takes a number and does not return; ends the child, which is a thread group of its own, and no thread of
    // the launcher even when it shares its memory.
    let _ = unsafe { call!(exit_group, code) };
    #[cfg(target_arch = "x86_64")]
    // SAFETY: raises `SIGILL` in the child, which has no handlers; it does not return.
    unsafe {
        core::arch::asm!("ud2", options(noreturn, nostack))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("udf #0", options(noreturn, nostack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_has_the_code_that_a_shell_shows() {
        // `wait(2)`: the code in the second byte, or the signal in the low seven bits, with a bit for a core dump.
        assert_eq!(WaitStatus(0).code(), 0);
        assert_eq!(WaitStatus(42 << 8).code(), 42);
        assert_eq!(WaitStatus(255 << 8).code(), 255);
        assert_eq!(WaitStatus(9).code(), 137);
        assert_eq!(WaitStatus(0x80 | 11).code(), 139);
    }
}
