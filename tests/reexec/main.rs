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

/// Plays a role, or runs the tests: all, or those whose names hold a word of the command line, less those named after
/// `--skip`.
fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = words.first().and_then(|role| roles::play(role)) {
        return code;
    }
    let (mut filters, mut skips) = (Vec::new(), Vec::new());
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "--skip" => skips.extend(rest.next()),
            _ if word.starts_with('-') => {}
            _ => filters.push(word),
        }
    }
    let is_listing = words.iter().any(|word| word == "--list");
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in tests::ALL {
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&skips) || !filters.is_empty() && !has(&filters) {
            continue;
        }
        if is_listing {
            println!("{name}: test");
            continue;
        }
        let is_ok = catch_unwind(test).is_ok();
        println!("test {name} ... {}", if is_ok { "ok" } else { "FAILED" });
        passed += usize::from(is_ok);
        failed += usize::from(!is_ok);
    }
    if !is_listing {
        let word = if failed == 0 { "ok" } else { "FAILED" };
        println!("test result: {word}. {passed} passed; {failed} failed; 0 ignored");
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
