//! Stays with a running container until its end: passes signals on, copies its terminal, minds its time.

use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::report::{Failure, Problem};
use super::signals::{Fate, Signals, fate, is_pending};
use super::terminal::{Copier, RawMode};
use crate::apply::{self, Container, ExitStatus, WaitError};
use crate::types;

/// How soon a terminal that all have closed is looked at again, or a signal that the program blocks.
const AGAIN: Duration = Duration::from_millis(50);

/// Stays until the end; the exit code for the caller.
///
/// # Errors
/// When the caller's terminal cannot be made raw, or the container cannot be waited for.
pub fn attend(
    mut container: Container,
    signals: &Signals,
    timeout: Option<Duration>,
) -> Result<u8, Failure> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    let terminal = container.terminal.take();
    let fail = |call: &str, errno: Errno| Failure::from(Problem::new(format!("{call} = {errno}")));
    let mut watch = Watch {
        container: &mut container,
        signals,
        input: stdin.as_fd(),
        raw: None,
        copier: None,
        deadline: timeout.map(|timeout| Instant::now() + timeout),
        waiting: Vec::new(),
        killed_for: None,
    };
    if let Some(master) = terminal {
        let copier = Copier::new(master, stdin.as_fd(), stdout.as_fd());
        watch.copier = Some(copier.map_err(|errno| fail("fcntl(F_SETFL)", errno))?);
        let raw = RawMode::enter(stdin.as_fd());
        watch.raw = raw.map_err(|errno| fail("tcsetattr", errno))?;
        watch.resize();
    }
    let ended = watch.until_end().map_err(|errno| fail("poll", errno))?;
    watch.drain();
    let killed_for = watch.killed_for;
    // The terminal is the caller's again before anything is said about the end.
    drop(watch);
    let status = match ended {
        Ok(status) => status,
        Err(error) => {
            let failure = Failure::from(Problem::of(&error));
            let status = error.status.ok_or_else(|| failure.clone())?;
            // What stays behind is said, but how the program ended is what the caller asked for.
            let _ = write!(std::io::stderr().lock(), "{failure}");
            status
        }
    };
    Ok(match killed_for {
        Some(signal) if status == ExitStatus::Signaled(types::Signal::KILL) => signal_code(signal),
        _ => status.code(),
    })
}

fn signal_code(signal: Signal) -> u8 {
    u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)
}

struct Watch<'a> {
    container: &'a mut Container,
    signals: &'a Signals,
    input: BorrowedFd<'a>,
    raw: Option<RawMode<'a>>,
    copier: Option<Copier<'a>>,
    deadline: Option<Instant>,
    /// Signals that were sent while the program blocked them.
    waiting: Vec<Signal>,
    /// The signal whose default was carried out.
    killed_for: Option<Signal>,
}

impl Watch<'_> {
    fn until_end(&mut self) -> nix::Result<Result<ExitStatus, WaitError>> {
        loop {
            match self.container.try_wait() {
                Ok(None) => self.wait_for_event()?,
                Ok(Some(status)) => return Ok(Ok(status)),
                Err(error) => return Ok(Err(error)),
            }
            while let Some(signal) = self.signals.next() {
                // That of a child's end only wakes the loop.
                if signal != Signal::SIGCHLD {
                    self.pass_on(signal);
                }
            }
            self.follow_up();
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.deadline = None;
                let _ = self.container.kill(types::Signal::KILL);
            }
            if self.copier.as_mut().is_some_and(|copier| !copier.turn()) {
                // As when a terminal is closed: whoever showed the output is gone.
                self.copier = None;
                self.pass_on(Signal::SIGHUP);
            }
        }
    }

    /// Waits until there is something to do.
    fn wait_for_event(&self) -> nix::Result<()> {
        let mut fds = vec![PollFd::new(self.signals.fd(), PollFlags::POLLIN)];
        fds.extend(self.container.pidfd().map(|pidfd| PollFd::new(pidfd, PollFlags::POLLIN)));
        let mut wait = self.deadline.map(|deadline| deadline.duration_since(Instant::now()));
        if let Some(copier) = &self.copier {
            fds.extend(copier.poll_fds());
        }
        let is_hung_up = self.copier.as_ref().is_some_and(Copier::is_hung_up);
        if is_hung_up || !self.waiting.is_empty() {
            wait = Some(wait.map_or(AGAIN, |wait| wait.min(AGAIN)));
        }
        // Rounded up, or the last fraction of a millisecond would be spent in a circle.
        let wait = wait.map(|wait| wait + Duration::from_millis(1));
        let wait = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, wait) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn pass_on(&mut self, signal: Signal) {
        if signal == Signal::SIGWINCH {
            return self.resize();
        }
        match self.fate(signal) {
            Fate::Dropped => return self.end_by(signal),
            Fate::Waits if !self.waiting.contains(&signal) => self.waiting.push(signal),
            Fate::Waits | Fate::Delivered => {}
        }
        let number = u8::try_from(signal as i32).ok();
        if let Some(signal) = number.and_then(types::Signal::from_number) {
            // One that has ended meanwhile needs none.
            let _ = self.container.kill(signal);
        }
        if signal == Signal::SIGTSTP {
            self.stop();
        }
    }

    /// What the kernel shows of the first process.
    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.container.pid());
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Between the looks into the two files it may have begun to wait for signals, or have got one: that a signal is dropped
    /// is believed when it is seen twice.
    fn fate(&self, signal: Signal) -> Fate {
        let look = || fate(&self.proc("status"), &self.proc("syscall"), signal);
        match look() {
            Fate::Dropped => look(),
            fate => fate,
        }
    }

    /// Does what the kernel would do in any other process by default.
    fn end_by(&mut self, signal: Signal) {
        self.killed_for = Some(signal);
        let _ = self.container.kill(types::Signal::KILL);
    }

    /// A signal that was blocked may have been dropped since: it is not pending, and nobody could take it. Where it is still
    /// blocked, the program has fetched it (`sigwait`, `signalfd`).
    fn follow_up(&mut self) {
        for signal in std::mem::take(&mut self.waiting) {
            if is_pending(&self.proc("status"), signal) {
                self.waiting.push(signal);
            } else if self.fate(signal) == Fate::Dropped {
                self.end_by(signal);
            }
        }
    }

    /// Stops as well, so that the caller's shell gets its prompt; goes on when it says so.
    fn stop(&self) {
        if let Some(raw) = &self.raw {
            raw.pause();
        }
        let _ = nix::sys::signal::raise(Signal::SIGSTOP);
        if let Some(raw) = &self.raw {
            let _ = raw.again();
        }
        self.resize();
    }

    /// Gives the container's terminal the size of the caller's.
    fn resize(&self) {
        if let (Some(copier), Some(size)) = (&self.copier, apply::window_size(self.input)) {
            // A terminal that is gone has no size to set.
            let _ = apply::set_window_size(copier.master(), size);
        }
    }

    /// Writes out what the container wrote last. A signal ends that as well: the caller may have stopped reading.
    fn drain(&mut self) {
        let Some(copier) = &mut self.copier else {
            return;
        };
        while !copier.is_drained() {
            let signal = self.signals.next();
            if signal.is_some_and(|signal| !matches!(signal, Signal::SIGCHLD | Signal::SIGWINCH)) {
                return;
            }
            let mut fds = copier.poll_fds();
            fds.push(PollFd::new(self.signals.fd(), PollFlags::POLLIN));
            let _ = poll(&mut fds, PollTimeout::NONE);
            drop(fds);
            copier.turn();
        }
    }
}
