//! Init waits for the word to run its program, and looks for it before.

use alloc::ffi::CString;

use super::Child;
use crate::apply::program::Place;
use crate::sys::abi::{O_PATH, S_IFREG};
use crate::sys::{Fault, Fd, Outcome, Sysno, door, fd, file, privilege};
use crate::types::Errno;

impl Child<'_> {
    /// Who connects is told from now on. The launcher may have gone long ago, and its memory is what this process still runs
    /// in: nobody may look at it, nor at the launcher's program.
    pub(super) fn await_knock(&mut self, place: Place) -> Outcome {
        privilege::set_dumpable(0)?;
        let door = self.take(place)?;
        let starter = door::accept(door.fd())?;
        fd::close(self.channel)?;
        self.channel = starter.keep();
        self.is_started = true;
        Ok(())
    }
}

/// The first candidate that may be executed: as `execve` searches, `EACCES` outlives `ENOENT`.
pub(super) fn find(candidates: &[CString]) -> Outcome {
    let mut last = Fault::new(Sysno::faccessat2, Errno::ENOENT);
    for candidate in candidates {
        let answer = file::may_execute(candidate).and_then(|()| {
            let found = fd::openat(Fd::CWD, candidate, O_PATH, 0)?;
            let is_file = fd::fstat(found.fd())?.file_type() == S_IFREG;
            if is_file { Ok(()) } else { Err(Fault::new(Sysno::faccessat2, Errno::EACCES)) }
        });
        match answer {
            Ok(()) => return Ok(()),
            Err(fault) if fault.is(Errno::EACCES) => last = fault,
            Err(fault) if fault.is(Errno::ENOENT) || fault.is(Errno::ENOTDIR) => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(last)
}
