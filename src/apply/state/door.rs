//! What a container that waits for its start has in its state directory: the door, and what whoever knocks needs.

use alloc::format;
use alloc::string::String;
use core::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

use super::{Directory, Seen, read_trusted};
use crate::apply::journal::io_fault;
use crate::apply::running::StateError;
use crate::plan::StartScript;
use crate::sys::abi::{O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, door, fd, file, host};
use crate::types::Errno;

/// The socket at which init waits, and what its start needs of the plan.
const DOOR: &str = "start";
const DOOR_C: &CStr = c"start";
const SCRIPT: &CStr = c"start.json";
/// Where init leaves its last words when its filter keeps it from telling them.
const LAST: &CStr = c"last";

impl Directory {
    /// Where init waits for the word to start, and an empty file for its last words.
    pub(crate) fn open_door(&self) -> Outcome<Handle> {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
        let last = fd::openat(self.own.fd(), LAST, flags, 0o600)?;
        fd::write(last.fd(), &[0; 8])?;
        door::open(&door_path(self.own.fd()))
    }

    /// The file for init's last words.
    pub(crate) fn last_file(&self) -> Outcome<File> {
        fd::openat(self.own.fd(), LAST, O_RDWR | O_NOFOLLOW, 0)
            .map(|file| File::from(host::owned(file)))
    }

    /// What init has left there, if it has.
    pub(crate) fn last_words(&self) -> Option<[u8; 8]> {
        let mut words = [0; 8];
        self.last_file().ok()?.read_exact(&mut words).ok()?;
        (words != [0; 8]).then_some(words)
    }

    /// Gives it.
    pub(crate) fn knock(&self) -> Outcome<OwnedFd> {
        door::knock(&door_path(self.own.fd()))
    }

    /// What a start needs, for whoever starts the container.
    pub(crate) fn write_script(&self, text: &[u8]) -> Outcome {
        let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
        let file = fd::openat(self.own.fd(), SCRIPT, flags, 0o600)?;
        fd::write(file.fd(), text)
    }

    /// The same, read back.
    pub(crate) fn script(&self) -> Result<StartScript, StateError> {
        let distrusted = StateError::Distrusted { reason: "start.json cannot be understood" };
        let text = read_trusted(self.own.fd(), SCRIPT)?.ok_or_else(|| distrusted.clone())?;
        StartScript::from_json(&text).ok_or(distrusted)
    }

    /// Removes the socket's name, the script and the last words.
    pub(crate) fn remove_door(&self) -> Outcome {
        self.remove_files(&[DOOR_C, SCRIPT, LAST])
    }
}

impl Directory {
    /// Makes the directory for the word that a container is ready, and listens there.
    pub(crate) fn make_notify(&self) -> Outcome<UnixDatagram> {
        file::mkdirat(self.own.fd(), WORD_DIRECTORY_C, 0o755)?;
        listen_to_word(&format!("/proc/self/fd/{}/{WORD_DIRECTORY}", self.own.fd().0))
    }

    /// Removes it with its socket.
    pub(crate) fn remove_notify(&self) -> Outcome {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
        let absent = |fault: Fault| if fault.is(Errno::ENOENT) { Ok(()) } else { Err(fault) };
        match fd::openat(self.own.fd(), WORD_DIRECTORY_C, flags, 0) {
            Err(fault) => absent(fault),
            Ok(directory) => {
                file::unlinkat(directory.fd(), WORD_SOCKET_C).or_else(absent)?;
                file::rmdirat(self.own.fd(), WORD_DIRECTORY_C).or_else(absent)
            }
        }
    }
}

/// A socket in a directory that a container is shown, in the place of one that is there: anybody inside may say the word.
///
/// # Errors
/// When the directory is not there.
pub fn listen_to_word(directory: &str) -> Outcome<UnixDatagram> {
    let opened = File::open(directory).map_err(|error| io_fault(Sysno::openat, &error))?;
    // Behind the descriptor, since an address has room for 107 bytes only.
    let path = format!("/proc/self/fd/{}/{WORD_SOCKET}", host::number(&opened).0);
    let _ = std::fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).map_err(|error| io_fault(Sysno::bind, &error))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777))
        .map_err(|error| io_fault(Sysno::fchmodat, &error))?;
    Ok(socket)
}

/// The directory in the state directory that a container is shown, for its word that it is ready.
pub const WORD_DIRECTORY: &str = "notify";
const WORD_DIRECTORY_C: &CStr = c"notify";
/// The socket in it.
pub const WORD_SOCKET: &str = "notify.sock";
const WORD_SOCKET_C: &CStr = c"notify.sock";

impl Seen {
    /// Whether init waits for the word to start.
    pub(crate) fn is_waiting(&self) -> Result<bool, StateError> {
        Ok(door::is_open(&door_path(self.own.fd()))?)
    }
}

/// A name behind a descriptor: whatever the length of the directory's path, this one fits into an address.
fn door_path(directory: Fd) -> String {
    format!("/proc/self/fd/{}/{DOOR}", directory.0)
}
