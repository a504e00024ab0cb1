//! Init's half of a plan, carried out by the calling process: all of it, or the steps that are picked.
//!
//! For a program that is init already: one that [`spawn_through`](super::spawn_through) has started, or one whose
//! author makes namespaces alone and wants single duties done.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::os::fd::OwnedFd;

use super::child::{self, Launch, Seat};
use super::lower::{LowerError, lower};
use super::message::Message;
use super::reexec::{self, Letter};
use crate::plan::{Actor, CgroupOp, Op, Plan, PrivilegeOp, StepId, invariants};
use crate::sys::channel::{self, Received};
use crate::sys::clone::Stack;
use crate::sys::shared::LastWords;
use crate::sys::spare::Spare;
use crate::sys::words::Words;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host, process};
use crate::types::{Errno, Pointer};

/// Init's steps and how far they are carried out.
///
/// Ids, capabilities and signals are those of the calling *thread*; namespaces cannot all be joined by a program with
/// several (`setns(2)`). So it is meant for a program that has one.
#[derive(Debug)]
pub struct Stage {
    plan: Plan,
    launch: Launch,
    channel: Option<Handle>,
    done: Vec<bool>,
}

/// Why init's steps could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StageError {
    /// A step failed.
    Step {
        /// The step.
        step: StepId,
        /// The part of the config that asked for it.
        origin: Pointer,
        /// What it does, in words.
        op: String,
        /// What the kernel refused.
        fault: Fault,
    },
    /// The plan is not one that can be carried out.
    Plan(LowerError),
    /// What came over the pipe is no plan, or none came.
    Letter {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The calling program has several threads.
    Threads {
        /// How many.
        count: usize,
    },
    /// The kernel refused something that is no step.
    Kernel(Fault),
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, op, fault, .. } => write!(f, "{step} ({op}): {fault}"),
            Self::Plan(error) => error.fmt(f),
            Self::Letter { reason } => f.write_str(reason),
            Self::Threads { count } => {
                write!(f, "{count} threads, expected one: namespaces are joined by one thread only")
            }
            Self::Kernel(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for StageError {}

impl From<Fault> for StageError {
    fn from(fault: Fault) -> Self {
        Self::Kernel(fault)
    }
}

impl Stage {
    /// Without a parent at the other end.
    ///
    /// # Errors
    /// When the plan is not one of this program's planner.
    pub fn alone(plan: Plan) -> Result<Self, StageError> {
        Self::new(plan, Fd(-1), Vec::new())
    }

    /// Takes the plan out of the pipe that [`spawn_through`](super::spawn_through) made, which is descriptor 3 of the
    /// program it starts. To be called first thing in `main`: descriptors from 3 on are taken over.
    ///
    /// # Errors
    /// When no plan comes, or not one that can be carried out, or the program has several threads. The parent is told.
    pub fn receive(pipe: OwnedFd) -> Result<Self, StageError> {
        let mut pipe = host::handle(pipe);
        match Self::read(&mut pipe) {
            Ok(stage) => Ok(Self { channel: Some(pipe), ..stage }),
            Err(error) => {
                give_up(pipe.fd(), &error.to_string());
                Err(error)
            }
        }
    }

    /// The pipe moves out of the way of what is passed on.
    fn read(pipe: &mut Handle) -> Result<Self, StageError> {
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads != 1 {
            return Err(StageError::Threads { count: threads });
        }
        let letter = match channel::receive(pipe.fd(), true)? {
            Received::Message(bytes, file) if Message::decode(bytes) == Some(Message::Letter) => {
                reexec::text_in(file, None)
            }
            Received::Message(..) => {
                return Err(StageError::Letter { reason: "expected a plan first" });
            }
            Received::End => {
                return Err(StageError::Letter { reason: "the launcher is gone" });
            }
        };
        let Letter { plan, passed, given, is_host_root } = serde_json::from_str(&letter)
            .map_err(|_| StageError::Letter { reason: "what came over the pipe is no plan" })?;
        if invariants(&plan).is_err() {
            return Err(StageError::Letter { reason: "the plan must not be carried out" });
        }
        let words = if plan.init.iter().any(|step| is_filter(&step.op)) {
            Some(words(pipe)?)
        } else {
            None
        };
        let least = passed.iter().chain(given.iter().map(|(_, fd)| fd)).max();
        let least = least.map_or(reexec::PIPE.0, |most| *most) + 1;
        let above = |number: i32| {
            let old = Handle::taken(Fd(number));
            fd::dup_above(old.fd(), least)
        };
        let passed = passed.into_iter().map(above).collect::<Outcome<Vec<_>>>()?;
        let given: Vec<_> = given
            .into_iter()
            .map(|(slot, number)| Ok((slot, above(number)?)))
            .collect::<Outcome<_>>()?;
        *pipe = fd::dup_above(pipe.fd(), least)?;
        let mut stage = Self::new(plan, pipe.fd(), passed)?;
        stage.launch.is_host_root = is_host_root;
        stage.launch.last_words = words.map(Arc::new);
        for (slot, handle) in given {
            let place = stage.launch.program.given.iter().find(|(other, _)| *other == slot);
            if let Some(&(_, place)) = place {
                stage.launch.set(place, handle.keep());
            }
        }
        child::place_passed(&stage.launch)?;
        Ok(stage)
    }

    fn new(plan: Plan, channel: Fd, passed: Vec<Handle>) -> Result<Self, StageError> {
        let program = lower(&plan).map_err(StageError::Plan)?;
        let launch = Launch {
            table: (0..program.places).map(|_| AtomicI32::new(-1)).collect(),
            init: Seat { stack: Stack::new()?, channel, not_mine: Vec::new() },
            intermediate: None,
            stdio: [None, None, None],
            passed: passed.into_iter().map(Handle::keep).collect(),
            is_host_root: host::effective_uid() == 0,
            late: None,
            sealed: None,
            last_words: None,
            newborn: None,
            hook_stack: program.has_hooks().then(Stack::new).transpose()?,
            descriptors: process::descriptor_limit()?,
            begun: AtomicBool::new(false),
            words: if program.has_supervisor() { Some(Words::own()?) } else { None },
            reexec: None,
            room: 0,
            ignored: None,
            marks: true,
            spare: Spare::default(),
            program,
        };
        let done = plan.init.iter().map(|_| false).collect();
        Ok(Self { plan, launch, channel: None, done })
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Carries out, in the plan's order, the steps that `wanted` picks and that are not done yet. Where the container's
    /// program is executed, it does not come back.
    ///
    /// Without a parent, steps that wait for one or tell it something have nobody to talk to and are passed over, and so is
    /// the entry into cgroups, whose files a parent opens.
    ///
    /// # Errors
    /// The step that failed; the parent, if there is one, has been told.
    pub fn carry_out(&mut self, wanted: impl Fn(StepId, &Op) -> bool) -> Result<(), StageError> {
        for (index, step) in (0_u16..).zip(&self.plan.init) {
            let id = StepId { actor: Actor::Init, index };
            let at = usize::from(index);
            if self.done[at] || !wanted(id, &step.op) {
                continue;
            }
            self.done[at] = true;
            if self.channel.is_none() && is_with_parent(&step.op) {
                continue;
            }
            if let Err(fault) = child::step(&self.launch, index) {
                let failed = Message::Failed { step: index, fault }.encode();
                if let Some(words) = &self.launch.last_words {
                    words.leave(failed);
                }
                if let Some(channel) = &self.channel {
                    let _ = channel::send(channel.fd(), &failed, None);
                }
                return Err(StageError::Step {
                    step: id,
                    origin: step.origin.clone(),
                    op: step.op.to_string(),
                    fault,
                });
            }
        }
        Ok(())
    }

    /// Carries out everything that is left, and so becomes the container's program. Only returns when that failed.
    pub fn finish(mut self) -> StageError {
        match self.carry_out(|_, _| true) {
            Err(error) => error,
            Ok(()) => StageError::Kernel(Fault::new(Sysno::execve, Errno::ENOEXEC)),
        }
    }

    /// Tells the parent, in words, why this process goes no further. Its start fails with them.
    pub fn give_up(self, words: &str) {
        if let Some(channel) = &self.channel {
            give_up(channel.fd(), words);
        }
    }
}

/// Where the last words go, which the filter may keep from being sent.
fn words(pipe: &Handle) -> Result<LastWords, StageError> {
    match channel::receive(pipe.fd(), true)? {
        Received::Message(bytes, Some(file)) if Message::decode(bytes) == Some(Message::Words) => {
            Ok(LastWords::in_file(&host::owned(file).into())?)
        }
        _ => Err(StageError::Letter { reason: "expected a place for last words behind the plan" }),
    }
}

fn is_filter(op: &Op) -> bool {
    matches!(op, Op::Privilege(PrivilegeOp::Seccomp { .. }))
}

fn is_with_parent(op: &Op) -> bool {
    matches!(op, Op::Sync(_) | Op::Cgroup(CgroupOp::Enter { .. }))
}

/// The pipe that [`spawn_through`](super::spawn_through) gave this program, by the variable `pipe`: once.
///
/// # Errors
/// When there is no such variable, it names no socket, or it was asked for before.
pub fn init_pipe() -> Result<OwnedFd, StageError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = std::env::var("pipe").ok().and_then(|text| text.parse().ok());
    let number = number.filter(|&number: &i32| number > 2);
    let reason = "not started as an init: the variable `pipe` names no socket";
    let pipe = Fd(number.ok_or(StageError::Letter { reason })?);
    if !fd::fstat(pipe)?.is_socket() || TAKEN.swap(true, Ordering::Relaxed) {
        return Err(StageError::Letter { reason });
    }
    Ok(host::owned(Handle::taken(pipe)))
}

/// What cannot be said ends the parent's wait all the same: by the end of this process.
fn give_up(channel: Fd, words: &str) {
    let Ok(file) = reexec::in_memory(words.as_bytes()) else { return };
    let _ = channel::send(channel, &Message::GivenUp.encode(), Some(file.fd()));
}
