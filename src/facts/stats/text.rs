//! The few shapes that the files of a cgroup have become numbers: one number, keys and numbers, pressure.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Pressure, Stalled};
use crate::facts::FactsError;

/// The files of a cgroup, by name.
#[derive(Clone, Copy)]
pub(super) struct Files<'a>(pub(super) &'a BTreeMap<String, String>);

impl<'a> Files<'a> {
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str)
    }

    /// A file that must be there because another one is.
    pub(super) fn required(self, name: &'static str) -> Result<u64, FactsError> {
        let text = self.text(name).ok_or_else(|| FactsError::expected(name, 0, "the file"))?;
        number_of(name, text)
    }

    pub(super) fn number(self, name: &'static str) -> Result<Option<u64>, FactsError> {
        self.text(name).map(|text| number_of(name, text)).transpose()
    }

    /// A limit: `max` is none, and so is a missing file.
    pub(super) fn limit(self, name: &'static str) -> Result<Option<u64>, FactsError> {
        match self.text(name) {
            Some(text) if text.trim() == "max" => Ok(None),
            Some(text) => number_of(name, text).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn keyed(self, name: &'static str) -> Result<BTreeMap<String, u64>, FactsError> {
        self.text(name).map_or_else(|| Ok(BTreeMap::new()), |text| parse_flat_keyed(name, text))
    }

    pub(super) fn pressure(self, name: &'static str) -> Result<Option<Pressure>, FactsError> {
        self.text(name).map(|text| pressure(name, text)).transpose()
    }
}

fn number_of(name: &'static str, text: &str) -> Result<u64, FactsError> {
    number(text.trim()).ok_or_else(|| FactsError::expected(name, 1, "one number"))
}

/// A number of the kernel's. Some of its counters go below zero for a moment: however far, that is 0.
pub(super) fn number(word: &str) -> Option<u64> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if digits.len() < word.len() { Some(0) } else { word.parse().ok() }
}

/// Reads a file of one number, like `memory.usage_in_bytes`. A negative one, which some kernels write by mistake, is 0.
///
/// # Errors
/// When the text is no number, or one above 2⁶⁴ − 1.
pub fn parse_cgroup_number(text: &str) -> Result<u64, FactsError> {
    number_of("cgroup file", text)
}

/// Reads lines of a word and a number, like `memory.stat`. `file` is named in the error.
///
/// # Errors
/// At the first line that is anything else.
pub fn parse_flat_keyed(
    file: &'static str,
    text: &str,
) -> Result<BTreeMap<String, u64>, FactsError> {
    let mut found = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { continue };
        let value = words.next().and_then(number).filter(|_| words.next().is_none());
        let value =
            value.ok_or_else(|| FactsError::expected(file, at + 1, "a word and a number"))?;
        found.insert(key.to_owned(), value);
    }
    Ok(found)
}

/// Reads `cgroup.events` of v2: whether there are processes in the cgroup or below, and whether all are frozen.
///
/// # Errors
/// At the first line that is no word and number.
pub fn parse_cgroup_events(text: &str) -> Result<(bool, bool), FactsError> {
    let found = parse_flat_keyed("cgroup.events", text)?;
    let is_set = |key: &str| found.get(key).is_some_and(|&value| value != 0);
    Ok((is_set("populated"), is_set("frozen")))
}

/// What `freezer.state` of v1 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreezerState {
    /// Everything runs.
    Thawed,
    /// Some tasks are not stopped yet, and may never be.
    Freezing,
    /// Everything is stopped.
    Frozen,
}

/// Reads `freezer.state`.
///
/// # Errors
/// When the text is none of the three words.
pub fn parse_freezer_state(text: &str) -> Result<FreezerState, FactsError> {
    match text.trim() {
        "THAWED" => Ok(FreezerState::Thawed),
        "FREEZING" => Ok(FreezerState::Freezing),
        "FROZEN" => Ok(FreezerState::Frozen),
        _ => Err(FactsError::expected("freezer.state", 1, "THAWED, FREEZING or FROZEN")),
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same with `full`.
fn pressure(file: &'static str, text: &str) -> Result<Pressure, FactsError> {
    let mut pressure = Pressure::default();
    for (at, line) in text.lines().enumerate() {
        let Some((word, rest)) = line.split_once(' ') else { continue };
        let stalled = stalled(rest).ok_or_else(|| {
            FactsError::expected(file, at + 1, "avg10=, avg60=, avg300= and total= with numbers")
        })?;
        match word {
            "some" => pressure.some = stalled,
            "full" => pressure.full = Some(stalled),
            _ => {}
        }
    }
    Ok(pressure)
}

fn stalled(line: &str) -> Option<Stalled> {
    let mut stalled = Stalled::default();
    for word in line.split_ascii_whitespace() {
        match word.split_once('=')? {
            ("avg10", value) => stalled.avg10 = hundredths(value)?,
            ("avg60", value) => stalled.avg60 = hundredths(value)?,
            ("avg300", value) => stalled.avg300 = hundredths(value)?,
            ("total", value) => stalled.total = number(value)?,
            _ => {}
        }
    }
    Some(stalled)
}

/// `12.34` as 1234: the kernel writes two digits after the point.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.')?;
    let is_two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let value = number(whole)?.checked_mul(100)?.checked_add(part.parse().ok()?)?;
    u32::try_from(value).ok().filter(|_| is_two_digits)
}

/// Numbers between blanks, like `cpuacct.usage_percpu`.
pub(super) fn numbers(name: &'static str, text: &str) -> Result<Vec<u64>, FactsError> {
    let words = text.split_ascii_whitespace();
    words
        .map(|word| {
            number(word)
                .ok_or_else(|| FactsError::expected(name, 1, &format!("numbers, not `{word}`")))
        })
        .collect()
}
