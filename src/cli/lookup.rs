//! Finds verbs and options by name in the tables, and the nearest one for a name that is in none.
//!
//! Pure.

use super::args::{Given, usage};
use super::report::Failure;
use super::spec::{Opt, Takes, Tool, Verb};

pub(super) fn find_verb<I>(
    tool: &'static Tool<I>,
    name: &str,
) -> Result<&'static Verb<I>, Failure> {
    tool.verb(name).ok_or_else(|| {
        let (own, runs) = (tool.name, tool.runs);
        let hint = match nearest(name, tool.verb_names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                format!("`{own} {runs} {name} …` runs a command; `{own} help` lists all verbs")
            }
        };
        usage(format!("`{name}`: no such verb"), hint)
    })
}

fn options<I>(
    tool: &'static Tool<I>,
    verb: Option<&'static Verb<I>>,
) -> impl Iterator<Item = &'static Opt> {
    let globals = verb.is_none().then_some(tool.global);
    let globals = globals.into_iter().flat_map(|group| group.options);
    verb.into_iter().flat_map(|verb| tool.options(verb)).chain(globals)
}

pub(super) fn find_long<I>(
    tool: &'static Tool<I>,
    name: &str,
    verb: Option<&'static Verb<I>>,
) -> Result<&'static Opt, Failure> {
    if let Some(opt) = options(tool, verb).find(|opt| opt.long == name) {
        return Ok(opt);
    }
    let alias = tool.aliases.iter().find(|(alias, _)| *alias == name);
    let real = alias.and_then(|(_, real)| options(tool, verb).find(|opt| opt.long == *real));
    real.ok_or_else(|| unknown_option(tool, &format!("--{name}"), name, verb))
}

pub(super) fn find_short<I>(
    tool: &'static Tool<I>,
    letter: char,
    verb: Option<&'static Verb<I>>,
) -> Result<&'static Opt, Failure> {
    options(tool, verb)
        .find(|opt| opt.short == Some(letter))
        .ok_or_else(|| unknown_option(tool, &format!("-{letter}"), "", verb))
}

fn unknown_option<I>(
    tool: &'static Tool<I>,
    spelled: &str,
    name: &str,
    verb: Option<&'static Verb<I>>,
) -> Failure {
    let own = tool.name;
    let home = |wanted: &str| {
        let has = |verb: &&Verb<I>| tool.options(verb).any(|opt| opt.long == wanted);
        tool.verbs.iter().find(has)
    };
    let foreign = tool.foreign.iter().find(|(foreign, _)| *foreign == name);
    let foreign = foreign.filter(|_| verb.is_some_and(|verb| tool.foreign_in.contains(&verb.name)));
    let near = nearest(name, options(tool, verb).map(|opt| opt.long));
    let hint = match (foreign, near, home(name), verb) {
        (Some((_, hint)), ..) => (*hint).to_owned(),
        (_, _, Some(home), None) => {
            format!("it belongs after a verb: {own} {} {spelled}", home.name)
        }
        (_, Some(near), ..) => format!("did you mean `--{near}`?"),
        (_, _, Some(home), _) => format!("`{own} {}` has it", home.name),
        (.., Some(verb)) => format!("`{own} help {}` lists all options", verb.name),
        (.., None) => format!("`{own} help` lists all verbs"),
    };
    let text = match verb {
        Some(verb) => format!("{spelled}: no such option of `{}`", verb.name),
        None => format!("{spelled}: no such option"),
    };
    usage(text, hint)
}

pub(super) fn missing_value(opt: &'static Opt, short: bool) -> Failure {
    let name = Given { opt, value: None, short };
    let expected = match opt.takes {
        Takes::Value(value) => value.name,
        Takes::Nothing | Takes::Maybe(_) => "",
    };
    usage(format!("{name}: a value is missing"), format!("{name} {expected}"))
}

pub(super) fn lexical<I>(
    tool: &'static Tool<I>,
    error: &lexopt::Error,
    verb: Option<&'static Verb<I>>,
) -> Failure {
    let own = tool.name;
    let hint = match verb {
        Some(verb) => format!("`{own} help {}` lists all options", verb.name),
        None => format!("`{own} help` lists all verbs"),
    };
    match error {
        lexopt::Error::UnexpectedValue { option, value } => {
            let value = value.to_string_lossy();
            usage(format!("{option}={value}: {option} takes no value"), hint)
        }
        other => usage(other.to_string(), hint),
    }
}

/// The name that differs from `word` least, if a slip of the fingers explains the difference.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.len() / 3).min(3);
    names
        .map(|name| (distance(word, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed or replaced to turn `a` into `b`; swapped neighbours count one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = core::mem::replace(&mut row, next);
    }
    row[b.len()]
}
