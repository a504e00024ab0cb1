//! Turns members of JSON objects into typed values, each with the place it came from, and gathers what is refused.
//!
//! The rules of the format's own decoder hold for every key: a zero value (`null`, `false`, `0`, `""`) says the same as
//! no value, and a key matches without regard to case when none matches exactly. A key nobody asked for is refused.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Extra, Generation, Kept};
use crate::config::error::{ConfigError, Expected, Found, Problem};
use crate::config::json::{self, Member, Node, Value};
use crate::config::{Origin, SourceMap};
use crate::types::{HostPath, PathError, Pointer, RootPath};

/// What is known while one document is read.
pub(super) struct Door<'d> {
    pub(super) base: &'d HostPath,
    pub(super) generation: Generation,
    pub(super) source: SourceMap,
    pub(super) extra: Extra,
    pub(super) problems: Vec<ConfigError>,
}

/// A value and how it is reached.
#[derive(Clone)]
pub(super) struct At<'a> {
    pub(super) node: &'a Node<'a>,
    pub(super) pointer: Pointer,
}

/// A string that is not empty and holds no NUL.
#[derive(Clone)]
pub(super) struct Text<'a> {
    pub(super) at: At<'a>,
    pub(super) text: &'a str,
}

/// A number that is not zero.
#[derive(Clone)]
pub(super) struct Number<'a> {
    pub(super) at: At<'a>,
    pub(super) value: i128,
}

/// An object whose members are taken one by one.
pub(super) struct Fields<'a> {
    pub(super) at: At<'a>,
    members: &'a [Member<'a>],
    asked: Vec<&'static str>,
}

impl Door<'_> {
    /// Refuses the value at `at`.
    pub(super) fn refuse(&mut self, at: &At<'_>, problem: Problem) {
        self.problems.push(at.error(problem));
    }

    /// Refuses a value of the right type.
    pub(super) fn invalid(&mut self, found: &Text<'_>, expected: Expected) {
        let problem = Problem::Invalid { found: found.text.to_owned(), expected };
        self.refuse(&found.at, problem);
    }

    /// Refuses a value of the wrong type.
    pub(super) fn wrong(&mut self, at: &At<'_>, expected: Expected) {
        self.refuse(at, Problem::WrongType { found: at.found(), expected });
    }

    /// The one of two texts that is there; both is once too often.
    pub(super) fn one_of<'a>(
        &mut self,
        a: Option<Text<'a>>,
        b: Option<&Text<'a>>,
    ) -> Option<Text<'a>> {
        if let (Some(a), Some(_)) = (&a, b) {
            self.refuse(&a.at, Problem::Twice { found: a.text.to_owned() });
        }
        a.or_else(|| b.cloned())
    }

    /// Notes that the place `canonical` of the config was asked for at `at`.
    pub(super) fn note(&mut self, canonical: Pointer, at: &At<'_>) {
        self.source.insert(canonical, at.origin());
    }

    /// Notes that nobody asked for the place `canonical`.
    pub(super) fn note_default(&mut self, canonical: Pointer, name: &str) {
        self.source.insert(canonical, Origin::Default(name.to_owned()));
    }

    /// A non-empty string without NUL.
    pub(super) fn text_at<'a>(&mut self, at: At<'a>) -> Option<Text<'a>> {
        let Value::Text(text) = &at.node.value else {
            self.wrong(&at, Expected::Text);
            return None;
        };
        if text.contains('\0') {
            self.refuse(&at, Problem::Nul);
            return None;
        }
        if text.is_empty() { None } else { Some(Text { text, at }) }
    }

    /// A string of a list, where an empty one says nothing and is refused.
    pub(super) fn word_at<'a>(&mut self, at: At<'a>, expected: Expected) -> Option<Text<'a>> {
        if matches!(&at.node.value, Value::Text(text) if text.is_empty()) {
            self.refuse(&at, Problem::Invalid { found: String::new(), expected });
            return None;
        }
        self.text_at(at)
    }

    /// A number from `min` to `max`, or zero, which is `None`.
    pub(super) fn number_at<'a>(&mut self, at: At<'a>, min: i128, max: i128) -> Option<Number<'a>> {
        let Value::Number(text) = at.node.value else {
            self.wrong(&at, Expected::Number);
            return None;
        };
        if text.contains(['.', 'e', 'E']) {
            self.wrong(&at, Expected::Number);
            return None;
        }
        let value = text.parse().ok().filter(|&value| value == 0 || (min <= value && value <= max));
        match value {
            Some(0) => None,
            Some(value) => Some(Number { at, value }),
            None => {
                self.refuse(&at, Problem::OutOfRange { found: text.to_owned(), min, max });
                None
            }
        }
    }

    /// The elements of an array.
    pub(super) fn items_at<'a>(&mut self, at: &At<'a>) -> Vec<At<'a>> {
        let Value::List(items) = &at.node.value else {
            self.wrong(at, Expected::List);
            return Vec::new();
        };
        let element = |(index, node)| At { node, pointer: at.pointer.index(index) };
        items.iter().enumerate().map(element).collect()
    }

    /// The members of an object.
    pub(super) fn fields_at<'a>(&mut self, at: At<'a>) -> Option<Fields<'a>> {
        let Value::Object(members) = &at.node.value else {
            self.wrong(&at, Expected::Object);
            return None;
        };
        Some(Fields { at, members, asked: Vec::new() })
    }

    /// A path on the host that begins with `/`.
    pub(super) fn host_path(&mut self, text: &Text<'_>) -> Option<HostPath> {
        let path = HostPath::new(text.text);
        self.path(text, path)
    }

    /// A path inside the root; one without a leading `/` is joined to the root as the format always did.
    pub(super) fn root_path(&mut self, text: &Text<'_>) -> Option<RootPath> {
        let path = if text.text.starts_with('/') {
            RootPath::new(text.text)
        } else {
            RootPath::new(&(String::from("/") + text.text))
        };
        self.path(text, path)
    }

    pub(super) fn path<T>(&mut self, text: &Text<'_>, path: Result<T, PathError>) -> Option<T> {
        path.map_err(|error| self.refuse(&text.at, Problem::Path(error))).ok()
    }

    /// Keeps a value that has no effect, for writing it back at `seat` of the seed's form.
    pub(super) fn keep(&mut self, seat: Pointer, at: &At<'_>) {
        let kept = match &at.node.value {
            Value::Bool(value) => Kept::Flag(*value),
            Value::Text(text) => Kept::Text(text.as_ref().to_owned()),
            Value::Number(_) => {
                match self.number_at(at.clone(), i64::MIN.into(), i64::MAX.into()) {
                    Some(number) => Kept::Number(i64::try_from(number.value).unwrap_or_default()),
                    None => return,
                }
            }
            _ => return self.wrong(at, Expected::Plain),
        };
        if !kept.is_zero() {
            self.extra.without_effect.insert(seat, kept);
        }
    }
}

