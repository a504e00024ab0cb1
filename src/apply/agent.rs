//! The listener of a filter becomes the business of an agent: another program that answers for some of a container's calls.
//!
//! # References
//! OCI runtime-spec, `config-linux.md`, "The Container Process State"; `seccomp_unotify(2)`.

use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::json;

use crate::config::OCI_VERSION;
use crate::sys::process::Pid;
use crate::sys::{Fault, Outcome, Sysno};
use crate::types::{Errno, HostPath};

/// An agent and what it will get.
#[derive(Debug, Default)]
pub(super) struct Agent {
    socket: Option<UnixStream>,
    pub(super) listener: Option<OwnedFd>,
}

impl Agent {
    pub(super) fn connect(&mut self, path: &HostPath) -> Outcome {
        let socket = UnixStream::connect(path.as_str()).map_err(|error| {
            Fault::new(Sysno::connect, Errno(error.raw_os_error().unwrap_or(Errno::EIO.0)))
        })?;
        self.socket = Some(socket);
        Ok(())
    }

    /// One message: the state, and the listener as the descriptor that it names.
    pub(super) fn send(&mut self, id: &str, pid: Pid, metadata: Option<&str>) -> Outcome {
        let missing = || Fault::new(Sysno::sendmsg, Errno(107));
        let socket = self.socket.take().ok_or_else(missing)?;
        let listener = self.listener.take().ok_or_else(missing)?;
        let pid = pid.number();
        let mut state = json!({
            "ociVersion": OCI_VERSION,
            "fds": ["seccompFd"],
            "pid": pid,
            "state": {
                "ociVersion": OCI_VERSION,
                "id": id,
                "status": "creating",
                "pid": pid,
                "bundle": "",
            },
        });
        if let (Some(text), Some(object)) = (metadata, state.as_object_mut()) {
            object.insert("metadata".into(), text.into());
        }
        let text = state.to_string();
        let fds = [listener.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let part = [IoSlice::new(text.as_bytes())];
        let flags = MsgFlags::MSG_NOSIGNAL;
        let sent = sendmsg::<()>(socket.as_raw_fd(), &part, &rights, flags, None)
            .map_err(|error| Fault::new(Sysno::sendmsg, Errno(error as i32)))?;
        if sent == text.len() { Ok(()) } else { Err(Fault::new(Sysno::sendmsg, Errno::EIO)) }
    }
}
