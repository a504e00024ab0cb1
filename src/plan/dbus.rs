//! Messages of D-Bus: calls become bytes, bytes become messages.
//!
//! As much of the protocol as it takes to ask systemd for a scope. What is read comes from a bus that anybody may speak
//! on: every length is checked before it is believed, nothing is nested without a bound, and no text panics.
//!
//! # References
//! D-Bus specification, "Message Protocol" and "Type System".

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

mod read;

use read::{Reader, split_type};

/// A value of the body of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `b`.
    Bool(bool),
    /// `i`.
    Int(i32),
    /// `t`.
    Number(u64),
    /// `s`.
    Text(String),
    /// `ay`.
    Bytes(Vec<u8>),
    /// `au`.
    Numbers(Vec<u32>),
    /// `a(sv)`: names and values.
    Properties(Vec<(String, Self)>),
    /// `a(sa(sv))`, of which systemd wants an empty one.
    NoUnits,
}

impl Value {
    /// The type's signature.
    #[must_use]
    pub const fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::Int(_) => "i",
            Self::Number(_) => "t",
            Self::Text(_) => "s",
            Self::Bytes(_) => "ay",
            Self::Numbers(_) => "au",
            Self::Properties(_) => "a(sv)",
            Self::NoUnits => "a(sa(sv))",
        }
    }
}

/// A call of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The name on the bus that is called.
    pub destination: &'a str,
    /// The object.
    pub path: &'a str,
    /// The interface.
    pub interface: &'a str,
    /// The method.
    pub member: &'a str,
    /// The arguments.
    pub body: &'a [Value],
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody calls.
    Call,
    /// A call was carried out.
    Return,
    /// A call was refused.
    Error,
    /// Something happened.
    Signal,
    /// A kind that a later specification has, to be ignored.
    Other,
}

/// A message that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Which call it answers.
    pub answers: Option<u32>,
    /// The unique name of who sent it; the bus itself puts it there.
    pub sender: String,
    /// The signal's interface.
    pub interface: String,
    /// The signal's name.
    pub member: String,
    /// The name of the error.
    pub error: String,
    signature: String,
    body: Vec<u8>,
    is_big: bool,
}

/// What is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireError;

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a message of D-Bus")
    }
}

impl core::error::Error for WireError {}

/// So much of a message tells how long it is.
pub const PREFIX: usize = 16;

/// No answer of systemd's is near as long.
const LONGEST: usize = 1 << 20;

/// Types may be nested so deeply, says the specification.
const DEEPEST: u8 = 64;

impl Call<'_> {
    /// The message; `serial` is not zero and of no other call of the connection. The name that is called is not started for
    /// it.
    #[must_use]
    pub fn encode(&self, serial: u32) -> Vec<u8> {
        const METHOD_CALL: u8 = 1;
        const NO_AUTO_START: u8 = 2;
        let mut body = Writer::default();
        let mut signature = String::new();
        for value in self.body {
            signature.push_str(value.signature());
            body.value(value);
        }
        let mut out = Writer { bytes: [b'l', METHOD_CALL, NO_AUTO_START, 1].into() };
        out.u32(length(&body.bytes));
        out.u32(serial);
        out.array(8, |out| {
            for (code, kind, text) in [
                (1, "o", self.path),
                (6, "s", self.destination),
                (2, "s", self.interface),
                (3, "s", self.member),
            ] {
                out.align(8);
                out.bytes.push(code);
                out.signature(kind);
                out.text(text);
            }
            if !signature.is_empty() {
                out.align(8);
                out.bytes.push(8);
                out.signature("g");
                out.signature(&signature);
            }
        });
        out.align(8);
        out.bytes.extend(body.bytes);
        out.bytes
    }
}

