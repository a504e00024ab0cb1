//! Joins a running container: from options to the exit code of a process in it.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::args::{ContainerId, Given, Request};
use super::attend::attend;
use super::bundle::{absolute, refused, text_of};
use super::life::Receivers;
use super::report::{Failure, Problem, Sources};
use super::run::{Attempt, Planned, failed, plan_with, state_root};
use super::sandbox::{Surroundings, joining};
use super::seal::{is_exposed, seal};
use super::signals::Signals;
use super::surroundings::joiner;
use crate::apply::{Io, Running, StateError, inherited, spawn};
use crate::config::{NamespaceSource, Origin, Process, process_from_oci};
use crate::plan::{Plan, Record, SubCgroup, join_in, join_needs};
use crate::types::{NamespaceKind, Pointer};

/// What `exec` was asked for.
#[derive(Debug)]
pub struct Exec {
    /// The container.
    pub id: ContainerId,
    /// Options of the process, in order.
    pub options: Vec<Given>,
    /// Program and arguments, at least one.
    pub command: Vec<String>,
    /// The file that describes the process, instead of options and a command.
    pub process: Option<String>,
    /// Cgroups below the container's.
    pub cgroups: Vec<Given>,
    /// Also in a container that is paused.
    pub ignore_paused: bool,
    /// Do not wait for its end.
    pub detach: bool,
    /// Where its pid is written.
    pub pid_file: Option<String>,
    /// Where the master of its terminal is sent.
    pub console_socket: Option<String>,
    /// Where a pidfd of it is sent.
    pub pidfd_socket: Option<String>,
    /// How many descriptors from 3 on are passed to it.
    pub preserve_fds: u16,
}

/// Runs a command in a running container; its exit code. `explain` is told the plan before it is carried out.
///
/// # Errors
/// When the container does not run, and for every reason a start has.
pub fn exec(request: &Request, exec: &Exec, explain: &dyn Fn(&Plan)) -> Result<u8, Failure> {
    let root = state_root(request)?;
    let running = Running::open(Path::new(root.as_str()), exec.id.as_str()).map_err(|error| {
        Failure::from(Problem::of(&error).hint(format!("state is looked for in {root}")))
    })?;
    if exec.ignore_paused {
        running.check_rooted().map_err(|error| Problem::of(&error))?;
    } else {
        let hint = "`nsplan resume` lets it go on; --ignore-paused runs the command once that has happened";
        joinable(&running, hint)?;
    }
    let record = running.record();
    let (process, mut sources) = process(exec, record)?;
    if let Some(given) = exec.cgroups.last() {
        sources.map.insert(Pointer::new("/cgroup"), Origin::Option(given.to_string()));
    }
    if is_exposed(creates_user_namespace(record), &record.planned.uid_mappings) {
        drop(seal()?);
    }
    let below = sub_cgroups(&exec.cgroups)?;
    let (plan, ignored) = plan_join(&process, record, &sources, &below)?;
    explain(&plan);
    let signals = Signals::block()
        .map_err(|errno| Failure::from(Problem::new(format!("signalfd = {errno}"))))?;
    let io = Io { passed: passed(exec.preserve_fds)?, ignored, ..Io::default() };
    let attempt = Attempt { plan: &plan, program: process.args.first(), sources: &sources };
    let receivers = Receivers::connect(
        exec.console_socket.as_deref().filter(|_| process.terminal),
        exec.pidfd_socket.as_deref(),
        "setns",
    )?;
    let mut joined = spawn(&plan, io).map_err(|error| failed(&attempt, &error))?;
    receivers.announce(&mut joined, exec.pid_file.as_deref())?;
    if exec.detach {
        return Ok(0);
    }
    attend(joined, &signals, None)
}

/// What the options make of the container's own first process.
fn process(exec: &Exec, record: &Record) -> Result<(Process, Sources), Failure> {
    let around = joiner(&exec.id)?;
    let base = &record.planned.process;
    let (mut process, sources) = match &exec.process {
        Some(file) => described(file, &exec.options, record, &around)?,
        None => joining(&exec.options, base, exec.command.clone(), &around)?,
    };
    if exec.detach {
        if process.terminal && !has_socket(exec) {
            let hint = "a terminal is copied by the command that opened it, unless --console-socket FILE says where it is sent";
            return Err(Problem::new("--tty and --detach exclude each other").hint(hint).into());
        }
        process.parent_death_signal = None;
    }
    Ok((process, sources))
}

fn has_socket(exec: &Exec) -> bool {
    exec.console_socket.is_some()
}

/// The process of a file, with what it does not say from the container's own, and with what options say.
fn described(
    file: &str,
    options: &[Given],
    record: &Record,
    around: &Surroundings,
) -> Result<(Process, Sources), Failure> {
    let text = text_of(file)?;
    let process =
        process_from_oci(&text, &absolute(".")?).map_err(|errors| refused(file, &errors))?;
    let base = &record.planned.process;
    let process = Process {
        capabilities: process.capabilities.or(base.capabilities),
        apparmor_profile: process.apparmor_profile.or_else(|| base.apparmor_profile.clone()),
        selinux_label: process.selinux_label.or_else(|| base.selinux_label.clone()),
        rlimits: if process.rlimits.is_empty() { base.rlimits.clone() } else { process.rlimits },
        oom_score_adj: process.oom_score_adj.or(base.oom_score_adj),
        ..process
    };
    let command = process.args.clone();
    let (terminal, console_size) = (process.terminal, process.console_size);
    let (mut process, _) = joining(options, &process, command, around)?;
    process.terminal |= terminal;
    process.console_size = console_size.or(process.console_size);
    Ok((process, Sources { file: Some(file.to_owned()), ..Sources::default() }))
}

/// Refuses a container that nobody can join now.
pub(super) fn joinable(running: &Running, hint: &str) -> Result<(), Failure> {
    running.check_joinable().map_err(|error| match error {
        StateError::Paused { .. } => Problem::of(&error).hint(hint).into(),
        error => Problem::of(&error).into(),
    })
}

fn sub_cgroups(given: &[Given]) -> Result<Vec<SubCgroup>, Failure> {
    let parse = |given: &Given| {
        SubCgroup::parse(given.text()).map_err(|reason| {
            let hint = "expected a path below the container's cgroup, such as `child`, or `cpu,memory:child`";
            Failure::from(Problem::new(reason).at(given).hint(hint))
        })
    };
    given.iter().map(parse).collect()
}

/// Plans it with the facts of this host.
pub(super) fn plan_join(
    process: &Process,
    record: &Record,
    sources: &Sources,
    below: &[SubCgroup],
) -> Result<Planned, Failure> {
    plan_with(&join_needs(process, record), sources, |facts| join_in(process, record, facts, below))
}

pub(super) fn creates_user_namespace(record: &Record) -> bool {
    let user = record.planned.namespaces.get(&NamespaceKind::User);
    matches!(user, Some(NamespaceSource::Create))
}

/// Descriptors 3, 4, 5… of this process.
pub(super) fn passed(count: u16) -> Result<Vec<OwnedFd>, Failure> {
    inherited(count).map_err(|fault| {
        let text = format!("--preserve-fds {count}: {fault}");
        Problem::new(text).hint("that many descriptors from 3 on must be open").into()
    })
}
