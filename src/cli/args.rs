//! Turns the words of a command line into a `Request`.
//!
//! Pure: asks nothing of the machine, reads no file. Values are taken as text here; what they mean is `sandbox`'s
//! business.

use core::fmt;
use std::ffi::OsString;

use lexopt::Arg;

use super::lookup::{find_long, find_short, find_verb, lexical, missing_value};
use super::options::OptId;
use super::report::{Failure, Problem};
use super::spec::{Operands, Opt, Takes, Tool, Verb, VerbId};
use super::verbs::{NSPLAN, SHELLS};

/// A command line, understood.
#[derive(Debug)]
pub struct Request {
    /// `--root`: where state is kept.
    pub root: Option<String>,
    /// `--debug`: say more.
    pub debug: bool,
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
    /// Run a bundle.
    Run {
        /// Its directory.
        bundle: String,
        /// Name of the container.
        id: ContainerId,
        /// Program and arguments; empty for the default.
        command: Vec<String>,
    },
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
    /// Remove what a container left.
    Delete {
        /// Which container.
        id: ContainerId,
        /// Also a running one.
        force: bool,
    },
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

/// The words of a command line, sorted by the tables but not yet understood.
pub(super) struct Sorted<I: 'static> {
    pub(super) verb: Option<&'static Verb<I>>,
    pub(super) given: Vec<Given>,
    pub(super) words: Vec<String>,
    pub(super) version: bool,
}

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
    Ok(Request { root, debug, systemd_cgroup, action })
}

/// Sorts words by a program's tables: the verb, its options in order, and its other words.
pub(super) fn sort<I>(tool: &'static Tool<I>, words: Vec<OsString>) -> Result<Sorted<I>, Failure> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut sorted = Sorted { verb: None, given: Vec::new(), words: Vec::new(), version: false };
    while let Some(arg) = parser.next().map_err(|error| lexical(tool, &error, sorted.verb))? {
        let (opt, short) = match arg {
            Arg::Long("version") | Arg::Short('V') if sorted.verb.is_none() => {
                sorted.version = true;
                continue;
            }
            Arg::Long(name) => (find_long(tool, name, sorted.verb)?, false),
            Arg::Short(letter) => (find_short(tool, letter, sorted.verb)?, true),
            Arg::Value(word) => {
                let word = utf8(word)?;
                let Some(verb) = sorted.verb else {
                    sorted.verb = Some(find_verb(tool, &word)?);
                    continue;
                };
                sorted.words.push(word);
                if is_command(verb, sorted.words.len()) {
                    let rest =
                        parser.raw_args().map_err(|error| lexical(tool, &error, Some(verb)))?;
                    for word in rest {
                        sorted.words.push(utf8(word)?);
                    }
                }
                continue;
            }
        };
        let value = match opt.takes {
            Takes::Nothing => None,
            Takes::Maybe(_) => parser.optional_value(),
            Takes::Value(_) => {
                let value = parser.value();
                Some(value.map_err(|_| missing_value(opt, short))?)
            }
        };
        let value = value.map(utf8).transpose()?;
        sorted.given.push(Given { opt, value, short });
    }
    Ok(sorted)
}

/// Whether the word just read, the `count`-th, is the first of a command.
fn is_command<I>(verb: &Verb<I>, count: usize) -> bool {
    matches!(verb.operands, Operands::Command { before, .. } if count > before)
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| {
        let text = format!("`{}`: not valid UTF-8", word.to_string_lossy());
        usage(text, "configurations are JSON, which has no other text")
    })
}

fn action(verb: &'static Verb, given: Vec<Given>, words: Vec<String>) -> Result<Action, Failure> {
    check_count(&NSPLAN, verb, &words)?;
    let mut words = words;
    Ok(match verb.id {
        VerbId::Do => Action::Do { options: given, command: words },
        VerbId::Run => run(given, words)?,
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
        VerbId::Delete => {
            Action::Delete { id: container_id(&words.remove(0))?, force: !given.is_empty() }
        }
        VerbId::Help => {
            Action::Help(words.first().map(|word| find_verb(&NSPLAN, word)).transpose()?)
        }
        VerbId::Man => Action::Man(words.first().map(|word| find_verb(&NSPLAN, word)).transpose()?),
        VerbId::Completions => Action::Completions(shell(&words[0])?),
    })
}

/// A shell that completions are made for.
pub(super) fn shell(name: &str) -> Result<&'static str, Failure> {
    SHELLS.iter().find(|shell| **shell == name).copied().ok_or_else(|| {
        let text = format!("`{name}`: no completions for this shell");
        usage(text, "there are some for bash, zsh and fish")
    })
}

/// Checks how many words there are beside the options.
pub(super) fn check_count<I>(
    tool: &'static Tool<I>,
    verb: &Verb<I>,
    words: &[String],
) -> Result<(), Failure> {
    let (least, most) = match verb.operands {
        Operands::Words { least, most } => (least, most),
        Operands::Command { before, required } => (before + usize::from(required), usize::MAX),
    };
    let form = || {
        let forms = verb.usage.iter().map(|form| format!("{} {} {form}", tool.name, verb.name));
        format!("usage: {}", forms.collect::<Vec<_>>().join(", or ").trim_end())
    };
    if words.len() < least {
        let what = match verb.operands {
            Operands::Command { before, .. } if words.len() >= before => "a command is missing",
            Operands::Command { .. } => "the container's ID is missing",
            Operands::Words { .. } => "a word is missing",
        };
        return Err(usage(format!("{}: {what}", verb.name), form()));
    }
    match words.get(most) {
        Some(extra) => Err(usage(format!("`{extra}`: one word too many"), form())),
        None => Ok(()),
    }
}

fn run(mut given: Vec<Given>, mut words: Vec<String>) -> Result<Action, Failure> {
    let bundle = take(&mut given, OptId::Bundle).ok_or_else(|| {
        let hint = "`nsplan run --bundle DIR ID`; `nsplan do COMMAND` needs no bundle";
        usage("run: --bundle is missing".into(), hint)
    })?;
    let id = container_id(&words.remove(0))?;
    Ok(Action::Run { bundle, id, command: words })
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

/// Takes all of one option out; the last one counts.
pub(super) fn take(given: &mut Vec<Given>, id: OptId) -> Option<String> {
    let mut last = None;
    given.retain_mut(|given| {
        let keep = given.opt.id != id;
        if !keep {
            last = given.value.take();
        }
        keep
    });
    last
}

/// Takes all of a switch out; whether it was there.
pub(super) fn take_switch(given: &mut Vec<Given>, id: OptId) -> bool {
    let count = given.len();
    given.retain(|given| given.opt.id != id);
    given.len() < count
}

pub(super) fn container_id(text: &str) -> Result<ContainerId, Failure> {
    ContainerId::new(text)
        .ok_or_else(|| usage(format!("`{text}`: not a name for a container"), ID_RULE))
}

pub(super) fn usage(text: String, hint: impl Into<String>) -> Failure {
    Failure::from(Problem::new(text).hint(hint))
}
