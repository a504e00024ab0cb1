//! The caller becomes what options are understood by: who it is, its directory, environment and terminal.

use std::collections::BTreeMap;
use std::os::fd::AsFd as _;

use super::args::{ContainerId, Given};
use super::bundle::{absolute, read_seccomp};
use super::options::OptId;
use super::report::{Failure, Problem};
use super::sandbox::Surroundings;
use crate::config::ConsoleSize;
use crate::facts::HostFacts;

/// Of one who starts a container, here or on the host the facts are about.
pub(super) fn starter(
    options: &[Given],
    facts: Option<&HostFacts>,
) -> Result<Surroundings, Failure> {
    let is_all = |given: &Given| given.opt.id == OptId::CapAdd && given.text() == "ALL";
    let last = match facts {
        Some(facts) => Some(facts.kernel.last_capability),
        None if options.iter().any(is_all) => last_capability(),
        None => None,
    };
    let id = facts.map_or_else(|| format!("do-{}", std::process::id()), |_| "do".to_owned());
    let id = ContainerId::new(&id).ok_or_else(|| Problem::new("no name for the container"))?;
    let root = crate::apply::root_entries(&absolute("/")?)
        .map_err(|error| Failure::from(Problem::of(&error).at("/")))?;
    let around = joiner(&id)?;
    let is_root = facts.map_or(around.is_root, |facts| facts.caller.uid == 0);
    let seccomp = file_of(options, OptId::Seccomp).map(read_seccomp).transpose()?;
    Ok(Surroundings { is_root, root, seccomp, last_capability: last, ..around })
}

/// Of one who joins a container, which has a root and a name.
pub(super) fn joiner(id: &ContainerId) -> Result<Surroundings, Failure> {
    Ok(Surroundings {
        is_root: nix::unistd::geteuid().is_root(),
        root: Vec::new(),
        cwd: absolute(".")?,
        env: environment(),
        id: id.clone(),
        window: window(),
        seccomp: None,
        last_capability: None,
    })
}

/// What of the environment is text.
pub(super) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Size of the terminal on standard input.
pub(super) fn window() -> Option<ConsoleSize> {
    crate::apply::window_size(std::io::stdin().as_fd())
}

/// The option that counts: the last.
fn file_of(options: &[Given], id: OptId) -> Option<&str> {
    options.iter().rev().find(|given| given.opt.id == id).map(Given::text)
}

fn last_capability() -> Option<u8> {
    let text = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok()?;
    text.trim().parse().ok()
}
