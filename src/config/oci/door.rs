//! Turns JSON values into typed ones and gathers what is refused, noted and ignored, by place.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::fields::Fields;
use super::place::pointers;
use crate::config::error::{ConfigError, ConfigErrors, Expected, Found, Problem};
use crate::config::json::{Node, Place, Value};
use crate::config::{Ignored, IgnoredReason, Origin, SourceMap};
use crate::types::{HostPath, IdMap, IdMapping, PathError, Pointer, RootPath};

/// What any unsigned 32-bit number may be.
pub(super) const U32: (i64, u64) = (0, u32::MAX as u64);
/// What any unsigned 64-bit number may be.
pub(super) const U64: (i64, u64) = (0, u64::MAX);
/// What any signed 64-bit number may be.
pub(super) const I64: (i64, u64) = (i64::MIN, i64::MAX.unsigned_abs());

/// What is known while one document is read.
pub(super) struct Door<'d> {
    /// The directory of the bundle.
    pub(super) bundle: &'d HostPath,
    problems: Vec<(Place, Problem)>,
    noted: Vec<(Pointer, Place)>,
    defaults: Vec<(Pointer, &'static str)>,
    ignored: Vec<(Place, IgnoredReason)>,
    /// Whether what is neither refused nor ignored gets a place too.
    is_placed: bool,
}

impl<'d> Door<'d> {
    pub(super) fn new(bundle: &'d HostPath) -> Self {
        Self {
            bundle,
            problems: Vec::new(),
            noted: Vec::new(),
            defaults: Vec::new(),
            ignored: Vec::new(),
            is_placed: true,
        }
    }

    /// Keeps no place but of what is refused or ignored.
    pub(super) fn unplaced(self) -> Self {
        Self { is_placed: false, ..self }
    }

    /// Refuses the value of `node`.
    pub(super) fn refuse(&mut self, node: &Node<'_>, problem: Problem) {
        self.refuse_at(node.place, problem);
    }

    /// Refuses the key, or the value, that begins at `place`.
    pub(super) fn refuse_at(&mut self, place: Place, problem: Problem) {
        self.problems.push((place, problem));
    }

    /// Refuses a value of the right type.
    pub(super) fn invalid(&mut self, node: &Node<'_>, expected: Expected) {
        self.refuse(node, Problem::Invalid { found: found(node), expected });
    }

    /// Refuses a value of the wrong type.
    pub(super) fn wrong(&mut self, node: &Node<'_>, expected: Expected) {
        self.refuse(node, Problem::WrongType { found: found(node), expected });
    }

    /// Notes that the place `canonical` of the config was asked for by `node`.
    pub(super) fn note(&mut self, canonical: Pointer, node: &Node<'_>) {
        if self.is_placed {
            self.noted.push((canonical, node.place));
        }
    }

    /// Notes that nobody asked for the place `canonical`.
    pub(super) fn note_default(&mut self, canonical: Pointer, name: &'static str) {
        if self.is_placed {
            self.defaults.push((canonical, name));
        }
    }

    /// Passes over the key, or the value, that begins at `place`.
    pub(super) fn ignore(&mut self, place: Place, reason: IgnoredReason) {
        self.ignored.push((place, reason));
    }

    /// A string without NUL, which may be empty.
    pub(super) fn text<'a>(&mut self, node: &'a Node<'a>) -> Option<&'a str> {
        let Value::Text(text) = &node.value else {
            self.wrong(node, Expected::Text);
            return None;
        };
        if text.as_bytes().contains(&0) {
            self.refuse(node, Problem::Nul);
            return None;
        }
        Some(text)
    }

    /// A whole number from `min` to `max`.
    pub(super) fn number<T: TryFrom<i128>>(
        &mut self,
        node: &Node<'_>,
        (min, max): (i64, u64),
    ) -> Option<T> {
        let Value::Number(text) = node.value else {
            self.wrong(node, Expected::Number);
            return None;
        };
        if text.contains(['.', 'e', 'E']) {
            self.wrong(node, Expected::Number);
            return None;
        }
        let range = i128::from(min)..=i128::from(max);
        let value = text.parse().ok().filter(|value| range.contains(value));
        let value = value.and_then(|value| T::try_from(value).ok());
        if value.is_none() {
            let problem = Problem::NotInRange { found: text.to_owned(), min, max };
            self.refuse(node, problem);
        }
        value
    }

