//! The cgroup of a running container: measured, stopped, continued, killed, watched and removed.
//!
//! Nothing here writes to `cgroup.procs` or `tasks`: no process is ever moved, the caller least of all. What stops or
//! kills refuses a cgroup that the caller is in, and the root of a hierarchy.

mod error;
mod files;
mod freeze;
mod kill;
mod oom;
mod pace;
mod remove;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use nix::unistd::{SysconfVar, sysconf};

pub use error::ControlError;
pub use oom::{OomEvent, OomEvents};
pub(super) use pace::Pace;

use super::cgroup;
use crate::facts::CgroupStats;
use crate::plan::{CgroupOp, CgroupPaths, Op, Plan};
use crate::types::HostPath;

/// The two interfaces of cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    /// A hierarchy for each controller or group of them.
    V1,
    /// One tree.
    V2,
}

/// The directories that are one container's own.
///
/// On v1 there is one for each hierarchy. Which controller is where need not be said: the names of their files begin
/// with it, and a controller is in one hierarchy only.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use nsplan::apply::CgroupHandle;
/// use nsplan::types::HostPath;
///
/// let cgroup = CgroupHandle::v2(HostPath::new("/sys/fs/cgroup/web")?);
/// println!("{} ns of CPU time", cgroup.stats()?.cpu.total);
/// cgroup.freeze(Duration::from_secs(1))?;
/// cgroup.thaw(Duration::from_secs(1))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupHandle {
    version: CgroupVersion,
    directories: Vec<HostPath>,
}

impl CgroupHandle {
    /// A v1 cgroup with a directory in each of its hierarchies, in any order.
    #[must_use]
    pub fn v1(directories: impl IntoIterator<Item = HostPath>) -> Self {
        Self { version: CgroupVersion::V1, directories: directories.into_iter().collect() }
    }

    /// A v2 cgroup.
    #[must_use]
    pub fn v2(directory: HostPath) -> Self {
        Self { version: CgroupVersion::V2, directories: [directory].into() }
    }

    /// The directories that `plan` makes, or has systemd make, for its container alone; `None` if it makes none. They exist while the
    /// container runs.
    #[must_use]
    pub fn of(plan: &Plan) -> Option<Self> {
        let mut directories: Vec<HostPath> = Vec::new();
        let mut version = CgroupVersion::V2;
        for step in &plan.parent {
            let Op::Cgroup(op) = &step.op else { continue };
            let own = match op {
                CgroupOp::MakeDirectory { path, fresh: true } => Some(path.clone()),
                CgroupOp::StartScope { directory, .. } => {
                    if directory.is_none() {
                        version = CgroupVersion::V1;
                    }
                    directory.clone()
                }
                CgroupOp::Place { file } => above(file),
                // Only v1 has a file to be entered by.
                CgroupOp::OpenTasks { .. } => {
                    version = CgroupVersion::V1;
                    None
                }
                _ => None,
            };
            directories.extend(own.filter(|own| !directories.contains(own)));
        }
        (!directories.is_empty()).then_some(Self { version, directories })
    }

    /// The cgroups of a record, which a file says: only what is below the root of a cgroup file system is taken.
    pub(super) fn recorded(paths: &CgroupPaths) -> Option<Self> {
        let directories: Vec<_> = paths.directories().cloned().collect();
        let is_sound = directories.iter().all(cgroup::is_below_cgroup_root);
        let version = if paths.v1.is_empty() { CgroupVersion::V2 } else { CgroupVersion::V1 };
        (is_sound && !directories.is_empty()).then_some(Self { version, directories })
    }

    /// Which interface it has.
    #[must_use]
    pub const fn version(&self) -> CgroupVersion {
        self.version
    }

    /// The directories: one on v2, one for each hierarchy on v1.
    #[must_use]
    pub fn directories(&self) -> &[HostPath] {
        &self.directories
    }

    /// What it uses and was refused, together with what is below it. A file that is missing counts as zeros, so the
    /// statistics of a cgroup that is gone are all zeros.
    ///
    /// # Errors
    /// If a file is there and cannot be read, or holds something else than it should.
    pub fn stats(&self) -> Result<CgroupStats, ControlError> {
        let stats = match self.version {
            CgroupVersion::V1 => {
                let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(0);
                // A hybrid host has some controllers in the v2 tree alone.
                let (unified, v1): (Vec<_>, Vec<_>) =
                    self.directories.iter().cloned().partition(files::is_unified);
                let unified = CgroupStats::from_v2(&files::statistics(&unified)?);
                let v1 = files::statistics(&v1)?;
                let v1 = CgroupStats::from_v1(&v1, u64::try_from(ticks).unwrap_or(0));
                v1.and_then(|v1| Ok(v1.or(unified?)))
            }
            CgroupVersion::V2 => CgroupStats::from_v2(&files::statistics(&self.directories)?),
        };
        stats.map_err(|error| ControlError::Text {
            directory: self.directories.first().cloned(),
            error,
        })
    }

    /// The processes in it, in the numbers of the caller's pid namespace, in order; with `recursive` also those in
    /// cgroups below it. Processes that the caller's pid namespace does not see have no number and are left out.
    ///
    /// # Errors
    /// If a list of processes cannot be read. A directory that is gone has none.
    pub fn pids(&self, recursive: bool) -> Result<Vec<u32>, ControlError> {
        let members = self.members(recursive)?;
        Ok(members.into_iter().filter(|&number| number != 0).collect())
    }

    /// As [`pids`](Self::pids), with 0 if there is one that is not seen.
    fn members(&self, recursive: bool) -> Result<BTreeSet<u32>, ControlError> {
        let mut members = BTreeSet::new();
        for directory in &self.directories {
            let below = if recursive { files::tree(directory) } else { [directory.clone()].into() };
            for directory in &below {
                members.extend(files::processes(directory)?);
            }
        }
        Ok(members)
    }

    /// Whoever stops or kills the cgroup it is in does not come back to undo or report it.
    fn refuse_own(&self) -> Result<(), ControlError> {
        if self.members(true)?.contains(&std::process::id()) {
            return Err(ControlError::Refused {
                directory: self.directories.first().cloned(),
                reason: "the caller is in it",
            });
        }
        Ok(())
    }
}

/// The directory of a file.
fn above(file: &HostPath) -> Option<HostPath> {
    file.as_str().rsplit_once('/').and_then(|(above, _)| HostPath::new(above).ok())
}
