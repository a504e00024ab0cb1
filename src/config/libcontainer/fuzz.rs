//! Turns any bytes into a claim about the door: it never panics, and what it can write it reads back the same.

use super::{from_libcontainer, to_libcontainer};
use crate::types::HostPath;

/// Reads `data` and, if that is a document, writes it and reads it again.
///
/// # Panics
/// When reading what was written gives another config: the fuzzer's signal.
pub fn config_parse(data: &[u8]) {
    let Ok(base) = HostPath::new("/bundle") else {
        return;
    };
    let Ok(parsed) = from_libcontainer(data, &base) else {
        return;
    };
    let Ok(text) = to_libcontainer(&parsed) else {
        return;
    };
    let again = from_libcontainer(text.as_bytes(), &base);
    assert_eq!(again.as_ref().map(|again| &again.config), Ok(&parsed.config), "{text}");
    assert_eq!(again.map(|again| again.extra), Ok(parsed.extra), "{text}");
}
