//! What the prober says of this machine, against what the kernel says by other ways.

mod accounts;
mod host;
mod restricted;

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
