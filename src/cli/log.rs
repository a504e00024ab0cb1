//! Where and how it is said what went wrong: standard error, and the file that engines read.
//!
//! An engine that starts a runtime reads its last line of level `error`: containerd decodes the file entry by entry,
//! podman takes the whole file for one, so that a failure is one line however many problems it has.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::time::SystemTime;

use serde::Serialize;

use super::clock::rfc3339;
use super::report::{Failure, Problem};

/// What `--log` and `--log-format` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The file; without one everything is said on standard error.
    pub file: Option<String>,
    /// Lines of JSON instead of text.
    pub json: bool,
}

/// Where lines go.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<File>,
    json: bool,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Said only when asked for.
    Debug,
    /// The command could not do what it was asked for.
    Error,
}

/// One line.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    level: Level,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    hint: &'a str,
    time: &'a str,
}

impl Log {
    /// Opens the file that the options name, to be written to behind what is in it.
    ///
    /// # Errors
    /// When it cannot be opened: what goes wrong would be said to nobody.
    pub fn open(options: &LogOptions) -> Result<Self, Failure> {
        let open = |path: &String| {
            let opened = OpenOptions::new().append(true).create(true).open(path);
            opened.map_err(|error| Problem::of(&error).at(format!("--log {path}")))
        };
        let file = options.file.as_ref().map(open).transpose()?;
        Ok(Self { file, json: options.json })
    }

    /// Says what went wrong. A person reads standard error, so it is said there in any case; where that, or the file, takes
    /// nothing any more there is nobody to tell.
    pub fn failure(&self, failure: &Failure) {
        if self.file.is_some() || self.json {
            self.line(Level::Error, &failure.line(), &failure.hints());
        }
        if self.file.is_some() || !self.json {
            let _ = write!(std::io::stderr().lock(), "{failure}");
        }
    }

    /// Says more than was needed: to the file where there is one, as it is to standard error otherwise.
    pub fn debug(&self, text: &str) {
        if self.file.is_none() && !self.json {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            return;
        }
        for line in text.lines() {
            self.line(Level::Debug, line, "");
        }
    }

    fn line(&self, level: Level, msg: &str, hint: &str) {
        let text = entry(level, (msg, hint), self.json, SystemTime::now());
        // One write: of two commands with one file neither cuts the other's line in two.
        let _ = match self.file.as_ref() {
            Some(mut file) => file.write_all(text.as_bytes()),
            None => std::io::stderr().lock().write_all(text.as_bytes()),
        };
    }
}

/// A line in the form of logrus, which runc writes and engines read.
#[must_use]
pub fn entry(level: Level, (msg, hint): (&str, &str), json: bool, now: SystemTime) -> String {
    let time = rfc3339(now);
    if json {
        let entry = Entry { level, msg, hint, time: &time };
        // Texts only: serialising cannot fail.
        return serde_json::to_string(&entry).unwrap_or_default() + "\n";
    }
    let level = match level {
        Level::Debug => "debug",
        Level::Error => "error",
    };
    let hint = if hint.is_empty() { String::new() } else { format!(" hint={hint:?}") };
    format!("time={time:?} level={level} msg={msg:?}{hint}\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_line_has_the_members_that_engines_read() {
        let now = UNIX_EPOCH + Duration::from_secs(1_764_104_700);
        let json = entry(Level::Error, ("a \"b\"\nc", ""), true, now);
        assert_eq!(
            json,
            "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\nc\",\"time\":\"2025-11-25T21:05:00Z\"}\n"
        );
        let text = entry(Level::Error, ("a \"b\"", "do c"), false, now);
        assert_eq!(
            text,
            "time=\"2025-11-25T21:05:00Z\" level=error msg=\"a \\\"b\\\"\" hint=\"do c\"\n"
        );
    }
}
