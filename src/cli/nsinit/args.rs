//! Turns the words of an `nsinit` command line into a `Request`.
//!
//! Pure: asks nothing of the machine, reads no file.

use std::ffi::OsString;

use super::super::args::{ContainerId, Given, container_id, usage};
use super::super::lookup::find_verb;
use super::super::options::OptId;
use super::super::report::Failure;
use super::super::spec::Verb;
use super::super::words::{check_count, shell, sort, take, take_switch};
use super::functions::Function;
use super::table::{Command, DEFAULT_ID, NSINIT};

/// A command line, understood.
#[derive(Debug)]
pub struct Request {
    /// `--root`: where state is kept.
    pub root: Option<String>,
    /// `--log-file`: where standard error goes.
    pub log_file: Option<String>,
    /// `--debug`: say more.
    pub debug: bool,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Show help.
    Help(Option<&'static Verb<Command>>),
    /// Show the version.
    Version,
    /// Print a completion script.
    Completions(&'static str),
    /// Print a manual page.
    Man(Option<&'static Verb<Command>>),
    /// Run a program, or something else, in a container.
    Exec {
        /// Its name.
        id: ContainerId,
        /// `--config`.
        config: Option<String>,
        /// `--systemd`: its control group is made by systemd.
        by_systemd: bool,
        /// Options about the process, in order.
        process: Vec<Given>,
        /// Options that a container without a configuration is made of, in order.
        template: Vec<Given>,
        /// The program with its arguments, at least one.
        words: Vec<String>,
    },
    /// Become a container's first process.
    Init,
    /// List the functions.
    Functions,
    /// Print a configuration.
    Config {
        /// Name of the container.
        id: ContainerId,
        /// `--config`.
        config: Option<String>,
        /// Options that one is made of, in order.
        template: Vec<Given>,
        /// `--file`.
        output: Option<String>,
    },
    /// Something about a running container.
    Running {
        /// What.
        command: Command,
        /// Its name.
        id: ContainerId,
    },
}

/// Understands the words after the program's own name.
///
/// # Errors
/// With the first word that has no place, in the user's spelling, and a hint.
pub fn parse(words: Vec<OsString>) -> Result<Request, Failure> {
    let mut sorted = sort(&NSINIT, words)?;
    let root = take(&mut sorted.given, OptId::Root);
    let log_file = take(&mut sorted.given, OptId::LogFile);
    let debug = take_switch(&mut sorted.given, OptId::Debug);
    let action = if take_switch(&mut sorted.given, OptId::Help) {
        Action::Help(sorted.verb)
    } else if sorted.version {
        Action::Version
    } else if let Some(verb) = sorted.verb {
        action(verb, sorted.given, sorted.words)?
    } else {
        // As the original did.
        Action::Help(None)
    };
    Ok(Request { root, log_file, debug, action })
}

fn action(
    verb: &'static Verb<Command>,
    mut given: Vec<Given>,
    words: Vec<String>,
) -> Result<Action, Failure> {
    check_count(&NSINIT, verb, &words)?;
    let word = words.first();
    let topic = || word.map(|word| find_verb(&NSINIT, word)).transpose();
    Ok(match verb.id {
        Command::Help => Action::Help(topic()?),
        Command::Man => Action::Man(topic()?),
        Command::Completions => Action::Completions(shell(word.map_or("", String::as_str))?),
        Command::Init => Action::Init,
        Command::Exec => exec(verb, given, words)?,
        Command::Config => Action::Config {
            id: id(&mut given)?,
            config: take(&mut given, OptId::ConfigFile),
            output: take(&mut given, OptId::OutputFile),
            template: given,
        },
        command => Action::Running { command, id: id(&mut given)? },
    })
}

fn exec(
    verb: &'static Verb<Command>,
    mut given: Vec<Given>,
    words: Vec<String>,
) -> Result<Action, Failure> {
    if take_switch(&mut given, OptId::ListFunctions) {
        return Ok(Action::Functions);
    }
    let id = id(&mut given)?;
    let config = take(&mut given, OptId::ConfigFile);
    let by_systemd = take_switch(&mut given, OptId::SystemdCgroup);
    let function = Function::named(take(&mut given, OptId::Func).as_deref().unwrap_or("exec"))?;
    function.check(&words, || format!("usage: nsinit {} {}", verb.name, verb.usage[0]))?;
    let is_process = |given: &Given| {
        let options = [OptId::Tty, OptId::User, OptId::Workdir, OptId::Env, OptId::Init];
        options.contains(&given.opt.id)
    };
    let (process, template) = given.into_iter().partition(is_process);
    Ok(Action::Exec { id, config, by_systemd, process, template, words })
}

fn id(given: &mut Vec<Given>) -> Result<ContainerId, Failure> {
    container_id(take(given, OptId::Name).as_deref().unwrap_or(DEFAULT_ID))
}

/// Refuses options that make a container where a file describes one.
///
/// # Errors
/// With the first of them.
pub(super) fn refuse_beside(
    file: &str,
    is_asked_for: bool,
    template: &[Given],
) -> Result<(), Failure> {
    let hint = match is_asked_for {
        true => "the configuration file says it all",
        false => "change that file, or start where there is none",
    };
    match template.first() {
        None => Ok(()),
        Some(given) => Err(usage(format!("{given}: not together with {file}"), hint)),
    }
}
