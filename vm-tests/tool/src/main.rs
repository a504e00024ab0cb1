//! What the guest of the VM tests needs beside busybox, as one static program: a word and its arguments become what it says.
//!
//! - `vm-tool facts FIXTURE same|or-newer [FEATURE,...]`: the kernel facts probed here against a fixture, less these features.
//! - `vm-tool without FEATURE,... -- PROGRAM ...`: runs a program to which the calls of these features give `ENOSYS`.
//! - `vm-tool as UID GID -- PROGRAM ...`: runs a program as an ordinary user.

mod facts;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["facts", fixture, "same", without] => {
            facts::compare(fixture, facts::Version::Same, without)
        }
        ["facts", fixture, "or-newer", without] => {
            facts::compare(fixture, facts::Version::OrNewer, without)
        }
        ["without", features, "--", ref command @ ..] => run::without(features, command),
        ["as", uid, gid, "--", ref command @ ..] => run::as_user(uid, gid, command),
        _ => Err(
            "expected `facts FIXTURE same|or-newer FEATURE,...`, `without FEATURE,... -- PROGRAM` or `as UID GID -- PROGRAM`"
                .to_owned(),
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("vm-tool: {problem}");
            ExitCode::FAILURE
        }
    }
}
