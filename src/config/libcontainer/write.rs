//! Turns a read document back into `container.json` in the seed's form.
//!
//! What was written is read again and compared, so a config that the form cannot say is named, never shortened.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde_json::Value;

use super::read::from_libcontainer;
use super::{Parsed, say, seed};
use crate::config::Config;
use crate::types::{HostPath, Pointer};

/// Places of the canonical config, or of the seed's form where a value there would be refused, that it cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotWrite(pub Vec<Pointer>);

impl fmt::Display for CannotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("libcontainer's container.json cannot say ")?;
        for (index, pointer) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{pointer}")?;
        }
        Ok(())
    }
}

impl core::error::Error for CannotWrite {}

/// Writes a document in the seed's form: tabs, members in the order of the format's tables, zero values left out.
///
/// Reading the result gives the same config and the same extra.
///
/// # Errors
/// The places that the seed's generation has no words for; most of version 2 is such.
pub fn to_libcontainer(parsed: &Parsed) -> Result<String, CannotWrite> {
    let text = render(&say::document(&parsed.config, &parsed.extra));
    let base = HostPath::root();
    let again = match from_libcontainer(text.as_bytes(), &base) {
        Ok(again) => again,
        Err(errors) => {
            return Err(CannotWrite(errors.0.into_iter().map(|error| error.pointer).collect()));
        }
    };
    let mut lost = Vec::new();
    if again.config != parsed.config {
        let value = |config: &Config| serde_json::to_value(config).unwrap_or_default();
        differences(&value(&parsed.config), &value(&again.config), &Pointer::root(), &mut lost);
    }
    let (ours, theirs) = (&parsed.extra.without_effect, &again.extra.without_effect);
    lost.extend(
        ours.iter().filter(|(at, kept)| theirs.get(at) != Some(kept)).map(|(at, _)| at.clone()),
    );
    if again.extra.unused_devices != parsed.extra.unused_devices {
        lost.push(Pointer::new("/cgroups/allowed_devices"));
    }
    if lost.is_empty() { Ok(text) } else { Err(CannotWrite(lost)) }
}

/// The deepest places where two values differ.
fn differences(a: &Value, b: &Value, at: &Pointer, found: &mut Vec<Pointer>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let (a, b) = (value(a).unwrap_or_default(), value(b).unwrap_or_default());
                differences(&a, &b, &at.key(key), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &at.index(index), found);
            }
        }
        _ if a != b => found.push(at.clone()),
        _ => {}
    }
}

/// JSON with a tab for each level, as the format's own tool wrote it.
fn render(document: &seed::Document) -> String {
    let blanks = serde_json::to_string_pretty(document).unwrap_or_default();
    let mut text = String::with_capacity(blanks.len());
    for line in blanks.lines() {
        let rest = line.trim_start_matches(' ');
        // No string holds a raw line break, so what a line begins with is indentation.
        text.extend(core::iter::repeat_n('\t', (line.len() - rest.len()) / 2));
        text.push_str(rest);
        text.push('\n');
    }
    text
}
