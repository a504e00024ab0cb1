//! The parent-death signal of the calling process is remembered and set again after what takes it away.

use nix::unistd::getppid;

use crate::sys::process::Pid;
use crate::sys::{Outcome, privilege, signal};
use crate::types::Signal;

/// The parent-death signal of the calling process, and whose death it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeathSignal {
    signal: Option<Signal>,
    parent: i32,
}

impl DeathSignal {
    /// As it is now. The signal is sent when the *thread* that made this process ends (`PR_SET_PDEATHSIG(2const)`).
    ///
    /// # Errors
    /// None that the kernel documents.
    pub fn remember() -> Result<Self, crate::sys::Fault> {
        let signal = Signal::from_number(privilege::death_signal()?);
        Ok(Self { signal, parent: getppid().as_raw() })
    }

    /// The signal, if there is one.
    #[must_use]
    pub const fn signal(&self) -> Option<Signal> {
        self.signal
    }

    /// Sets it again, where it is another now. A parent that has died meanwhile sends none any more: then this process
    /// gets it here. A parent that is pid 1, or outside of this process's pid namespace (0), is one like any other.
    ///
    /// # Errors
    /// None that the kernel documents.
    pub fn restore(&self) -> Outcome {
        let Some(wanted) = self.signal else { return Ok(()) };
        if privilege::death_signal()? == wanted.number() {
            return Ok(());
        }
        privilege::set_death_signal(wanted.number())?;
        if getppid().as_raw() == self.parent {
            return Ok(());
        }
        match Pid::new(nix::unistd::getpid().as_raw()) {
            Some(own) => signal::kill(own, wanted),
            None => Ok(()),
        }
    }
}
