//! Turns the words of a command line into a `Request`.
//!
//! Pure: asks nothing of the machine, reads no file. Values are taken as text here; what they mean is `sandbox`'s
//! business.

use core::fmt;
use std::ffi::OsString;

use super::events::Watch;
use super::exec::Exec;
use super::life::Life;
use super::log::LogOptions;
use super::lookup::find_verb;
use super::options::OptId;
use super::report::{Failure, Problem};
use super::running::Query;
use super::spec::{Opt, Takes, Verb, VerbId};
use super::update::Change;
use super::verbs::NSPLAN;
use super::words::{check_count, shell, sort, take, take_switch};

mod globals;
mod life;
mod running;

pub use globals::log_of;

/// A command line, understood.
#[derive(Debug)]
pub struct Request {
    /// `--root`: where state is kept.
    pub root: Option<String>,
    /// `--debug`: say more.
    pub debug: bool,
    /// `--log`, `--log-format`: where it is said what went wrong, and how.
    pub log: LogOptions,
    /// `--rootless`: whether the caller is taken for an ordinary user; `None`: by the effective user id.
    pub rootless: Option<bool>,
    /// `--systemd-cgroup`: control groups are made by systemd.
    pub systemd_cgroup: bool,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Show help.
    Help(Option<&'static Verb>),
    /// Show the version.
    Version,
    /// Run a command in a fresh container.
    Do {
        /// Its options, in order.
        options: Vec<Given>,
        /// Program and arguments, at least one.
        command: Vec<String>,
    },
    /// Run a bundle; create a container, or start one that was created.
    Life(Life),
    /// Show a plan.
    Plan {
        /// Of what.
        subject: Subject,
        /// Program and arguments.
        command: Vec<String>,
        /// As JSON.
        json: bool,
        /// Facts to plan for, instead of this host's.
        host: Option<String>,
    },
    /// Print this host's facts.
    Probe,
    /// Check and print a configuration file.
    Config {
        /// The file.
        file: String,
        /// In libcontainer's own form.
        libcontainer: bool,
    },
    /// Write a configuration file to begin with.
    Spec {
        /// Into which directory.
        bundle: Option<String>,
        /// For an ordinary user's container.
        rootless: bool,
    },
    /// Run a command in a running container.
    Exec(Exec),
    /// Ask about running containers, or do something to one.
    Query(Query),
    /// Change the limits of a running container.
    Update(Change),
    /// Tell what a running container uses.
    Events(Watch),
    /// Remove what a container left.
    Delete {
        /// Which container.
        id: ContainerId,
        /// Also a running one.
        force: bool,
    },
    /// Print what this version can do.
    Features,
    /// Print a completion script.
    Completions(&'static str),
    /// Print a manual page.
    Man(Option<&'static Verb>),
}

/// What a plan is made of.
#[derive(Debug)]
pub enum Subject {
    /// A configuration file.
    File(String),
    /// The configuration file of a bundle.
    Bundle(String),
    /// Options of `do`.
    Sandbox(Vec<Given>),
}

/// An option as it was given. Displays in the user's words: `--memory 1g`.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which.
    pub opt: &'static Opt,
    /// Its value.
    pub value: Option<String>,
    /// Whether it was given by its letter.
    pub short: bool,
}

impl Given {
    /// The value, empty for a switch.
    #[must_use]
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or("")
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.short, self.opt.short) {
            (true, Some(letter)) => write!(f, "-{letter}")?,
            _ => write!(f, "--{}", self.opt.long)?,
        }
        match (&self.value, self.opt.takes) {
            (Some(value), Takes::Maybe(_)) => write!(f, "={value}"),
            (Some(value), _) => write!(f, " {value}"),
            (None, _) => Ok(()),
        }
    }
}

/// Name of a container: 1 to 255 letters, digits and `_ . + -`, neither `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerId(String);

