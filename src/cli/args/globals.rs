//! The options that stand before a verb in the words of engines, understood.
//!
//! Pure.

use std::ffi::OsString;

use super::super::log::LogOptions;
use super::super::options::OptId;
use super::super::report::Failure;
use super::{Given, take, usage};

pub(super) fn log(given: &mut Vec<Given>) -> Result<LogOptions, Failure> {
    let file = take(given, OptId::Log).filter(|file| !file.is_empty());
    let json = match take(given, OptId::LogFormat).as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            let text = format!("--log-format {other}: unknown form");
            return Err(usage(text, "there are `text` and `json`"));
        }
    };
    Ok(LogOptions { file, json })
}

pub(super) fn rootless(given: &mut Vec<Given>) -> Result<Option<bool>, Failure> {
    match take(given, OptId::Rootless).as_deref() {
        None | Some("auto") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => {
            let text = format!("--rootless {other}: unknown form");
            Err(usage(text, "there are `true`, `false` and `auto`"))
        }
    }
}

/// What words that are not understood as a whole say about the log, before the first that is no option or its value.
#[must_use]
pub fn log_of(words: Vec<OsString>) -> LogOptions {
    let mut options = LogOptions::default();
    let mut words = words.into_iter().filter_map(|word| word.into_string().ok());
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) else { break };
        let (name, mut value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        if value.is_none() && matches!(name, "log" | "log-format" | "root" | "rootless") {
            value = words.next();
        }
        match name {
            "log" => options.file = value,
            "log-format" => options.json = value.as_deref() == Some("json"),
            _ => {}
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_found_among_words_that_are_not_understood() {
        let of = |line: &str| log_of(line.split(' ').map(OsString::from).collect());
        let wanted = LogOptions { file: Some("/l".into()), json: true };
        for line in [
            "--root /r --log /l --log-format json fly --away x",
            "--log=/l --log-format=json --strange create",
        ] {
            assert_eq!(of(line), wanted, "{line}");
        }
        assert_eq!(of("do --log /l x"), LogOptions::default());
    }
}
