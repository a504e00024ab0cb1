//! Containers that engines keep: created, started, killed, deleted by one command after the other; the kernel says how
//! they are in between.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod cgroups;
mod criu;
mod engine;
mod failures;
mod killed;
mod life;
mod rootless;
mod sentences;
mod spec_state;
mod stage;
mod terminal;

#[path = "../oci_run/stage.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod bundle;

#[path = "../support/writable.rs"]
mod writable;

#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;
