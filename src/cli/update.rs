//! Changes the limits of a running container: from options and a document to writes.

use std::path::Path;

use super::args::{ContainerId, Given, Request};
use super::bundle::{text_of, text_of_input};
use super::log::Log;
use super::report::{EXIT_OWN, Failure, Problem, Sources};
use super::run::{refused, state_root};
use super::sandbox::limits;
use crate::apply::probe::probe;
use crate::apply::{Running, UpdateError, cgroup_values};
use crate::config::{Resources, resources_from_oci};
use crate::plan::{update, update_files, update_needs};

/// What `update` was asked for.
#[derive(Debug)]
pub struct Change {
    /// The container.
    pub id: ContainerId,
    /// Where `linux.resources` is read from; `-` is standard input.
    pub resources: Option<String>,
    /// Options about limits, which count more.
    pub options: Vec<Given>,
}

/// Changes the limits.
///
/// # Errors
/// When the container does not run, a limit cannot be enforced, or the kernel refuses it: then all are as they were.
pub fn change(request: &Request, log: &Log, change: &Change) -> Result<u8, Failure> {
    let root = state_root(request)?;
    let root = Path::new(root.as_str());
    let running = Running::open(root, change.id.as_str()).map_err(|error| Problem::of(&error))?;
    running.settle(root).map_err(|error| Problem::of(&error).at(&change.id))?;
    let record = running.record();
    let (resources, sources) = wanted(change)?;
    let facts = probe(&update_needs(record)).map_err(|error| Problem::of(&error).at("probe"))?;
    let values = cgroup_values(update_files(&resources, record, &facts))
        .map_err(|error| Problem::of(&error).at(&change.id))?;
    let update = refused(&sources, update(&resources, record, &facts, &values))?;
    if request.debug {
        log.debug(&update.to_string());
    }
    running.update(root, &update).map_err(|error| {
        let problem = Problem::of(&error);
        let problem = match &error {
            UpdateError::Step { origin, .. } => problem.at(sources.place(origin)),
            _ => problem,
        };
        Failure::from(problem.at(&change.id))
    })?;
    Ok(0)
}

/// The document's limits with the options' over them, and where each was asked for.
fn wanted(change: &Change) -> Result<(Resources, Sources), Failure> {
    let (mut resources, mut sources) = (Resources::default(), Sources::default());
    if let Some(file) = &change.resources {
        let text = read(file)?;
        let (read, map) = resources_from_oci(&text).map_err(|errors| {
            let problems = errors.0.iter().map(|error| Problem::new(format!("{file}:{error}")));
            Failure { exit: EXIT_OWN, problems: problems.collect() }
        })?;
        resources = read;
        sources = Sources { map, file: Some(file.clone()), ..Sources::default() };
    }
    let (given, map) = limits(&change.options, &change.id)?;
    for (pointer, origin) in map.iter() {
        sources.map.insert(pointer.clone(), origin.clone());
    }
    let devices = resources.devices.take();
    Ok((Resources { devices, ..resources.overlaid(&given) }, sources))
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    if file == "-" { text_of_input() } else { text_of(file) }
}
