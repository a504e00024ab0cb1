//! Directories of control groups that containers share: made, found, and made again where the last user took one away.

use super::Launcher;
use crate::apply::cgroup;
use crate::apply::error::Cause;
use crate::plan::{CgroupOp, Op, StepId, Undo};
use crate::sys::Fault;
use crate::types::{Errno, HostPath};

impl Launcher<'_> {
    /// A shared directory that its last user removed after it was found here is made again, with what was done in it; and
    /// one that somebody else has made again by then is given what it has lost. That shows in what is made below: it has no
    /// file of a controller's, or nothing to inherit.
    pub(super) fn cgroup(&mut self, id: StepId, op: &CgroupOp, undo: &Undo) -> Result<(), Cause> {
        if let Some(place) = place_below_shared(op) {
            for _ in 0..MOST_RACES {
                match self.cgroup_once(id, op, undo) {
                    Err(Cause::Kernel(fault)) if is_lost(fault) => {
                        self.share_again(id, &place)?;
                    }
                    answer => return answer,
                }
            }
        }
        match self.cgroup_once(id, op, undo) {
            // It stays empty; whether that is enough, the kernel says when somebody enters.
            Err(Cause::Kernel(fault)) if fault.is(Errno::ENODATA) => Ok(()),
            answer => answer,
        }
    }

    /// What the steps before one did to shared directories, from the top down to its own. Another may remove those at
    /// the same time again.
    fn share_again(&mut self, before: StepId, below: &HostPath) -> Result<(), Cause> {
        let plan = self.plan.clone();
        for (index, step) in (0..before.index).zip(&plan.parent) {
            let Op::Cgroup(op) = &step.op else { continue };
            let is_above = |place: &HostPath| {
                let rest = below.as_str().strip_prefix(place.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let is_to_do = match op {
                CgroupOp::MakeDirectory { path, .. } => is_above(path) && !cgroup::exists(path)?,
                op => shared_place(op).is_some_and(is_above),
            };
            if !is_to_do {
                continue;
            }
            match self.cgroup_once(StepId { actor: before.actor, index }, op, &step.undo) {
                Err(Cause::Kernel(fault)) if is_lost(fault) => return Ok(()),
                answer => answer?,
            }
        }
        Ok(())
    }

    pub(super) fn make_cgroup(
        &mut self,
        id: StepId,
        path: &HostPath,
        fresh: bool,
        undo: &Undo,
    ) -> Result<(), Cause> {
        let Undo::Op(undo) = undo else { return Err(Cause::Protocol) };
        if !fresh && cgroup::exists(path)? {
            return Ok(self.journal.found(id, undo)?);
        }
        self.journal.record(id, undo)?;
        match cgroup::make(path) {
            Err(fault) if fault.is(Errno::EEXIST) && fresh => {
                // Whoever was there first removes it.
                self.journal.cancel(id)?;
                Err(fault.into())
            }
            Err(fault) if fault.is(Errno::EEXIST) => Ok(self.journal.found(id, undo)?),
            answer => Ok(answer?),
        }
    }
}

/// The directory that a step makes, or gives what those below it need; done twice, the latter changes nothing.
fn shared_place(op: &CgroupOp) -> Option<&HostPath> {
    match op {
        CgroupOp::MakeDirectory { path, .. } => Some(path),
        CgroupOp::EnableControllers { directory, .. } | CgroupOp::InheritCpuset { directory } => {
            Some(directory)
        }
        _ => None,
    }
}

/// Where a step works that can fail for what a shared directory above has lost.
fn place_below_shared(op: &CgroupOp) -> Option<HostPath> {
    match op {
        CgroupOp::Write { file, .. } => {
            let (directory, _) = file.as_str().rsplit_once('/')?;
            HostPath::new(directory).ok()
        }
        op => shared_place(op).cloned(),
    }
}

fn is_lost(fault: Fault) -> bool {
    fault.is(Errno::ENOENT) || fault.is(Errno::ENODATA)
}

/// How often a shared parent may vanish while a directory is made in it.
const MOST_RACES: u8 = 16;
