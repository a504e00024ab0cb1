//! A descriptor becomes the business of whoever listens at a socket: the master of a terminal, a pidfd.

use std::io::IoSlice;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::cli::report::{Failure, Problem};

/// A connection to one who wants a descriptor.
#[derive(Debug)]
pub(super) struct Receiver {
    stream: UnixStream,
    /// The option and its value.
    words: String,
}

impl Receiver {
    /// Connects to the socket at `path`, which `option` has named.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) fn connect(option: &str, path: &str) -> Result<Self, Failure> {
        let words = format!("{option} {path}");
        let stream = UnixStream::connect(path).map_err(|error| Problem::of(&error).at(&words))?;
        Ok(Self { stream, words })
    }

    /// Sends it (`SCM_RIGHTS`), with `name` as the bytes that such a message must have.
    ///
    /// # Errors
    /// When the connection was closed.
    pub(super) fn send(&self, fd: BorrowedFd<'_>, name: &str) -> Result<(), Failure> {
        let fds = [fd.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fds)];
        let name = [IoSlice::new(name.as_bytes())];
        let flags = MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(self.stream.as_raw_fd(), &name, &rights, flags, None) {
            Ok(_) => Ok(()),
            Err(errno) => Err(Problem::new(format!("{}: sendmsg: {errno}", self.words)).into()),
        }
    }
}
