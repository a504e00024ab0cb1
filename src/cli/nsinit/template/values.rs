//! Turns the values of single options into what the document says.
//!
//! Pure.

use serde_json::{Value, json};

use super::super::super::report::Problem;
use super::super::super::sandbox::{absolute_path, parse};
use super::super::super::units::Bytes;
use super::usual::MS_RDONLY;
use crate::types::{HostPath, Signal};

const MS_BIND_REC: u64 = 0x1000 | 0x4000;

pub(super) fn signal(text: &str) -> Result<u8, Problem> {
    let number = match text.parse::<u8>() {
        Ok(0) => return Ok(0),
        Ok(number) => Signal::from_number(number),
        Err(_) => Signal::from_name(text),
    };
    number
        .map(Signal::number)
        .ok_or_else(|| Problem::new("expected a signal by name or number, or 0"))
}

pub(super) fn bytes(text: &str) -> Result<u64, Problem> {
    match parse(text)? {
        // In the format it means that nothing is said.
        Bytes(0) => Err(Problem::new("0 leaves no room").hint("leave the option out for no limit")),
        Bytes(bytes) => Ok(bytes),
    }
}

/// `SRC:DST[:ro|rw]`.
pub(super) fn bind(text: &str, cwd: &HostPath) -> Result<Value, Problem> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, flags) = match parts[..] {
        [source, destination] | [source, destination, "rw"] => (source, destination, MS_BIND_REC),
        [source, destination, "ro"] => (source, destination, MS_BIND_REC | MS_RDONLY),
        _ => return Err(Problem::new("expected SRC:DST, SRC:DST:ro or SRC:DST:rw")),
    };
    let source = absolute_path(source, cwd)?;
    Ok(
        json!({ "source": source.as_str(), "destination": destination, "device": "bind", "flags": flags }),
    )
}
