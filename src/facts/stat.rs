//! Text of `/proc/PID/stat` becomes what tells one process from the next that gets its number.
//!
//! # References
//! `proc_pid_stat(5)`.

use super::FactsError;

/// What `/proc/PID/stat` says, as far as it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcStat {
    /// The process.
    pub pid: u32,
    /// Its state, one letter: `Z` is a zombie.
    pub state: char,
    /// Its parent; 0 when that is outside the caller's pid namespace.
    pub parent: u32,
    /// When it started, in clock ticks after boot: the pid and this together name one process for ever.
    pub start_time: u64,
}

/// Reads `/proc/PID/stat`.
///
/// The name of the program stands in parentheses and is whatever the program says, blanks, line feeds and parentheses
/// included, so fields are counted from the last `)`.
///
/// # Errors
/// When a field is missing or is not a number.
pub fn parse_stat(text: &str) -> Result<ProcStat, FactsError> {
    read(text).map_err(|expected| FactsError::expected("stat", 1, expected))
}

fn read(text: &str) -> Result<ProcStat, &'static str> {
    let name = text.find('(').ok_or("a program name in parentheses")?;
    let (head, tail) = text.split_at(text.rfind(')').ok_or("a program name in parentheses")?);
    let pid = head.get(..name).and_then(|pid| pid.trim().parse().ok()).ok_or("a pid")?;
    let mut fields = tail[1..].split_ascii_whitespace();
    let state = fields.next().and_then(|state| state.chars().next()).ok_or("a state")?;
    let parent =
        fields.next().and_then(|field| field.parse().ok()).ok_or("the pid of the parent")?;
    // The parent is field 4 of the file, the start time field 22.
    let start_time =
        fields.nth(17).and_then(|field| field.parse().ok()).ok_or("a start time in field 22")?;
    Ok(ProcStat { pid, state, parent, start_time })
}
