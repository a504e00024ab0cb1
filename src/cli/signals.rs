//! Turns the signals nsplan gets into those the container gets.
//!
//! They are blocked before the start and read from a descriptor, so none is lost, however early it comes. `SIGCHLD` is
//! nsplan's own business and `SIGWINCH` the terminal's; neither is passed on.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What is passed on.
const FORWARDED: [Signal; 9] = [
    Signal::SIGALRM,
    Signal::SIGCONT,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGTSTP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Signals that end a program which does not mind them.
const DEADLY: [Signal; 7] = [
    Signal::SIGALRM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The signals of this thread, from its mask to a descriptor. Dropping it puts the mask back.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Blocks what will be passed on, `SIGWINCH`, and `SIGCHLD`, which tells of the end where there is no pidfd.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn block() -> nix::Result<Self> {
        let mut set: SigSet = FORWARDED.into_iter().collect();
        set.add(Signal::SIGWINCH);
        set.add(Signal::SIGCHLD);
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        match SignalFd::with_flags(&set, flags) {
            Ok(fd) => Ok(Self { fd, before }),
            Err(errno) => {
                let _ = before.thread_set_mask();
                Err(errno)
            }
        }
    }

    /// The next signal that has come.
    #[must_use]
    pub fn next(&self) -> Option<Signal> {
        let info = self.fd.read_signal().ok()??;
        Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()
    }

    /// Readable when a signal has come.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What came after the container's end is nobody's: pending signals would otherwise act now.
        while self.next().is_some() {}
        let _ = self.before.thread_set_mask();
    }
}

/// What becomes of a signal that is sent to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The kernel does with it what it does with any process.
    Delivered,
    /// The kernel drops it, though it is one that ends programs: the first process of a pid namespace only gets signals it
    /// has a handler for.
    Dropped,
    /// It waits: the process blocks it for now, as a shell does while it forks. Dropped or delivered is what it will be.
    Waits,
}

/// What becomes of `signal` where it is sent to a process with that `/proc/PID/status` and `/proc/PID/syscall`; or, where
/// it has been sent, what has become of it.
///
/// Anywhere else `^C` ends `sleep 100`; so that it does in a container too, the launcher carries the default out of what
/// is dropped.
///
/// # References
/// `pid_namespaces(7)`, "The namespace init process". What is blocked is kept until it is unblocked, and only then dropped;
/// what a process waits for is shown as if it were not blocked, and is kept all the same (`sig_ignored`, `get_signal` and
/// `do_sigtimedwait` in the kernel's `signal.c`).
#[must_use]
pub fn fate(status: &str, syscall: &str, signal: Signal) -> Fate {
    let is_first = field(status, "NSpid:")
        .is_some_and(|ids| ids.split_whitespace().count() > 1 && ids.ends_with("\t1"));
    let number = syscall.split(' ').next().and_then(|number| number.parse().ok());
    let waits_for_signals = number == Some(SIGTIMEDWAIT);
    if !DEADLY.contains(&signal) || !is_first || waits_for_signals {
        return Fate::Delivered;
    }
    let has = |name| has(status, name, signal);
    match (has("SigCgt:"), has("SigIgn:"), has("SigBlk:")) {
        (Some(false), Some(false), Some(false)) => Fate::Dropped,
        (Some(false), Some(false), Some(true)) => Fate::Waits,
        // A field that is missing must not get anything killed.
        _ => Fate::Delivered,
    }
}

/// `sigwait(3)` and its kin.
const SIGTIMEDWAIT: libc::c_long = libc::SYS_rt_sigtimedwait;

/// Whether a signal that was sent to the process has not been taken by it yet.
#[must_use]
pub fn is_pending(status: &str, signal: Signal) -> bool {
    has(status, "ShdPnd:", signal) == Some(true)
}

/// Whether the set of signals in that line has this one.
fn has(status: &str, name: &str, signal: Signal) -> Option<bool> {
    let mask = u64::from_str_radix(field(status, name)?, 16).ok()?;
    Some(mask & (1 << (signal as i32 - 1)) != 0)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "NSpid:\t4711\t1\nShdPnd:\t0000000000000200\nSigBlk:\t0000000000000200\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000002\n";

    const POLLS: &str = "7 0x7ffc 0x1 0xffffffff 0x0 0x0 0x0 0x7ffc 0x7f00";

    #[test]
    fn what_the_first_process_does_not_mind_ends_it_as_it_would_anywhere_else() {
        assert_eq!(fate(FIRST, POLLS, Signal::SIGTERM), Fate::Dropped);
        assert_eq!(
            fate(FIRST, "", Signal::SIGTERM),
            Fate::Dropped,
            "what it does is not to be seen"
        );
        assert_eq!(fate(FIRST, POLLS, Signal::SIGINT), Fate::Delivered, "it has a handler");
        assert_eq!(
            fate(FIRST, POLLS, Signal::SIGCONT),
            Fate::Delivered,
            "it does not end programs"
        );
    }

    #[test]
    fn what_is_blocked_waits_and_may_be_dropped_later() {
        assert_eq!(fate(FIRST, POLLS, Signal::SIGUSR1), Fate::Waits);
        assert!(is_pending(FIRST, Signal::SIGUSR1) && !is_pending(FIRST, Signal::SIGTERM));
        let handled = FIRST.replace("0002\n", "0202\n");
        assert_eq!(
            fate(&handled, POLLS, Signal::SIGUSR1),
            Fate::Delivered,
            "its handler comes later"
        );
    }

    #[test]
    fn what_a_process_waits_for_is_its_own() {
        let waits = format!("{SIGTIMEDWAIT} 0x7ffc 0x0 0x0 0x8 0x0 0x0 0x7ffc 0x7f00");
        assert_eq!(fate(FIRST, &waits, Signal::SIGTERM), Fate::Delivered);
    }

    #[test]
    fn a_process_that_is_not_first_or_not_known_is_left_to_the_kernel() {
        let other =
            |status: &str| assert_eq!(fate(status, POLLS, Signal::SIGTERM), Fate::Delivered);
        other(&FIRST.replace("\t1\n", "\t17\n"));
        other(&FIRST.replace("4711\t1", "1"));
        other("NSpid:\t4711\t1\n");
        other("");
        assert!(!is_pending("", Signal::SIGTERM));
    }

    #[test]
    fn the_mask_is_as_before_afterwards() {
        let before = SigSet::thread_get_mask().expect("a mask");
        let signals = Signals::block().expect("a descriptor");
        nix::sys::signal::raise(Signal::SIGUSR1).expect("sent");
        assert_eq!(signals.next(), Some(Signal::SIGUSR1));
        assert_eq!(signals.next(), None);
        nix::sys::signal::raise(Signal::SIGUSR2).expect("sent, and dropped with the descriptor");
        drop(signals);
        assert_eq!(SigSet::thread_get_mask(), Ok(before));
    }
}
