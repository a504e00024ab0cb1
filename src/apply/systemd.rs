//! systemd is asked for a scope, for its end, and for what it is.
//!
//! # References
//! `org.freedesktop.systemd1(5)`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::time::Duration;

use super::bus::{Bus, BusError};
use crate::plan::dbus::{Call, Message, Value};
use crate::plan::{PropertyValue, UnitProperty};
use crate::sys::process::Pid;
use crate::types::HostPath;

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const RULE: &str = "type='signal',sender='org.freedesktop.systemd1',path='/org/freedesktop/systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";

/// So long a job may take: on a host that is just starting, a queue of others is before it.
const JOB: Duration = Duration::from_secs(30);
/// So long systemd may take to say who it is.
const WORD: Duration = Duration::from_secs(5);

/// Makes the scope around `pid`, and returns when it is there.
pub(crate) fn start(
    bus: &HostPath,
    unit: &str,
    properties: &[UnitProperty],
    pid: Pid,
) -> Result<(), BusError> {
    let mut manager = Manager::open(bus, JOB)?;
    manager.listen()?;
    let properties = properties.iter().map(|it| (it.name.clone(), value(&it.value, pid)));
    let properties = Value::Properties(properties.collect());
    let body = [text(unit), text("replace"), properties, Value::NoUnits];
    manager.job("StartTransientUnit", &body)
}

/// Ends it, and all that is in it. One that is gone is ended.
pub(crate) fn stop(bus: &HostPath, unit: &str) -> Result<(), BusError> {
    let mut manager = Manager::open(bus, JOB)?;
    manager.listen()?;
    // Without processes there is nobody to be killed, which is said as an error.
    let _ = manager.call("KillUnit", &[text(unit), text("all"), Value::Int(9)]);
    let stopped = manager.job("StopUnit", &[text(unit), text("replace")]);
    // One whose last process was killed stays as "failed" otherwise; one that is gone has nothing to be forgotten.
    let _ = manager.call("ResetFailedUnit", &[text(unit)]);
    match stopped {
        Err(BusError::Refused { name, .. }) if name == "org.freedesktop.systemd1.NoSuchUnit" => {
            Ok(())
        }
        answer => answer,
    }
}

/// Changes properties of the unit until it ends.
pub(crate) fn set(bus: &HostPath, unit: &str, properties: &[UnitProperty]) -> Result<(), BusError> {
    let mut manager = Manager::open(bus, JOB)?;
    let properties = properties.iter().map(|it| (it.name.clone(), settled(&it.value)));
    let body = [text(unit), Value::Bool(true), Value::Properties(properties.collect())];
    manager.call("SetUnitProperties", &body).map(drop)
}

/// Version and own cgroup of the manager, in its own words.
pub(crate) fn identity(bus: &HostPath) -> Result<(String, String), BusError> {
    let mut manager = Manager::open(bus, WORD)?;
    Ok((manager.property("Version")?, manager.property("ControlGroup")?))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn value(value: &PropertyValue, pid: Pid) -> Value {
    match value {
        PropertyValue::InitPid => Value::Numbers(vec![pid.number().unsigned_abs()]),
        other => settled(other),
    }
}

/// Of a unit that is there no process is added.
fn settled(value: &PropertyValue) -> Value {
    match value {
        PropertyValue::Bool(is_true) => Value::Bool(*is_true),
        PropertyValue::Text(text) => Value::Text(text.clone()),
        PropertyValue::Number(number) => Value::Number(*number),
        PropertyValue::Bytes(bytes) => Value::Bytes(bytes.clone()),
        PropertyValue::InitPid => Value::Numbers(Vec::new()),
    }
}

/// systemd's manager on a bus.
struct Manager {
    bus: Bus,
}

impl Manager {
    fn open(path: &HostPath, limit: Duration) -> Result<Self, BusError> {
        Ok(Self { bus: Bus::open(path, limit)? })
    }

    fn call(&mut self, member: &str, body: &[Value]) -> Result<Message, BusError> {
        self.bus.call(&Call { destination: NAME, path: PATH, interface: MANAGER, member, body })
    }

    /// The ends of jobs are told to those who asked for it.
    fn listen(&mut self) -> Result<(), BusError> {
        self.bus.listen(RULE)?;
        self.call("Subscribe", &[]).map(drop)
    }

    fn property(&mut self, name: &str) -> Result<String, BusError> {
        let body = [text(MANAGER), text(name)];
        let call = Call {
            destination: NAME,
            path: PATH,
            interface: "org.freedesktop.DBus.Properties",
            member: "Get",
            body: &body,
        };
        let answer = self.bus.call(&call)?;
        first(&answer).map(ToOwned::to_owned)
    }

    /// Calls for a job and waits for its end. The signal counts only if it comes from who has answered.
    fn job(&mut self, member: &str, body: &[Value]) -> Result<(), BusError> {
        let answer = self.call(member, body)?;
        let job = first(&answer)?.to_owned();
        loop {
            let signal = self.bus.signal()?;
            let is_removal = (&*signal.interface, &*signal.member) == (MANAGER, "JobRemoved");
            if !is_removal || signal.sender != answer.sender {
                continue;
            }
            let texts: Vec<&str> = signal.texts().unwrap_or_default();
            let [path, _unit, result] = texts[..] else { continue };
            if path == job {
                return result_of(result);
            }
        }
    }
}

fn first(message: &Message) -> Result<&str, BusError> {
    let wrong = BusError::Protocol("systemd answers something else");
    let texts = message.texts().map_err(|_| wrong.clone())?;
    texts.first().copied().ok_or(wrong)
}

/// `skipped`: the unit was in that state already.
fn result_of(result: &str) -> Result<(), BusError> {
    match result {
        "done" | "skipped" => Ok(()),
        other => Err(BusError::Refused { name: "JobRemoved".to_owned(), text: other.to_owned() }),
    }
}
