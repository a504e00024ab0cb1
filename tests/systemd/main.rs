//! systemd's side of a scope is played by a process of the test on a private bus: what it is asked, and what is made of
//! its answers.
//!
//! The bus is a real `dbus-daemon`, which checks every message it passes on. A real systemd is in the VM tests.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: helpers may fail, a skip is printed"
)]

#[path = "../containers/support.rs"]
#[allow(dead_code, reason = "it serves other test programs too")]
mod support;

mod fake;
mod scopes;
