//! Out of memory in a cgroup becomes events of a descriptor.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v1/memory.rst`, "OOM Control"; `cgroup-v2.rst`, "memory.events".

use alloc::format;
use core::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno as NixErrno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::files::{kernel, read, write};
use super::pace::Pace;
use super::{CgroupHandle, CgroupVersion, ControlError};
use crate::facts::{parse_cgroup_events, parse_flat_keyed};
use crate::sys::Sysno;
use crate::types::HostPath;

/// A cgroup ran out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomEvent {
    /// How often since the event before. v1: how often the limit could not be kept, whether or not something was killed;
    /// v2: how many processes were killed.
    pub count: u64,
}

/// The out-of-memory events of a cgroup, from [`CgroupHandle::notify_oom`].
///
/// As an iterator it waits for each event, and ends when the cgroup is gone (v2: also when its last process has ended).
/// In a loop of one's own, poll [the descriptor](AsFd) for `POLLIN`, then call [`wait`](Self::wait) with no time.
#[derive(Debug)]
pub struct OomEvents {
    source: Source,
    /// Is there as long as the cgroup is.
    witness: HostPath,
    has_ended: bool,
}

enum Source {
    V1(EventFd),
    V2 { inotify: Inotify, directory: HostPath, killed: u64, was_populated: bool },
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1(_) => "eventfd",
            Self::V2 { .. } => "inotify",
        })
    }
}

/// Nobody tells when a v2 directory is removed, so a look is taken so often.
const LOOK: Duration = Duration::from_secs(1);

impl CgroupHandle {
    /// Begins to watch for the cgroup running out of memory.
    ///
    /// # Errors
    /// [`ControlError::Missing`] without the memory controller.
    pub fn notify_oom(&self) -> Result<OomEvents, ControlError> {
        // A hybrid host may have memory in the v2 tree, and the rest in v1.
        let unified = self.having("memory.events", "cgroup.events");
        match (self.version, unified) {
            (CgroupVersion::V1, Err(_)) => {
                notify_v1(self.having("memory.oom_control", "cgroup.event_control")?)
            }
            (_, unified) => notify_v2(unified?),
        }
    }

    /// The directory that has both files.
    fn having(&self, file: &'static str, other: &'static str) -> Result<&HostPath, ControlError> {
        let is_there = |path: HostPath| std::fs::exists(path.as_str()).unwrap_or(false);
        let mut found = self.directories.iter().filter(|path| is_there(path.child(file)));
        let found = found.next().ok_or(ControlError::Missing { file })?;
        if is_there(found.child(other)) {
            Ok(found)
        } else {
            Err(ControlError::Missing { file: other })
        }
    }
}

fn notify_v1(directory: &HostPath) -> Result<OomEvents, ControlError> {
    let control = directory.child("memory.oom_control");
    let file =
        File::open(control.as_str()).map_err(|error| kernel(&control, Sysno::openat, &error))?;
    let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
    let eventfd = EventFd::from_value_and_flags(0, flags)
        .map_err(|error| kernel(directory, Sysno::eventfd2, &error.into()))?;
    let witness = directory.child("cgroup.event_control");
    // The kernel keeps what it needs of both descriptors; the file may be closed.
    let line = format!("{} {}", eventfd.as_fd().as_raw_fd(), file.as_raw_fd());
    write(&witness, line.as_bytes())?;
    Ok(OomEvents { source: Source::V1(eventfd), witness, has_ended: false })
}

fn notify_v2(directory: &HostPath) -> Result<OomEvents, ControlError> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
        .map_err(|error| kernel(directory, Sysno::inotify_init1, &error.into()))?;
    let witness = directory.child("memory.events");
    // The second one tells that the last process has ended: of a removal old kernels tell nothing.
    for file in [&witness, &directory.child("cgroup.events")] {
        let kinds = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_DELETE_SELF;
        inotify
            .add_watch(file.as_str(), kinds)
            .map_err(|error| kernel(file, Sysno::inotify_add_watch, &error.into()))?;
    }
    // After the watch, so that nothing is missed between them.
    let killed = killed(directory)?.unwrap_or(0);
    let was_populated = is_populated(directory)?;
    let source = Source::V2 { inotify, directory: directory.clone(), killed, was_populated };
    Ok(OomEvents { source, witness, has_ended: false })
}