impl ContainerId {
    /// Checks a name.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_.+-".contains(&b);
        let fits = !text.is_empty() && text.len() <= 255 && !matches!(text, "." | "..");
        (fits && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a name that [`ContainerId::new`] refuses.
pub const ID_RULE: &str =
    "expected 1 to 255 letters, digits and `_ . + -`, and neither `.` nor `..`";

/// Understands the words after the program's own name.
///
/// # Errors
/// With the first word that has no place, in the user's spelling, and a hint.
pub fn parse(words: Vec<OsString>) -> Result<Request, Failure> {
    let mut sorted = sort(&NSPLAN, words)?;
    let has = |id: OptId| sorted.given.iter().any(|given| given.opt.id == id);
    let (debug, help) = (has(OptId::Debug), has(OptId::Help));
    let systemd_cgroup = has(OptId::SystemdCgroup);
    let root = take(&mut sorted.given, OptId::Root);
    let (log, rootless) = (globals::log(&mut sorted.given)?, globals::rootless(&mut sorted.given)?);
    sorted.given.retain(|given| given.opt.id != OptId::SystemdCgroup);
    let action = if help {
        Action::Help(sorted.verb)
    } else if sorted.version {
        Action::Version
    } else {
        let verb = sorted.verb.ok_or_else(|| {
            usage("no verb given".into(), "`nsplan do sh` runs a shell; `nsplan help` lists all")
        })?;
        sorted.given.retain(|given| given.opt.id != OptId::Debug);
        action(verb, sorted.given, sorted.words)?
    };
    Ok(Request { root, debug, log, rootless, systemd_cgroup, action })
}

fn action(verb: &'static Verb, given: Vec<Given>, words: Vec<String>) -> Result<Action, Failure> {
    check_count(&NSPLAN, verb, &words)?;
    let mut words = words;
    Ok(match verb.id {
        VerbId::Do => Action::Do { options: given, command: words },
        VerbId::Run => Action::Life(life::run(given, words)?),
        VerbId::Create => Action::Life(life::create(given, words)?),
        VerbId::Start => Action::Life(Life::Start(container_id(&words[0])?)),
        VerbId::Plan => plan(given, words)?,
        VerbId::Probe => Action::Probe,
        VerbId::Config => {
            Action::Config { libcontainer: is_libcontainer(&given)?, file: words.remove(0) }
        }
        VerbId::Spec => {
            let mut given = given;
            let bundle = take(&mut given, OptId::SpecBundle);
            Action::Spec { bundle, rootless: !given.is_empty() }
        }
        VerbId::Exec => running::exec(given, words)?,
        VerbId::List => Action::Query(Query::List {
            json: running::is_json(&given, OptId::ListFormat)?,
            quiet: given.iter().any(|given| given.opt.id == OptId::Quiet),
        }),
        VerbId::State => Action::Query(Query::State(container_id(&words.remove(0))?)),
        VerbId::Kill => Action::Query(running::kill(&given, &words)?),
        VerbId::Ps => Action::Query(Query::Ps {
            json: running::is_json(&given, OptId::PsFormat)?,
            id: container_id(&words.remove(0))?,
            options: words,
        }),
        VerbId::Events => Action::Events(running::events(given, &words)?),
        VerbId::Update => Action::Update(running::update(given, &words)?),
        VerbId::Pause => Action::Query(Query::Pause(container_id(&words.remove(0))?)),
        VerbId::Resume => Action::Query(Query::Resume(container_id(&words.remove(0))?)),
        VerbId::Checkpoint => Action::Life(life::checkpoint(given, &words)?),
        VerbId::Restore => Action::Life(life::restore(given, words)?),
        VerbId::Delete => {
            Action::Delete { id: container_id(&words.remove(0))?, force: !given.is_empty() }
        }
        VerbId::Features => Action::Features,
        VerbId::Help => {
            Action::Help(words.first().map(|word| find_verb(&NSPLAN, word)).transpose()?)
        }
        VerbId::Man => Action::Man(words.first().map(|word| find_verb(&NSPLAN, word)).transpose()?),
        VerbId::Completions => Action::Completions(shell(&words[0])?),
    })
}

fn plan(mut given: Vec<Given>, command: Vec<String>) -> Result<Action, Failure> {
    let host = take(&mut given, OptId::Host);
    let file = take(&mut given, OptId::ConfigFile);
    let bundle = take(&mut given, OptId::Bundle);
    let json = take_switch(&mut given, OptId::Json);
    let subject = match (file, bundle) {
        (None, None) if command.is_empty() => {
            let hint = "give --config FILE, --bundle DIR, or a command as for `nsplan do`";
            return Err(usage("plan: nothing to plan".into(), hint));
        }
        (None, None) => Subject::Sandbox(given),
        (Some(_), Some(_)) => {
            let hint = "a bundle's configuration is its config.json or container.json";
            return Err(usage("--config and --bundle exclude each other".into(), hint));
        }
        (file, bundle) => {
            if let Some(other) = given.first() {
                let text = format!("{other}: not together with --config or --bundle");
                return Err(usage(text, "the configuration file says it all"));
            }
            match file {
                Some(file) => Subject::File(file),
                None => Subject::Bundle(bundle.unwrap_or_default()),
            }
        }
    };
    Ok(Action::Plan { subject, command, json, host })
}

fn is_libcontainer(given: &[Given]) -> Result<bool, Failure> {
    match given.last() {
        None => Ok(false),
        Some(format) => match format.text() {
            "canonical" => Ok(false),
            "libcontainer" => Ok(true),
            _ => Err(usage(
                format!("{format}: unknown form"),
                "there are `canonical` and `libcontainer`",
            )),
        },
    }
}

pub(super) fn container_id(text: &str) -> Result<ContainerId, Failure> {
    ContainerId::new(text)
        .ok_or_else(|| usage(format!("`{text}`: not a name for a container"), ID_RULE))
}

pub(super) fn usage(text: String, hint: impl Into<String>) -> Failure {
    Failure::from(Problem::new(text).hint(hint))
}
