//! Turns JSON values into typed ones, each with the place it came from, and gathers what is refused.
//!
//! A zero value (`null`, `false`, `0`, `""`) says the same as no value, as it does to the format's own decoder.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::fields::Fields;
use super::{Extra, Generation, Kept};
use crate::config::error::{ConfigError, Expected, Found, Problem};
use crate::config::json::{Node, Value};
use crate::config::{Origin, SourceMap};
use crate::types::{HostPath, PathError, Pointer, RootPath};

/// The largest number that the format's own decoder takes for a signed one.
pub(super) const MAX_INT: u64 = i64::MAX.unsigned_abs();

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

impl Door<'_> {
    /// Refuses the value at `at`.
    pub(super) fn refuse(&mut self, at: &At<'_>, problem: Problem) {
        self.problems.push(at.error(problem));
    }

    /// Refuses a value of the right type.
    pub(super) fn invalid(&mut self, found: &Text<'_>, expected: Expected) {
        let problem = Problem::Invalid { found: found.at.found(), expected };
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
            self.refuse(&at, Problem::Invalid { found: at.found(), expected });
            return None;
        }
        self.text_at(at)
    }

    /// A number from `min` to `max`, or zero, which is `None`.
    pub(super) fn number_at<'a>(&mut self, at: At<'a>, min: i64, max: u64) -> Option<Number<'a>> {
        let Value::Number(text) = at.node.value else {
            self.wrong(&at, Expected::Number);
            return None;
        };
        if text.contains(['.', 'e', 'E']) {
            self.wrong(&at, Expected::Number);
            return None;
        }
        let range = i128::from(min)..=i128::from(max);
        let value = text.parse().ok().filter(|value| *value == 0 || range.contains(value));
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
        Some(Fields::new(at, members))
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
            Value::Number(_) => match self.number_at(at.clone(), i64::MIN, MAX_INT) {
                Some(number) => Kept::Number(i64::try_from(number.value).unwrap_or_default()),
                None => return,
            },
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

    pub(super) fn error(&self, problem: Problem) -> ConfigError {
        let place = self.node.place;
        let pointer = self.pointer.clone();
        ConfigError { pointer, line: place.line, column: place.column, problem }
    }

    pub(super) fn found(&self) -> Found {
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
