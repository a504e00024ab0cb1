//! The words of `plan` and `config`, understood.
//!
//! Pure.

use super::super::options::OptId;
use super::super::report::Failure;
use super::{Action, Given, Subject, take, take_switch, usage};

pub(super) fn plan(mut given: Vec<Given>, command: Vec<String>) -> Result<Action, Failure> {
    let host = take(&mut given, OptId::Host);
    let file = take(&mut given, OptId::ConfigFile);
    let bundle = take(&mut given, OptId::Bundle);
    let json = take_switch(&mut given, OptId::Json);
    let subject = match (file, bundle) {
        (None, None) if command.is_empty() => {
            let hint = "give --config FILE, --bundle DIR, or a command as for `nsplan do`";
            return Err(usage("plan: nothing to plan".into(), hint));
        }
        (None, None) => Subject::Sandbox(given),
        (Some(_), Some(_)) => {
            let hint = "a bundle's configuration is its config.json or container.json";
            return Err(usage("--config and --bundle exclude each other".into(), hint));
        }
        (file, bundle) => {
            if let Some(other) = given.first() {
                let text = format!("{other}: not together with --config or --bundle");
                return Err(usage(text, "the configuration file says it all"));
            }
            match file {
                Some(file) => Subject::File(file),
                None => Subject::Bundle(bundle.unwrap_or_default()),
            }
        }
    };
    Ok(Action::Plan { subject, command, json, host })
}

pub(super) fn is_libcontainer(given: &[Given]) -> Result<bool, Failure> {
    match given.last() {
        None => Ok(false),
        Some(format) => match format.text() {
            "canonical" => Ok(false),
            "libcontainer" => Ok(true),
            _ => Err(usage(
                format!("{format}: unknown form"),
                "there are `canonical` and `libcontainer`",
            )),
        },
    }
}
