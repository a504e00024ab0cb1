//! Whoever wants to know of a new process is told: its terminal and its pidfd are sent, its number is written.

use std::os::fd::AsFd as _;

use super::pid_file::write_pid;
use super::socket::Receiver;
use crate::apply::Container;
use crate::cli::report::{Failure, Problem};
use crate::types::Signal;

/// Connections that were made before the process was.
#[derive(Debug, Default)]
pub(in crate::cli) struct Receivers {
    console: Option<Receiver>,
    pidfd: Option<Receiver>,
    /// What runc calls the kind of process.
    kind: &'static str,
}

impl Receivers {
    /// Connects to those who are named.
    pub(in crate::cli) fn connect(
        console: Option<&str>,
        pidfd: Option<&str>,
        kind: &'static str,
    ) -> Result<Self, Failure> {
        let to = |option, path: Option<&str>| {
            path.map(|path| Receiver::connect(option, path)).transpose()
        };
        let console = to("--console-socket", console)?;
        Ok(Self { console, pidfd: to("--pidfd-socket", pidfd)?, kind })
    }

    /// Sends what is wanted, then writes the number: who reads it finds everything done. A process that cannot be announced
    /// would be nobody's, and goes.
    pub(in crate::cli) fn announce(
        self,
        container: &mut Container,
        pid_file: Option<&str>,
    ) -> Result<(), Failure> {
        let told = self.send(container).and_then(|()| match pid_file {
            Some(file) => write_pid(file, container.pid()),
            None => Ok(()),
        });
        if told.is_err() {
            let _ = container.kill(Signal::KILL);
            let _ = container.wait();
        }
        told
    }

    fn send(self, container: &mut Container) -> Result<(), Failure> {
        if let Some(console) = &self.console
            && let Some(master) = container.terminal.take()
        {
            console.send(master.as_fd(), "/dev/ptmx")?;
        }
        let Some(receiver) = &self.pidfd else { return Ok(()) };
        match container.pidfd() {
            Some(pidfd) => receiver.send(pidfd, self.kind),
            None => Err(Problem::new("--pidfd-socket: this kernel has no pidfds").into()),
        }
    }
}
