//! Sizes of terminals, until `apply` offers them: the calls are in `sys`, which this room may not name.

use std::os::fd::BorrowedFd;

use crate::config::ConsoleSize;

/// Size of a terminal; `None` if it is none.
#[must_use]
pub fn window_size(_terminal: BorrowedFd<'_>) -> Option<ConsoleSize> {
    None
}

/// Sets the size of a terminal, which tells its foreground process with `SIGWINCH`.
pub fn set_window_size(_terminal: BorrowedFd<'_>, _size: ConsoleSize) {}
