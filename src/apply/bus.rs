//! A socket becomes a bus: a call goes out, its answer and the signals before it come in, all within a time limit.
//!
//! Blocking and without a thread: a start asks once or twice, and a connection kept for later would be one more thing
//! that a clone copies.
//!
//! # References
//! D-Bus specification, "Authentication Protocol", "Message Bus Specification".

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::plan::dbus::{self, Call, Kind, Message, PREFIX, Value};
use crate::sys::host;
use crate::types::{Errno, HostPath};

/// Why a bus could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusError {
    /// The socket failed.
    Socket(Errno),
    /// It took longer than the limit.
    TimedOut,
    /// It does not speak D-Bus, or refuses the caller.
    Protocol(&'static str),
    /// Who was called refuses.
    Refused {
        /// The error's name.
        name: String,
        /// What it says.
        text: String,
    },
}

impl fmt::Display for BusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(errno) => write!(f, "{errno}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Protocol(what) => f.write_str(what),
            Self::Refused { name, text } => write!(f, "{name}: {text}"),
        }
    }
}

impl core::error::Error for BusError {}

impl From<io::Error> for BusError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::UnexpectedEof => Self::Protocol("the bus hung up"),
            _ => Self::Socket(Errno(error.raw_os_error().unwrap_or(Errno::EIO.0))),
        }
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Bus {
    socket: UnixStream,
    end: Instant,
    serial: u32,
    /// What came while an answer was waited for.
    signals: VecDeque<Message>,
}

/// More signals than these are not kept: the oldest go.
const MOST_SIGNALS: usize = 1024;
/// The answers of an authentication are short lines.
const LONGEST_LINE: usize = 512;

impl Bus {
    /// Connects and introduces itself. All that is asked must be answered within `limit`, together.
    pub(crate) fn open(path: &HostPath, limit: Duration) -> Result<Self, BusError> {
        let socket = UnixStream::connect(path.as_str())?;
        let end = Instant::now() + limit;
        let mut bus = Self { socket, end, serial: 0, signals: VecDeque::new() };
        bus.authenticate()?;
        let hello = Call {
            destination: BUS,
            path: "/org/freedesktop/DBus",
            interface: BUS,
            member: "Hello",
            body: &[],
        };
        bus.call(&hello)?;
        Ok(bus)
    }

