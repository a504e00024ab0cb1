//! A private bus, and on it somebody who answers like systemd, or unlike it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nsplan::facts::SystemdFacts;
use nsplan::types::HostPath;
use zvariant::serialized::{Context, Data};
use zvariant::{LE, ObjectPath, OwnedValue, Value, to_bytes};

use crate::support::{Scratch, skip};

/// A bus of the test's own.
pub(crate) struct PrivateBus {
    daemon: Child,
    pub(crate) socket: HostPath,
    _scratch: Scratch,
}

impl PrivateBus {
    /// Says so where there is no `dbus-daemon`.
    #[track_caller]
    pub(crate) fn new() -> Option<Self> {
        let scratch = Scratch::new("bus");
        let (socket, config) = (scratch.path().join("bus"), scratch.path().join("config"));
        let text = format!(
            "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>",
            socket.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", config.display())).arg("--nofork");
        let Ok(daemon) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            skip("no dbus-daemon (package dbus-daemon)");
            return None;
        };
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < end, "the bus does not come up");
            std::thread::sleep(Duration::from_millis(5));
        }
        let socket = HostPath::new(socket.to_str().unwrap()).unwrap();
        Some(Self { daemon, socket, _scratch: scratch })
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// How the one behaves who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Makes the scope and says so.
    Works,
    /// Tells the end of the job before it has answered the call.
    TellsFirst,
    /// The job fails.
    Fails,
    /// The call is refused.
    Refuses,
    /// The job fails, but another one on the bus says that it is done.
    IsImitated,
}

/// A call as it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) member: String,
    pub(crate) texts: Vec<String>,
    pub(crate) properties: Vec<(String, OwnedValue)>,
}

/// Somebody who plays systemd.
pub(crate) struct Fake {
    heard: Arc<Mutex<Vec<Heard>>>,
    thread: Option<JoinHandle<()>>,
    stop: UnixStream,
}

type Properties = Vec<(String, OwnedValue)>;
type Header = (u8, u8, u8, u8, u32, u32, Vec<(u8, OwnedValue)>);

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const JOB: &str = "/org/freedesktop/systemd1/job/1";

impl Fake {
    /// `tree`: where the scope's directory is made, if the fake makes it.
    pub(crate) fn new(bus: &HostPath, manner: Manner, tree: Option<PathBuf>) -> Self {
        let mut wire = Wire::open(bus);
        wire.call("RequestName", &("org.freedesktop.systemd1", 0_u32));
        let stop = wire.socket.try_clone().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut actor = Actor {
            wire,
            manner,
            tree,
            heard: Arc::clone(&heard),
            other: Wire::open(bus),
            directory: None,
        };
        let thread = std::thread::spawn(move || while actor.answer_one() {});
        Self { heard, thread: Some(thread), stop }
    }

    /// What was asked so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.stop.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the planner is told of it.
pub(crate) fn facts(bus: &PrivateBus) -> SystemdFacts {
    let controllers = Default::default();
    SystemdFacts { bus: bus.socket.clone(), version: 252, cgroup: "/".into(), controllers }
}

struct Actor {
    wire: Wire,
    manner: Manner,
    tree: Option<PathBuf>,
    heard: Arc<Mutex<Vec<Heard>>>,
    other: Wire,
    directory: Option<PathBuf>,
}

impl Actor {
    fn answer_one(&mut self) -> bool {
        let Some(message) = self.wire.read() else { return false };
        if message.kind != 1 {
            return true;
        }
        // Whoever asks what was heard waits until this is written down, though it is answered before.
        let list = Arc::clone(&self.heard);
        let mut list = list.lock().unwrap();
        let mut heard =
            Heard { member: message.member.clone(), texts: Vec::new(), properties: Vec::new() };
        match &*message.member {
            "StartTransientUnit" => {
                type Body = (String, String, Properties, Vec<(String, Properties)>);
                let (unit, mode, properties, others): Body = message.body();
                assert!(others.is_empty());
                heard.texts = vec![unit.clone(), mode];
                heard.properties = properties;
                self.start(&message, &unit, &heard.properties);
            }
            "StopUnit" => {
                let (unit, mode): (String, String) = message.body();
                self.stop(&message, &unit);
                heard.texts = vec![unit, mode];
            }
            "KillUnit" => {
                let (unit, who, signal): (String, String, i32) = message.body();
                self.kill(signal);
                heard.texts = vec![unit, who, signal.to_string()];
                self.wire.reply(&message, "", &());
            }
            "SetUnitProperties" => {
                let (unit, runtime, properties): (String, bool, Properties) = message.body();
                heard.texts = vec![unit, runtime.to_string()];
                heard.properties = properties;
                self.wire.reply(&message, "", &());
            }
            "Get" => {
                let (interface, name): (String, String) = message.body();
                let value = if name == "Version" { "252 (252.38-1)" } else { "" };
                self.wire.reply(&message, "v", &Value::from(value));
                heard.texts = vec![interface, name];
            }
            _ => self.wire.reply(&message, "", &()),
        }
        list.push(heard);
        true
    }

