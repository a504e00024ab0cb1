//! Text of `/etc/subuid` becomes the ranges that one user was granted.
//!
//! # References
//! `subuid(5)`.

use alloc::vec::Vec;

use super::SubidRange;

/// The ranges of the user `name` (empty: no name) or `uid`, in the order of the file.
///
/// An owner of digits only is a uid, never a name. What cannot be read is skipped, as `newuidmap` does: comments, lines
/// with more or fewer than three fields, empty ranges and ranges that pass the last id.
#[must_use]
pub fn parse_subids(text: &str, name: &str, uid: u32) -> Vec<SubidRange> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range =
                SubidRange { first: number(fields.next()?)?, count: number(fields.next()?)? };
            let fits = range.count > 0 && range.first.checked_add(range.count).is_some();
            (is_owner(owner, name, uid) && fits && fields.next().is_none()).then_some(range)
        })
        .collect()
}

fn is_owner(owner: &str, name: &str, uid: u32) -> bool {
    if owner.is_empty() || owner.starts_with('#') {
        return false;
    }
    if owner.bytes().all(|b| b.is_ascii_digit()) {
        number(owner) == Some(uid)
    } else {
        owner == name
    }
}

/// A number of decimal digits alone: no sign, no blank.
fn number(field: &str) -> Option<u32> {
    field.bytes().all(|b| b.is_ascii_digit()).then(|| field.parse().ok())?
}
