//! Decides what is executed: candidates on the `PATH`, arguments, environment, working directory.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::Refusal;
use super::model::Step;
use super::op::{Op, ProcessOp};
use super::privileges::ExecUser;
use crate::config::Process;

/// Where a program without a slash is looked for when the environment has no `PATH`, `execvp(3)`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

pub(super) fn execute(draft: &mut Draft<'_>, process: &Process, user: &ExecUser) -> Option<Step> {
    let origin = at("/process/args");
    let Some(program) = process.args.first().filter(|program| !program.is_empty()) else {
        draft.refuse(&origin, Refusal::NoProgram);
        return None;
    };
    for (index, argument) in process.args.iter().enumerate() {
        draft.check_nul(&origin.index(index), argument);
    }
    for (index, variable) in process.env.iter().enumerate() {
        let origin = at("/process/env").index(index);
        draft.check_nul(&origin, &variable.name);
        draft.check_nul(&origin, &variable.value);
    }
    let op = ProcessOp::Execute {
        candidates: candidates(program, process),
        args: process.args.clone(),
        env: environment(process, user),
    };
    Some(step(Op::Process(op), &origin))
}

/// The places a program is looked for, in order. An empty part of `PATH` means the working directory.
fn candidates(program: &str, process: &Process) -> Vec<String> {
    if program.contains('/') {
        return vec![program.into()];
    }
    let path = last(process, "PATH").unwrap_or(DEFAULT_PATH);
    path.split(':')
        .map(|directory| match directory {
            "" => format!("./{program}"),
            directory => format!("{}/{program}", directory.trim_end_matches('/')),
        })
        .collect()
}

fn last<'a>(process: &'a Process, name: &str) -> Option<&'a str> {
    let mut found = process.env.iter().filter(|variable| variable.name == name);
    found.next_back().map(|variable| variable.value.as_str())
}

/// The variables in order, of several with one name only the last; `HOME` at the end when it is missing or empty.
fn environment(process: &Process, user: &ExecUser) -> Vec<String> {
    let mut env = Vec::new();
    for (index, variable) in process.env.iter().enumerate() {
        let is_last = process.env[index + 1..].iter().all(|later| later.name != variable.name);
        let is_empty_home = variable.name == "HOME" && variable.value.is_empty();
        if is_last && !is_empty_home {
            env.push(format!("{}={}", variable.name, variable.value));
        }
    }
    if last(process, "HOME").is_none_or(str::is_empty) {
        let home = user.home.as_deref().unwrap_or("/");
        env.push(format!("HOME={home}"));
    }
    env
}