    /// The kernel tells the bus who is on the other end; the words only say which uid to compare it with.
    fn authenticate(&mut self) -> Result<(), BusError> {
        let uid = format!("{}", host::effective_uid());
        let digits: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if line.len() > LONGEST_LINE {
                return Err(BusError::Protocol("the bus answers no line"));
            }
            let mut byte = [0];
            self.receive(&mut byte)?;
            line.extend(byte);
        }
        if !line.starts_with(b"OK ") {
            return Err(BusError::Protocol("the bus does not let the caller in"));
        }
        self.send(b"BEGIN\r\n")
    }

    /// Calls, and waits for the answer.
    pub(crate) fn call(&mut self, call: &Call<'_>) -> Result<Message, BusError> {
        self.serial += 1;
        let serial = self.serial;
        self.send(&call.encode(serial))?;
        loop {
            let message = self.next()?;
            match message.kind {
                Kind::Return if message.answers == Some(serial) => return Ok(message),
                Kind::Error if message.answers == Some(serial) => {
                    let texts = message.texts().unwrap_or_default();
                    let text = texts.first().copied().unwrap_or_default().to_owned();
                    return Err(BusError::Refused { name: message.error, text });
                }
                Kind::Signal => {
                    self.signals.push_back(message);
                    if self.signals.len() > MOST_SIGNALS {
                        self.signals.pop_front();
                    }
                }
                _ => {}
            }
        }
    }

    /// The next signal, those that came before first.
    pub(crate) fn signal(&mut self) -> Result<Message, BusError> {
        loop {
            let message = match self.signals.pop_front() {
                Some(message) => message,
                None => self.next()?,
            };
            if message.kind == Kind::Signal {
                return Ok(message);
            }
        }
    }

    fn next(&mut self) -> Result<Message, BusError> {
        const WRONG: BusError = BusError::Protocol("the bus sends what is no message");
        let mut prefix = [0; PREFIX];
        self.receive(&mut prefix)?;
        let length = dbus::length_of(&prefix).map_err(|_| WRONG)?;
        let mut bytes = vec![0; length.max(PREFIX)];
        let (head, rest) = bytes.split_at_mut(PREFIX);
        head.copy_from_slice(&prefix);
        self.receive(rest)?;
        Message::decode(&bytes).map_err(|_| WRONG)
    }

    fn left(&self) -> Result<Duration, BusError> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(BusError::TimedOut) } else { Ok(left) }
    }

    fn send(&mut self, mut bytes: &[u8]) -> Result<(), BusError> {
        while !bytes.is_empty() {
            self.socket.set_write_timeout(Some(self.left()?))?;
            match self.socket.write(bytes) {
                Ok(0) => return Err(BusError::Protocol("the bus hung up")),
                Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Byte by byte if need be: each wait is no longer than what is left of the limit.
    fn receive(&mut self, mut into: &mut [u8]) -> Result<(), BusError> {
        while !into.is_empty() {
            self.socket.set_read_timeout(Some(self.left()?))?;
            match self.socket.read(into) {
                Ok(0) => return Err(BusError::Protocol("the bus hung up")),
                Ok(length) => into = into.get_mut(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The bus itself, by name.
const BUS: &str = "org.freedesktop.DBus";

impl Bus {
    /// Asks to be sent the signals of a rule.
    pub(crate) fn listen(&mut self, rule: &str) -> Result<(), BusError> {
        let body = [Value::Text(rule.to_owned())];
        let call = Call {
            destination: BUS,
            path: "/org/freedesktop/DBus",
            interface: BUS,
            member: "AddMatch",
            body: &body,
        };
        self.call(&call).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What a bus answers that sends these bytes after the authentication, and then nothing.
    fn answered(bytes: &'static [u8], hangs_up: bool) -> BusError {
        let name = format!("nsplan-bus-{}-{:?}", std::process::id(), thread::current().id());
        let path = std::env::temp_dir().join(name.replace(['(', ')'], "-"));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut heard = Vec::new();
            let mut byte = [0];
            while !heard.ends_with(b"\r\n") && socket.read_exact(&mut byte).is_ok() {
                heard.push(byte[0]);
            }
            socket.write_all(bytes).unwrap();
            // Until the other end gives up.
            while !hangs_up && socket.read(&mut [0; 64]).is_ok_and(|length| length > 0) {}
            heard
        });
        let host = HostPath::new(path.to_str().unwrap()).unwrap();
        let error = Bus::open(&host, Duration::from_millis(200)).expect_err("no bus");
        let heard = server.join().unwrap();
        std::fs::remove_file(&path).unwrap();
        let uid = format!("{}", host::effective_uid());
        let digits: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(heard, format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes());
        error
    }

    #[test]
    fn a_bus_that_refuses_hangs_up_babbles_or_is_silent_is_an_error_in_time() {
        let no = "the bus does not let the caller in";
        assert_eq!(answered(b"REJECTED EXTERNAL\r\n", false), BusError::Protocol(no));
        assert_eq!(answered(b"", false), BusError::TimedOut);
        assert_eq!(answered(b"OK 1234\r\n", false), BusError::TimedOut);
        let hung_up = answered(b"OK 1234\r\n", true);
        // Whether the farewell is seen when reading or when writing is chance.
        assert!(matches!(hung_up, BusError::Protocol(_) | BusError::Socket(_)), "{hung_up:?}");
        let line = BusError::Protocol("the bus answers no line");
        assert_eq!(answered(&[b'x'; 1000], false), line);
        let babble = b"OK 1\r\nl\x02\x01\x01\xff\xff\xff\xff\x01\0\0\0\0\0\0\0";
        let wrong = BusError::Protocol("the bus sends what is no message");
        assert_eq!(answered(babble, false), wrong);
        // Shorter than its head.
        assert_eq!(
            answered(b"OK 1\r\nl\x02\x01\x01\0\0\0\0\x01\0\0\0\x03\0\0\0abc\0\0\0\0\0", false),
            wrong
        );
    }

    #[test]
    fn where_nobody_listens_the_socket_says_why() {
        let path = HostPath::new("/nonexistent/bus").unwrap();
        let error = Bus::open(&path, Duration::from_secs(1)).expect_err("no bus");
        assert_eq!(error, BusError::Socket(Errno::ENOENT));
    }
}
