//! What is known of containers, and what can be done to a running one: lists, states, signals, freezing.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{ContainerId, Request};
use super::listing::{containers, described, owner, processes};
use super::report::{Failure, Problem};
use super::run::{pretty, print, state_root};
use crate::apply::{CgroupHandle, ControlError, Running, Status, record, records};
use crate::config::OCI_VERSION;
use crate::plan::Record;
use crate::types::Signal;

/// How long freezing and thawing may take.
const FREEZE: Duration = Duration::from_secs(10);

/// What is asked about running containers.
#[derive(Debug)]
pub enum Query {
    /// All of them.
    List {
        /// As JSON.
        json: bool,
        /// Names only.
        quiet: bool,
    },
    /// The state of one, as the OCI runtime-spec has it.
    State(ContainerId),
    /// A signal to one.
    Kill {
        /// Which.
        id: ContainerId,
        /// The signal.
        signal: Signal,
        /// To every process of it.
        all: bool,
    },
    /// Its processes.
    Ps {
        /// Which.
        id: ContainerId,
        /// As JSON.
        json: bool,
        /// Options of `ps`, for a table.
        options: Vec<String>,
    },
    /// All its processes are stopped.
    Pause(ContainerId),
    /// And go on.
    Resume(ContainerId),
}

/// Answers it; the exit code.
///
/// # Errors
/// When there is no such container, or it does not let itself be asked.
pub fn answer(request: &Request, query: &Query) -> Result<u8, Failure> {
    let root = state_root(request)?;
    let root = Path::new(root.as_str());
    match query {
        Query::List { json, quiet } => {
            let all = records(root).map_err(|error| Problem::of(&error))?;
            print(&containers(&all, *json, *quiet)?)
        }
        Query::State(id) => state(root, id),
        Query::Kill { id, signal, all } => kill(root, id, *signal, *all),
        Query::Ps { id, json, options } => {
            let pids = pids(&open(root, id)?)?;
            print(&if *json { pretty(&pids)? } else { processes(&pids, options)? })
        }
        Query::Pause(id) => {
            let running = open(root, id)?;
            let cgroup = cgroup(&running)?;
            cgroup.freeze(FREEZE).map_err(|error| Problem::of(&error).at(id))?;
            Ok(0)
        }
        Query::Resume(id) => {
            let running = open(root, id)?;
            let cgroup = cgroup(&running)?;
            cgroup.thaw(FREEZE).map_err(|error| Problem::of(&error).at(id))?;
            Ok(0)
        }
    }
}

pub(super) fn open(root: &Path, id: &ContainerId) -> Result<Running, Failure> {
    Running::open(root, id.as_str()).map_err(|error| {
        let hint =
            format!("state is looked for in {}; --root DIR says another place", root.display());
        Problem::of(&error).hint(hint).into()
    })
}

pub(super) fn cgroup(running: &Running) -> Result<CgroupHandle, Failure> {
    running.cgroup().ok_or_else(|| {
        let text = format!("{}: has no cgroup of its own", running.record().id);
        Problem::new(text).hint("a limit such as --pids-limit gives it one").into()
    })
}

fn state(root: &Path, id: &ContainerId) -> Result<u8, Failure> {
    let listed = record(root, id.as_str()).map_err(|error| Problem::of(&error))?;
    if let Some(problem) = &listed.problem {
        return Err(Problem::of(problem).into());
    }
    let Some(record) = &listed.record else {
        return Err(Problem::new(format!("{id}: not started yet")).into());
    };
    print(&pretty(&described(record, listed.status, &owner()))?)
}

/// The state of a container, OCI runtime-spec, `runtime.md`, "State"; the pid only while there is a process.
pub(super) fn oci_state(record: &Record, status: Status) -> Value {
    let mut state = json!({
        "ociVersion": OCI_VERSION,
        "id": record.id,
        "status": status.to_string(),
    });
    if status != Status::Stopped {
        state["pid"] = record.pid.into();
    }
    let bundle = record.bundle.as_ref().unwrap_or(&record.planned.rootfs);
    state["bundle"] = bundle.as_str().into();
    if !record.planned.annotations.is_empty() {
        state["annotations"] = json!(record.planned.annotations);
    }
    state
}

fn kill(root: &Path, id: &ContainerId, signal: Signal, all: bool) -> Result<u8, Failure> {
    let of_all = if all { cgroup_of(root, id)? } else { None };
    let Some(cgroup) = of_all else {
        let running = open(root, id)?;
        running.signal(signal).map_err(|error| Problem::of(&error).at(id))?;
        return Ok(0);
    };
    let fail = |error: ControlError| Failure::from(Problem::of(&error).at(id));
    if signal == Signal::KILL {
        cgroup.kill(FREEZE).map_err(fail)?;
        return Ok(0);
    }
    for pid in cgroup.pids(true).map_err(fail)? {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        let signal = nix::sys::signal::Signal::try_from(i32::from(signal.number()));
        // One that is gone by now needs no signal any more.
        let _ = signal.and_then(|signal| nix::sys::signal::kill(pid, signal));
    }
    Ok(0)
}

/// The control group of a container, also of one whose first process has ended and has left others.
fn cgroup_of(root: &Path, id: &ContainerId) -> Result<Option<CgroupHandle>, Failure> {
    let listed = record(root, id.as_str()).map_err(|error| Problem::of(&error))?;
    Ok(listed.record.as_deref().and_then(Running::cgroup_of))
}

/// Its processes by their numbers here; without a cgroup only the first is known.
fn pids(running: &Running) -> Result<Vec<u32>, Failure> {
    match running.cgroup() {
        Some(cgroup) => Ok(cgroup.pids(true).map_err(|error| Problem::of(&error))?),
        None => Ok(vec![running.record().pid]),
    }
}
