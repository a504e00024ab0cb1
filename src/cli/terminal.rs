//! The caller's side of a container's terminal: raw mode, and bytes in both directions.
//!
//! Nothing here blocks but a write to standard output, and that only after the kernel said there is room. The caller's
//! terminal is put back on every way out, also when something panics.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{isatty, read, write};

/// How much waits in one direction before its source is no longer read.
const ROOM: usize = 64 * 1024;
/// A write of this size to a pipe that polls as writable does not block (`PIPE_BUF`).
const ATOMIC: usize = 4096;
/// `^D` at the start of a line: end of file.
const END_OF_FILE: u8 = 4;

/// A terminal in raw mode; dropping it puts it back.
#[derive(Debug)]
pub struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    /// Makes `terminal` raw; `None` if it is no terminal, and nothing is to be done.
    ///
    /// # Errors
    /// When it is one and its settings cannot be changed.
    pub fn enter(terminal: BorrowedFd<'a>) -> nix::Result<Option<Self>> {
        if !isatty(terminal).unwrap_or(false) {
            return Ok(None);
        }
        let before = tcgetattr(terminal)?;
        let raw = Self { terminal, before };
        raw.again()?;
        Ok(Some(raw))
    }

    /// Makes it raw once more, after [`RawMode::pause`].
    ///
    /// # Errors
    /// As [`RawMode::enter`].
    pub fn again(&self) -> nix::Result<()> {
        let mut settings = self.before.clone();
        cfmakeraw(&mut settings);
        tcsetattr(self.terminal, SetArg::TCSADRAIN, &settings)
    }

    /// Puts it back for a while.
    pub fn pause(&self) {
        // There is nobody to tell, and nothing else to try.
        let _ = tcsetattr(self.terminal, SetArg::TCSADRAIN, &self.before);
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        self.pause();
    }
}

/// Copies the caller's input to the container's terminal and its output back.
#[derive(Debug)]
pub struct Copier<'a> {
    master: OwnedFd,
    input: Option<BorrowedFd<'a>>,
    output: Option<BorrowedFd<'a>>,
    /// On its way in.
    inward: Vec<u8>,
    /// On its way out.
    outward: Vec<u8>,
    /// Nobody has the other end open at the moment.
    is_hung_up: bool,
}

impl<'a> Copier<'a> {
    /// Between `master` and the caller's `input` and `output`.
    ///
    /// # Errors
    /// When the master cannot be made non-blocking.
    pub fn new(
        master: OwnedFd,
        input: BorrowedFd<'a>,
        output: BorrowedFd<'a>,
    ) -> nix::Result<Self> {
        // The description is the container's terminal's alone, so nobody else is surprised.
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let (inward, outward) = (Vec::new(), Vec::new());
        let (input, output) = (Some(input), Some(output));
        Ok(Self { master, input, output, inward, outward, is_hung_up: false })
    }

    /// The container's terminal.
    #[must_use]
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Whether the other end was closed by all; someone may open it again, so look again soon.
    #[must_use]
    pub fn is_hung_up(&self) -> bool {
        self.is_hung_up
    }

