//! Turns the tables into the text of `--help`.
//!
//! Pure.

use core::fmt::Write as _;

use super::spec::{Group, Opt, Takes, Tool, Verb};
use crate::config::OCI_VERSION;

/// Where the help of an option begins.
const COLUMN: usize = 30;
/// Where the meaning of an example begins.
const EXAMPLE: usize = 46;
/// Where lines end.
const WIDTH: usize = 80;

/// The text of `help`, or of `help VERB`.
#[must_use]
pub fn help<I>(tool: &'static Tool<I>, verb: Option<&Verb<I>>) -> String {
    verb.map_or_else(|| overview(tool), |verb| of_verb(tool, verb))
}

/// The text of `--version` of an OCI runtime: the three lines by which engines know one. The commit is what the build was
/// told in `NSPLAN_COMMIT`.
#[must_use]
pub fn runtime_version(name: &str) -> String {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), option_env!("NSPLAN_COMMIT"));
    let commit = commit.unwrap_or("unknown");
    format!("{name} version {version}\ncommit: {commit}\nspec: {OCI_VERSION}\n")
}

/// The text of `--version`.
#[must_use]
pub fn version(name: &str) -> String {
    format!("{name} {}\n", env!("CARGO_PKG_VERSION"))
}

fn overview<I>(tool: &'static Tool<I>) -> String {
    let name = tool.name;
    let mut text =
        format!("{name} {}.\n\nUsage: {name} VERB [OPTIONS] …\n\nExamples:\n", tool.summary);
    for (command, meaning) in tool.examples {
        row(&mut text, &format!("  {name} {command}"), meaning, 30);
    }
    text.push_str("\nVerbs:\n");
    for verb in tool.verbs {
        row(&mut text, &format!("  {}", verb.name), verb.summary, 16);
    }
    group(&mut text, tool.global);
    text.push_str("\nExit codes:\n");
    for (code, meaning) in tool.exit_codes {
        row(&mut text, &format!("  {code}"), meaning, 16);
    }
    row(&mut text, "  other", "the program's own", 16);
    text
}

fn of_verb<I>(tool: &'static Tool<I>, verb: &Verb<I>) -> String {
    let name = tool.name;
    let mut text = format!("{name} {}: {}\n\n", verb.name, verb.summary);
    for (at, form) in verb.usage.iter().enumerate() {
        let word = if at == 0 { "Usage: " } else { "       " };
        let line = format!("{word}{name} {} {form}", verb.name);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if !verb.examples.is_empty() {
        text.push_str("\nExamples:\n");
    }
    for (command, meaning) in verb.examples {
        let line = format!("  {name} {command}");
        if line.chars().count() + 2 > EXAMPLE {
            let _ = writeln!(text, "{line}\n{:EXAMPLE$}{meaning}", "");
        } else {
            let _ = writeln!(text, "{line:EXAMPLE$}{meaning}");
        }
    }
    for paragraph in verb.about {
        text.push('\n');
        wrap(&mut text, paragraph, 0, 0);
    }
    for options in verb.groups.iter().copied().chain([tool.global]) {
        group(&mut text, options);
    }
    if tool.options(verb).any(is_many) {
        text.push_str("\nOptions marked … may be given again and add up.\n");
    }
    text
}

fn is_many(opt: &Opt) -> bool {
    matches!(opt.takes, Takes::Value(value) if value.many)
}

fn group(text: &mut String, group: &Group) {
    let _ = write!(text, "\n{}:\n", group.title);
    for opt in group.options {
        row(text, &left(opt), opt.help, COLUMN);
    }
}

/// An option with its letter and its value: `  -m, --memory SIZE`.
fn left(opt: &Opt) -> String {
    let mut left = match opt.short {
        Some(letter) => format!("  -{letter}, --{}", opt.long),
        None => format!("      --{}", opt.long),
    };
    left.push_str(&value_form(opt));
    if is_many(opt) {
        left.push_str(" …");
    }
    left
}

/// The value as it is written after the option's long name.
pub(super) fn value_form(opt: &Opt) -> String {
    match opt.takes {
        Takes::Nothing => String::new(),
        Takes::Value(value) => format!(" {}", value.name),
        Takes::Maybe(name) => format!("[={name}]"),
    }
}

/// Two columns; a long left one stands on a line of its own.
fn row(text: &mut String, left: &str, right: &str, column: usize) {
    let width = left.chars().count();
    text.push_str(left);
    if width + 2 > column {
        text.push('\n');
        wrap(text, right, column, 0);
    } else {
        text.extend(core::iter::repeat_n(' ', column - width));
        wrap(text, right, column, column);
    }
}

/// Writes words up to the width, each line but a started one indented.
fn wrap(text: &mut String, words: &str, indent: usize, started: usize) {
    let mut at = started;
    for word in words.split_whitespace() {
        let width = word.chars().count();
        if at > indent && at + 1 + width > WIDTH {
            text.push('\n');
            at = 0;
        }
        if at < indent {
            text.extend(core::iter::repeat_n(' ', indent - at));
            at = indent;
        } else if at > indent {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += width;
    }
    text.push('\n');
}
