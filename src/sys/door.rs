//! A named socket at which a process waits until somebody connects.

use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};

use super::abi;
use super::fd::{Fd, Handle};
use super::raw::{Fault, Outcome, Sysno, call};
use crate::types::Errno;

/// How many may wait for their turn; all but the first are turned away.
const BACKLOG: i32 = 16;
/// The name is a socket, but of another kind than the caller's.
const EPROTOTYPE: Errno = Errno(91);

fn fault(call: Sysno) -> impl Fn(nix::Error) -> Fault {
    move |error| Fault::new(call, Errno(error as i32))
}

fn endpoint(kind: SockType) -> Outcome<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, kind, flags, None).map_err(fault(Sysno::socket))
}

fn address(path: &str, call: Sysno) -> Outcome<UnixAddr> {
    UnixAddr::new(path).map_err(fault(call))
}

/// `socket`, `bind` and `listen`: a `SOCK_SEQPACKET` socket of that name, which must be free.
pub(crate) fn open(path: &str) -> Outcome<Handle> {
    let door = endpoint(SockType::SeqPacket)?;
    bind(door.as_raw_fd(), &address(path, Sysno::bind)?).map_err(fault(Sysno::bind))?;
    let backlog = Backlog::new(BACKLOG).map_err(fault(Sysno::listen))?;
    listen(&door, backlog).map_err(fault(Sysno::listen))?;
    Ok(super::host::handle(door))
}

/// `connect`: `ECONNREFUSED` once nobody waits there any more.
pub(crate) fn knock(path: &str) -> Outcome<OwnedFd> {
    let socket = endpoint(SockType::SeqPacket)?;
    let address = address(path, Sysno::connect)?;
    connect(socket.as_raw_fd(), &address).map_err(fault(Sysno::connect))?;
    Ok(socket)
}

/// Whether somebody waits there, without disturbing him: a connection of another kind is refused in another way where there
/// is somebody (`unix(7)`, `EPROTOTYPE`).
pub(crate) fn is_open(path: &str) -> Outcome<bool> {
    let socket = endpoint(SockType::Datagram)?;
    match connect(socket.as_raw_fd(), &address(path, Sysno::connect)?) {
        Err(nix::Error::ECONNREFUSED | nix::Error::ENOENT) => Ok(false),
        Err(error) if error as i32 == EPROTOTYPE.0 => Ok(true),
        Err(error) => Err(fault(Sysno::connect)(error)),
        Ok(()) => Ok(false),
    }
}

/// `accept4(2)`; the only one here that may be called between clone and exec.
pub(crate) fn accept(door: Fd) -> Outcome<Handle> {
    loop {
        // SAFETY: the address of the peer is not asked for, so no memory of ours is touched; the new descriptor is
        // close-on-exec at birth and owned by the handle.
        match unsafe { call!(accept4, door, 0_usize, 0_usize, abi::SOCK_CLOEXEC) } {
            Err(fault) if fault.is(Errno::EINTR) || fault.is(ECONNABORTED) => {}
            answer => return answer.map(Handle::opened),
        }
    }
}

/// Who knocked has gone before it was his turn.
const ECONNABORTED: Errno = Errno(103);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_does_not_open_the_door() {
        let path = std::env::temp_dir().join(format!("nsplan-door-{}", std::process::id()));
        let path = path.to_str().unwrap();
        assert_eq!(is_open(path), Ok(false), "no name");
        let door = open(path).unwrap();
        assert_eq!(is_open(path), Ok(true));
        let knocked = knock(path).unwrap();
        let opened = accept(door.fd()).unwrap();
        drop((knocked, opened, door));
        assert_eq!(is_open(path), Ok(false), "a name with nobody behind it");
        assert!(knock(path).is_err_and(|fault| fault.is(Errno(111))));
        std::fs::remove_file(path).unwrap();
    }
}