/// `oom_kill` of `memory.events`; `None` when the cgroup is gone.
fn killed(directory: &HostPath) -> Result<Option<u64>, ControlError> {
    let Some(text) = read(&directory.child("memory.events"))? else { return Ok(None) };
    let events = parse_flat_keyed("memory.events", &text)
        .map_err(|error| ControlError::Text { directory: Some(directory.clone()), error })?;
    Ok(Some(events.get("oom_kill").copied().unwrap_or(0)))
}

fn is_populated(directory: &HostPath) -> Result<bool, ControlError> {
    let text = read(&directory.child("cgroup.events"))?.unwrap_or_default();
    parse_cgroup_events(&text)
        .map(|(populated, _)| populated)
        .map_err(|error| ControlError::Text { directory: Some(directory.clone()), error })
}

impl OomEvents {
    /// Waits at most so long for the next event; `None` when the time is up or there will be no more, which
    /// [`has_ended`](Self::has_ended) tells apart.
    ///
    /// # Errors
    /// If the descriptor or the cgroup's files cannot be read.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<OomEvent>, ControlError> {
        let pace = Pace::until(timeout);
        loop {
            if let Some(event) = self.look()? {
                return Ok(Some(event));
            }
            let left = pace.left();
            if self.has_ended || left.is_zero() {
                return Ok(None);
            }
            self.sleep(left.min(LOOK))?;
        }
    }

    /// Whether the cgroup is gone, or on v2 has run empty: there will be no more events.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Takes what has come, without waiting.
    fn look(&mut self) -> Result<Option<OomEvent>, ControlError> {
        if self.has_ended {
            return Ok(None);
        }
        let is_there = std::fs::exists(self.witness.as_str()).unwrap_or(true);
        match &mut self.source {
            Source::V1(eventfd) => {
                let count = match eventfd.read() {
                    Ok(count) => count,
                    Err(NixErrno::EAGAIN | NixErrno::EINTR) => 0,
                    Err(error) => return Err(kernel(&self.witness, Sysno::read, &error.into())),
                };
                // The kernel also signals when the cgroup goes away.
                self.has_ended = !is_there;
                Ok((is_there && count > 0).then_some(OomEvent { count }))
            }
            Source::V2 { inotify, directory, killed: before, was_populated } => {
                // What changed is in the files; the queue only has to be empty for the next poll.
                while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
                let populated = is_populated(directory)?;
                let Some(now) = killed(directory)? else {
                    self.has_ended = true;
                    return Ok(None);
                };
                let count = now.saturating_sub(*before);
                *before = now;
                let has_run_empty = *was_populated && !populated;
                *was_populated |= populated;
                self.has_ended = !is_there || (has_run_empty && count == 0);
                Ok((count > 0).then_some(OomEvent { count }))
            }
        }
    }

    fn sleep(&self, limit: Duration) -> Result<(), ControlError> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // A part of a millisecond would be none, and the loop around this a busy one.
        let limit = limit.max(Duration::from_millis(1));
        match poll(&mut fds, PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO)) {
            Ok(_) | Err(NixErrno::EINTR) => Ok(()),
            Err(error) => Err(kernel(&self.witness, Sysno::poll, &io::Error::from(error))),
        }
    }
}

impl AsFd for OomEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Source::V1(eventfd) => eventfd.as_fd(),
            Source::V2 { inotify, .. } => inotify.as_fd(),
        }
    }
}

impl Iterator for OomEvents {
    type Item = Result<OomEvent, ControlError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.wait(Duration::MAX).transpose()
    }
}
