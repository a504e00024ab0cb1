//! Sorts the words of a command line by a program's tables: the verb, its options in order, its other words.
//!
//! Pure. What they mean together is the program's business.

use std::ffi::OsString;

use lexopt::Arg;

use super::args::{Given, usage};
use super::lookup::{find_long, find_short, find_verb, lexical, missing_value};
use super::options::OptId;
use super::report::Failure;
use super::spec::{Operands, Takes, Tool, Verb};
use super::verbs::SHELLS;

/// The words of a command line, sorted by the tables but not yet understood.
pub(super) struct Sorted<I: 'static> {
    pub(super) verb: Option<&'static Verb<I>>,
    pub(super) given: Vec<Given>,
    pub(super) words: Vec<String>,
    pub(super) version: bool,
}

/// Sorts words by a program's tables: the verb, its options in order, and its other words.
pub(super) fn sort<I>(tool: &'static Tool<I>, words: Vec<OsString>) -> Result<Sorted<I>, Failure> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut sorted = Sorted { verb: None, given: Vec::new(), words: Vec::new(), version: false };
    while let Some(arg) = parser.next().map_err(|error| lexical(tool, &error, sorted.verb))? {
        let (opt, short) = match arg {
            Arg::Long("version") | Arg::Short('V' | 'v') if sorted.verb.is_none() => {
                sorted.version = true;
                continue;
            }
            Arg::Long(name) => (find_long(tool, name, sorted.verb)?, false),
            Arg::Short(letter) => (find_short(tool, letter, sorted.verb)?, true),
            Arg::Value(word) => {
                let word = utf8(word)?;
                let Some(verb) = sorted.verb else {
                    sorted.verb = Some(find_verb(tool, &word)?);
                    continue;
                };
                sorted.words.push(word);
                if is_command(verb, sorted.words.len()) {
                    let rest =
                        parser.raw_args().map_err(|error| lexical(tool, &error, Some(verb)))?;
                    for word in rest {
                        sorted.words.push(utf8(word)?);
                    }
                }
                continue;
            }
        };
        let value = match opt.takes {
            Takes::Nothing => None,
            Takes::Maybe(_) => parser.optional_value(),
            Takes::Value(_) => {
                let value = parser.value();
                Some(value.map_err(|_| missing_value(opt, short))?)
            }
        };
        let value = value.map(utf8).transpose()?;
        sorted.given.push(Given { opt, value, short });
    }
    Ok(sorted)
}

/// Whether the word just read, the `count`-th, is the first of a command, or the last before words for another program.
fn is_command<I>(verb: &Verb<I>, count: usize) -> bool {
    match verb.operands {
        Operands::Command { before, .. } => count > before,
        Operands::Passed => true,
        Operands::Words { .. } => false,
    }
}

fn utf8(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| {
        let text = format!("`{}`: not valid UTF-8", word.to_string_lossy());
        usage(text, "configurations are JSON, which has no other text")
    })
}

/// Checks how many words there are beside the options.
pub(super) fn check_count<I>(
    tool: &'static Tool<I>,
    verb: &Verb<I>,
    words: &[String],
) -> Result<(), Failure> {
    let (least, most) = match verb.operands {
        Operands::Words { least, most } => (least, most),
        Operands::Command { before, required } => (before + usize::from(required), usize::MAX),
        Operands::Passed => (1, usize::MAX),
    };
    let form = || {
        let forms = verb.usage.iter().map(|form| format!("{} {} {form}", tool.name, verb.name));
        format!("usage: {}", forms.collect::<Vec<_>>().join(", or ").trim_end())
    };
    if words.len() < least {
        let what = match verb.operands {
            Operands::Command { before, .. } if words.len() >= before => "a command is missing",
            Operands::Command { .. } | Operands::Passed => "the container's ID is missing",
            Operands::Words { .. } => "a word is missing",
        };
        return Err(usage(format!("{}: {what}", verb.name), form()));
    }
    match words.get(most) {
        Some(extra) => Err(usage(format!("`{extra}`: one word too many"), form())),
        None => Ok(()),
    }
}

/// A shell that completions are made for.
pub(super) fn shell(name: &str) -> Result<&'static str, Failure> {
    SHELLS.iter().find(|shell| **shell == name).copied().ok_or_else(|| {
        let text = format!("`{name}`: no completions for this shell");
        usage(text, "there are some for bash, zsh and fish")
    })
}

/// Takes all of one option out; the last one counts.
pub(super) fn take(given: &mut Vec<Given>, id: OptId) -> Option<String> {
    let mut last = None;
    given.retain_mut(|given| {
        let keep = given.opt.id != id;
        if !keep {
            last = given.value.take();
        }
        keep
    });
    last
}

/// Takes all of a switch out; whether it was there.
pub(super) fn take_switch(given: &mut Vec<Given>, id: OptId) -> bool {
    let count = given.len();
    given.retain(|given| given.opt.id != id);
    given.len() < count
}
