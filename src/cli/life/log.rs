//! What went wrong becomes the lines of a log that engines read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::SystemTime;

use serde_json::json;

use super::timestamp;
use crate::cli::report::Failure;

/// Where it is written, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The file, to which is appended.
    pub file: String,
    /// Whether each line is an object of JSON with `level`, `msg` and `time`.
    pub is_json: bool,
}

impl LogFile {
    /// Appends a failure as one line. There is nobody to tell when the file cannot be written.
    pub fn report(&self, failure: &Failure) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = timestamp(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let line = self.line(failure, &time);
        let file = OpenOptions::new().append(true).create(true).open(&self.file);
        // One write: other commands append to the same file.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }

    fn line(&self, failure: &Failure, time: &str) -> String {
        let problems = failure.problems.iter();
        let texts = problems.map(|problem| {
            let causes = problem.causes.iter().map(|cause| format!(": {cause}"));
            problem.text.clone() + &causes.collect::<String>()
        });
        let message = texts.collect::<Vec<_>>().join("; ");
        if self.is_json {
            format!("{}\n", json!({"level": "error", "msg": message, "time": time}))
        } else {
            format!("time={time:?} level=error msg={message:?}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::report::Problem;

    #[test]
    fn a_line_is_what_engines_read() {
        let failure = Failure::from(Problem::new("container `x` does \"not\" exist").hint("none"));
        let log = |is_json| LogFile { file: String::new(), is_json };
        assert_eq!(
            log(true).line(&failure, "2026-01-02T03:04:05.678Z"),
            "{\"level\":\"error\",\"msg\":\"container `x` does \\\"not\\\" exist\",\"time\":\"2026-01-02T03:04:05.678Z\"}\n"
        );
        assert_eq!(
            log(false).line(&failure, "2026-01-02T03:04:05.678Z"),
            "time=\"2026-01-02T03:04:05.678Z\" level=error msg=\"container `x` does \\\"not\\\" exist\"\n"
        );
    }
}
