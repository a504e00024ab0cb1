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

/// Whether the kernel would drop `signal`, though it is one that ends programs: the first process of a pid namespace
/// only gets signals it has a handler for. `status` is its `/proc/PID/status`.
///
/// Anywhere else `^C` ends `sleep 100`; so that it does in a container too, the launcher carries the default out.
///
/// # References
/// `pid_namespaces(7)`, "The namespace init process".
#[must_use]
pub fn is_dropped(status: &str, signal: Signal) -> bool {
    if !DEADLY.contains(&signal) {
        return false;
    }
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::trim))
    };
    let is_first = field("NSpid:")
        .is_some_and(|ids| ids.split_whitespace().count() > 1 && ids.ends_with("\t1"));
    let bit = 1u64 << (signal as i32 - 1);
    let mut minds = ["SigCgt:", "SigIgn:", "SigBlk:"].into_iter().map(|name| {
        // A field that is missing must not get anything killed.
        field(name).and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_none_or(|m| m & bit != 0)
    });
    is_first && !minds.any(|minds| minds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "NSpid:\t4711\t1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000000002\n";

    #[test]
    fn what_the_first_process_does_not_mind_ends_it_as_it_would_anywhere_else() {
        assert!(is_dropped(FIRST, Signal::SIGTERM));
        assert!(!is_dropped(FIRST, Signal::SIGINT), "it has a handler");
        assert!(!is_dropped(FIRST, Signal::SIGCONT), "it does not end programs");
    }

    #[test]
    fn a_process_that_is_not_first_or_not_known_is_left_to_the_kernel() {
        assert!(!is_dropped(&FIRST.replace("\t1\n", "\t17\n"), Signal::SIGTERM));
        assert!(!is_dropped(&FIRST.replace("4711\t1", "1"), Signal::SIGTERM));
        assert!(!is_dropped("NSpid:\t4711\t1\n", Signal::SIGTERM));
        assert!(!is_dropped("", Signal::SIGTERM));
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
