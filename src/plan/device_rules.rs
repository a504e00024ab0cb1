//! An ordered list of device rules → what cgroup v1 can hold: one default and exceptions to it.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::DeviceRule;
use crate::types::{DeviceAccess, DeviceKind};

/// A default and the exceptions to it, as lines of `devices.allow` or `devices.deny`, each with the rule it is from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) allow: bool,
    pub(super) exceptions: Vec<(String, usize)>,
}

type Key = (DeviceKind, Option<u32>, Option<u32>);

/// Folds the rules in order. A later rule wins; the kernel's exceptions only add up, so a rule that takes a *part* out of
/// an earlier, wider one cannot be said.
///
/// # Errors
/// The index of the rule that cannot be said.
pub(super) fn fold(rules: &[DeviceRule]) -> Result<Policy, usize> {
    let mut allow = false;
    let mut exceptions: BTreeMap<Key, (DeviceAccess, usize)> = BTreeMap::new();
    for (index, rule) in rules.iter().enumerate() {
        if is_everything(rule) {
            allow = rule.allow;
            exceptions.clear();
            continue;
        }
        for key in keys(rule) {
            if rule.allow == allow {
                take_back(&mut exceptions, key, rule.access).map_err(|()| index)?;
            } else {
                let entry = exceptions.entry(key).or_insert((DeviceAccess::empty(), index));
                entry.0 |= rule.access;
            }
        }
    }
    let mut lines: Vec<_> =
        exceptions.into_iter().map(|(key, (access, index))| (line(key, access), index)).collect();
    // In the user's order, so that a plan reads like the config.
    lines.sort_by_key(|entry| entry.1);
    Ok(Policy { allow, exceptions: lines })
}

/// Whether every device node may be made; careful, as what is granted again by parts is not seen.
pub(super) fn grant_every_node(rules: &[DeviceRule]) -> bool {
    let mut granted = [false; 2];
    for rule in rules.iter().filter(|rule| rule.access.contains(DeviceAccess::MKNOD)) {
        let is_whole = rule.major.is_none() && rule.minor.is_none();
        for (granted, kind) in granted.iter_mut().zip([DeviceKind::Block, DeviceKind::Char]) {
            if rule.kind.is_none_or(|wanted| wanted == kind) && (is_whole || !rule.allow) {
                *granted = rule.allow;
            }
        }
    }
    granted == [true; 2]
}

fn is_everything(rule: &DeviceRule) -> bool {
    rule.kind.is_none()
        && rule.major.is_none()
        && rule.minor.is_none()
        && rule.access == DeviceAccess::all()
}

fn keys(rule: &DeviceRule) -> impl Iterator<Item = Key> {
    [DeviceKind::Block, DeviceKind::Char]
        .into_iter()
        .filter(move |kind| rule.kind.is_none_or(|wanted| wanted == *kind))
        .map(move |kind| (kind, rule.major, rule.minor))
}

/// Back to the default for `key`: the same exception loses the access; one that overlaps it in part stands in the way.
fn take_back(
    exceptions: &mut BTreeMap<Key, (DeviceAccess, usize)>,
    key: Key,
    access: DeviceAccess,
) -> Result<(), ()> {
    // Exceptions inside what is taken back lose the access; one that reaches beyond it cannot be split.
    let mut emptied = Vec::new();
    for (other, (held, _)) in &mut *exceptions {
        if !held.intersects(access) || !meets(*other, key) {
            continue;
        }
        if !covers(key, *other) {
            return Err(());
        }
        *held -= access;
        if held.is_empty() {
            emptied.push(*other);
        }
    }
    for key in emptied {
        exceptions.remove(&key);
    }
    Ok(())
}

fn meets(a: Key, b: Key) -> bool {
    let meet = |x: Option<u32>, y: Option<u32>| x.is_none() || y.is_none() || x == y;
    a.0 == b.0 && meet(a.1, b.1) && meet(a.2, b.2)
}

fn covers(wide: Key, narrow: Key) -> bool {
    let cover = |x: Option<u32>, y: Option<u32>| x.is_none() || x == y;
    wide.0 == narrow.0 && cover(wide.1, narrow.1) && cover(wide.2, narrow.2)
}

/// `c 1:3 rwm`, with `*` for any number.
fn line((kind, major, minor): Key, access: DeviceAccess) -> String {
    let number = |n: Option<u32>| n.map_or_else(|| "*".into(), |n| format!("{n}"));
    let mut letters = String::new();
    for (flag, letter) in
        [(DeviceAccess::READ, 'r'), (DeviceAccess::WRITE, 'w'), (DeviceAccess::MKNOD, 'm')]
    {
        if access.contains(flag) {
            letters.push(letter);
        }
    }
    format!("{} {}:{} {letters}", kind.letter(), number(major), number(minor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn rule(
        allow: bool,
        major: Option<u32>,
        minor: Option<u32>,
        access: DeviceAccess,
    ) -> DeviceRule {
        DeviceRule { allow, kind: Some(DeviceKind::Char), major, minor, access }
    }

    #[test]
    fn a_list_of_grants_is_deny_all_and_its_lines_in_order() {
        let all = DeviceAccess::all();
        let rules =
            [rule(true, Some(5), None, all), rule(true, Some(1), Some(3), DeviceAccess::READ)];
        let lines = vec![("c 5:* rwm".into(), 0), ("c 1:3 r".into(), 1)];
        assert_eq!(fold(&rules), Ok(Policy { allow: false, exceptions: lines }));
    }

    #[test]
    fn every_node_may_be_made_where_both_kinds_are_granted_last_and_whole() {
        let node = DeviceAccess::MKNOD;
        let of = |allow, kind, major| DeviceRule { allow, kind, major, minor: None, access: node };
        let (block, char) = (Some(DeviceKind::Block), Some(DeviceKind::Char));
        let both = [of(true, block, None), of(true, char, None)];
        assert!(grant_every_node(&both) && grant_every_node(&[of(true, None, None)]));
        let reading = DeviceRule { access: DeviceAccess::READ, ..of(false, None, None) };
        assert!(grant_every_node(&[both[0], both[1], reading]));
        let lacking = [vec![], vec![both[0]], vec![of(true, None, Some(1))]];
        let taken = [of(false, None, None), of(false, char, Some(5))];
        let taken = taken.map(|rule| vec![both[0], both[1], rule]);
        for rules in lacking.iter().chain(&taken) {
            assert!(!grant_every_node(rules), "{rules:?}");
        }
    }

    #[test]
    fn a_part_cannot_be_taken_out_of_a_wider_grant_but_the_whole_can() {
        let all = DeviceAccess::all();
        let wide = rule(true, Some(1), None, all);
        assert_eq!(fold(&[wide, rule(false, Some(1), Some(3), DeviceAccess::WRITE)]), Err(1));
        let narrow = rule(true, Some(1), Some(3), all);
        let taken = fold(&[narrow, rule(false, Some(1), None, DeviceAccess::WRITE)]);
        assert_eq!(taken.expect("narrow is inside").exceptions, vec![("c 1:3 rm".into(), 0)]);
    }
}
