//! What the VM tests need beside busybox and shell, as one static program: a word and its arguments become what it says.
//!
//! In the guest:
//! - `vm-tool facts FIXTURE same|or-newer [FEATURE,...]`: the kernel facts probed here against a fixture, less these features.
//! - `vm-tool without FEATURE,... -- PROGRAM ...`: runs a program to which the calls of these features give `ENOSYS`.
//! - `vm-tool as UID GID -- PROGRAM ...`: runs a program as an ordinary user.
//! - `vm-tool deny-userns PIN`: nobody may make a user namespace any more, until the file PIN of a BPF file system is removed.
//! - `vm-tool bundles DIR`: the bundles whose starts are measured.
//! - `vm-tool floor PROGRAM BUNDLE OUT -- COMMAND ...`: the program of the bare system calls of what ours would do with the bundle.
//! - `vm-tool measure CONFIGURATION SUBJECT STARTS TRACED BUNDLE|- -- PROGRAM ... [--then PROGRAM ...]`: how long starts take
//!   and where that goes; with a bundle the program is ours, and its steps are told apart.
//!
//! On the host:
//! - `vm-tool report LOG VERSIONS BASELINE DIR`: what was measured as a page and a picture in DIR, and against the baseline.
//! - `vm-tool bless LOG VERSIONS BASELINE`: what was measured becomes the baseline.

mod bundles;
mod deny;
mod facts;
#[path = "../../../benches/report/floor.rs"]
#[allow(dead_code, reason = "the benchmarks use the rest")]
mod floor;
#[path = "../../../benches/report/inside.rs"]
mod inside;
#[path = "../../../benches/report/machine.rs"]
mod machine;
mod measure;
#[path = "../../../benches/report/mounts.rs"]
mod mounts;
#[path = "../../../benches/report/payload.rs"]
#[allow(dead_code, reason = "the benchmarks use the rest")]
mod payload;
mod report;
mod run;
mod shares;
mod steps;
mod trace;

use std::os::unix::fs::PermissionsExt as _;
use std::process::ExitCode;
use std::time::Duration;

use measure::Order;
use steps::Steps;

/// Starts that do not count.
const DROPPED: usize = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// Between commands of one start: what the last one left to others is done.
const BETWEEN: Duration = Duration::from_millis(10);
/// Stands between two commands.
const THEN: &str = "--then";

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
        ["deny-userns", pin] => deny::deny_userns(pin),
        ["bundles", dir] => bundles::write(dir),
        ["measure", configuration, subject, starts, traced, bundle, "--", ref command @ ..] => {
            measured(configuration, subject, [starts, traced], bundle, command)
        }
        ["floor", program, bundle, out, "--", ref inside @ ..] => {
            measure::plan_of(program, bundle, inside).and_then(|plan| write_floor(&plan, out))
        }
        ["report", log, versions, baseline, dir] => report::report(log, versions, baseline, dir),
        ["bless", log, versions, baseline] => report::bless(log, versions, baseline),
        _ => Err("expected `facts`, `without`, `as`, `deny-userns`, `bundles`, `floor`, `measure`, `report` or `bless` with their arguments".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("vm-tool: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn write_floor(plan: &nsplan::plan::Plan, out: &str) -> Result<(), String> {
    let program = floor::floor(plan, floor::Times::Once)?;
    let write = || {
        std::fs::write(out, &program)?;
        std::fs::set_permissions(out, std::fs::Permissions::from_mode(0o755))
    };
    write().map_err(|error| format!("{out}: {error}"))
}

fn measured(
    configuration: &str,
    subject: &str,
    counts: [&str; 2],
    bundle: &str,
    command: &[&str],
) -> Result<(), String> {
    let number = |text: &str| text.parse::<usize>().map_err(|error| format!("`{text}`: {error}"));
    let program = command.first().copied().unwrap_or_default();
    let steps = match bundle {
        "-" => None,
        bundle => {
            let inside = command
                .iter()
                .position(|&word| word == "--")
                .map_or(&[][..], |at| &command[at + 1..]);
            Some(Steps {
                program: program.to_owned(),
                plan: measure::plan_of(program, bundle, inside)?,
            })
        }
    };
    let order = Order {
        configuration,
        subject,
        starts: number(counts[0])?,
        dropped: DROPPED,
        traced: number(counts[1])?,
        pause: PAUSE,
        between: BETWEEN,
        steps,
    };
    measure::measure(&order, &command.split(|word| *word == THEN).collect::<Vec<_>>())
}
