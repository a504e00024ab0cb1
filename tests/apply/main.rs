//! Containers, started for real: the kernel is asked what became of them, not the code.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod exit_codes;
mod stage;
