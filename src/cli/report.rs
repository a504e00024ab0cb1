//! Turns what went wrong into the lines a user reads: `nsplan: PLACE: what`, its causes, `hint:` lines.
//!
//! Pure, but that the program's name is set once. A refusal of the planner is said in the user's own words: the option, or the place in the file.

use core::fmt;
use std::sync::OnceLock;

use crate::config::{Origin, SourceMap, from_oci};
use crate::plan::PlanError;
use crate::types::{HostPath, Pointer};

/// nsplan itself failed.
pub const EXIT_OWN: u8 = 125;
/// The program was found but could not be executed.
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
pub const EXIT_NOT_FOUND: u8 = 127;

static SPEAKER: OnceLock<&str> = OnceLock::new();

/// Puts `name` in front of what is reported from here on, `nsplan` otherwise; the first one stays. For `main`.
pub fn speak_as(name: &'static str) {
    let _ = SPEAKER.set(name);
}

fn speaker() -> &'static str {
    SPEAKER.get().copied().unwrap_or("nsplan")
}

/// Why a request could not be carried out: every problem, and the exit code it ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: u8,
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One line: the user's words first, no period.
    pub text: String,
    /// What it comes from, outermost first; none repeats the line before.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Problem {
    /// A problem by its line.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// The problem an error and its sources stand for.
    #[must_use]
    pub fn of(error: &dyn core::error::Error) -> Self {
        let mut problem = Self::new(error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            problem.causes.push(cause.to_string());
            source = cause.source();
        }
        problem
    }

    /// With a hint; an empty one is none.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !hint.is_empty() {
            self.hints.push(hint);
        }
        self
    }

    /// With `place` in front.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.text = format!("{place}: {}", self.text);
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { exit: EXIT_OWN, problems: vec![problem] }
    }
}

impl Failure {
    /// Every problem in one line, without hints.
    #[must_use]
    pub fn line(&self) -> String {
        let problems = self.problems.iter().map(|problem| {
            let causes = problem.causes.iter().map(|cause| format!(": {cause}"));
            problem.text.clone() + &causes.collect::<String>()
        });
        problems.collect::<Vec<_>>().join("; ")
    }

    /// What to do about them, in one line.
    #[must_use]
    pub fn hints(&self) -> String {
        let hints = self.problems.iter().flat_map(|problem| &problem.hints);
        hints.map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            write!(f, "{}: {}", speaker(), Visible(&problem.text))?;
            for cause in &problem.causes {
                write!(f, ": {}", Visible(cause))?;
            }
            writeln!(f)?;
            for hint in &problem.hints {
                writeln!(f, "  hint: {}", Visible(hint))?;
            }
        }
        Ok(())
    }
}

impl core::error::Error for Failure {}

/// Text on its way to a terminal: control characters, which could move the cursor or forge a line, are escaped.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

/// What a config was made from, to say where its parts come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// From places in the config to the user's own words.
    pub map: SourceMap,
    /// The file, when there is one.
    pub file: Option<String>,
    /// What the file says, and the directory it is in, if the map is to be made of it when it is asked for: a start that
    /// works says nothing of its words.
    pub(super) unread: Option<(Vec<u8>, HostPath)>,
}

impl Sources {
    /// The user's own words for a part of the config.
    #[must_use]
    pub fn place(&self, pointer: &Pointer) -> String {
        let unread = self.unread.as_ref();
        let read = unread.and_then(|(text, base)| Some(from_oci(text, base).ok()?.source));
        let map = read.as_ref().unwrap_or(&self.map);
        match (map.find(pointer), &self.file) {
            (Some(origin @ Origin::File { .. }), Some(file)) => format!("{file}:{origin}"),
            (Some(origin), _) => origin.to_string(),
            (None, Some(file)) => format!("{file}: {pointer}"),
            (None, None) => pointer.to_string(),
        }
    }

    /// All refusals of the planner as one failure; `hint` knows what to do about some.
    #[must_use]
    pub fn refusals(
        &self,
        errors: &[PlanError],
        hint: impl Fn(&PlanError) -> Option<String>,
    ) -> Failure {
        let problem = |error: &PlanError| {
            Problem::new(error.refusal.to_string())
                .at(self.place(&error.origin))
                .hint(hint(error).unwrap_or_default())
        };
        let mut problems: Vec<Problem> = errors.iter().map(problem).collect();
        // One option can fill several places of the config, and be refused at each for the same reason.
        problems.dedup();
        Failure { exit: EXIT_OWN, problems }
    }
}