    /// What is waited for.
    #[must_use]
    pub fn poll_fds(&self) -> Vec<PollFd<'_>> {
        let mut fds = Vec::with_capacity(3);
        let mut master = PollFlags::empty();
        master.set(PollFlags::POLLIN, self.outward.len() < ROOM);
        master.set(PollFlags::POLLOUT, !self.inward.is_empty());
        if !self.is_hung_up && !master.is_empty() {
            fds.push(PollFd::new(self.master.as_fd(), master));
        }
        if let Some(input) = self.input.filter(|_| self.inward.len() < ROOM) {
            fds.push(PollFd::new(input, PollFlags::POLLIN));
        }
        if let Some(output) = self.output.filter(|_| !self.outward.is_empty()) {
            fds.push(PollFd::new(output, PollFlags::POLLOUT));
        }
        fds
    }

    /// Moves what can be moved without waiting. False once the caller's output is gone and what comes is dropped.
    pub fn turn(&mut self) -> bool {
        if self.input.is_some_and(|input| is_ready(input, PollFlags::POLLIN)) {
            self.take_input();
        }
        self.push_inward();
        self.take_outward();
        while self.output.is_some_and(|output| is_ready(output, PollFlags::POLLOUT))
            && !self.outward.is_empty()
        {
            self.push_outward();
        }
        self.output.is_some()
    }

    /// Whether something is still to be written to the caller's output. What the container wrote last is read first.
    pub fn is_drained(&mut self) -> bool {
        self.take_outward();
        self.outward.is_empty() || self.output.is_none()
    }

    fn take_input(&mut self) {
        let Some(input) = self.input else {
            return;
        };
        let mut bytes = [0; ATOMIC];
        match read(input, &mut bytes) {
            Ok(0) => {
                self.inward.push(END_OF_FILE);
                self.input = None;
            }
            Ok(count) => self.inward.extend_from_slice(&bytes[..count]),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.input = None,
        }
    }

    fn push_inward(&mut self) {
        while !self.inward.is_empty() {
            match write(&self.master, &self.inward) {
                Ok(count) => drop(self.inward.drain(..count)),
                Err(_) => return,
            }
        }
    }

    fn take_outward(&mut self) {
        let mut bytes = [0; ATOMIC];
        self.is_hung_up = false;
        while self.outward.len() < ROOM {
            match read(&self.master, &mut bytes) {
                Ok(count) if count > 0 => self.outward.extend_from_slice(&bytes[..count]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Ok(_) | Err(_) => {
                    self.is_hung_up = true;
                    return;
                }
            }
        }
    }

    fn push_outward(&mut self) {
        let Some(output) = self.output else {
            return;
        };
        let chunk = self.outward.len().min(ATOMIC);
        match write(output, &self.outward[..chunk]) {
            Ok(count) => drop(self.outward.drain(..count)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => {
                self.output = None;
                self.outward.clear();
            }
        }
    }
}

/// Whether `fd` can be read or written now; a closed one can, and says so.
fn is_ready(fd: BorrowedFd<'_>, events: PollFlags) -> bool {
    let mut fds = [PollFd::new(fd, events)];
    nix::poll::poll(&mut fds, 0u8).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::pty::openpty;
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};

    #[test]
    fn the_last_words_of_a_program_are_not_lost() {
        let pty = openpty(None, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let script = "seq 1 20000; printf last";
        let child = Command::new("sh").args(["-c", script]).stdin(slave()).stdout(slave()).spawn();
        drop(pty.slave);
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (input, _open) = std::io::pipe().unwrap();
        let collected = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        let mut child = child.unwrap();
        let mut copier = Copier::new(pty.master, input.as_fd(), writer.as_fd()).unwrap();
        while child.try_wait().unwrap().is_none() {
            copier.turn();
        }
        while !copier.is_drained() {
            copier.turn();
        }
        drop(writer);
        let text = collected.join().unwrap().unwrap();
        assert!(text.ends_with("20000\r\nlast"), "{:?}", &text[text.len() - 40..]);
    }

    #[test]
    fn the_end_of_input_is_an_end_of_file_inside() {
        let pty = openpty(None, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut child = Command::new("cat").stdin(slave()).stdout(slave()).spawn().unwrap();
        drop(pty.slave);
        let (input, mut feed) = std::io::pipe().unwrap();
        let (_reader, writer) = std::io::pipe().unwrap();
        feed.write_all(b"hello\n").unwrap();
        drop(feed);
        let mut copier = Copier::new(pty.master, input.as_fd(), writer.as_fd()).unwrap();
        while child.try_wait().unwrap().is_none() {
            copier.turn();
        }
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn the_callers_terminal_is_put_back() {
        let pty = openpty(None, None).unwrap();
        // Not the whole of it: a C library may leave characters that the kernel has no name for as they were on the stack.
        let settings = || {
            let now = tcgetattr(&pty.slave).unwrap();
            (now.input_flags, now.output_flags, now.control_flags, now.local_flags)
        };
        let before = settings();
        let raw = RawMode::enter(pty.slave.as_fd()).unwrap().unwrap();
        assert_ne!(settings(), before);
        drop(raw);
        assert_eq!(settings(), before);
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(RawMode::enter(file.as_fd()).unwrap().is_none());
    }

    #[test]
    fn a_caller_that_stops_reading_is_noticed() {
        let pty = openpty(None, None).unwrap();
        let (input, _open) = std::io::pipe().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        write(&pty.slave, b"words").unwrap();
        let mut copier = Copier::new(pty.master, input.as_fd(), writer.as_fd()).unwrap();
        assert!(!copier.turn());
    }
}
