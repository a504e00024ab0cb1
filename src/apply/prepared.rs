//! A plan whose program is not known yet: carried out up to there, then handed out once or taken back.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::container::Container;
use super::error::{ApplyError, Cause, Leftover};
use super::io::{Io, Stdio, open_null};
use super::lower::lower;
use super::message::Message;
use super::script::Script;
use super::spawn::Launcher;
use crate::plan::{Actor, Op, Plan, ProcessOp, StepId, SyncOp, Token};
use crate::sys::late::Words;
use crate::sys::{Fault, Outcome, Sysno, channel, fd, host};
use crate::types::Errno;

/// A container in which everything is done but its program.
#[derive(Debug)]
pub(super) struct Prepared {
    launcher: Launcher<'static>,
    /// The step that gives the word.
    word: u16,
}

impl Prepared {
    /// Carries a plan out as far as no program is needed.
    pub(super) fn make(plan: Plan, io: Io) -> Result<Self, ApplyError> {
        let fail = |step, cause| ApplyError::new(&plan, step, cause);
        let is_word = |op: &Op| *op == Op::Sync(SyncOp::Signal(Token::Payload));
        let word = (0..).zip(&plan.parent).find(|(_, step)| is_word(&step.op));
        let Some((word, _)) = word else { return Err(fail(None, Cause::Protocol)) };
        let program = lower(&plan).map_err(|error| fail(Some(error.step), Cause::Plan(error)))?;
        let plan = Arc::new(plan);
        let mut launcher = Launcher::new(Script::Kept(plan), io, Some(program), 0)?;
        match launcher.carry_out(0, word.into()) {
            Ok(()) => Ok(Self { launcher, word }),
            Err((step, cause)) => Err(launcher.take_back(step, cause)),
        }
    }

    /// Whether its init still waits: something may have killed it meanwhile.
    pub(super) fn is_waiting(&self) -> bool {
        let channel = self.launcher.channels.init.as_ref();
        channel.is_some_and(|channel| fd::is_hung_up(host::number(channel)) == Ok(false))
    }

    /// Has its init run that program.
    pub(super) fn run(mut self, words: &Words, stdio: [Stdio; 3]) -> Result<Container, ApplyError> {
        let word = StepId { actor: Actor::Parent, index: self.word };
        if let Err(fault) = self.tell(words, stdio) {
            return Err(self.launcher.take_back(word, fault.into()));
        }
        let end = self.launcher.plan.parent.len();
        match self.launcher.carry_out(self.word.into(), end) {
            Ok(()) => self.launcher.hand_over(),
            Err((step, cause)) => Err(self.launcher.take_back(step, cause)),
        }
    }

    /// What the word brings along.
    fn tell(&mut self, words: &Words, stdio: [Stdio; 3]) -> Outcome {
        let gone = || Fault::new(Sysno::sendmsg, Errno::ESRCH);
        self.launcher.late.as_ref().ok_or_else(gone)?.write(words)?;
        let channel = self.launcher.channels.init.as_ref().ok_or_else(gone)?;
        for (number, source) in (0..).zip(stdio) {
            let own = fd::Fd(i32::from(number));
            let opened = match source {
                Stdio::Inherit if fd::is_open(own) => None,
                Stdio::Inherit | Stdio::Null => Some(host::owned(open_null()?)),
                Stdio::Fd(fd) => Some(fd),
            };
            let fd = opened.as_ref().map_or(own, host::number);
            channel::send(host::number(channel), &Message::Standard(number).encode(), Some(fd))?;
        }
        Ok(())
    }

    /// Kills it and undoes what was done for it; answers what could not be.
    pub(super) fn take_back(self) -> Vec<Leftover> {
        let word = StepId { actor: Actor::Parent, index: self.word };
        self.launcher.take_back(word, Cause::ENDED).left_behind
    }
}

/// A program as init takes it, from the last step of its plan.
pub(super) fn words(execute: &ProcessOp, cwd: &str) -> Option<Words> {
    let ProcessOp::Execute { candidates, args, env } = execute else { return None };
    let list = |texts: &[String]| -> Option<Vec<CString>> {
        texts.iter().map(|text| CString::new(text.as_str()).ok()).collect()
    };
    Some(Words {
        cwd: CString::new(cwd).ok()?,
        candidates: list(candidates)?,
        args: list(args)?,
        env: list(env)?,
    })
}
