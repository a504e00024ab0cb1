//! Measures starts as whole processes, nsplan beside its peers and beside the floor, and writes the report.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

mod floor;
mod inside;
mod machine;
mod mounts;
mod payload;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;

use nsplan::plan::Plan;

use crate::floor::{Times, floor};

const USAGE: &str = "usage: report floor PLAN.json OUT [COUNT]   (from `nsplan plan --json`)
       report payload exits|stamps|stays OUT";

fn main() -> ExitCode {
    // `cargo bench` adds an option of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("report: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<(), String> {
    match words {
        ["floor", plan, out, rest @ ..] => {
            let text = fs::read_to_string(plan).map_err(|error| format!("{plan}: {error}"))?;
            let plan = Plan::from_json(&text).map_err(|error| error.to_string())?;
            let times = match rest {
                [count] => Times::Loop(count.parse().map_err(|_| format!("`{count}`: no count"))?),
                _ => Times::Once,
            };
            write_program(out, &floor(&plan, times)?)
        }
        ["payload", kind, out] => {
            let program = match *kind {
                "exits" => payload::exits(),
                "stamps" => payload::stamps(),
                "stays" => payload::stays(),
                _ => return Err(USAGE.into()),
            };
            write_program(out, &program)
        }
        _ => Err(USAGE.into()),
    }
}

fn write_program(path: &str, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{path}: {error}"))
}
