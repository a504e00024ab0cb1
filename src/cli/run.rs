//! Carries requests out: from words to an exit code.

use std::ffi::OsString;
use std::io::{ErrorKind, Write as _};
use std::mem::ManuallyDrop;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use super::args::{Action, ContainerId, Given, Request, Subject, log_of, parse};
use super::attend::attend;
use super::bundle::{Document, Owner, absolute, read_bundle, read_file};
use super::completions::completions;
use super::delete::delete;
use super::events::watch;
use super::exec::{exec, passed};
use super::help::{help, runtime_version};
use super::life::{self, Life, Receivers, live};
use super::log::Log;
use super::man::man;
use super::report::{EXIT_NOT_FOUND, EXIT_OWN, Failure, Problem, Sources};
use super::running::answer;
use super::sandbox::{Sandbox, sandbox};
use super::seal::{is_likely_exposed, seal, sealed_for};
use super::signals::Signals;
use super::state;
use super::surroundings::starter;
use super::template::template;
use super::update::change;
use super::verbs::NSPLAN;
use crate::apply::probe::{in_initial_userns, probe_all, probe_to_start};
use crate::apply::{ApplyError, IgnoredSignals, Io, Sealed, StateDir, spawn};
use crate::config::{Config, Extra, Generation, Parsed, SourceMap, to_libcontainer};
use crate::facts::{HostFacts, Needs};
use crate::plan::{Features, Plan, PlanError, apply_hint, needs, plan, plan_hint};
use crate::types::HostPath;

