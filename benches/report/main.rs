//! Measures starts as whole processes, nsplan beside its peers and beside the floor, and writes the report.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

mod bundle;
mod contender;
mod counts;
mod floor;
mod gate;
mod host;
mod hot;
mod inside;
mod machine;
mod measure;
mod mounts;
mod page;
mod payload;
mod plot;
mod pool;
mod profile;
mod samples;
mod verbs;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use nsplan::plan::Plan;

use crate::contender::Place;
use crate::floor::{Times, floor};
use crate::host::Layout;
use crate::measure::Bench;
use crate::samples::Sitting;

const USAGE: &str = "usage: report all [ROUNDS [OUT]]            measure and write OUT/latency.md (100 rounds, docs)
       report render SITTING.json OUT           write the page again
       report measure v1|v2 ROUNDS SITTING.json measure one layout
       report floor PLAN.json OUT [COUNT]       a floor from the output of `nsplan plan --json`
       report payload exits|stamps|stays OUT
       report hot NSPLAN START.ld               list anew what a start runs, for the linker";

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
        // What runs the benches of a workspace gives no words: nothing to be measured by the way.
        [] => {
            println!("{USAGE}");
            Ok(())
        }
        ["all", rest @ ..] => {
            let rounds = rest.first().copied().unwrap_or("100");
            all(rounds, Path::new(rest.get(1).copied().unwrap_or("docs")))
        }
        ["render", sitting, out] => {
            page::write(&load(Path::new(sitting))?, Path::new(out)).map_err(|e| e.to_string())
        }
        ["measure", layout, rounds, file] => {
            let layout = Layout::from_name(layout).ok_or(USAGE)?;
            let rounds = rounds.parse().map_err(|_| format!("`{rounds}`: no count"))?;
            measure(layout, rounds, Path::new(file))
        }
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
        ["hot", nsplan, script] => hot_functions(Path::new(nsplan), Path::new(script)),
        ["hot-list", layout, nsplan] => {
            let layout = Layout::from_name(layout).ok_or(USAGE)?;
            let at = host::enter(layout)?;
            let root = bundle::root(&at).map_err(|error| error.to_string())?;
            print!("{}", hot::list(Path::new(nsplan), &Place { at, root })?);
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// Writes the list of a linker script anew, and leaves the rest of it as it is: what a start needs on this host's first
/// layout of cgroups, and behind it what only the others need. Every layout in a process of its own, as each changes its mounts.
fn hot_functions(nsplan: &Path, script: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", script.display());
    let (nsplan, script) =
        (nsplan.canonicalize().map_err(fail)?, script.canonicalize().map_err(fail)?);
    let text = fs::read_to_string(&script).map_err(fail)?;
    let begin = text.find("    *(.text.").ok_or("a linker script without a list")?;
    let end = text.rfind("    *(.text.").and_then(|at| Some(at + text[at..].find('\n')? + 1));
    let end = end.ok_or("a linker script without a list")?;
    let own = std::env::current_exe().map_err(fail)?;
    // What a default start runs on either layout is side by side too.
    let (mut first, mut rest) = (String::new(), String::new());
    for layout in Layout::here() {
        let mut command = Command::new(&own);
        command.args(["hot-list", layout.name()]).arg(&nsplan).stderr(Stdio::inherit());
        let output = command.output().map_err(fail)?;
        if !output.status.success() {
            return Err(format!("{}: could not be stepped through", layout.name()));
        }
        let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
        let (default, others) = text.split_once("\n\n").ok_or("no list")?;
        first.push_str(&format!("{default}\n"));
        rest.push_str(others);
    }
    let mut known = BTreeSet::new();
    let all = first.lines().chain(rest.lines()).filter(|line| known.insert(*line));
    let list: String = all.map(|line| format!("{line}\n")).collect();
    fs::write(&script, format!("{}{list}{}", &text[..begin], &text[end..])).map_err(fail)
}

/// Every layout in a process of its own, as each changes its mounts.
fn all(rounds: &str, out: &Path) -> Result<(), String> {
    let mut sitting = Sitting { machine: host::machine(), ..Sitting::default() };
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    for layout in Layout::here() {
        let file =
            std::env::temp_dir().join(format!("nsplan-{}-{}", layout.name(), std::process::id()));
        let mut command = Command::new(&own);
        command.args(["measure", layout.name(), rounds]).arg(&file);
        let status = command.status().map_err(|error| error.to_string())?;
        if !status.success() {
            sitting.missing.push(format!("{}: could not be measured", layout.name()));
            continue;
        }
        let part = load(&file)?;
        let _ = fs::remove_file(file);
        sitting.programs.clone_from(&part.programs);
        sitting.merge(part);
    }
    let text = serde_json::to_string(&sitting).map_err(|error| error.to_string())?;
    fs::create_dir_all(out).map_err(|error| error.to_string())?;
    fs::write(out.join("latency.json"), text).map_err(|error| error.to_string())?;
    page::write(&sitting, out).map_err(|error| error.to_string())
}

fn measure(layout: Layout, rounds: usize, file: &Path) -> Result<(), String> {
    let at = host::enter(layout)?;
    let root = bundle::root(&at).map_err(|error| error.to_string())?;
    let mut bench = Bench::new(layout, Place { at, root }, rounds);
    bench.all();
    let text = serde_json::to_string(&bench.sitting).map_err(|error| error.to_string())?;
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn load(file: &Path) -> Result<Sitting, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
}

pub(crate) fn write_program(path: &str, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| format!("{path}: {error}"))
}
