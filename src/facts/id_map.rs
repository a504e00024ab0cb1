//! Text of `/proc/PID/uid_map` becomes ranges.
//!
//! # References
//! `user_namespaces(7)`, "User and group ID mappings".

use alloc::vec::Vec;

use super::FactsError;
use crate::types::IdMapping;

/// Reads a `uid_map` or `gid_map`; an empty text is a namespace whose map is not written yet.
///
/// # Errors
/// The first line that is not three numbers.
pub fn parse_id_map(text: &str) -> Result<Vec<IdMapping>, FactsError> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            parse_line(line).ok_or_else(|| {
                FactsError::expected(
                    "id map",
                    at + 1,
                    "three numbers: first inside, first outside, count",
                )
            })
        })
        .collect()
}

fn parse_line(line: &str) -> Option<IdMapping> {
    let mut fields = line.split_whitespace().map(str::parse::<u32>);
    let container_id = fields.next()?.ok()?;
    let host_id = fields.next()?.ok()?;
    let size = fields.next()?.ok()?;
    fields.next().is_none().then_some(IdMapping { container_id, host_id, size })
}

/// Whether this map gives every id its own number, as that of the first user namespace does. A namespace made inside
/// may look the same; only the number of the namespace (`user:[4026531837]`) tells them apart.
#[must_use]
pub fn is_identity(map: &[IdMapping]) -> bool {
    matches!(map, [IdMapping { container_id: 0, host_id: 0, size: u32::MAX }])
}
