//! The words of the verbs of a container's life, understood.
//!
//! Pure.

use super::super::life::{Create, Life};
use super::super::options::OptId;
use super::super::report::Failure;
use super::super::words::take_switch;
use super::running::preserve_fds;
use super::{Given, container_id, take};

pub(super) fn create(mut given: Vec<Given>, words: &[String]) -> Result<Life, Failure> {
    let create = Create {
        id: container_id(&words[0])?,
        bundle: take(&mut given, OptId::CreateBundle).unwrap_or_else(|| ".".into()),
        pid_file: take(&mut given, OptId::PidFile),
        console_socket: take(&mut given, OptId::ConsoleSocket),
        preserve_fds: preserve_fds(&mut given)?,
        no_pivot: take_switch(&mut given, OptId::NoPivot),
        no_new_keyring: take_switch(&mut given, OptId::NoNewKeyring),
    };
    Ok(Life::Create(create))
}
