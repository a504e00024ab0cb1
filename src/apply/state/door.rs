//! What a container that waits for its start has in its state directory: the door, and what whoever knocks needs.

use alloc::format;
use alloc::string::String;
use core::ffi::CStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use super::{Directory, Seen, read_trusted};
use crate::apply::running::StateError;
use crate::plan::StartScript;
use crate::sys::abi::{O_CREAT, O_NOFOLLOW, O_RDWR, O_TRUNC, O_WRONLY};
use crate::sys::{Fd, Handle, Outcome, door, fd, host};

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
