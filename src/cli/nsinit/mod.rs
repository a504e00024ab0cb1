//! The `nsinit` command: libcontainer's program of 2015, its duties without its faults.
//!
//! `table` and `args` understand the words, `template` makes a configuration of options; a container is started and
//! attended as `nsplan`'s are. What differs from the original, and why, is in `docs/nsinit.md`.

pub mod args;
mod configure;
pub mod functions;
mod join;
mod running;
pub mod table;
pub mod template;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::ExitCode;

use super::bundle::absolute;
use super::completions::completions;
use super::help::{help, version};
use super::man::man;
use super::report::{Failure, Problem, speak_as};
use super::run::{Job, print, start};
use super::state;
use crate::config::Process;
use crate::namespaces;
use crate::plan::Plan;
use crate::types::HostPath;
use args::{Action, Request, parse};
use functions::list;
use join::{join, refuse_making};
use table::NSINIT;

/// Does what the words after the program's name ask for. What goes wrong is said on standard error, or in the log file.
#[must_use]
pub fn main(words: Vec<OsString>) -> ExitCode {
    speak_as(NSINIT.name);
    let (outcome, log) = match parse(words) {
        Ok(request) => (carry_out(&request), request.log_file),
        Err(failure) => (Err(failure), None),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            tell(log.as_deref(), &failure.to_string());
            ExitCode::from(failure.exit)
        }
    }
}

/// Says something that is no output. What the log file does not take goes to standard error after all.
fn tell(log: Option<&str>, text: &str) {
    let logged = log.is_some_and(|log| {
        let file = OpenOptions::new().create(true).append(true).open(log);
        file.and_then(|mut file| file.write_all(text.as_bytes())).is_ok()
    });
    if !logged {
        // Where standard error is closed there is nobody to tell.
        let _ = write!(std::io::stderr().lock(), "{text}");
    }
}

fn carry_out(request: &Request) -> Result<u8, Failure> {
    match &request.action {
        Action::Help(verb) => print(&help(&NSINIT, *verb)),
        Action::Version => print(&version(NSINIT.name)),
        Action::Completions(shell) => print(&completions(&NSINIT, shell)),
        Action::Man(verb) => print(&man(&NSINIT, *verb)),
        Action::Functions => print(&list()),
        Action::Init => Err(init()),
        Action::Config { id, config, template, output } => {
            let text = configure::document(config.as_deref(), template, id)?;
            let Some(file) = output else { return print(&text) };
            std::fs::write(file, text).map_err(|error| Problem::of(&error).at(file))?;
            Ok(0)
        }
        Action::Exec { .. } => exec(request),
        Action::Running { command, id } => running::about(*command, &state_root(request)?, id),
    }
}

/// Becomes a container's first process, of a launcher that embeds the library; comes back with the reason why not.
fn init() -> Failure {
    match namespaces::pipe() {
        Ok(pipe) => Problem::of(&namespaces::init(pipe)).into(),
        Err(error) => {
            let problem = Problem::of(&error).at("init");
            problem.hint("`nsinit exec` starts a container; this is its inside").into()
        }
    }
}

fn exec(request: &Request) -> Result<u8, Failure> {
    let Action::Exec { id, config, by_systemd, process, template, words } = &request.action else {
        return Err(Problem::new("not `exec`").into());
    };
    let root = state_root(request)?;
    let log = request.log_file.as_deref();
    let around = configure::around()?;
    let explain = |plan: &Plan| {
        if request.debug {
            tell(log, &plan.to_string());
        }
    };
    if let Some(running) = running::find(&root, id)? {
        refuse_making(&running, config.as_deref(), *by_systemd, template)?;
        return join(&running, process, words, &around, &explain);
    }
    let (mut config, mut sources) = configure::config(config.as_deref(), template, id, &around)?;
    let first = config.process.get_or_insert_with(|| Process::sandbox(Vec::new()));
    configure::process(first, &mut sources, process, words, &around)?;
    if *by_systemd {
        configure::by_systemd(&mut config, &mut sources)?;
    }
    if let Some(warning) = configure::warning(&config, &sources) {
        tell(log, &warning);
    }
    start(&root, &explain, Job::new(&config, &sources, id.clone()))
}

fn state_root(request: &Request) -> Result<HostPath, Failure> {
    let given = request.root.as_deref().map(absolute).transpose()?;
    state::root(NSINIT.name, given.as_ref())
}