/// What is longer than a message may be is cut short by its own length: the bus refuses it.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[derive(Debug, Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    fn u32(&mut self, number: u32) {
        self.align(4);
        self.bytes.extend(number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u32(length(text.as_bytes()));
        self.bytes.extend(text.bytes());
        self.bytes.push(0);
    }

    fn signature(&mut self, text: &str) {
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend(text.bytes());
        self.bytes.push(0);
    }

    /// The padding before the first element does not count as its length.
    fn array(&mut self, align: usize, fill: impl FnOnce(&mut Self)) {
        self.u32(0);
        let at = self.bytes.len();
        self.align(align);
        let start = self.bytes.len();
        fill(self);
        let written = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(at - 4..at) {
            place.copy_from_slice(&written.to_le_bytes());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(is_true) => self.u32(u32::from(*is_true)),
            Value::Int(number) => self.u32(number.cast_unsigned()),
            Value::Number(number) => {
                self.align(8);
                self.bytes.extend(number.to_le_bytes());
            }
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => self.array(1, |out| out.bytes.extend(bytes)),
            Value::Numbers(numbers) => {
                self.array(4, |out| numbers.iter().for_each(|number| out.u32(*number)));
            }
            Value::Properties(properties) => self.array(8, |out| {
                for (name, value) in properties {
                    out.align(8);
                    out.text(name);
                    out.signature(value.signature());
                    out.value(value);
                }
            }),
            Value::NoUnits => self.array(8, |_| {}),
        }
    }
}

/// How long the message is that begins so.
///
/// # Errors
/// When no message begins so, or it is longer than any that is waited for.
pub fn length_of(prefix: &[u8; PREFIX]) -> Result<usize, WireError> {
    let mut reader = Reader { bytes: prefix, at: 0, is_big: is_big(prefix)? };
    reader.at = 4;
    let body = reader.size()?;
    reader.at = 12;
    let fields = reader.size()?;
    let head = PREFIX.checked_add(fields).ok_or(WireError)?.next_multiple_of(8);
    head.checked_add(body).filter(|length| *length <= LONGEST).ok_or(WireError)
}

fn is_big(bytes: &[u8]) -> Result<bool, WireError> {
    match bytes {
        [b'l', _, _, 1, ..] => Ok(false),
        [b'B', _, _, 1, ..] => Ok(true),
        _ => Err(WireError),
    }
}

impl Message {
    /// Reads a whole message.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let prefix = bytes.first_chunk().ok_or(WireError)?;
        if length_of(prefix)? != bytes.len() {
            return Err(WireError);
        }
        let is_big = is_big(bytes)?;
        let kind = match bytes.get(1) {
            Some(1) => Kind::Call,
            Some(2) => Kind::Return,
            Some(3) => Kind::Error,
            Some(4) => Kind::Signal,
            Some(0) | None => return Err(WireError),
            Some(_) => Kind::Other,
        };
        let mut message = Self {
            kind,
            answers: None,
            sender: String::new(),
            interface: String::new(),
            member: String::new(),
            error: String::new(),
            signature: String::new(),
            body: Vec::new(),
            is_big,
        };
        let mut reader = Reader { bytes, at: 12, is_big };
        let end = reader.size()?.checked_add(PREFIX).ok_or(WireError)?;
        while reader.at < end {
            reader.align(8)?;
            message.field(&mut reader)?;
        }
        if reader.at != end {
            return Err(WireError);
        }
        reader.align(8)?;
        message.body = bytes.get(reader.at..).ok_or(WireError)?.to_owned();
        Ok(message)
    }

    fn field(&mut self, reader: &mut Reader<'_>) -> Result<(), WireError> {
        let code = reader.u8()?;
        let signature = reader.signature()?;
        match (code, signature) {
            (2, "s") => self.interface = reader.text()?.to_owned(),
            (3, "s") => self.member = reader.text()?.to_owned(),
            (4, "s") => self.error = reader.text()?.to_owned(),
            (5, "u") => self.answers = Some(reader.u32()?),
            (7, "s") => self.sender = reader.text()?.to_owned(),
            (8, "g") => self.signature = reader.signature()?.to_owned(),
            (0 | 2..=5 | 7 | 8, _) => return Err(WireError),
            (_, signature) => reader.skip_one(signature)?,
        }
        Ok(())
    }

    /// The texts (`s`, `o`) at the top of the body, in order; those of a variant too. Numbers between them are passed over.
    ///
    /// # Errors
    /// When the body is not what its signature says.
    pub fn texts(&self) -> Result<Vec<&str>, WireError> {
        let mut reader = Reader { bytes: &self.body, at: 0, is_big: self.is_big };
        let mut texts = Vec::new();
        let mut rest = self.signature.as_str();
        while !rest.is_empty() {
            let (first, after) = split_type(rest)?;
            rest = after;
            match first {
                "s" | "o" => texts.push(reader.text()?),
                "v" => match reader.signature()? {
                    "s" | "o" => texts.push(reader.text()?),
                    inner => reader.skip_one(inner)?,
                },
                other => reader.skip(other, DEEPEST)?,
            }
        }
        Ok(texts)
    }
}

