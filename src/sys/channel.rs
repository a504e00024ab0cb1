//! Messages of eight bytes between launcher and child, over a socket that keeps their bounds.

use core::ptr;

use super::abi::{self, ControlFd, IoVec, MsgHdr};
use super::fd::{Fd, Handle};
use super::raw::{Outcome, call};
use crate::types::Errno;

/// Length of every message.
pub(crate) const MESSAGE: usize = 8;

/// What came.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message, and the descriptor that came with it.
    Message([u8; MESSAGE], Option<Handle>),
    /// End of file: every holder of the other end has closed it, by exec or by its end.
    End,
}

const ECONNRESET: Errno = Errno(104);

const EMPTY: ControlFd =
    ControlFd { len: size_of::<ControlFd>(), level: 0, kind: 0, fd: -1, padding: 0 };

/// `sendmsg(2)` of one message, with a copy of `fd` if one is given; never raises `SIGPIPE`.
pub(crate) fn send(socket: Fd, message: &[u8; MESSAGE], fd: Option<Fd>) -> Outcome {
    let mut bytes = *message;
    let mut iov = IoVec { base: bytes.as_mut_ptr(), len: MESSAGE };
    let mut control = ControlFd {
        // `CMSG_LEN`: without the padding behind the descriptor.
        len: size_of::<ControlFd>() - size_of::<i32>(),
        level: abi::SOL_SOCKET,
        kind: abi::SCM_RIGHTS,
        fd: fd.map_or(-1, |fd| fd.0),
        ..EMPTY
    };
    let mut header = header(&mut iov, fd.is_some().then_some(&mut control));
    // SAFETY: the header points to one `iovec`, which points to `bytes`, and to a control message that holds one
    // descriptor, or to none; all are locals of this function, laid out as in the kernel's headers, and only read.
    unsafe { call!(sendmsg, socket, &raw mut header, abi::MSG_NOSIGNAL) }.map(drop)
}

/// `recvmsg(2)` of one message; a descriptor in it is made close-on-exec at birth.
pub(crate) fn receive(socket: Fd, wait: bool) -> Outcome<Received> {
    let mut bytes = [0_u8; MESSAGE];
    let mut iov = IoVec { base: bytes.as_mut_ptr(), len: MESSAGE };
    let mut control = EMPTY;
    let mut header = header(&mut iov, Some(&mut control));
    let flags = abi::MSG_CMSG_CLOEXEC | if wait { 0 } else { abi::MSG_DONTWAIT };
    let length = loop {
        // SAFETY: the header points to one `iovec`, which points to `bytes` and tells its length, and to room for one
        // control message; all are locals of this function, laid out as in the kernel's headers, and nothing else
        // refers to them while the kernel writes.
        let answer = unsafe { call!(recvmsg, socket, &raw mut header, flags) };
        match answer {
            // A peer that ends with a message unread resets the connection once; what it has sent comes after.
            Err(fault) if fault.is(Errno::EINTR) || fault.is(ECONNRESET) => {}
            answer => break answer?,
        }
    };
    let has_fd = header.control_len >= size_of::<ControlFd>() - size_of::<i32>()
        && control.level == abi::SOL_SOCKET
        && control.kind == abi::SCM_RIGHTS;
    let fd = has_fd.then(|| Handle::opened(super::raw::Word::word(control.fd)));
    if length == 0 {
        return Ok(Received::End);
    }
    Ok(Received::Message(bytes, fd))
}

fn header(iov: &mut IoVec, control: Option<&mut ControlFd>) -> MsgHdr {
    let (control, control_len) = match control {
        Some(control) => (ptr::from_mut(control), size_of::<ControlFd>()),
        None => (ptr::null_mut(), 0),
    };
    MsgHdr {
        name: 0,
        name_len: 0,
        iov: ptr::from_mut(iov),
        iov_len: 1,
        control,
        control_len,
        flags: 0,
    }
}
