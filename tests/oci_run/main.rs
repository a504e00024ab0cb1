//! OCI bundles, run by the command as root and as an ordinary user; the kernel says what they are like inside.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod basics;
mod beside;
mod hooks;
mod mounts;
mod rootless;
mod sentences;
mod stage;
mod treatment;

#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;
