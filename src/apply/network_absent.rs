//! Built without the feature `net`: network steps of the parent are refused before anything is made.

use super::error::Cause;
use super::journal::Journal;
use crate::plan::{InterfaceName, NetworkOp, StepId};
use crate::sys::process::Pid;
use crate::sys::{Fault, Outcome, Sysno};
use crate::types::Errno;

/// No requests.
#[derive(Debug)]
pub(crate) struct Network;

const ABSENT: Fault = Fault::new(Sysno::socket, Errno::EAFNOSUPPORT);

impl Network {
    pub(crate) fn open(_: Pid) -> Result<Self, Cause> {
        Err(ABSENT.into())
    }

    pub(crate) fn step(&mut self, _: StepId, _: &NetworkOp, _: &mut Journal) -> Result<(), Cause> {
        Err(ABSENT.into())
    }
}

pub(crate) fn give_back(_: &std::fs::File, _: &NetworkOp) -> Outcome {
    Err(ABSENT)
}

pub(crate) fn remove(_: &InterfaceName) -> Outcome {
    Err(ABSENT)
}
