//! What the prober says of this machine, against what the kernel says by other ways.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod accounts;
mod host;
mod restricted;

#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
/// Says which fact keeps a test from running; with `NSPLAN_NO_SKIP` set that is a failure.
fn skip(test: &str, missing: &str) {
    assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "{test}: needs {missing}");
    println!("skipped: {test}: needs {missing}");
}

/// The output of a program, trimmed.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