    fn start(&mut self, message: &Received, unit: &str, properties: &Properties) {
        let job = ObjectPath::try_from(JOB).unwrap();
        let answer = |wire: &mut Wire| wire.reply(message, "o", &job);
        match self.manner {
            Manner::Refuses => {
                let text = "not for you";
                self.wire.error(message, "org.freedesktop.DBus.Error.AccessDenied", text);
            }
            Manner::Fails => {
                answer(&mut self.wire);
                self.wire.job_removed(unit, "failed");
            }
            Manner::IsImitated => {
                answer(&mut self.wire);
                self.other.job_removed(unit, "done");
                // The bus passes on what comes first; so that it does come first.
                self.other.call("GetId", &());
                self.wire.job_removed(unit, "failed");
            }
            Manner::TellsFirst => {
                self.wire.job_removed(unit, "done");
                answer(&mut self.wire);
            }
            Manner::Works => {
                self.make(unit, properties);
                answer(&mut self.wire);
                // The jobs of others end too.
                self.wire.signal(&(
                    7_u32,
                    ObjectPath::try_from("/x").unwrap(),
                    "x.scope",
                    "failed",
                ));
                self.wire.job_removed(unit, "done");
            }
        }
    }

    /// The scope's directory, and the process in it.
    fn make(&mut self, unit: &str, properties: &Properties) {
        let Some(tree) = &self.tree else { return };
        let value = |name: &str| &properties.iter().find(|(known, _)| known == name).unwrap().1;
        let slice: String = value("Slice").try_clone().unwrap().try_into().unwrap();
        let pids: Vec<u32> = value("PIDs").try_clone().unwrap().try_into().unwrap();
        let directory = tree.join(slice).join(unit);
        fs::create_dir_all(&directory).unwrap();
        for pid in pids {
            fs::write(directory.join("cgroup.procs"), pid.to_string()).unwrap();
        }
        self.directory = Some(directory);
    }

    fn kill(&self, signal: i32) {
        let Some(directory) = &self.directory else { return };
        let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        for pid in text.lines().map(|line| line.parse().unwrap()) {
            let signal = nix::sys::signal::Signal::try_from(signal).unwrap();
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        }
    }

    fn stop(&mut self, message: &Received, unit: &str) {
        let gone = self.directory.take();
        if self.tree.is_some() && gone.is_none() {
            let text = "Unit not loaded.";
            self.wire.error(message, "org.freedesktop.systemd1.NoSuchUnit", text);
            return;
        }
        if let Some(directory) = gone {
            remove(&directory);
            let _ = fs::remove_dir(directory.parent().unwrap());
        }
        self.wire.reply(message, "o", &ObjectPath::try_from(JOB).unwrap());
        self.wire.job_removed(unit, "done");
    }
}

/// The kernel lets go of a cgroup a moment after its last process.
fn remove(directory: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while fs::remove_dir(directory).is_err() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
}

struct Wire {
    socket: UnixStream,
    serial: u32,
}

struct Received {
    kind: u8,
    serial: u32,
    member: String,
    sender: String,
    signature: String,
    body: Vec<u8>,
}

impl Received {
    fn body<T: for<'d> serde::Deserialize<'d> + zvariant::Type>(&self) -> T {
        assert_eq!(format!("({})", self.signature), T::SIGNATURE.to_string());
        let data = Data::new(self.body.clone(), Context::new_dbus(LE, 0));
        data.deserialize().expect("a body of that type").0
    }
}

impl Wire {
    fn open(bus: &HostPath) -> Self {
        let mut socket = UnixStream::connect(bus.as_str()).unwrap();
        let uid = nix::unistd::geteuid().to_string();
        let digits: String = uid.bytes().map(|byte| format!("{byte:02x}")).collect();
        socket.write_all(format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes()).unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        assert!(line.starts_with(b"OK "), "{line:?}");
        socket.write_all(b"BEGIN\r\n").unwrap();
        let mut wire = Self { socket, serial: 0 };
        wire.call("Hello", &());
        wire
    }

