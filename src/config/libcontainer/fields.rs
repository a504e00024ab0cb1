//! Turns an object into its members, taken one by one, by any of their names; what nobody takes is refused.
//!
//! A key matches without regard to case, as the format's own decoder has it.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::door::{At, Door, Number, Text};
use crate::config::error::{ConfigError, Expected, Problem};
use crate::config::json::{self, Member, Value};
use crate::types::Pointer;

/// An object whose members are taken one by one.
pub(super) struct Fields<'a> {
    pub(super) at: At<'a>,
    members: &'a [Member<'a>],
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The members of the object at `at`.
    pub(super) fn new(at: At<'a>, members: &'a [Member<'a>]) -> Self {
        Self { at, members, asked: Vec::new() }
    }

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
    pub(super) fn required(&mut self, door: &mut Door<'_>, keys: &'static str) -> Option<Text<'a>> {
        let at = self.take(door, keys);
        let is_empty = |at: &At<'_>| matches!(&at.node.value, Value::Text(text) if text.is_empty());
        let Some(at) = at.filter(|at| !is_empty(at)) else {
            let key = keys.split('|').next().unwrap_or(keys);
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
        min: i64,
        max: u64,
    ) -> Option<Number<'a>> {
        let at = self.take(door, keys)?;
        door.number_at(at, min, max)
    }

    /// A number from zero to `max`, as the type that `max` has.
    pub(super) fn unsigned<T>(&mut self, door: &mut Door<'_>, keys: &'static str, max: T) -> T
    where
        T: Default + Into<u64> + TryFrom<i128>,
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
    let allowed = (lower.len() / 3).clamp(1, 3);
    let within = |known: &&'static str| known.len().abs_diff(lower.len()) <= allowed;
    let distances = known.iter().copied().filter(within).map(|known| (edits(&lower, known), known));
    let (distance, best) = distances.min()?;
    (distance <= allowed).then_some(best)
}

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