    /// The elements of an array.
    pub(super) fn items<'a>(&mut self, node: &'a Node<'a>) -> &'a [Node<'a>] {
        let Value::List(items) = &node.value else {
            self.wrong(node, Expected::List);
            return &[];
        };
        items
    }

    /// The members of an object.
    pub(super) fn fields<'a>(&mut self, node: &'a Node<'a>) -> Option<Fields<'a>> {
        let Value::Object(members) = &node.value else {
            self.wrong(node, Expected::Object);
            return None;
        };
        Some(Fields::new(node, members))
    }

    /// One word of a table.
    pub(super) fn word<'a, T>(
        &mut self,
        node: &'a Node<'a>,
        of: impl Fn(&str) -> Option<T>,
        expected: Expected,
    ) -> Option<T> {
        let text = self.text(node)?;
        let word = of(text);
        if word.is_none() {
            self.invalid(node, expected);
        }
        word
    }

    /// A path on the host that begins with `/`.
    pub(super) fn host_path(&mut self, text: &str, node: &Node<'_>) -> Option<HostPath> {
        self.path(HostPath::new(text), node)
    }

    /// A path inside the root that begins with `/`.
    pub(super) fn root_path(&mut self, text: &str, node: &Node<'_>) -> Option<RootPath> {
        self.path(RootPath::new(text), node)
    }

    pub(super) fn path<T>(&mut self, path: Result<T, PathError>, node: &Node<'_>) -> Option<T> {
        path.map_err(|error| self.refuse(node, Problem::Path(error))).ok()
    }

    /// An id map, or `None` when it is refused.
    pub(super) fn id_map<'a>(&mut self, node: &'a Node<'a>) -> Option<IdMap> {
        let items = self.items(node);
        let ranges: Option<Vec<_>> = items.iter().map(|item| self.range(item)).collect();
        match IdMap::new(ranges?) {
            Ok(map) => Some(map),
            Err(error) => {
                let at = error.index().and_then(|index| items.get(index)).unwrap_or(node);
                self.refuse(at, Problem::IdMap(error));
                None
            }
        }
    }

    fn range<'a>(&mut self, node: &'a Node<'a>) -> Option<IdMapping> {
        let mut fields = self.fields(node)?;
        let container_id = fields.required_number(self, "containerID", U32);
        let host_id = fields.required_number(self, "hostID", U32);
        let size = fields.required_number(self, "size", U32);
        fields.finish(self);
        Some(IdMapping { container_id: container_id?, host_id: host_id?, size: size? })
    }

    /// What was gathered, with pointers: the sources of a document without problems, and what it says in vain.
    pub(super) fn close(self, root: &Node<'_>) -> Result<(SourceMap, Vec<Ignored>), ConfigErrors> {
        let Self { mut problems, noted, defaults, ignored, .. } = self;
        let mut places: Vec<Place> = problems.iter().map(|(place, _)| *place).collect();
        if problems.is_empty() {
            places.extend(noted.iter().map(|(_, place)| place));
            places.extend(ignored.iter().map(|(place, _)| place));
        }
        let found = pointers(root, places);
        let pointer = |place: &Place| found.get(place).cloned().unwrap_or_default();
        if !problems.is_empty() {
            problems.sort_by_key(|(place, _)| *place);
            let error = |(place, problem): (Place, Problem)| {
                let Place { line, column } = place;
                ConfigError { pointer: pointer(&place), line, column, problem }
            };
            return Err(ConfigErrors(problems.into_iter().map(error).collect()));
        }
        let mut source = SourceMap::default();
        let origin = |place: &Place| {
            let Place { line, column } = *place;
            Origin::File { pointer: pointer(place), line, column }
        };
        for (canonical, place) in noted {
            let origin = origin(&place);
            source.insert(canonical, origin);
        }
        for (canonical, name) in defaults {
            source.insert(canonical, Origin::Default(name.to_owned()));
        }
        let list = Pointer::new("/ignored");
        let mut passed_over = Vec::with_capacity(ignored.len());
        for (index, (place, reason)) in ignored.into_iter().enumerate() {
            source.insert(list.index(index), origin(&place));
            passed_over.push(Ignored { place: pointer(&place), reason });
        }
        Ok((source, passed_over))
    }
}

fn found(node: &Node<'_>) -> Found {
    match &node.value {
        Value::Null => Found::Null,
        Value::Bool(value) => Found::Bool(*value),
        Value::Number(text) => Found::Number((*text).to_owned()),
        Value::Text(text) => Found::Text(text.as_ref().to_owned()),
        Value::List(_) => Found::List,
        Value::Object(_) => Found::Object,
    }
}
