//! The master of a terminal becomes the business of whoever listens at a socket.

use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::cli::report::{Failure, Problem};

/// A connection to one who wants a terminal.
#[derive(Debug)]
pub struct ConsoleSocket {
    stream: UnixStream,
    path: String,
}

/// What comes with the descriptor: the name of what it is, as runc sends it.
const NAME: &[u8] = b"/dev/ptmx";

impl ConsoleSocket {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(path: &str) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path)
            .map_err(|error| Problem::of(&error).at(format!("--console-socket {path}")))?;
        Ok(Self { stream, path: path.to_owned() })
    }

    /// Sends it (`SCM_RIGHTS`).
    ///
    /// # Errors
    /// When the connection was closed.
    pub fn send(&self, master: BorrowedFd<'_>) -> Result<(), Failure> {
        let fds = [master.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let name = [IoSlice::new(NAME)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(self.stream.as_raw_fd(), &name, &rights, flags, None) {
            Ok(_) => Ok(()),
            Err(errno) => {
                let text = format!("--console-socket {}: sendmsg: {errno}", self.path);
                Err(Problem::new(text).into())
            }
        }
    }
}
