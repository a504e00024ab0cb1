//! Turns an object into its members, taken one by one by their exact names; what nobody takes is noted as ignored.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use super::door::Door;
use crate::config::IgnoredReason;
use crate::config::error::{Expected, Problem};
use crate::config::json::{Member, Node, Place, Value};

/// An object whose members are taken one by one.
pub(super) struct Fields<'a> {
    /// Where the object begins.
    pub(super) node: &'a Node<'a>,
    members: &'a [Member<'a>],
    /// Which of the first 64 members were taken; no object of the spec has more that mean something.
    taken: u64,
}

impl<'a> Fields<'a> {
    pub(super) fn new(node: &'a Node<'a>, members: &'a [Member<'a>]) -> Self {
        Self { node, members, taken: 0 }
    }

    /// The member `key`; `None` when it is `null` or not there.
    pub(super) fn take(&mut self, key: &str) -> Option<&'a Node<'a>> {
        self.member(key).map(|member| &member.node)
    }

    /// The member `key` with the place of its key.
    pub(super) fn member(&mut self, key: &str) -> Option<&'a Member<'a>> {
        let at = self.members.iter().position(|member| member.key == key)?;
        if let Some(bit) = 1u64.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)) {
            self.taken |= bit;
        }
        let member = &self.members[at];
        (!matches!(member.node.value, Value::Null)).then_some(member)
    }

    /// The member `key`, which has to be there.
    pub(super) fn required(
        &mut self,
        door: &mut Door<'_>,
        key: &'static str,
    ) -> Option<&'a Node<'a>> {
        let node = self.take(key);
        if node.is_none() {
            door.refuse(self.node, Problem::Missing { key });
        }
        node
    }

    /// A string that is not empty.
    pub(super) fn text(
        &mut self,
        door: &mut Door<'_>,
        key: &str,
    ) -> Option<(&'a str, &'a Node<'a>)> {
        let node = self.take(key)?;
        let text = door.text(node)?;
        (!text.is_empty()).then_some((text, node))
    }

    /// A string that has to be there and must not be empty.
    pub(super) fn required_text(
        &mut self,
        door: &mut Door<'_>,
        key: &'static str,
    ) -> Option<(&'a str, &'a Node<'a>)> {
        let node = self.required(door, key)?;
        let text = door.text(node)?;
        if text.is_empty() {
            door.invalid(node, Expected::Words);
            return None;
        }
        Some((text, node))
    }

    /// A number from `min` to `max`.
    pub(super) fn number<T: TryFrom<i128>>(
        &mut self,
        door: &mut Door<'_>,
        key: &str,
        (min, max): (i64, u64),
    ) -> Option<T> {
        let node = self.take(key)?;
        door.number(node, (min, max))
    }

    /// A number that has to be there.
    pub(super) fn required_number<T: TryFrom<i128>>(
        &mut self,
        door: &mut Door<'_>,
        key: &'static str,
        range: (i64, u64),
    ) -> Option<T> {
        let node = self.required(door, key)?;
        door.number(node, range)
    }

    /// `true` or `false`; `None` when it is not there.
    pub(super) fn flag(&mut self, door: &mut Door<'_>, key: &str) -> Option<bool> {
        let node = self.take(key)?;
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                door.wrong(node, Expected::Bool);
                None
            }
        }
    }

    /// The elements of an array.
    pub(super) fn items(&mut self, door: &mut Door<'_>, key: &str) -> &'a [Node<'a>] {
        self.take(key).map_or(&[], |node| door.items(node))
    }

    /// The strings of an array.
    pub(super) fn texts(&mut self, door: &mut Door<'_>, key: &str) -> Vec<(&'a str, &'a Node<'a>)> {
        let items = self.items(door, key);
        items.iter().filter_map(|node| Some((door.text(node)?, node))).collect()
    }

    /// The members of an object.
    pub(super) fn fields(&mut self, door: &mut Door<'_>, key: &str) -> Option<Self> {
        let node = self.take(key)?;
        door.fields(node)
    }

    /// All members of an object that is a map from names to values: each name once, none empty.
    pub(super) fn map(&mut self, door: &mut Door<'_>, key: &str) -> &'a [Member<'a>] {
        let Some(map) = self.fields(door, key) else { return &[] };
        map.check_repeats(door);
        for member in map.members {
            if member.key.is_empty() || member.key.contains('\0') {
                let problem = if member.key.is_empty() { Problem::EmptyName } else { Problem::Nul };
                door.refuse_at(member.place, problem);
            }
        }
        map.members
    }

    /// Refuses members that stand there twice, and notes those that nobody took.
    pub(super) fn finish(self, door: &mut Door<'_>) {
        self.check_repeats(door);
        for (at, member) in self.members.iter().enumerate() {
            let bit = 1u64.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or_default();
            let repeats = || self.members[..at].iter().any(|earlier| earlier.key == member.key);
            if self.taken & bit == 0 && !repeats() {
                door.ignore(member.place, IgnoredReason::UnknownProperty);
            }
        }
    }

    fn check_repeats(&self, door: &mut Door<'_>) {
        // Objects of the spec are small; a map may be as large as its writer likes, so it is sorted.
        let first = if self.members.len() <= 16 { repeats_few } else { repeats_many };
        for (later, place) in first(self.members) {
            let problem = Problem::Duplicate {
                key: later.key.as_ref().to_owned(),
                first: later.key.as_ref().to_owned(),
                line: place.line,
                column: place.column,
            };
            door.refuse_at(later.place, problem);
        }
    }
}

fn repeats_few<'a>(members: &'a [Member<'a>]) -> Vec<(&'a Member<'a>, Place)> {
    let first_of = |at: usize| members[..at].iter().find(|earlier| earlier.key == members[at].key);
    (1..members.len()).filter_map(|at| Some((&members[at], first_of(at)?.place))).collect()
}

fn repeats_many<'a>(members: &'a [Member<'a>]) -> Vec<(&'a Member<'a>, Place)> {
    let mut sorted: Vec<&Member<'_>> = members.iter().collect();
    // Stable: of equal keys the earlier one stays first.
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let pairs = sorted.windows(2).filter(|pair| pair[0].key == pair[1].key);
    pairs.map(|pair| (pair[1], pair[0].place)).collect()
}
