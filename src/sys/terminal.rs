//! Pseudo-terminals, by descriptor from the first open to the last.

use core::ptr;

use super::abi::{self, WinSize};
use super::fd::{Fd, Handle};
use super::raw::{Outcome, call, narrow};

/// `ioctl(TIOCSPTLCK, 0)`: the other end of this master may be opened.
pub(crate) fn unlock(master: Fd) -> Outcome {
    let locked = 0_i32;
    // SAFETY: the request reads one `int`, which `locked` is.
    unsafe { call!(ioctl, master, abi::TIOCSPTLCK, &raw const locked) }.map(drop)
}

/// `ioctl(TIOCGPTPEER)` (Linux 4.13): the other end of this master, without any path.
pub(crate) fn open_peer(master: Fd) -> Outcome<Handle> {
    let flags = abi::O_RDWR | abi::O_NOCTTY | abi::O_CLOEXEC;
    // SAFETY: takes numbers (the flags of `open(2)`), and makes a new descriptor that the handle owns.
    unsafe { call!(ioctl, master, abi::TIOCGPTPEER, flags) }.map(Handle::opened)
}

/// `ioctl(TIOCSCTTY)`: the terminal becomes the session's.
pub(crate) fn make_controlling(terminal: Fd) -> Outcome {
    // SAFETY: takes numbers; 0 says that no other session's terminal is stolen.
    unsafe { call!(ioctl, terminal, abi::TIOCSCTTY, 0_u32) }.map(drop)
}

/// `ioctl(TIOCSPGRP)`: this process's group becomes the terminal's foreground, of which it is the leader.
pub(crate) fn to_foreground(terminal: Fd) -> Outcome {
    // SAFETY: takes nothing and touches no memory of ours.
    let own = narrow(unsafe { call!(getpid) }?.cast_signed());
    // SAFETY: the request reads one `pid_t`, which `own` is.
    unsafe { call!(ioctl, terminal, abi::TIOCSPGRP, &raw const own) }.map(drop)
}

/// `ioctl(TIOCSWINSZ)`.
pub(crate) fn set_size(terminal: Fd, size: WinSize) -> Outcome {
    let size = ptr::from_ref(&size);
    // SAFETY: the request reads one `struct winsize`, which lives until the end of this function.
    unsafe { call!(ioctl, terminal, abi::TIOCSWINSZ, size) }.map(drop)
}

/// `ioctl(TIOCGWINSZ)`.
pub(crate) fn size(terminal: Fd) -> Outcome<WinSize> {
    let mut size = WinSize::default();
    // SAFETY: the request writes one `struct winsize`, which `size` is.
    unsafe { call!(ioctl, terminal, abi::TIOCGWINSZ, &raw mut size) }?;
    Ok(size)
}
