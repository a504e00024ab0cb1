//! Stops every process of a cgroup where it is, and lets it go on.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst`; `cgroup-v2.rst`, "cgroup.freeze" (Linux 5.2).

use alloc::string::String;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use nix::errno::Errno as NixErrno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::files::{kernel, read, write};
use super::pace::Pace;
use super::{CgroupHandle, CgroupVersion, ControlError, above};
use crate::facts::{FreezerState, parse_cgroup_events, parse_freezer_state};
use crate::sys::Sysno;
use crate::types::HostPath;

/// The file that stops and continues.
#[derive(Debug)]
pub(super) enum Freezer {
    /// `freezer.state`.
    V1(HostPath),
    /// The directory with `cgroup.freeze` and `cgroup.events`.
    V2(HostPath),
}

/// A v1 group that is still freezing after so many looks is thawed and frozen anew.
const LOOKS: u32 = 8;

impl CgroupHandle {
    /// Stops every process in it and below, and returns when all have stopped.
    ///
    /// A process in an uninterruptible sleep cannot be stopped, and on v1 one that waits for a stopped one may hang half
    /// way: so it is tried again, with a thaw in between, until `timeout`. Whatever the error, the cgroup is left thawed.
    /// On v1 a process that is stopped cannot be killed either, until it goes on.
    ///
    /// # Errors
    /// [`ControlError::TimedOut`] if something did not stop; [`ControlError::Missing`] without a freezer;
    /// [`ControlError::Refused`] if the caller is in it.
    pub fn freeze(&self, timeout: Duration) -> Result<(), ControlError> {
        self.refuse_own()?;
        let freezer = self.freezer()?;
        let frozen = freezer.freeze(Pace::until(timeout));
        if frozen != Ok(false) {
            return frozen.map(drop);
        }
        let left = self.members(true)?.into_iter().collect();
        Err(ControlError::TimedOut { waited_for: "frozen", after: timeout, left })
    }

    /// Lets every process go on.
    ///
    /// # Errors
    /// [`ControlError::TimedOut`] if it stays frozen, which a cgroup above does; [`ControlError::Missing`] without a
    /// freezer.
    pub fn thaw(&self, timeout: Duration) -> Result<(), ControlError> {
        if self.freezer()?.thaw(Pace::until(timeout))? {
            return Ok(());
        }
        let left = self.members(true)?.into_iter().collect();
        Err(ControlError::TimedOut { waited_for: "thawed", after: timeout, left })
    }

    /// Whether every process in it has stopped.
    ///
    /// # Errors
    /// If it cannot be read, or there is no freezer.
    pub fn is_frozen(&self) -> Result<bool, ControlError> {
        self.freezer()?.is_frozen()
    }

    pub(super) fn freezer(&self) -> Result<Freezer, ControlError> {
        let file = match self.version {
            CgroupVersion::V1 => "freezer.state",
            CgroupVersion::V2 => "cgroup.freeze",
        };
        for directory in &self.directories {
            if read(&directory.child(file))?.is_some() {
                return Ok(match self.version {
                    CgroupVersion::V1 => Freezer::V1(directory.child(file)),
                    CgroupVersion::V2 => Freezer::V2(directory.clone()),
                });
            }
        }
        Err(ControlError::Missing { file })
    }
}

impl Freezer {
    /// `false` when the time is up; unless `true`, everything goes on.
    pub(super) fn freeze(&self, mut pace: Pace) -> Result<bool, ControlError> {
        let frozen = match self {
            Self::V1(state) => freeze_v1(state, &mut pace),
            Self::V2(directory) => write(&directory.child("cgroup.freeze"), b"1")
                .and_then(|()| wait_for_events(directory, &pace, |(_, frozen)| frozen)),
        };
        if frozen != Ok(true) {
            // What is reported is why it did not stop.
            let _ = self.let_go();
        }
        frozen
    }

    /// `false` when the time is up.
    pub(super) fn thaw(&self, mut pace: Pace) -> Result<bool, ControlError> {
        self.let_go()?;
        match self {
            Self::V1(state) => loop {
                if state_of(state)? == FreezerState::Thawed {
                    return Ok(true);
                }
                if !pace.rest() {
                    return Ok(false);
                }
            },
            Self::V2(directory) => wait_for_events(directory, &pace, |(_, frozen)| !frozen),
        }
    }

    /// Asks for it without waiting.
    pub(super) fn let_go(&self) -> Result<(), ControlError> {
        match self {
            Self::V1(state) => write(state, b"THAWED"),
            Self::V2(directory) => write(&directory.child("cgroup.freeze"), b"0"),
        }
    }

    fn is_frozen(&self) -> Result<bool, ControlError> {
        match self {
            Self::V1(state) => Ok(state_of(state)? == FreezerState::Frozen),
            Self::V2(directory) => Ok(events(directory)?.1),
        }
    }
}

fn freeze_v1(state: &HostPath, pace: &mut Pace) -> Result<bool, ControlError> {
    loop {
        write(state, b"FROZEN")?;
        for _ in 0..LOOKS {
            if state_of(state)? == FreezerState::Frozen {
                return Ok(true);
            }
            if !pace.rest() {
                return Ok(false);
            }
        }
        // What has stopped may hold what another needs on its way to where it can stop.
        write(state, b"THAWED")?;
        if !pace.rest() {
            return Ok(false);
        }
    }
}

fn state_of(file: &HostPath) -> Result<FreezerState, ControlError> {
    let text = read(file)?.ok_or(ControlError::Missing { file: "freezer.state" })?;
    parse_freezer_state(&text).map_err(|error| ControlError::Text { directory: above(file), error })
}

fn events(directory: &HostPath) -> Result<(bool, bool), ControlError> {
    let text = read(&directory.child("cgroup.events"))?;
    let text = text.ok_or(ControlError::Missing { file: "cgroup.events" })?;
    parse_cgroup_events(&text)
        .map_err(|error| ControlError::Text { directory: Some(directory.clone()), error })
}

/// Waits until `cgroup.events` says so; `false` when the time is up. The kernel tells of changes by `POLLPRI`, but a look
/// every tenth of a second costs nothing and does without.
fn wait_for_events(
    directory: &HostPath,
    pace: &Pace,
    is_so: impl Fn((bool, bool)) -> bool,
) -> Result<bool, ControlError> {
    let path = directory.child("cgroup.events");
    let file = File::open(path.as_str()).map_err(|error| kernel(&path, Sysno::openat, &error))?;
    loop {
        // Reading through this descriptor is what arms its poll.
        let mut bytes = [0; 256];
        let length =
            file.read_at(&mut bytes, 0).map_err(|error| kernel(&path, Sysno::pread64, &error))?;
        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
        let seen = parse_cgroup_events(&text)
            .map_err(|error| ControlError::Text { directory: Some(directory.clone()), error })?;
        if is_so(seen) {
            return Ok(true);
        }
        let left = pace.left();
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLPRI)];
        let slice = left.min(Duration::from_millis(100)).max(Duration::from_millis(1));
        let slice = PollTimeout::try_from(slice).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, slice) {
            Ok(_) | Err(NixErrno::EINTR) => {}
            Err(error) => return Err(kernel(&path, Sysno::poll, &error.into())),
        }
    }
}
