//! libcontainer's package `namespaces`, as its users had it: every item, upstream's own cases, and the pages that map them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: helpers may fail, a skip is printed"
)]

mod exec;
mod join;
mod pure;
mod setup;
mod steps;
#[path = "../containers/support.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;
mod tables;
mod traced;
mod traps;
mod upstream;
