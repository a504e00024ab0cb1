//! The launcher makes, finds, fills and leaves groups of the resctrl file system.

use alloc::format;

use super::cgroup;
use super::error::Cause;
use super::spawn::Launcher;
use crate::plan::{Op, ResctrlOp, StepId, Undo};
use crate::sys::abi::{O_DIRECTORY, O_PATH, RDTGROUP_SUPER_MAGIC};
use crate::sys::{Fd, fd};
use crate::types::{Errno, HostPath};

impl Launcher<'_> {
    pub(super) fn resctrl(&mut self, id: StepId, op: &ResctrlOp, undo: &Undo) -> Result<(), Cause> {
        match op {
            ResctrlOp::MakeGroup { directory } => {
                let Undo::Op(undo) = undo else { return Err(Cause::Protocol) };
                self.journal.record(id, undo)?;
                match cgroup::make(directory) {
                    Err(fault) if fault.is(Errno::EEXIST) => {
                        // It is somebody else's to remove.
                        self.journal.cancel(id)?;
                        Err(fault.into())
                    }
                    answer => Ok(answer?),
                }
            }
            ResctrlOp::UseGroup { directory, schemata } => find(directory, schemata),
            ResctrlOp::WriteSchemata { directory, schemata } => {
                Ok(cgroup::write(&directory.child("schemata"), schemata.as_bytes())?)
            }
            ResctrlOp::Assign { directory } => {
                let pid = format!("{}\n", self.init()?.number());
                Ok(cgroup::write(&directory.child("tasks"), pid.as_bytes())?)
            }
            ResctrlOp::RemoveGroup { .. } => Err(Cause::Protocol),
        }
    }
}

/// Whether an undo that is read from a file may remove it: a group is a directory of that file system only.
pub(super) fn may_remove(op: &Op) -> bool {
    let Op::Resctrl(ResctrlOp::RemoveGroup { directory }) = op else { return false };
    let above = directory.as_str().rsplit_once('/').map_or("/", |(above, _)| above);
    let above = HostPath::new(above).ok().and_then(|above| cgroup::c_path(&above).ok());
    let opened = above.and_then(|above| fd::openat(Fd::CWD, &above, O_PATH | O_DIRECTORY, 0).ok());
    let statfs = opened.and_then(|above| fd::fstatfs(above.fd()).ok());
    statfs.is_some_and(|statfs| statfs.magic == RDTGROUP_SUPER_MAGIC)
}

/// Makes a group that may be several containers', or finds that it says what was asked for.
fn find(directory: &HostPath, schemata: &str) -> Result<(), Cause> {
    if !schemata.is_empty() {
        match cgroup::make(directory) {
            Err(fault) if fault.is(Errno::EEXIST) => {}
            Err(fault) => return Err(fault.into()),
            Ok(()) => {
                return Ok(cgroup::write(&directory.child("schemata"), schemata.as_bytes())?);
            }
        }
    }
    let found = cgroup::read(&directory.child("schemata"))?;
    let has = |line: &str| found.lines().any(|found| found.trim() == line.trim());
    match schemata.lines().find(|line| !has(line)) {
        None => Ok(()),
        Some(line) => {
            let message = format!("{directory} has not the line `{line}` in its schemata");
            Err(Cause::Helper { message })
        }
    }
}
