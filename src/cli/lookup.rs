//! Finds verbs and options by name in the tables, and the nearest one for a name that is in none.
//!
//! Pure.

use super::args::{Given, usage};
use super::options::GLOBAL;
use super::report::Failure;
use super::spec::{Opt, Takes, Verb, VerbId};
use super::verbs::{ALIASES, FOREIGN, VERBS};

pub(super) fn find_verb(name: &str) -> Result<&'static Verb, Failure> {
    Verb::named(name).ok_or_else(|| {
        let names = VERBS.iter().map(|verb| verb.name);
        let hint = match nearest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("`nsplan do {name} …` runs a command; `nsplan help` lists all verbs"),
        };
        usage(format!("`{name}`: no such verb"), hint)
    })
}

fn options(verb: Option<&'static Verb>) -> impl Iterator<Item = &'static Opt> {
    let globals = verb.is_none().then_some(&GLOBAL);
    let globals = globals.into_iter().flat_map(|group| group.options);
    verb.into_iter().flat_map(Verb::options).chain(globals)
}

pub(super) fn find_long(name: &str, verb: Option<&'static Verb>) -> Result<&'static Opt, Failure> {
    if let Some(opt) = options(verb).find(|opt| opt.long == name) {
        return Ok(opt);
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let real = alias.and_then(|(_, real)| options(verb).find(|opt| opt.long == *real));
    real.ok_or_else(|| unknown_option(&format!("--{name}"), name, verb))
}

pub(super) fn find_short(
    letter: char,
    verb: Option<&'static Verb>,
) -> Result<&'static Opt, Failure> {
    options(verb)
        .find(|opt| opt.short == Some(letter))
        .ok_or_else(|| unknown_option(&format!("-{letter}"), "", verb))
}

fn unknown_option(spelled: &str, name: &str, verb: Option<&'static Verb>) -> Failure {
    let home = |wanted: &str| {
        let has = |verb: &&Verb| verb.options().any(|opt| opt.long == wanted);
        VERBS.iter().find(has)
    };
    let foreign = FOREIGN.iter().find(|(foreign, _)| *foreign == name);
    let hint = match (verb, foreign) {
        (Some(Verb { id: VerbId::Do | VerbId::Plan, .. }), Some((_, hint))) => (*hint).to_owned(),
        _ => match (nearest(name, options(verb).map(|opt| opt.long)), home(name), verb) {
            (_, Some(home), None) => {
                format!("it belongs after a verb: nsplan {} {spelled}", home.name)
            }
            (Some(near), ..) => format!("did you mean `--{near}`?"),
            (_, Some(home), _) => format!("`nsplan {}` has it", home.name),
            (None, None, Some(verb)) => format!("`nsplan help {}` lists all options", verb.name),
            (None, None, None) => "`nsplan help` lists all verbs".to_owned(),
        },
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

pub(super) fn lexical(error: &lexopt::Error, verb: Option<&'static Verb>) -> Failure {
    let hint = match verb {
        Some(verb) => format!("`nsplan help {}` lists all options", verb.name),
        None => "`nsplan help` lists all verbs".to_owned(),
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
