//! The re-exec style: this very program is the parent, and init inside, and what goes wrong in either.
//!
//! It has a `main` of its own, since it is executed again, in other roles, and each role must have one thread.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests: helpers may fail, what passes is printed"
)]

mod roles;
#[path = "../containers/support.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;
mod tests;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// Plays a role, or runs the tests: all, or those whose names hold a word of the command line.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = words.first().and_then(|role| roles::play(role)) {
        return code;
    }
    let filters: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let is_listing = words.iter().any(|word| word == "--list");
    let mut failed = 0;
    for (name, test) in tests::ALL {
        if !filters.is_empty() && !filters.iter().any(|filter| name.contains(filter.as_str())) {
            continue;
        }
        if is_listing {
            println!("{name}: test");
            continue;
        }
        let is_ok = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        failed += usize::from(!is_ok);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
