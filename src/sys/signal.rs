//! Signal mask and dispositions of one thread, and signals to one process.

use core::ptr;

use super::abi::{self, SigAction};
use super::fd::Fd;
use super::raw::{Outcome, call, narrow};
use crate::types::{Errno, Signal};

/// The kernel's signal set is one word.
const SET_SIZE: usize = 8;

/// `rt_sigprocmask(SIG_SETMASK)`; answers the mask before.
pub(crate) fn set_mask(mask: u64) -> Outcome<u64> {
    let mut before = 0_u64;
    // SAFETY: both sets are one word, as the size says; one is read and one written, both are ours.
    unsafe { call!(rt_sigprocmask, abi::SIG_SETMASK, &raw const mask, &raw mut before, SET_SIZE) }?;
    Ok(before)
}

/// The set of `SIGCHLD` alone.
pub(crate) const SIGCHLD: u64 = 1 << (abi::SIGCHLD - 1);

/// `rt_sigtimedwait(2)` for `SIGCHLD`, which must be blocked; false when `end` has come first.
pub(crate) fn wait_for_child(end: Option<super::process::Moment>) -> Outcome<bool> {
    let left = match end.map(super::process::Moment::left).transpose()? {
        Some(None) => return Ok(false),
        Some(left) => left,
        None => None,
    };
    let time = left.as_ref().map_or(ptr::null(), |left| left.as_ptr());
    let set = SIGCHLD;
    // SAFETY: the set is one word and the time a `struct timespec` or null, which means no limit; both are ours and only
    // read. What the signal says is not asked for.
    match unsafe { call!(rt_sigtimedwait, &raw const set, ptr::null::<u8>(), time, SET_SIZE) } {
        Err(fault) if fault.is(Errno::EAGAIN) => Ok(false),
        Err(fault) if fault.is(Errno::EINTR) => Ok(true),
        answer => answer.map(|_| true),
    }
}

/// `rt_sigtimedwait(2)` without a time: takes the next signal, of those that are blocked any.
pub(crate) fn await_any() -> Outcome<u32> {
    let all = u64::MAX;
    let (info, time) = (0_usize, 0_usize);
    // SAFETY: the set is one word, as the size says, and is only read; neither details nor a time are given.
    let number = unsafe { call!(rt_sigtimedwait, &raw const all, info, time, SET_SIZE) }?;
    Ok(narrow(number.cast_signed()).cast_unsigned())
}

/// `rt_sigaction` to `SIG_DFL` for the signals of a set, from the lowest bit for signal 1: the ignored ones too, which
/// `CLONE_CLEAR_SIGHAND` leaves and `execve` keeps (the Rust runtime ignores `SIGPIPE`).
///
/// Only for a process whose dispositions are its own.
pub(crate) fn reset_dispositions(set: u64) {
    let of_set = |signal: &u32| set >> (signal - 1) & 1 == 1;
    (1..=64).filter(of_set).for_each(|signal| dispose(signal, &SigAction::default()));
}

/// `rt_sigaction` to `SIG_IGN` for every signal that can be ignored but `kept`: what was pending of them is gone.
///
/// Only for a process whose dispositions are its own.
pub(crate) fn ignore_all_but(kept: i32) {
    let others = (1..=64).filter(|signal| *signal != kept.cast_unsigned());
    others.for_each(|signal| dispose(signal, &SigAction::IGNORE));
}

fn dispose(signal: u32, action: &SigAction) {
    let (new, old) = (ptr::from_ref(action), ptr::null::<SigAction>());
    // SAFETY: the structure has the kernel's layout and is read only; the old one is not asked for. It names no function
    // of this program's. The table that changes is the child's: it is cloned without `CLONE_SIGHAND`.
    let _ = unsafe { call!(rt_sigaction, signal, new, old, SET_SIZE) };
}

/// `pidfd_send_signal(2)` (Linux 5.1).
pub(crate) fn send_by_pidfd(pidfd: Fd, signal: Signal) -> Outcome {
    let number = u32::from(signal.number());
    // SAFETY: takes numbers; the null says that the kernel makes up the `siginfo` as `kill(2)` does.
    unsafe { call!(pidfd_send_signal, pidfd, number, 0_usize, 0_u32) }.map(drop)
}

/// `kill(2)` of one process; a number below 1 would mean many and is refused by the type of the caller's pid.
pub(crate) fn kill(pid: super::process::Pid, signal: Signal) -> Outcome {
    // SAFETY: takes numbers and touches no memory of ours.
    unsafe { call!(kill, pid.number(), u32::from(signal.number())) }.map(drop)
}