impl<'a> At<'a> {
    /// The document itself.
    pub(super) fn root(node: &'a Node<'a>) -> Self {
        At { node, pointer: Pointer::root() }
    }

    pub(super) fn origin(&self) -> Origin {
        let place = self.node.place;
        Origin::File { pointer: self.pointer.clone(), line: place.line, column: place.column }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.node.value, Value::Text(_))
    }

    fn error(&self, problem: Problem) -> ConfigError {
        let place = self.node.place;
        let pointer = self.pointer.clone();
        ConfigError { pointer, line: place.line, column: place.column, problem }
    }

    fn found(&self) -> Found {
        match &self.node.value {
            Value::Null => Found::Null,
            Value::Bool(value) => Found::Bool(*value),
            Value::Number(text) => Found::Number((*text).to_owned()),
            Value::Text(text) => Found::Text(text.as_ref().to_owned()),
            Value::List(_) => Found::List,
            Value::Object(_) => Found::Object,
        }
    }
}

impl<'a> Fields<'a> {
    /// The member that one of `keys` names, spellings separated by `|`; `None` when it is `null` or not there.
    pub(super) fn take(&mut self, door: &mut Door<'_>, keys: &'static str) -> Option<At<'a>> {
        let mut taken: Option<&Member<'_>> = None;
        for key in keys.split('|') {
            self.asked.push(key);
            for member in self.members.iter().filter(|member| member.key.eq_ignore_ascii_case(key))
            {
                match taken {
                    None => taken = Some(member),
                    // The same spelling twice has been reported for the whole document.
                    Some(first) if first.key == member.key => {}
                    Some(first) => door.problems.push(json::repeats(
                        member,
                        self.at.pointer.key(&member.key),
                        &first.key,
                        first.place,
                    )),
                }
            }
        }
        let member = taken?;
        let at = At { node: &member.node, pointer: self.at.pointer.key(&member.key) };
        if matches!(at.node.value, Value::Null) { None } else { Some(at) }
    }

    /// A string that is not empty.
    pub(super) fn text(&mut self, door: &mut Door<'_>, keys: &'static str) -> Option<Text<'a>> {
        let at = self.take(door, keys)?;
        door.text_at(at)
    }

    /// A string that has to be there.
    pub(super) fn required(&mut self, door: &mut Door<'_>, key: &'static str) -> Option<Text<'a>> {
        let at = self.take(door, key);
        let is_empty = |at: &At<'_>| matches!(&at.node.value, Value::Text(text) if text.is_empty());
        let Some(at) = at.filter(|at| !is_empty(at)) else {
            door.refuse(&self.at, Problem::Missing { key });
            return None;
        };
        door.text_at(at)
    }

    /// A number from `min` to `max`; zero is `None`.
    pub(super) fn number(
        &mut self,
        door: &mut Door<'_>,
        keys: &'static str,
        min: i128,
        max: i128,
    ) -> Option<Number<'a>> {
        let at = self.take(door, keys)?;
        door.number_at(at, min, max)
    }

    /// A number from zero to `max`, as the type that `max` has.
    pub(super) fn unsigned<T>(&mut self, door: &mut Door<'_>, keys: &'static str, max: T) -> T
    where
        T: Default + Into<i128> + TryFrom<i128>,
    {
        self.number(door, keys, 0, max.into())
            .and_then(|number| T::try_from(number.value).ok())
            .unwrap_or_default()
    }

    /// Where it says `true`.
    pub(super) fn flag(&mut self, door: &mut Door<'_>, keys: &'static str) -> Option<At<'a>> {
        let at = self.take(door, keys)?;
        match at.node.value {
            Value::Bool(value) => value.then_some(at),
            _ => {
                door.wrong(&at, Expected::Bool);
                None
            }
        }
    }

    /// The elements of an array.
    pub(super) fn items(&mut self, door: &mut Door<'_>, keys: &'static str) -> Vec<At<'a>> {
        self.take(door, keys).map_or_else(Vec::new, |at| door.items_at(&at))
    }

    /// The members of an object.
    pub(super) fn fields(&mut self, door: &mut Door<'_>, keys: &'static str) -> Option<Self> {
        let at = self.take(door, keys)?;
        door.fields_at(at)
    }

    /// Keeps members that have no effect below `seat`.
    pub(super) fn keep(&mut self, door: &mut Door<'_>, seat: &Pointer, keys: &[&'static str]) {
        for names in keys {
            if let Some(at) = self.take(door, names) {
                let name = names.split('|').next().unwrap_or(names);
                door.keep(seat.key(name), &at);
            }
        }
    }

    /// Lets the members that nobody took be: what they mean depends on one that was refused.
    pub(super) fn skip_rest(&mut self) {
        self.members = &[];
    }

    /// Refuses the members that nobody took.
    pub(super) fn finish(self, door: &mut Door<'_>) {
        for member in self.members {
            if self.asked.iter().any(|key| member.key.eq_ignore_ascii_case(key)) {
                continue;
            }
            let key = member.key.as_ref().to_owned();
            let nearest = nearest(&key, &self.asked);
            door.problems.push(ConfigError {
                pointer: self.at.pointer.key(&key),
                line: member.place.line,
                column: member.place.column,
                problem: Problem::UnknownKey { key, nearest },
            });
        }
    }
}

/// The known key that is fewest edits away, if that is few enough to be a slip.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    let lower = key.to_ascii_lowercase();
    let within = |known: &&'static str| known.len().abs_diff(lower.len()) <= MAX_EDITS;
    let distances = known.iter().copied().filter(within).map(|known| (edits(&lower, known), known));
    let (distance, best) = distances.min()?;
    (distance <= MAX_EDITS && distance < best.len()).then_some(best)
}

const MAX_EDITS: usize = 3;

/// The number of bytes to insert, remove or replace that turns `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_answered_with_the_key_that_was_meant() {
        let known = ["hostname", "user", "tty", "mount_config"];
        assert_eq!(nearest("hostnam", &known), Some("hostname"));
        assert_eq!(nearest("mountConfig", &known), Some("mount_config"));
        assert_eq!(nearest("usr", &known), Some("user"));
        assert_eq!(nearest("capabilities", &known), None);
        assert_eq!(nearest("x", &known), None);
    }
}
