//! The launcher's thread makes a network namespace for init, and is in it for a moment.

use crate::sys::abi::O_RDONLY;
use crate::sys::{Fd, Handle, Outcome, fd, process};
use crate::types::NamespaceKind;

/// Where the thread was before. Dropped, it goes back there: what it was at has failed.
#[derive(Debug)]
pub(super) struct Away(Option<Handle>);

/// Makes one, which the thread is in from here on.
pub(super) fn network() -> Outcome<(Handle, Away)> {
    let home = of_this_thread()?;
    process::unshare(flag())?;
    let away = Away(Some(home));
    Ok((of_this_thread()?, away))
}

impl Away {
    /// Goes back. Where that fails the thread stays, and the start is given up.
    pub(super) fn come_back(mut self) -> Outcome {
        self.0.take().map_or(Ok(()), |home| process::setns(home.fd(), flag()))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(home) = self.0.take() {
            let _ = process::setns(home.fd(), flag());
        }
    }
}

fn flag() -> u64 {
    NamespaceKind::Net.clone_flag().bits()
}

fn of_this_thread() -> Outcome<Handle> {
    fd::openat(Fd::CWD, c"/proc/thread-self/ns/net", O_RDONLY, 0)
}