/// Does what the words after the program's name ask for. What goes wrong is said on standard error.
#[must_use]
pub fn main(words: Vec<OsString>) -> ExitCode {
    let sealed = (may_start_one(&words) && is_likely_exposed()).then(seal);
    let (log, outcome) = match parse(words.clone()) {
        Ok(request) => match Log::open(&request.log) {
            Ok(log) => {
                let outcome = carry_out(&request, sealed, &log);
                (log, outcome)
            }
            Err(failure) => (Log::default(), Err(failure)),
        },
        // An engine reads the log also where it said something that is not understood.
        Err(failure) => (Log::open(&log_of(words)).unwrap_or_default(), Err(failure)),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            log.failure(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

/// Whether the words look like a start. It is looked at before they are understood, as all of this program that is touched
/// before it leaves its file is mapped once more after.
fn may_start_one(words: &[OsString]) -> bool {
    words.iter().any(|word| STARTS.iter().any(|verb| word == verb))
}

fn carry_out(
    request: &Request,
    sealed: Option<Result<Sealed, Failure>>,
    log: &Log,
) -> Result<u8, Failure> {
    // Words that only look like a start ask for nothing of the kind.
    let sealed = sealed.filter(|_| starts_containers(&request.action)).transpose()?;
    let explain = |plan: &Plan| {
        if request.debug {
            log.debug(&plan.to_string());
        }
    };
    match &request.action {
        Action::Help(verb) => print(&help(&NSPLAN, *verb)),
        Action::Version => print(&runtime_version(NSPLAN.name)),
        Action::Completions(shell) => print(&completions(&NSPLAN, shell)),
        Action::Man(verb) => print(&man(&NSPLAN, *verb)),
        Action::Probe => print(&pretty(&probe_all().map_err(|error| Problem::of(&error))?)?),
        Action::Config { file, libcontainer } => print_config(file, *libcontainer),
        Action::Plan { subject, command, json, host } => {
            let plan = planned(request, subject, command, host.as_deref())?;
            print(&if *json { plan.to_json() } else { plan.to_string() })
        }
        Action::Do { options, command } => do_now(request, options, command, sealed, &explain),
        Action::Life(life) => live(request, life, sealed, &explain),
        Action::Features => print(&pretty(&Features::of_this_version())?),
        Action::Spec { bundle, rootless } => write_spec(bundle.as_deref(), *rootless),
        Action::Exec(joined) => {
            // It leaves no root behind.
            drop(sealed);
            exec(request, joined, &explain)
        }
        Action::Query(query) => answer(request, query),
        Action::Update(wanted) => change(request, log, wanted),
        Action::Events(wanted) => watch(request, wanted),
        Action::Delete { id, force } => {
            let root = state_root(request)?;
            if life::delete(&root, id, *force)?.is_none() {
                delete(&root, id, *force)?;
            }
            Ok(0)
        }
    }
}

/// Runs a command in a fresh container. In a function of its own: what it has on the stack would be pages that every other
/// start steps over.
#[inline(never)]
fn do_now(
    request: &Request,
    options: &[Given],
    command: &[String],
    sealed: Option<Sealed>,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    let made = sandbox(options, command.to_vec(), &starter(options, None)?)?;
    let Sandbox { config, sources, id, timeout } = made;
    let config = request.driven(config);
    let job = Job { timeout, sealed, ..Job::new(&config, &sources, id) };
    start(&state_root(request)?, explain, job)
}

/// A container to be started.
pub(super) struct Job<'a> {
    pub(super) config: &'a Config,
    pub(super) sources: &'a Sources,
    pub(super) id: ContainerId,
    pub(super) timeout: Option<Duration>,
    pub(super) bundle: Option<HostPath>,
    /// How many descriptors from 3 on are passed to it.
    pub(super) passed: u16,
    /// Where the number of its first process is written.
    pub(super) pid_file: Option<&'a str>,
    /// Who gets descriptors of it.
    pub(super) receivers: Receivers,
    /// Where this program is, if it has left its file already.
    pub(super) sealed: Option<Sealed>,
}

impl<'a> Job<'a> {
    /// One that nobody else has to do with.
    pub(super) fn new(config: &'a Config, sources: &'a Sources, id: ContainerId) -> Self {
        let receivers = Receivers::default();
        let (timeout, bundle, pid_file, sealed) = (None, None, None, None);
        Self { config, sources, id, timeout, bundle, passed: 0, pid_file, receivers, sealed }
    }
}

/// Starts a container and stays with it; `explain` is told the plan before it is carried out.
pub(super) fn start(root: &HostPath, explain: &dyn Fn(&Plan), job: Job<'_>) -> Result<u8, Failure> {
    let sealed = sealed_for(job.config, job.sealed)?;
    // Given back with the program's end: piece by piece, it would be while the caller waits for that.
    let (plan, ignored) = plan_here(job.config, job.sources)?;
    let plan = ManuallyDrop::new(plan);
    explain(&plan);
    let state = StateDir { root: root.as_str().into(), id: job.id.to_string() };
    if state.is_inside(&job.config.root.path) {
        let problem =
            Problem::new("inside of the container's root, which could write to it").at(root);
        return Err(problem.hint("choose another with --root DIR").into());
    }
    state::prepare(root, nix::unistd::geteuid().as_raw())?;
    // From here on no signal is lost, and none ends this process before the container has been cared for.
    let signals = Signals::block()
        .map_err(|errno| Failure::from(Problem::new(format!("signalfd = {errno}"))))?;
    let bundle = job.bundle.clone();
    let passed = passed(job.passed)?;
    let io = Io { state: Some(state), bundle, passed, ignored, sealed, ..Io::default() };
    let mut container = spawn(&plan, io).map_err(|error| {
        let program = job.config.process.as_ref().and_then(|process| process.args.first());
        failed(&Attempt { plan: &plan, program, sources: job.sources }, &error)
    })?;
    job.receivers.announce(&mut container, job.pid_file)?;
    if let Some(socket) = container.notify.take() {
        life::pass_word_on(socket, container.pid());
    }
    attend(container, &signals, job.timeout)
}

fn starts_containers(action: &Action) -> bool {
    matches!(
        action,
        Action::Do { .. } | Action::Life(Life::Create(_) | Life::Run { .. }) | Action::Exec(_)
    )
}

/// The verbs of those.
const STARTS: [&str; 4] = ["create", "do", "exec", "run"];

/// A plan that was carried out, and what its words mean to the user.
pub(super) struct Attempt<'a> {
    pub(super) plan: &'a Plan,
    pub(super) program: Option<&'a String>,
    pub(super) sources: &'a Sources,
}

/// A step that failed, in the user's words.
pub(super) fn failed(attempt: &Attempt<'_>, error: &ApplyError) -> Failure {
    let Attempt { plan, program, sources } = *attempt;
    let why = match error.exit_code() {
        Some(EXIT_NOT_FOUND) => Some("not found in the container"),
        Some(_) => Some("cannot be executed"),
        None => None,
    };
    let problem = match (why, program) {
        (Some(why), Some(program)) => Problem::new(format!("`{program}`: {why}: {error}")),
        _ if error.step.is_some() => {
            Problem::new(error.to_string()).at(sources.place(&error.origin))
        }
        _ => Problem::new(error.to_string()),
    };
    let step = error.step.and_then(|step| plan.step(step));
    let hint = step.zip(error.errno()).and_then(|(step, errno)| apply_hint(&step.op, errno));
    let exit = error.exit_code().unwrap_or(EXIT_OWN);
    Failure { exit, problems: vec![problem.hint(hint.unwrap_or_default())] }
}

pub(super) fn state_root(request: &Request) -> Result<HostPath, Failure> {
    let given = request.root.as_deref().map(absolute).transpose()?;
    state::root(NSPLAN.name, given.as_ref())
}

/// The plan that is asked for, with this host's facts or those in the file `host`.
#[inline(never)]
fn planned(
    request: &Request,
    subject: &Subject,
    command: &[String],
    host: Option<&str>,
) -> Result<Plan, Failure> {
    let facts = host.map(read_facts).transpose()?;
    let is_root = match (&facts, request.rootless) {
        (Some(facts), None) => facts.caller.uid == 0,
        _ => request.is_root(),
    };
    let owner = Owner { id: None, is_root };
    let (config, sources) = match subject {
        Subject::Sandbox(options) => {
            let around = starter(options, facts.as_ref())?;
            let made = sandbox(options, command.to_vec(), &around)?;
            (made.config, made.sources)
        }
        Subject::File(file) => {
            let (document, sources) = read_file(file)?;
            (document.config(command, &owner)?, sources)
        }
        Subject::Bundle(bundle) => {
            let (document, sources) = read_bundle(bundle)?;
            (document.config(command, &owner)?, sources)
        }
    };
    let config = request.driven(config);
    match facts {
        Some(facts) => refused(&sources, plan(&config, &facts)),
        None => Ok(plan_here(&config, &sources)?.0),
    }
}

impl Request {
    /// Whether the container is one of the host's root: root in a user namespace, which an engine of an ordinary user's is, is
    /// none.
    pub(super) fn is_root(&self) -> bool {
        let is_root = || nix::unistd::geteuid().is_root() && is_in_initial_userns();
        self.rootless.map_or_else(is_root, |rootless| !rootless)
    }

    /// The config with the cgroup driver that was asked for.
    pub(super) fn driven(&self, mut config: Config) -> Config {
        if let Some(cgroup) = config.cgroup.as_mut().filter(|_| self.systemd_cgroup) {
            cgroup.ask_systemd();
        }
        config
    }
}

/// Whether this process is in the first user namespace, which it stays in.
pub(super) fn is_in_initial_userns() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(in_initial_userns)
}

