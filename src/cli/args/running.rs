//! The words of the verbs about running containers, understood.
//!
//! Pure.

use std::time::Duration;

use super::super::events::Watch;
use super::super::exec::Exec;
use super::super::options::OptId;
use super::super::report::Failure;
use super::super::running::Query;
use super::super::units::Span;
use super::super::update::Change;
use super::super::words::take_switch;
use super::{Action, Given, container_id, take, usage};
use crate::types::Signal;

pub(super) fn exec(mut given: Vec<Given>, mut words: Vec<String>) -> Result<Action, Failure> {
    let pid_file = take(&mut given, OptId::PidFile);
    let console_socket = take(&mut given, OptId::ConsoleSocket);
    let pidfd_socket = take(&mut given, OptId::PidfdSocket);
    let process = take(&mut given, OptId::ProcessFile);
    let preserve_fds = preserve_fds(&mut given)?;
    let detach = take_switch(&mut given, OptId::Detach);
    let (cgroups, mut given): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|given| given.opt.id == OptId::SubCgroup);
    let ignore_paused = take_switch(&mut given, OptId::IgnorePaused);
    let id = container_id(&words.remove(0))?;
    match &process {
        None if words.is_empty() => {
            let hint = "usage: nsplan exec [OPTIONS] ID COMMAND [ARGUMENT…]";
            return Err(usage("exec: a command is missing".into(), hint));
        }
        Some(_) if !words.is_empty() => {
            let hint = "a process file says what is run";
            return Err(usage("--process and a command exclude each other".into(), hint));
        }
        _ => {}
    }
    Ok(Action::Exec(Exec {
        id,
        options: given,
        command: words,
        process,
        cgroups,
        ignore_paused,
        detach,
        pid_file,
        console_socket,
        pidfd_socket,
        preserve_fds,
    }))
}

pub(super) fn preserve_fds(given: &mut Vec<Given>) -> Result<u16, Failure> {
    let Some(text) = take(given, OptId::PreserveFds) else { return Ok(0) };
    text.parse().map_err(|_| {
        let text = format!("--preserve-fds {text}: no such number of descriptors");
        usage(text, "expected a number from 0 to 65535")
    })
}

pub(super) fn events(mut given: Vec<Given>, words: &[String]) -> Result<Watch, Failure> {
    let interval = match take(&mut given, OptId::Interval) {
        None => Duration::from_secs(5),
        Some(text) => match text.parse::<Span>() {
            Ok(Span(interval)) if !interval.is_zero() => interval,
            _ => {
                let hint = "expected a time such as `5s` or `500ms`";
                return Err(usage(format!("--interval {text}: no such time"), hint));
            }
        },
    };
    Ok(Watch { id: container_id(&words[0])?, once: !given.is_empty(), interval })
}

pub(super) fn update(mut given: Vec<Given>, words: &[String]) -> Result<Change, Failure> {
    let resources = take(&mut given, OptId::Resources);
    if resources.is_none() && given.is_empty() {
        let hint = "`nsplan help update` lists all limits";
        return Err(usage("update: nothing to change".into(), hint));
    }
    Ok(Change { id: container_id(&words[0])?, resources, options: given })
}

pub(super) fn kill(given: &[Given], words: &[String]) -> Result<Query, Failure> {
    let signal = match words.get(1) {
        None => Signal::TERM,
        Some(text) => signal(text).ok_or_else(|| {
            let hint = "a name such as TERM or SIGTERM, or a number; see signal(7)";
            usage(format!("`{text}`: no such signal"), hint)
        })?,
    };
    let all = given.iter().any(|given| given.opt.id == OptId::KillAll);
    Ok(Query::Kill { id: container_id(&words[0])?, signal, all })
}

fn signal(text: &str) -> Option<Signal> {
    match text.parse() {
        Ok(number) => Signal::from_number(number),
        Err(_) => Signal::from_name(&text.to_ascii_uppercase()),
    }
}

pub(super) fn is_json(given: &[Given], id: OptId) -> Result<bool, Failure> {
    match given.iter().rev().find(|given| given.opt.id == id) {
        None => Ok(false),
        Some(format) => match format.text() {
            "table" => Ok(false),
            "json" => Ok(true),
            _ => Err(usage(format!("{format}: unknown form"), "there are `table` and `json`")),
        },
    }
}
