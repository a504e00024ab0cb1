//! Waits for the program to run, in a process that was prepared before anybody knew which.

use super::{Child, EPROTO, change_directory, search};
use crate::apply::message::Message;
use crate::plan::Token;
use crate::sys::channel::{self, Received};
use crate::sys::late::Late;
use crate::sys::process;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, privilege};
use crate::types::Errno;

use super::super::program::Execute;

impl Child<'_> {
    /// Its memory is a copy of the launcher's, for who knows how long: nobody may look into it meanwhile. `execve` lifts that
    /// again.
    pub(super) fn wait_for_payload(self) -> Outcome {
        privilege::set_dumpable(0)?;
        loop {
            match channel::receive(self.channel, true)? {
                Received::Message(bytes, handle) => match (Message::decode(bytes), handle) {
                    (Some(Message::Token(Token::Payload)), None) => return Ok(()),
                    (Some(Message::Standard(number)), Some(handle)) => place(number, &handle)?,
                    _ => return Err(Fault::new(Sysno::recvmsg, EPROTO)),
                },
                // The launcher has died, or wants no container.
                Received::End => return Err(Fault::new(Sysno::recvmsg, Errno::ESRCH)),
            }
        }
    }

    pub(super) fn enter_directory(self, planned: &core::ffi::CStr) -> Outcome {
        change_directory(self.late().and_then(Late::cwd).unwrap_or(planned))
    }

    /// Returns only when it has failed.
    pub(super) fn execute(self, planned: &Execute) -> Fault {
        match self.late().and_then(|late| Some((late, late.candidates()?))) {
            Some((late, candidates)) => search(candidates, |path| late.execve(path)),
            None => search(planned.candidates.iter().map(AsRef::as_ref), |path| {
                process::execve(path, &planned.args, &planned.env)
            }),
        }
    }

    fn late(&self) -> Option<&Late> {
        self.launch.late.as_deref()
    }
}

fn place(number: u16, handle: &Handle) -> Outcome {
    if number > 2 {
        return Err(Fault::new(Sysno::recvmsg, EPROTO));
    }
    fd::dup3(handle.fd(), Fd(number.into()))
}