fn plan_here(config: &Config, sources: &Sources) -> Result<Planned, Failure> {
    plan_with(&needs(config), sources, |facts| plan(config, facts))
}

/// A plan for this host, and what the start of it can make use of.
pub(super) type Planned = (Plan, Option<IgnoredSignals>);

/// Plans with the facts of this host that are asked for, by that function of the planner's.
pub(super) fn plan_with<T>(
    needs: &Needs,
    sources: &Sources,
    plan: impl FnOnce(&HostFacts) -> Result<T, Vec<PlanError>>,
) -> Result<(T, Option<IgnoredSignals>), Failure> {
    let seen = probe_to_start(needs);
    let (facts, ignored) = seen.map_err(|error| Problem::of(&error).at("probe"))?;
    Ok((refused(sources, plan(&facts))?, ignored))
}

/// What the planner refuses, in the user's words.
pub(super) fn refused<T>(
    sources: &Sources,
    planned: Result<T, Vec<PlanError>>,
) -> Result<T, Failure> {
    planned.map_err(|errors| sources.refusals(&errors, |error| plan_hint(&error.refusal)))
}

fn print_config(file: &str, libcontainer: bool) -> Result<u8, Failure> {
    let (document, _) = read_file(file)?;
    let parsed = match document {
        Document::Libcontainer(parsed) => *parsed,
        Document::Oci(parsed) if libcontainer => Parsed {
            config: parsed.config,
            source: SourceMap::default(),
            generation: Generation::Seed,
            extra: Extra::default(),
        },
        Document::Oci(parsed) => return print(&pretty(&parsed.config)?),
    };
    if libcontainer {
        let text = to_libcontainer(&parsed).map_err(|error| Problem::of(&error).at(file))?;
        return print(&text);
    }
    print(&pretty(&parsed.config)?)
}

/// Writes a template where no configuration is yet.
fn write_spec(bundle: Option<&str>, rootless: bool) -> Result<u8, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = format!("{}/config.json", bundle.unwrap_or(".").trim_end_matches('/'));
    let ids = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let text = template(rootless.then_some(ids));
    let fail = |error: std::io::Error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "remove it first; nothing is overwritten",
            _ => "",
        };
        Failure::from(Problem::of(&error).at(&file).hint(hint))
    };
    let mut made = std::fs::OpenOptions::new();
    let made = made.write(true).create_new(true).mode(0o644).open(&file);
    made.and_then(|mut out| out.write_all(text.as_bytes())).map_err(fail)?;
    Ok(0)
}

fn read_facts(file: &str) -> Result<HostFacts, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Problem::of(&error).at(file))?;
    HostFacts::from_json(&text).map_err(|error| {
        let problem = Problem::of(&error).at(file);
        problem.hint("`nsplan probe` prints such a file").into()
    })
}

pub(super) fn pretty(value: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Problem::of(&error))?;
    Ok(format!("{text}\n"))
}

/// Prints; a reader that has seen enough is no fault.
pub(super) fn print(text: &str) -> Result<u8, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Problem::of(&error).at("standard output").into())
        }
        _ => Ok(0),
    }
}
