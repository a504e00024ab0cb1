//! Waits for the program to run, in a process that was prepared before anybody knew which.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::slice::from_ref;

use super::{Child, EPROTO, Launch};
use crate::apply::message::Message;
use crate::apply::program::Act;
use crate::plan::Token;
use crate::sys::channel::{self, Received};
use crate::sys::late::Late;
use crate::sys::process;
use crate::sys::spare::addresses;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, file, privilege};
use crate::types::Errno;

use super::super::program::Execute;

/// What an init that waits for its program still needs of the launcher's memory; `None` for one that does not wait, or does
/// more behind than is known here.
pub(in crate::apply) fn kept_while_waiting(launch: &Launch) -> Option<Vec<Range<usize>>> {
    let late = launch.late.as_ref()?;
    let script = &launch.program.init;
    let mut kept = vec![
        addresses(from_ref(launch)),
        launch.init.stack.range(),
        addresses(script),
        addresses(&launch.table),
        addresses(from_ref(&**late)),
    ];
    kept.extend(launch.last_words.as_ref().map(|words| addresses(from_ref(&**words))));
    let waits = |act: &Act| matches!(act, Act::Await(Token::Payload));
    for act in script.iter().skip_while(|act| !waits(act)) {
        match act {
            Act::Await(Token::Payload) | Act::Signal(_) => {}
            // What is planned gives way to what is written late, which is in memory that is shared.
            Act::ChangeDirectory(_) | Act::Execute(_) => {}
            Act::Seccomp { program, .. } => kept.push(addresses(program)),
            _ => return None,
        }
    }
    Some(kept)
}

impl Child<'_> {
    /// Its memory is a copy of the launcher's, whose page tables the kernel would take apart at the `execve`, while somebody
    /// waits. And the launcher need not keep its pages of this moment.
    pub(super) fn tell_prepared(self) -> Outcome {
        self.launch.spare.let_go();
        self.signal(Token::Prepared)
    }

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

fn change_directory(path: &core::ffi::CStr) -> Outcome {
    file::chdir(path)?;
    if file::is_cwd_below_root()? { Ok(()) } else { Err(file::UNREACHABLE) }
}

/// As `execvp(3)` searches: what is not there or may not be run is passed over, and `EACCES` outlives `ENOENT`.
fn search<'a>(
    candidates: impl Iterator<Item = &'a core::ffi::CStr>,
    execute: impl Fn(&core::ffi::CStr) -> Fault,
) -> Fault {
    let mut last = Fault::new(Sysno::execve, Errno::ENOENT);
    for candidate in candidates {
        let fault = execute(candidate);
        match fault.errno {
            Errno::EACCES => last = fault,
            Errno::ENOENT | Errno::ENOTDIR => {}
            _ => return fault,
        }
    }
    last
}
