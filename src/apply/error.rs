//! Why a plan could not be carried out: the step, the call, the errno, and what is left of it.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::bus::BusError;
use super::container::ExitStatus;
use super::lower::LowerError;
use crate::plan::{Op, Plan, ProcessOp, StepId};
use crate::sys::Fault;
use crate::types::{Errno, Pointer};

/// A plan that failed. Everything it had done is undone, but for what [`left_behind`](Self::left_behind) names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApplyError {
    /// The step; `None` if none was begun.
    pub step: Option<StepId>,
    /// The part of the config that asked for it.
    pub origin: Pointer,
    /// What the step does, in words.
    pub op: String,
    /// Why it failed.
    pub cause: Cause,
    /// What could not be undone.
    pub left_behind: Vec<Leftover>,
    is_execute: bool,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The kernel refused a call.
    Kernel(Fault),
    /// The kernel refused a request to netlink.
    Netlink {
        /// The request, as `rtnetlink(7)` calls it.
        request: &'static str,
        /// Why.
        errno: Errno,
    },
    /// systemd, or the bus it is on.
    Bus(Box<BusError>),
    /// The process ended, or was killed, before its program ran.
    Ended {
        /// How, if it could be waited for.
        status: Option<ExitStatus>,
    },
    /// The program that init was to become first could not be executed.
    NotBegun(Fault),
    /// The program that init has become first gave up.
    GivenUp {
        /// Why, in its own words.
        words: String,
    },
    /// A process said something that the plan does not expect.
    Protocol,
    /// A helper program failed.
    Helper {
        /// What it wrote, or why it did not start.
        message: String,
    },
    /// The id is in use by another launcher.
    InUse {
        /// The id.
        id: String,
    },
    /// The state directory cannot be trusted or used.
    State {
        /// Why not.
        reason: &'static str,
    },
    /// The plan is not one that can be carried out.
    Plan(LowerError),
}

/// Something that outlives a container although it should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// How it is undone.
    pub undo: Op,
    /// Why that failed.
    pub fault: Fault,
}

impl Cause {
    pub(super) const ENDED: Self = Self::Ended { status: None };

    /// Whether it is what init's own program has said, no step of the plan's.
    pub(super) const fn is_told(&self) -> bool {
        matches!(self, Self::NotBegun(_) | Self::GivenUp { .. })
    }

    pub(super) fn ended_so(&mut self, how: ExitStatus) {
        if let Self::Ended { status } = self {
            *status = Some(how);
        }
    }
}

impl From<Box<BusError>> for Cause {
    fn from(error: Box<BusError>) -> Self {
        Self::Bus(error)
    }
}

impl From<Fault> for Cause {
    fn from(fault: Fault) -> Self {
        Self::Kernel(fault)
    }
}

impl ApplyError {
    pub(crate) fn new(plan: &Plan, step: Option<StepId>, cause: Cause) -> Self {
        let found = step.and_then(|step| plan.step(step));
        Self {
            step,
            origin: found.map(|step| step.origin.clone()).unwrap_or_default(),
            op: found.map(|step| step.op.to_string()).unwrap_or_default(),
            is_execute: matches!(
                found.map(|step| &step.op),
                Some(Op::Process(ProcessOp::Execute { .. } | ProcessOp::Find { .. }))
            ),
            cause,
            left_behind: Vec::new(),
        }
    }

    /// Of a plan that is not at hand any more.
    pub(crate) fn unplanned(cause: Cause) -> Self {
        Self {
            step: None,
            origin: Pointer::default(),
            op: String::new(),
            cause,
            left_behind: Vec::new(),
            is_execute: false,
        }
    }

    /// The step that failed, with its origin and what it does.
    pub(crate) fn at(
        self,
        step: StepId,
        words: Option<(Pointer, String)>,
        is_execute: bool,
    ) -> Self {
        let (origin, op) = words.unwrap_or_default();
        Self { step: Some(step), origin, op, is_execute, ..self }
    }

    /// The call that was refused, as strace shows it, or the request to netlink.
    #[must_use]
    pub fn call(&self) -> Option<&'static str> {
        match &self.cause {
            Cause::Kernel(fault) | Cause::NotBegun(fault) => Some(fault.call()),
            Cause::Netlink { request, .. } => Some(request),
            _ => None,
        }
    }

    /// Why it was refused.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match &self.cause {
            Cause::Kernel(fault) | Cause::NotBegun(fault) => Some(fault.errno),
            Cause::Netlink { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// What a shell would return: 127 if the program was not found, 126 if it could not be run. `None` if it never came
    /// to that.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        let errno = self.errno().filter(|_| self.is_execute)?;
        Some(if matches!(errno, Errno::ENOENT | Errno::ENOTDIR) { 127 } else { 126 })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(fault) => fault.fmt(f),
            Self::Netlink { request, errno } => {
                write!(f, "{request}: {errno} ({})", errno.meaning())
            }
            Self::Bus(error) => write!(f, "systemd: {error}"),
            Self::Ended { status: Some(ExitStatus::Signaled(signal)) } => {
                write!(f, "the process ended before its program ran: killed by {signal}")
            }
            Self::Ended { .. } => f.write_str("the process ended before its program ran"),
            Self::NotBegun(fault) => write!(f, "init's own program cannot be executed: {fault}"),
            Self::GivenUp { words } => write!(f, "init's own program gave up: {words}"),
            Self::Protocol => f.write_str("the process said something unexpected"),
            Self::Helper { message } => f.write_str(message),
            Self::InUse { id } => write!(f, "`{id}` is in use"),
            Self::State { reason } => f.write_str(reason),
            Self::Plan(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = self.step {
            write!(f, "{step} ({}): ", self.op)?;
        }
        self.cause.fmt(f)?;
        for leftover in &self.left_behind {
            write!(f, "; {leftover}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left behind: {}: {}", self.undo, self.fault)
    }
}

impl core::error::Error for ApplyError {}
