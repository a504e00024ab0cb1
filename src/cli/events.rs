//! Tells what a container uses, again and again, and when it runs out of memory: one line of JSON an event.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::{ContainerId, Request};
use super::report::{Failure, Problem};
use super::run::{print, state_root};
use super::running::{cgroup, open};
use crate::apply::{CgroupHandle, ControlError, OomEvents, Running, Status, link_statistics};
use crate::facts::{InterfaceEvent, StatsEvent};

/// What `events` was asked for.
#[derive(Debug)]
pub struct Watch {
    /// The container.
    pub id: ContainerId,
    /// Tell the statistics once, and end.
    pub once: bool,
    /// How often they are told.
    pub interval: Duration,
}

/// How often it is looked whether the container has ended, where nothing tells.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<StatsEvent<'a>>,
}

/// Tells events until the container has ended.
///
/// # Errors
/// When the container does not run, has no cgroup of its own, or that cannot be read.
pub fn watch(request: &Request, watch: &Watch) -> Result<u8, Failure> {
    let root = state_root(request)?;
    let running = open(Path::new(root.as_str()), &watch.id)?;
    let cgroup = cgroup(&running)?;
    if watch.once {
        return tell(&running, &cgroup);
    }
    // Without the memory controller nothing runs out.
    let mut oom = match cgroup.notify_oom() {
        Ok(events) => Some(events),
        Err(ControlError::Missing { .. }) => None,
        Err(error) => return Err(Problem::of(&error).at(&watch.id).into()),
    };
    loop {
        let next = Instant::now() + watch.interval;
        while let left @ 1.. = next.saturating_duration_since(Instant::now()).as_nanos() {
            let left = Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX)).min(LOOK);
            if told_oom(&running, oom.as_mut(), left)? {
                continue;
            }
            if has_ended(&running)? {
                return Ok(0);
            }
        }
        tell(&running, &cgroup)?;
    }
}

fn has_ended(running: &Running) -> Result<bool, Failure> {
    let status = running.status().map_err(|error| Problem::of(&error))?;
    Ok(status == Status::Stopped)
}

/// Waits so long for the container to run out of memory; whether it has.
fn told_oom(
    running: &Running,
    oom: Option<&mut OomEvents>,
    left: Duration,
) -> Result<bool, Failure> {
    let id = running.record().id.as_str();
    let Some(oom) = oom.filter(|oom| !oom.has_ended()) else {
        std::thread::sleep(left);
        return Ok(false);
    };
    let event = oom.wait(left).map_err(|error| Problem::of(&error).at(id))?;
    if event.is_some() {
        line(&Event { kind: "oom", id, data: None })?;
    }
    Ok(event.is_some())
}

fn tell(running: &Running, cgroup: &CgroupHandle) -> Result<u8, Failure> {
    let record = running.record();
    let stats = cgroup.stats().map_err(|error| Problem::of(&error).at(&record.id))?;
    // A link that is gone, or seen from another network, has nothing to tell.
    let interfaces: Vec<_> = record.links.iter().filter_map(|link| interface(link)).collect();
    line(&Event { kind: "stats", id: &record.id, data: Some(stats.event(&interfaces)) })
}

fn interface(link: &str) -> Option<InterfaceEvent> {
    let found = link_statistics(link).ok()?;
    Some(InterfaceEvent {
        name: link.to_owned(),
        rx_bytes: found.received.bytes,
        rx_packets: found.received.packets,
        rx_errors: found.received.errors,
        rx_dropped: found.received.dropped,
        tx_bytes: found.sent.bytes,
        tx_packets: found.sent.packets,
        tx_errors: found.sent.errors,
        tx_dropped: found.sent.dropped,
    })
}

fn line(event: &Event<'_>) -> Result<u8, Failure> {
    let text = serde_json::to_string(event).map_err(|error| Problem::of(&error))?;
    print(&(text + "\n"))
}
