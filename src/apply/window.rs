//! The size of a terminal, read from the launcher's and given to the container's.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::config::ConsoleSize;
use crate::sys::abi::WinSize;
use crate::sys::{Fault, Fd, terminal};

/// Size of a terminal (`TIOCGWINSZ`); `None` if it is none.
#[must_use]
pub fn window_size(terminal: BorrowedFd<'_>) -> Option<ConsoleSize> {
    let size = terminal::size(Fd(terminal.as_raw_fd())).ok()?;
    Some(ConsoleSize { height: size.rows, width: size.columns })
}

/// Sets the size of a terminal (`TIOCSWINSZ`), which its foreground processes learn by `SIGWINCH`.
///
/// # Errors
/// `ENOTTY` if it is none.
pub fn set_window_size(terminal: BorrowedFd<'_>, size: ConsoleSize) -> Result<(), Fault> {
    let size = WinSize { rows: size.height, columns: size.width, ..WinSize::default() };
    terminal::set_size(Fd(terminal.as_raw_fd()), size)
}
