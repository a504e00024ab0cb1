//! What is asked of a container that runs already: what it is, what it uses, that it stop and go on.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::args::ContainerId;
use super::super::report::{Failure, Problem};
use super::super::run::print;
use super::table::Command;
use crate::apply::{CgroupHandle, LinkStatistics, Running, StateError, Status, link_statistics};
use crate::plan::Record;
use crate::types::{HostPath, NamespaceKind};

/// How long all processes may take to stop or to go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// The container of that name, if one runs.
///
/// # Errors
/// When what is written down of it cannot be used.
pub(super) fn find(root: &HostPath, id: &ContainerId) -> Result<Option<Running>, Failure> {
    match Running::open(Path::new(root.as_str()), id.as_str()) {
        Ok(running) => Ok(Some(running)),
        Err(StateError::Absent { .. } | StateError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(Problem::of(&error).into()),
    }
}

/// Does one thing with a running container.
///
/// # Errors
/// When there is none of that name, or it cannot be done.
pub(super) fn about(command: Command, root: &HostPath, id: &ContainerId) -> Result<u8, Failure> {
    if matches!(command, Command::Checkpoint | Command::Restore) {
        let text = "containers are not written to disk or read from it";
        let hint = "`nsinit help checkpoint` says why; criu dumps processes by pid";
        return Err(Problem::new(text).hint(hint).into());
    }
    let running = find(root, id)?.ok_or_else(|| {
        let hint = format!("state is looked for in {root}; --root DIR says another place");
        Problem::new(format!("{id}: no such container runs")).hint(hint)
    })?;
    let failed = |error: crate::apply::ControlError| Failure::from(Problem::of(&error).at(id));
    match command {
        Command::State => print(&text(&state(running.record()))),
        Command::Stats => print(&text(&stats(&running)?)),
        Command::Pause => cgroup(&running)?.freeze(PATIENCE).map(|()| 0).map_err(failed),
        Command::Unpause => match cgroup(&running)?.thaw(PATIENCE) {
            // It went on, to its end.
            Err(_) if running.status() == Ok(Status::Stopped) => Ok(0),
            answer => answer.map(|()| 0).map_err(failed),
        },
        _ => watch(&running),
    }
}

fn text(value: &Value) -> String {
    // Maps of strings, numbers and lists: serialising cannot fail.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    format!("{text}\n")
}

fn cgroup(running: &Running) -> Result<CgroupHandle, Failure> {
    running.cgroup().ok_or_else(|| {
        let text = format!("{}: no control group of its own", running.record().id);
        Problem::new(text).hint("its configuration asks for none (`cgroups`)").into()
    })
}

/// Under the names of version 2.2.1.
fn state(record: &Record) -> Value {
    let paths = &record.planned.cgroups;
    let mut cgroups: Map<String, Value> = paths
        .v1
        .iter()
        .map(|(controller, path)| (controller.clone(), path.as_str().into()))
        .collect();
    cgroups.extend(paths.v2.iter().map(|path| (String::new(), path.as_str().into())));
    let namespaces = record.namespaces().filter_map(|kind| {
        let path = record.namespace_path(kind);
        Some((word(kind)?.to_owned(), path.as_str().into()))
    });
    json!({
        "id": record.id,
        "init_process_pid": record.pid,
        "init_process_start": record.start_time.to_string(),
        "cgroup_paths": cgroups,
        "namespace_paths": namespaces.collect::<Map<String, Value>>(),
        "network_interfaces": record.links,
    })
}

/// What the format calls a namespace; it knows of no others.
fn word(kind: NamespaceKind) -> Option<&'static str> {
    Some(match kind {
        NamespaceKind::Mnt => "NEWNS",
        NamespaceKind::Uts => "NEWUTS",
        NamespaceKind::Ipc => "NEWIPC",
        NamespaceKind::User => "NEWUSER",
        NamespaceKind::Pid => "NEWPID",
        NamespaceKind::Net => "NEWNET",
        NamespaceKind::Cgroup | NamespaceKind::Time => return None,
    })
}

/// Under the names of the seed: of all interfaces together, and of the control groups.
fn stats(running: &Running) -> Result<Value, Failure> {
    let record = running.record();
    let links = record.links.iter().map(|link| {
        link_statistics(link).map_err(|fault| Failure::from(Problem::of(&fault).at(link)))
    });
    let links = links.collect::<Result<Vec<_>, _>>()?;
    let cgroup = match running.cgroup() {
        Some(cgroup) => {
            let stats = cgroup.stats().map_err(|error| Problem::of(&error).at(&record.id))?;
            serde_json::to_value(stats.to_libcontainer_json()).unwrap_or_default()
        }
        None => Map::new().into(),
    };
    Ok(json!({ "network_stats": network(&links), "cgroup_stats": cgroup }))
}

/// All eight are always there, as the container sees them.
fn network(links: &[LinkStatistics]) -> Value {
    let sum = |of: fn(&LinkStatistics) -> u64| links.iter().map(of).sum::<u64>();
    json!({
        "rx_bytes": sum(|link| link.received.bytes),
        "rx_packets": sum(|link| link.received.packets),
        "rx_errors": sum(|link| link.received.errors),
        "rx_dropped": sum(|link| link.received.dropped),
        "tx_bytes": sum(|link| link.sent.bytes),
        "tx_packets": sum(|link| link.sent.packets),
        "tx_errors": sum(|link| link.sent.errors),
        "tx_dropped": sum(|link| link.sent.dropped),
    })
}

/// A line an event, until the container is gone.
fn watch(running: &Running) -> Result<u8, Failure> {
    let id = &running.record().id;
    let failed = |error: crate::apply::ControlError| Failure::from(Problem::of(&error).at(id));
    let mut events = cgroup(running)?.notify_oom().map_err(failed)?;
    let mut out = std::io::stdout().lock();
    while !events.has_ended() {
        let Some(event) = events.wait(PATIENCE).map_err(failed)? else { continue };
        for _ in 0..event.count {
            let said = writeln!(out, "{id}: out of memory").and_then(|()| out.flush());
            if said.is_err() {
                // Nobody listens any more.
                return Ok(0);
            }
        }
    }
    Ok(0)
}
