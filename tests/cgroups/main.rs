//! Cgroups of real containers and of processes of our own: the kernel is asked what holds, what stops and what is left.
//!
//! What was set is read back from the kernel's files. cgroups-rs reads them too, in `tests/witness`: a workspace of its own,
//! since it brings 74 crates and a minute of CPU time.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: helpers may fail, a skip is printed"
)]

#[path = "../containers/support.rs"]
#[allow(dead_code, reason = "it serves other test programs too")]
mod support;

mod containers;
mod fake;
mod freeze;
mod kill;
mod leaf;
mod owner;
mod refuse;
mod remove;
mod shared;
mod stage;
mod traps;
