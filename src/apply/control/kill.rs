//! Every process of a cgroup becomes none.

use alloc::vec::Vec;
use std::time::Duration;

use super::freeze::Freezer;
use super::pace::Pace;
use super::{CgroupHandle, CgroupVersion, ControlError, files};
use crate::apply::cgroup;
use crate::sys::process::Pid;
use crate::sys::{Handle, host, signal};
use crate::types::{Errno, Signal};

/// So many pidfds are open at once: fewer than anybody's limit.
const AT_ONCE: usize = 64;
/// How long a single attempt to stop what forks may take.
const FREEZE: Duration = Duration::from_millis(100);

impl CgroupHandle {
    /// Kills every process in it and below, and returns when there is none left: by `cgroup.kill` (v2, Linux 5.14), else
    /// one by one, again and again, and frozen meanwhile where that is possible so that nothing forks away. A frozen
    /// cgroup is thawed, on v1 nothing dies otherwise.
    ///
    /// # Errors
    /// [`ControlError::TimedOut`] with those that are left; [`ControlError::Refused`] if the caller is in it, or a
    /// directory is no cgroup below a root.
    pub fn kill(&self, timeout: Duration) -> Result<(), ControlError> {
        self.refuse_what_is_no_cgroup()?;
        self.refuse_own()?;
        let mut pace = Pace::until(timeout);
        let freezer = self.freezer().ok();
        let mut is_first = true;
        loop {
            if !self.kill_by_kernel() {
                self.kill_one_by_one(freezer.as_ref().filter(|_| !is_first))?;
                let let_go = freezer.as_ref().map(Freezer::let_go);
                // A cgroup that is gone by now has nothing in it.
                if let Some(Err(error)) = let_go
                    && !self.members(true)?.is_empty()
                {
                    return Err(error);
                }
            }
            is_first = false;
            let left = self.members(true)?;
            if left.is_empty() {
                return Ok(());
            }
            if !pace.rest() {
                let left = left.into_iter().collect();
                return Err(ControlError::TimedOut { waited_for: "empty", after: timeout, left });
            }
        }
    }

    /// A list of processes in a file that is not the kernel's would let its writer choose who is killed.
    pub(super) fn refuse_what_is_no_cgroup(&self) -> Result<(), ControlError> {
        for directory in &self.directories {
            let is_there = cgroup::exists(directory)
                .map_err(|fault| ControlError::Kernel { path: directory.clone(), fault })?;
            if is_there && !cgroup::is_below_cgroup_root(directory) {
                return Err(ControlError::Refused {
                    directory: Some(directory.clone()),
                    reason: "it is no cgroup below the root of a hierarchy",
                });
            }
        }
        Ok(())
    }

    fn kill_by_kernel(&self) -> bool {
        self.version == CgroupVersion::V2
            && self
                .directories
                .iter()
                .all(|directory| files::write(&directory.child("cgroup.kill"), b"1").is_ok())
    }

    fn kill_one_by_one(&self, freezer: Option<&Freezer>) -> Result<(), ControlError> {
        if let Some(freezer) = freezer {
            // What cannot be stopped is killed while it runs.
            let _ = freezer.freeze(Pace::until(FREEZE));
        }
        let pids: Vec<_> = self.pids(true)?.into_iter().filter_map(pid).collect();
        for some in pids.chunks(AT_ONCE) {
            let pinned: Vec<_> = some.iter().filter_map(|&pid| pin(pid)).collect();
            // A number may have become another's before it was pinned: it counts if it is still in the cgroup.
            let now = self.members(true)?;
            for (pid, pidfd) in pinned {
                if now.contains(&pid.number().unsigned_abs()) {
                    let _ = match pidfd {
                        Some(pidfd) => signal::send_by_pidfd(pidfd.fd(), Signal::KILL),
                        None => signal::kill(pid, Signal::KILL),
                    };
                }
            }
        }
        Ok(())
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::new)
}

/// A process with its pidfd, which kernels before 5.3 do not have; `None` if it has ended.
fn pin(pid: Pid) -> Option<(Pid, Option<Handle>)> {
    match host::pidfd_open(pid) {
        Ok(pidfd) => Some((pid, Some(pidfd))),
        Err(fault) if fault.is(Errno::ESRCH) => None,
        Err(_) => Some((pid, None)),
    }
}
