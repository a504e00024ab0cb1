//! Directories of a cgroup become none, or a list of what is left.

use alloc::vec::Vec;
use std::time::Duration;

use super::pace::Pace;
use super::{CgroupHandle, files};
use crate::apply::cgroup;
use crate::apply::error::Leftover;
use crate::plan::{CgroupOp, Op};
use crate::sys::{Fault, Outcome, Sysno, file};
use crate::types::{Errno, HostPath};

impl CgroupHandle {
    /// Removes its directories and all below them, again and again until `timeout`: the kernel lets go of a cgroup a
    /// moment after its last process. Empty when all is gone.
    #[must_use = "what is left stays until somebody removes it"]
    pub fn remove(&self, timeout: Duration) -> Vec<Leftover> {
        let mut pace = Pace::until(timeout);
        let mut left = Vec::new();
        for own in &self.directories {
            if cgroup::exists(own) == Ok(false) {
                continue;
            }
            if !cgroup::is_below_cgroup_root(own) {
                // Below a root there are the cgroups of others.
                left.push(leftover(own, Fault::new(Sysno::rmdir, Errno::EPERM)));
                continue;
            }
            for directory in files::tree(own).iter().rev() {
                if let Err(fault) = remove(directory, &mut pace) {
                    left.push(leftover(directory, fault));
                    break;
                }
            }
        }
        left
    }
}

fn leftover(path: &HostPath, fault: Fault) -> Leftover {
    let undo = CgroupOp::RemoveDirectory { path: path.clone(), shared: false };
    Leftover { undo: Op::Cgroup(undo), fault }
}

fn remove(directory: &HostPath, pace: &mut Pace) -> Outcome {
    let name = cgroup::c_path(directory)?;
    loop {
        match file::rmdir(&name) {
            Err(fault) if fault.is(Errno::ENOENT) => return Ok(()),
            Err(fault) if fault.is(Errno::EBUSY) || fault.is(Errno::ENOTEMPTY) => {
                if !pace.rest() {
                    return Err(fault);
                }
            }
            answer => return answer,
        }
    }
}
