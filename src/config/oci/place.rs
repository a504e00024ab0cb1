//! Places of nodes → JSON pointers into the document, in one walk for all that are asked for.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::config::json::{Node, Place, Value};
use crate::types::Pointer;

/// The pointers of the nodes and keys that begin at `places`.
pub(super) fn pointers(root: &Node<'_>, mut places: Vec<Place>) -> BTreeMap<Place, Pointer> {
    places.sort_unstable();
    places.dedup();
    if places.is_empty() {
        return BTreeMap::new();
    }
    let mut walk = Walk { places: &places, path: String::new(), found: BTreeMap::new() };
    walk.visit(root);
    walk.found
}

struct Walk<'p> {
    places: &'p [Place],
    path: String,
    found: BTreeMap<Place, Pointer>,
}

impl Walk<'_> {
    fn visit(&mut self, node: &Node<'_>) {
        self.here(node.place);
        let length = self.path.len();
        match &node.value {
            Value::List(items) if self.is_asked_within(items.first(), items.last()) => {
                for (index, item) in items.iter().enumerate() {
                    let _ = write!(self.path, "/{index}");
                    self.visit(item);
                    self.path.truncate(length);
                }
            }
            Value::Object(members) => {
                for member in members {
                    push_key(&mut self.path, &member.key);
                    self.here(member.place);
                    self.visit(&member.node);
                    self.path.truncate(length);
                }
            }
            _ => {}
        }
    }

    fn here(&mut self, place: Place) {
        if self.places.binary_search(&place).is_ok() {
            self.found.insert(place, Pointer::new(&self.path));
        }
    }

    /// Whether anything from the beginning of `first` on is asked for, up to whatever may be inside of `last`.
    fn is_asked_within(&self, first: Option<&Node<'_>>, last: Option<&Node<'_>>) -> bool {
        let (Some(first), Some(last)) = (first, last) else { return false };
        let is_flat = !matches!(last.value, Value::List(_) | Value::Object(_));
        let from = self.places.partition_point(|place| *place < first.place);
        self.places.get(from).is_some_and(|place| !is_flat || *place <= last.place)
    }
}

/// Appends one member's name as RFC 6901 writes it.
fn push_key(path: &mut String, key: &str) {
    path.push('/');
    if !key.contains(['~', '/']) {
        return path.push_str(key);
    }
    for c in key.chars() {
        match c {
            '~' => path.push_str("~0"),
            '/' => path.push_str("~1"),
            c => path.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::json::parse;
    use alloc::vec;

    #[test]
    fn a_place_leads_to_its_pointer() {
        let root = parse(b"{\"a/b\": [1,\n {\"c~\": 2}], \"d\": [3]}").expect("JSON");
        let at = |line, column| Place { line, column };
        let asked = vec![at(2, 9), at(2, 3), at(1, 1), at(1, 10), at(2, 20), at(9, 9)];
        let found = pointers(&root, asked);
        let text = |line, column| found.get(&at(line, column)).map(Pointer::as_str);
        assert_eq!(text(1, 1), Some(""));
        assert_eq!(text(1, 10), Some("/a~1b/0"));
        assert_eq!(text(2, 3), Some("/a~1b/1/c~0"));
        assert_eq!(text(2, 9), Some("/a~1b/1/c~0"));
        assert_eq!(text(2, 20), Some("/d/0"));
        assert_eq!(text(9, 9), None);
    }
}
