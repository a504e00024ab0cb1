//! Text of `/proc/PID/status` becomes the identity and the privileges of a process.
//!
//! # References
//! `proc_pid_status(5)`.

use alloc::vec::Vec;

use super::FactsError;
use super::split::{cut, split};
use crate::types::CapSet;

/// What `/proc/PID/status` says, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcStatus {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Inheritable capabilities.
    pub inheritable: CapSet,
    /// Permitted capabilities.
    pub permitted: CapSet,
    /// Effective capabilities.
    pub effective: CapSet,
    /// Bounding set.
    pub bounding: CapSet,
    /// Ambient capabilities; `None` before Linux 4.3.
    pub ambient: Option<CapSet>,
    /// Whether new privileges can no longer be had; `None` before Linux 4.10.
    pub no_new_privs: Option<bool>,
    /// Which signals are ignored, from the lowest bit for signal 1.
    pub ignored: Option<u64>,
    /// How many threads the process has; 0 where the line is missing.
    pub threads: u32,
    /// How many processors the thread may run on; 0 where the line is missing.
    pub processors: u32,
}

/// Reads `/proc/PID/status`. Lines that are not known are passed over: kernels add some.
///
/// # Errors
/// When a known line does not hold what it should, or the ids or capabilities are missing altogether.
pub fn parse_status(text: &str) -> Result<ProcStatus, FactsError> {
    let mut status = ProcStatus::default();
    let mut seen = 0u8;
    for (at, line) in split(text, b'\n').enumerate() {
        // Of some sixty lines a dozen are read.
        let Some((key, value)) = cut(line, b':').filter(|(key, _)| is_read(key)) else {
            continue;
        };
        let bit = read_line(&mut status, key, value)
            .map_err(|expected| FactsError::expected("status", at + 1, expected))?;
        seen |= bit;
    }
    let missing = REQUIRED.iter().find(|(_, bit)| seen & bit == 0);
    match missing {
        Some((key, _)) => {
            Err(FactsError::expected("status", 0, &alloc::format!("a line `{key}:`")))
        }
        None => Ok(status),
    }
}

/// Whether a key may be one that [`read_line`] knows.
fn is_read(key: &str) -> bool {
    matches!(key.as_bytes(), [b'U' | b'G' | b'C' | b'N' | b'S' | b'T', ..])
}

const REQUIRED: [(&str, u8); 6] =
    [("Uid", 1), ("Gid", 2), ("Groups", 4), ("CapPrm", 8), ("CapEff", 16), ("CapBnd", 32)];

/// Reads one line; the bit says which of the required ones it was.
fn read_line(status: &mut ProcStatus, key: &str, value: &str) -> Result<u8, &'static str> {
    match key {
        "Uid" => status.uid = effective_id(value)?,
        "Gid" => status.gid = effective_id(value)?,
        "Groups" => {
            status.groups = value
                .split_ascii_whitespace()
                .map(|group| group.parse().map_err(|_| "group ids"))
                .collect::<Result<_, _>>()?;
        }
        "CapInh" => status.inheritable = capabilities(value)?,
        "CapPrm" => status.permitted = capabilities(value)?,
        "CapEff" => status.effective = capabilities(value)?,
        "CapBnd" => status.bounding = capabilities(value)?,
        "CapAmb" => status.ambient = Some(capabilities(value)?),
        "SigIgn" => status.ignored = u64::from_str_radix(value.trim(), 16).ok(),
        "Threads" => status.threads = value.trim().parse().map_err(|_| "a number of threads")?,
        "Cpus_allowed" => status.processors = processors(value)?,
        "NoNewPrivs" => status.no_new_privs = Some(value.trim() != "0"),
        _ => {}
    }
    Ok(REQUIRED.iter().find(|(name, _)| *name == key).map_or(0, |(_, bit)| *bit))
}

/// The second of real, effective, saved and file-system id.
fn effective_id(value: &str) -> Result<u32, &'static str> {
    let id = value.split_ascii_whitespace().nth(1).and_then(|id| id.parse().ok());
    id.ok_or("four ids: real, effective, saved, file system")
}

/// Groups of eight hexadecimal digits, commas between them: a bit for each processor.
fn processors(value: &str) -> Result<u32, &'static str> {
    let digits = value.trim().chars().filter(|digit| *digit != ',');
    digits
        .map(|digit| digit.to_digit(16).map(u32::count_ones))
        .sum::<Option<u32>>()
        .ok_or("processors as hexadecimal digits")
}

fn capabilities(value: &str) -> Result<CapSet, &'static str> {
    let bits =
        u64::from_str_radix(value.trim(), 16).map_err(|_| "capabilities as hexadecimal digits")?;
    Ok(CapSet::from_bits(bits))
}
