//! Real containers: a config becomes a process, and the kernel is asked what it made.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: helpers may fail, a skip is printed"
)]

mod classes;
mod exit_codes;
mod failures;
mod filters;
mod leaks;
mod minimal_init;
mod privileges;
mod samples;
mod sandbox;
mod support;
mod traps;
