//! A container's word that it is ready reaches the service manager that waits for this command's.
//!
//! The service manager's own socket is not the container's: whoever has it could say anything in the service's name. So a
//! directory of ours is mounted, with a socket that whoever starts the container listens at, and one word is passed on.
//!
//! # References
//! `sd_notify(3)`, `systemd.service(5)`, "NotifyAccess=".

use std::env;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread;
use std::time::Duration;

use crate::apply::{WORD_DIRECTORY, WORD_SOCKET, listen_to_word};
use crate::cli::args::ContainerId;
use crate::cli::report::{Failure, Problem};
use crate::config::{BindSource, Config, EnvVar, Mount, MountKind};
use crate::types::{Errno, HostPath, MountFlags, NamespaceKind, RootPath};

/// The variable, outside and inside.
const VARIABLE: &str = "NOTIFY_SOCKET";
/// Where the directory is inside.
const INSIDE: &str = "/run/notify";
/// The longest message that is looked at; systemd reads no longer ones.
const LONGEST: usize = 4096;
/// How often it is looked whether the container still lives.
const LOOK: Duration = Duration::from_millis(100);

/// A container's socket, and the service manager's.
#[derive(Debug)]
pub(super) struct Notify {
    socket: UnixDatagram,
    host: SocketAddr,
}

fn address() -> Option<String> {
    env::var(VARIABLE).ok().filter(|text| text.starts_with(['/', '@']))
}

/// Where it is on the host.
fn directory(root: &HostPath, id: &ContainerId) -> HostPath {
    root.child(id.as_str()).child(WORD_DIRECTORY)
}

/// Shows the container a directory for its socket, if this command's own readiness is waited for.
pub(super) fn prepare(
    config: &mut Config,
    root: &HostPath,
    id: &ContainerId,
) -> Result<(), Failure> {
    let can_mount = config.creates(NamespaceKind::Mnt);
    let Some(process) = config.process.as_mut().filter(|_| can_mount && address().is_some()) else {
        return Ok(());
    };
    let directory = directory(root, id);
    let destination =
        RootPath::new(INSIDE).map_err(|error| Failure::from(Problem::of(&error).at(INSIDE)))?;
    process.env.retain(|variable| variable.name != VARIABLE);
    let value = format!("{INSIDE}/{WORD_SOCKET}");
    process.env.push(EnvVar { name: VARIABLE.into(), value });
    config.mounts.push(Mount::new(
        destination,
        MountKind::Bind(BindSource { source: directory.clone(), recursive: false }),
        MountFlags::MS_RDONLY
            | MountFlags::MS_NOSUID
            | MountFlags::MS_NODEV
            | MountFlags::MS_NOEXEC,
    ));
    config.notify = Some(directory);
    Ok(())
}

/// Listens for the word of a container that was created with such a directory; `None` where nobody waits for it.
pub(super) fn listen(root: &HostPath, id: &ContainerId) -> Result<Option<Notify>, Failure> {
    let Some(text) = address() else { return Ok(None) };
    let directory = directory(root, id);
    let socket = match listen_to_word(directory.as_str()) {
        Err(fault) if fault.errno == Errno::ENOENT => return Ok(None),
        answer => answer.map_err(|fault| Problem::new(fault.to_string()).at(&directory))?,
    };
    Ok(Some(Notify { socket, host: host(&text)? }))
}

fn host(text: &str) -> Result<SocketAddr, Failure> {
    let host = match text.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(text),
    };
    host.map_err(|error| Problem::of(&error).at(format!("{VARIABLE}={text}")).into())
}

/// Passes the word on beside the caller, who stays with the container himself. Nobody is told what goes wrong then: it runs
/// already.
pub(in crate::cli) fn pass_word_on(socket: UnixDatagram, pid: u32) {
    let Some(host) = address().and_then(|text| host(&text).ok()) else { return };
    thread::spawn(move || {
        let _ = Notify { socket, host }.pass_on(pid, &|| true);
    });
}

impl Notify {
    /// Waits for the word, and passes it on with the number of the container's first process. One that ends without it
    /// has said all it had to say.
    pub(super) fn pass_on(&self, pid: u32, lives: &dyn Fn() -> bool) -> Result<(), Failure> {
        let fail = |error: std::io::Error| Failure::from(Problem::of(&error).at(VARIABLE));
        self.socket.set_read_timeout(Some(LOOK)).map_err(fail)?;
        let mut message = [0; LONGEST];
        loop {
            // Looked at first: what it has said before its end is still there afterwards.
            let is_alive = lives();
            match self.socket.recv(&mut message) {
                Ok(length) if is_ready(&message[..length]) => break,
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if !is_alive {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fail(error)),
            }
        }
        let said = format!("READY=1\nMAINPID={pid}\n");
        let sender = UnixDatagram::unbound().map_err(fail)?;
        sender.send_to_addr(said.as_bytes(), &self.host).map_err(fail)?;
        Ok(())
    }
}

/// Whether one of the lines is the word; all others are the container's own business.
fn is_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::is_ready;

    #[test]
    fn one_line_of_a_message_is_the_word() {
        assert!(is_ready(b"READY=1"));
        assert!(is_ready(b"STATUS=up\nREADY=1\n"));
        assert!(!is_ready(b"NOTREADY=1"));
        assert!(!is_ready(b"READY=10"));
        assert!(!is_ready(b"MAINPID=1\nSTATUS=READY=1"));
    }
}
