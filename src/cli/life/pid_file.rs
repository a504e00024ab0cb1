//! The number of a process becomes a file that appears whole.

use std::fs;

use crate::cli::report::{Failure, Problem};

/// Writes it beside the file first: who waits for the file never reads half of it.
pub(in crate::cli) fn write_pid(file: &str, pid: u32) -> Result<(), Failure> {
    let fresh = format!("{file}.{}", std::process::id());
    let written = fs::write(&fresh, pid.to_string()).and_then(|()| fs::rename(&fresh, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&fresh);
        Problem::of(&error).at(file).into()
    })
}
