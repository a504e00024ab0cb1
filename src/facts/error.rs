//! Says where a text that describes a host is not what it should be, and what was expected there.

use alloc::string::String;
use core::fmt;

/// A text of the kernel, of `/etc` or of a facts file that does not read as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactsError {
    /// What was read, by the name of the file (`mountinfo`).
    pub file: &'static str,
    /// The line, from 1; 0 when no single line is at fault.
    pub line: usize,
    /// The column, from 1; 0 for the whole line.
    pub column: usize,
    /// What was expected there, or found wrong.
    pub problem: String,
}

impl FactsError {
    /// A line that should have been something else.
    pub(crate) fn expected(file: &'static str, line: usize, expected: &str) -> Self {
        Self { file, line, column: 0, problem: alloc::format!("expected {expected}") }
    }
}

impl fmt::Display for FactsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl core::error::Error for FactsError {}