    /// Calls the bus itself, and waits for the answer.
    fn call<T: serde::Serialize + zvariant::Type>(&mut self, member: &str, body: &T) {
        let name = "org.freedesktop.DBus";
        let fields = vec![
            (1, Value::from(ObjectPath::try_from("/org/freedesktop/DBus").unwrap())),
            (2, Value::from(name)),
            (3, Value::from(member)),
            (6, Value::from(name)),
        ];
        self.send(1, fields, body);
        while let Some(message) = self.read() {
            let text = String::from_utf8_lossy(&message.body);
            assert_ne!(message.kind, 3, "{member} is refused: {text}");
            if message.kind == 2 {
                return;
            }
        }
        panic!("no answer to {member}");
    }

    fn reply<T: serde::Serialize + zvariant::Type>(
        &mut self,
        to: &Received,
        signature: &str,
        body: &T,
    ) {
        let fields = vec![(5, Value::from(to.serial)), (6, Value::from(to.sender.as_str()))];
        assert_eq!(T::SIGNATURE.to_string_no_parens(), signature);
        self.send(2, fields, body);
    }

    fn error(&mut self, to: &Received, name: &str, text: &str) {
        let fields = vec![
            (4, Value::from(name)),
            (5, Value::from(to.serial)),
            (6, Value::from(to.sender.as_str())),
        ];
        self.send(3, fields, &text);
    }

    fn job_removed(&mut self, unit: &str, result: &str) {
        self.signal(&(1_u32, ObjectPath::try_from(JOB).unwrap(), unit, result));
    }

    fn signal<T: serde::Serialize + zvariant::Type>(&mut self, body: &T) {
        let path = ObjectPath::try_from("/org/freedesktop/systemd1").unwrap();
        let fields =
            vec![(1, Value::from(path)), (2, Value::from(MANAGER)), (3, Value::from("JobRemoved"))];
        self.send(4, fields, body);
    }

    fn send<T: serde::Serialize + zvariant::Type>(
        &mut self,
        kind: u8,
        fields: Vec<(u8, Value<'_>)>,
        body: &T,
    ) {
        self.serial += 1;
        let context = Context::new_dbus(LE, 0);
        let body = to_bytes(context, body).unwrap();
        let length = u32::try_from(body.len()).unwrap();
        let header = (b'l', kind, 0_u8, 1_u8, length, self.serial, fields);
        let mut bytes = to_bytes(context, &header).unwrap().bytes().to_vec();
        let signature = T::SIGNATURE.to_string_no_parens();
        if !signature.is_empty() {
            // By hand: that crate would write the types of several arguments as one structure.
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend([8, 1, b'g', 0, u8::try_from(signature.len()).unwrap()]);
            bytes.extend(signature.bytes().chain([0]));
            let fields = u32::try_from(bytes.len() - 16).unwrap();
            bytes[12..16].copy_from_slice(&fields.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(body.bytes());
        let _ = self.socket.write_all(&bytes);
    }

    fn read(&mut self) -> Option<Received> {
        let mut head = [0_u8; 16];
        self.socket.read_exact(&mut head).ok()?;
        let number = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
        let (body, fields) = (number(4), number(12));
        let header = (16 + fields).next_multiple_of(8);
        let mut bytes = head.to_vec();
        bytes.resize(header + body, 0);
        self.socket.read_exact(&mut bytes[16..]).ok()?;
        let data = Data::new(bytes[..16 + fields].to_vec(), Context::new_dbus(LE, 0));
        let (order, kind, _, _, _, serial, fields): Header = data.deserialize().unwrap().0;
        assert_eq!(order, b'l');
        let text = |code: u8| {
            let found = fields.iter().find(|(known, _)| *known == code);
            match found.map(|(_, value)| &**value) {
                Some(Value::Str(text)) => text.to_string(),
                Some(Value::ObjectPath(path)) => path.to_string(),
                Some(Value::Signature(signature)) => signature.to_string_no_parens(),
                _ => String::new(),
            }
        };
        let (member, sender, signature) = (text(3), text(7), text(8));
        Some(Received { kind, serial, member, sender, signature, body: bytes[header..].to_vec() })
    }
}
