//! The launcher's half of a plan, step by step, for a process that somebody else has started.

use alloc::format;
use alloc::vec::Vec;

use super::cgroup;
use super::control::CgroupHandle;
use super::error::{ApplyError, Cause, Leftover};
use super::io::{Io, Stdio};
use super::script::Script;
use super::spawn::{Launcher, Started};
use super::state_dir::StateDir;
use crate::plan::{Actor, Op, Plan, StepId};
use crate::sys::process::Pid;
use crate::sys::{Fault, host};
use crate::types::Errno;

/// The launcher's steps around a process that is there already.
///
/// Dropped, it leaves what was done as it is; [`undo`](Self::undo) takes it back. With a state directory a journal is
/// kept, and [`sweep`](super::sweep) finishes the undo after a caller that has died.
#[derive(Debug)]
pub struct Outside<'a> {
    plan: &'a Plan,
    launcher: Launcher<'a>,
    pid: u32,
    done: Vec<bool>,
}

impl<'a> Outside<'a> {
    /// For the process `pid`, which is to be waited for by the caller. Nothing is done yet, but that the journal is
    /// opened where there is a state directory.
    ///
    /// # Errors
    /// When there is no such process, or the state directory is in use or cannot be trusted.
    pub fn new(plan: &'a Plan, pid: u32, state: Option<StateDir>) -> Result<Self, ApplyError> {
        let fail = |cause: Cause| ApplyError::new(plan, None, cause);
        let number = i32::try_from(pid).ok().and_then(Pid::new);
        let none = Fault::new(crate::sys::Sysno::pidfd_open, Errno::ESRCH);
        let pid = number.ok_or_else(|| fail(none.into()))?;
        let stdio = [Stdio::Inherit, Stdio::Inherit, Stdio::Inherit];
        let mut launcher =
            Launcher::new(Script::Lent(plan), Io { stdio, state, ..Io::default() }, None, 0)?;
        launcher.init = Some(Started { pid, pidfd: host::pidfd_open(pid).ok(), tick: None });
        let done = plan.parent.iter().map(|_| false).collect();
        let mut outside = Self { plan, launcher, pid: pid.number().unsigned_abs(), done };
        outside.carry_out(|_, op| matches!(op, Op::State(_)))?;
        Ok(outside)
    }

    /// The plan.
    #[must_use]
    pub const fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Carries out, in the plan's order, the launcher's steps that `wanted` picks and that are not done yet. What undoes a
    /// step is journaled before it is done.
    ///
    /// # Errors
    /// The step that failed. Everything done so far is undone.
    pub fn carry_out(&mut self, wanted: impl Fn(StepId, &Op) -> bool) -> Result<(), ApplyError> {
        let plan = self.plan;
        for (index, step) in (0_u16..).zip(&plan.parent) {
            let id = StepId { actor: Actor::Parent, index };
            let at = usize::from(index);
            if self.done[at] || !wanted(id, &step.op) {
                continue;
            }
            self.done[at] = true;
            if let Err(failed) = self.launcher.step(id, step) {
                let mut error = ApplyError::new(plan, Some(id), failed.into_cause());
                error.left_behind = self.take_back();
                return Err(error);
            }
        }
        // Whoever makes links there next opens the way anew.
        self.launcher.network = None;
        Ok(())
    }

    /// The links made on the host, by their real names.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.launcher.journal.links()
    }

    /// Undoes everything, the last first; answers what could not be. The process should have ended: a cgroup that it is in
    /// cannot be removed.
    #[must_use]
    pub fn undo(mut self) -> Vec<Leftover> {
        self.take_back()
    }

    /// Undoes everything, because of something that is no step.
    pub(crate) fn fail(&mut self, fault: Fault) -> ApplyError {
        let mut error = ApplyError::new(self.plan, None, fault.into());
        error.left_behind = self.take_back();
        error
    }

    fn take_back(&mut self) -> Vec<Leftover> {
        self.launcher.network = None;
        self.launcher.journal.undo()
    }
}

/// Puts the process `pid` into a cgroup: on v1 into each of its directories, in their order.
///
/// The kernel waits for all processors before it moves somebody else's process (some milliseconds); a plan's own process
/// moves itself.
///
/// # Errors
/// The first write that was refused; a directory that is missing is an error, not a reason to go without its limits.
pub fn enter_cgroup(cgroup: &CgroupHandle, pid: u32) -> Result<(), Fault> {
    let text = format!("{pid}");
    cgroup
        .directories()
        .iter()
        .try_for_each(|directory| cgroup::write(&directory.child("cgroup.procs"), text.as_bytes()))
}
