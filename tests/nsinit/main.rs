//! `nsinit`: its words, the configuration that its options make, and the binary from outside.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod containers;

mod binary;
mod inside;
mod made;
mod running;
mod terminal;
mod texts;
mod words;
