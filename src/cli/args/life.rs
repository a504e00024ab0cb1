//! The words of the verbs of a container's life, understood.
//!
//! Pure.

use super::super::life::{Create, Life};
use super::super::options::OptId;
use super::super::report::Failure;
use super::super::words::take_switch;
use super::running::preserve_fds;
use super::{Given, container_id, take};

pub(super) fn create(mut given: Vec<Given>, words: Vec<String>) -> Result<Life, Failure> {
    Ok(Life::Create(asked(&mut given, words)?))
}

pub(super) fn run(mut given: Vec<Given>, words: Vec<String>) -> Result<Life, Failure> {
    let detach = take_switch(&mut given, OptId::RunDetach);
    Ok(Life::Run { asked: asked(&mut given, words)?, detach })
}

/// The first word is the name, the others are a command.
fn asked(given: &mut Vec<Given>, mut words: Vec<String>) -> Result<Create, Failure> {
    Ok(Create {
        id: container_id(&words.remove(0))?,
        bundle: take(given, OptId::CreateBundle).unwrap_or_else(|| ".".into()),
        command: words,
        pid_file: take(given, OptId::PidFile),
        console_socket: take(given, OptId::ConsoleSocket),
        pidfd_socket: take(given, OptId::PidfdSocket),
        preserve_fds: preserve_fds(given)?,
        no_pivot: take_switch(given, OptId::NoPivot),
        no_new_keyring: take_switch(given, OptId::NoNewKeyring),
    })
}