/// Gives `data` to everything that reads from a bus.
///
/// # Panics
/// When a call that was encoded is not read back.
#[doc(hidden)]
pub fn fuzz_message(data: &[u8]) {
    if let Some(prefix) = data.first_chunk() {
        let _ = length_of(prefix);
    }
    if let Ok(message) = Message::decode(data) {
        let _ = message.texts();
    }
    let text = String::from_utf8_lossy(data).replace('\0', "");
    let body = [
        Value::Text(text.clone()),
        Value::Bytes(data.to_owned()),
        Value::Properties([(text.clone(), Value::Bool(data.len().is_multiple_of(2)))].into()),
    ];
    let call = Call { destination: "a.b", path: "/", interface: "a.b", member: "C", body: &body };
    let bytes = call.encode(1);
    if bytes.len() <= LONGEST {
        let message = Message::decode(&bytes).expect("a call of our own is a message");
        assert_eq!(
            message.texts().as_deref(),
            Ok(&[text.as_str()][..]),
            "a text changed on the way"
        );
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;
    use zvariant::serialized::{Context, Data};
    use zvariant::{LE, Value as Oracle, to_bytes};

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(Value::Int),
            any::<u64>().prop_map(Value::Number),
            "[^\0]{0,9}".prop_map(Value::Text),
            proptest::collection::vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
            proptest::collection::vec(any::<u32>(), 0..9).prop_map(Value::Numbers),
        ];
        let named = proptest::collection::vec(("[A-Za-z]{1,9}", leaf.clone()), 0..4);
        prop_oneof![4 => leaf, 1 => named.prop_map(Value::Properties), 1 => Just(Value::NoUnits)]
    }

    /// One value as the crate of others writes it, at the beginning of a body.
    fn by_oracle(value: &Value) -> Vec<u8> {
        fn oracle(value: &Value) -> Oracle<'_> {
            match value {
                Value::Bool(value) => Oracle::from(*value),
                Value::Int(value) => Oracle::from(*value),
                Value::Number(value) => Oracle::from(*value),
                Value::Text(value) => Oracle::from(value.as_str()),
                Value::Bytes(value) => Oracle::from(value.clone()),
                Value::Numbers(value) => Oracle::from(value.clone()),
                Value::Properties(_) | Value::NoUnits => unreachable!("not in a variant"),
            }
        }
        let context = Context::new_dbus(LE, 0);
        let encoded: Data<'_, '_> = match value {
            Value::Bool(value) => to_bytes(context, value),
            Value::Int(value) => to_bytes(context, value),
            Value::Number(value) => to_bytes(context, value),
            Value::Text(value) => to_bytes(context, value),
            Value::Bytes(value) => to_bytes(context, value),
            Value::Numbers(value) => to_bytes(context, value),
            Value::Properties(list) => {
                let list: Vec<_> =
                    list.iter().map(|(name, value)| (name.as_str(), oracle(value))).collect();
                to_bytes(context, &list)
            }
            Value::NoUnits => to_bytes(context, &Vec::<(&str, Vec<(&str, Oracle<'_>)>)>::new()),
        }
        .expect("a value");
        encoded.bytes().to_owned()
    }

    proptest! {
        #[test]
        fn values_are_written_as_another_implementation_writes_them(value in value()) {
            let mut writer = Writer::default();
            writer.value(&value);
            prop_assert_eq!(writer.bytes, by_oracle(&value));
        }

        #[test]
        fn a_call_is_read_back(values in proptest::collection::vec(value(), 0..6), serial in 1u32..) {
            let call = Call {
                destination: "org.freedesktop.systemd1",
                path: "/org/freedesktop/systemd1",
                interface: "org.freedesktop.systemd1.Manager",
                member: "StartTransientUnit",
                body: &values,
            };
            let bytes = call.encode(serial);
            let message = Message::decode(&bytes).unwrap();
            prop_assert_eq!(message.kind, Kind::Call);
            prop_assert_eq!(&*message.member, "StartTransientUnit");
            let texts: Vec<_> = values.iter().filter_map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            }).collect();
            prop_assert_eq!(message.texts(), Ok(texts));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            fuzz_message(&bytes);
        }

        #[test]
        fn a_message_with_bytes_changed_does_not_panic(
            changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..9), is_big: bool,
        ) {
            let mut bytes = job_removed(is_big);
            for (at, byte) in changes {
                let at = usize::from(at) % bytes.len();
                bytes[at] = byte;
            }
            fuzz_message(&bytes);
        }
    }

    /// A signal as systemd sends it, with a field that we do not know.
    fn job_removed(is_big: bool) -> Vec<u8> {
        let number = |number: u32| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
        let mut fields = Vec::new();
        let mut field = |code: u8, kind: &str, text: &str| {
            fields.resize(fields.len().next_multiple_of(8), 0);
            fields.extend([code, 1]);
            fields.extend(kind.bytes().chain([0]));
            match kind {
                "g" => fields.push(u8::try_from(text.len()).unwrap()),
                _ => fields.extend(number(u32::try_from(text.len()).unwrap())),
            }
            fields.extend(text.bytes().chain([0]));
        };
        field(1, "o", "/org/freedesktop/systemd1");
        field(2, "s", "org.freedesktop.systemd1.Manager");
        field(3, "s", "JobRemoved");
        field(7, "s", ":1.7");
        field(8, "g", "uoss");
        field(200, "s", "later");
        let mut body = number(41).to_vec();
        for text in ["/org/freedesktop/systemd1/job/41", "box.scope", "done"] {
            body.resize(body.len().next_multiple_of(4), 0);
            body.extend(number(u32::try_from(text.len()).unwrap()));
            body.extend(text.bytes().chain([0]));
        }
        let order = if is_big { b'B' } else { b'l' };
        let mut bytes = vec![order, 4, 1, 1];
        bytes.extend(number(u32::try_from(body.len()).unwrap()));
        bytes.extend(number(9));
        bytes.extend(number(u32::try_from(fields.len()).unwrap()));
        bytes.extend(fields);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_signal_is_read_in_either_order_of_bytes() {
        for is_big in [false, true] {
            let bytes = job_removed(is_big);
            assert_eq!(length_of(bytes.first_chunk().unwrap()), Ok(bytes.len()));
            let message = Message::decode(&bytes).unwrap();
            assert_eq!((message.kind, &*message.sender), (Kind::Signal, ":1.7"));
            let expected = ["/org/freedesktop/systemd1/job/41", "box.scope", "done"];
            assert_eq!(message.texts(), Ok(expected.to_vec()));
            for length in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..length]), Err(WireError));
            }
        }
    }

    #[test]
    fn a_message_that_is_too_long_or_nested_too_deeply_is_none() {
        let mut prefix = *job_removed(false).first_chunk().unwrap();
        prefix[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(length_of(&prefix), Err(WireError));
        for signature in ["(".repeat(200), "a".repeat(200), "(((".into(), ")".into(), "v".into()] {
            let body = vec![0; 64];
            let mut reader = Reader { bytes: &body, at: 0, is_big: false };
            assert_eq!(reader.skip_one(&signature), Err(WireError), "{signature}");
        }
    }
}
