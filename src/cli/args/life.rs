//! The words of the verbs of a container's life, understood.
//!
//! Pure.

use super::super::life::{Create, Life, LogFile};
use super::super::options::OptId;
use super::super::report::Failure;
use super::super::words::take_switch;
use super::running::preserve_fds;
use super::{Given, container_id, take, usage};

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

/// `--log` and `--log-format`.
pub(super) fn log(given: &mut Vec<Given>) -> Result<Option<LogFile>, Failure> {
    let format = take(given, OptId::LogFormat);
    let is_json = match format.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            let text = format!("--log-format {other}: unknown form");
            return Err(usage(text, "there are `text` and `json`"));
        }
    };
    Ok(take(given, OptId::Log).map(|file| LogFile { file, is_json }))
}
