//! Id maps of user namespaces: ranges of ids, checked so that a map can never overlap or overflow.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

/// One line of `/proc/PID/uid_map`: `size` ids from `container_id` stand for those from `host_id`.
///
/// # References
/// `user_namespaces(7)`, "User and group ID mappings"; OCI runtime-spec, `config-linux.md`, "User namespace mappings".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdMapping {
    /// First id inside.
    #[serde(rename = "containerID")]
    pub container_id: u32,
    /// First id outside.
    #[serde(rename = "hostID")]
    pub host_id: u32,
    /// How many ids.
    pub size: u32,
}

impl IdMapping {
    /// The id outside that stands for `container_id`, if this range covers it.
    #[must_use]
    pub fn to_host(&self, container_id: u32) -> Option<u32> {
        let offset = container_id.checked_sub(self.container_id)?;
        if offset < self.size { self.host_id.checked_add(offset) } else { None }
    }

    /// The id inside that `host_id` is seen as, if this range covers it.
    #[must_use]
    pub fn to_container(&self, host_id: u32) -> Option<u32> {
        let offset = host_id.checked_sub(self.host_id)?;
        if offset < self.size { self.container_id.checked_add(offset) } else { None }
    }
}

/// A whole id map: no range is empty, none overflows, none overlaps another on either side.
///
/// The empty map is allowed: it says that no map is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<IdMapping>", into = "Vec<IdMapping>")]
pub struct IdMap(Vec<IdMapping>);

/// Why a list of ranges is not an id map. Indices count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdMapError {
    /// The range holds no id.
    Empty {
        /// Which range.
        index: usize,
    },
    /// The range passes 4294967294, the last usable id (4294967295 means "no id" to the kernel).
    Overflow {
        /// Which range.
        index: usize,
    },
    /// Two ranges share ids inside.
    OverlapInside {
        /// The later range.
        index: usize,
        /// The earlier range.
        with: usize,
    },
    /// Two ranges share ids outside.
    OverlapOutside {
        /// The later range.
        index: usize,
        /// The earlier range.
        with: usize,
    },
    /// More than [`IdMap::MAX_RANGES`] ranges.
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for IdMapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { index } => write!(f, "range {index} is empty"),
            Self::Overflow { index } => write!(f, "range {index} passes the last id, 4294967294"),
            Self::OverlapInside { index, with } => {
                write!(f, "range {index} overlaps range {with} on container ids")
            }
            Self::OverlapOutside { index, with } => {
                write!(f, "range {index} overlaps range {with} on host ids")
            }
            Self::TooMany { count } => {
                write!(f, "{count} ranges, the kernel takes at most {}", IdMap::MAX_RANGES)
            }
        }
    }
}

impl core::error::Error for IdMapError {}

impl IdMapError {
    /// The range at fault, for a message that points at it.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match *self {
            Self::Empty { index }
            | Self::Overflow { index }
            | Self::OverlapInside { index, .. }
            | Self::OverlapOutside { index, .. } => Some(index),
            Self::TooMany { .. } => None,
        }
    }
}

impl IdMap {
    /// The kernel's limit (since Linux 4.15; 5 before), `user_namespaces(7)`.
    pub const MAX_RANGES: usize = 340;

    /// Checks the ranges and keeps their order.
    ///
    /// # Errors
    /// The first range that is empty, overflows or overlaps an earlier one.
    pub fn new(ranges: Vec<IdMapping>) -> Result<Self, IdMapError> {
        if ranges.len() > Self::MAX_RANGES {
            return Err(IdMapError::TooMany { count: ranges.len() });
        }
        for (index, range) in ranges.iter().enumerate() {
            if range.size == 0 {
                return Err(IdMapError::Empty { index });
            }
            let last = range.size - 1;
            let end = |first: u32| first.checked_add(last).filter(|&id| id != u32::MAX);
            if end(range.container_id).is_none() || end(range.host_id).is_none() {
                return Err(IdMapError::Overflow { index });
            }
            for (with, earlier) in ranges[..index].iter().enumerate() {
                if meet(range.container_id, range.size, earlier.container_id, earlier.size) {
                    return Err(IdMapError::OverlapInside { index, with });
                }
                if meet(range.host_id, range.size, earlier.host_id, earlier.size) {
                    return Err(IdMapError::OverlapOutside { index, with });
                }
            }
        }
        Ok(Self(ranges))
    }

    /// The ranges in the order they were given.
    #[must_use]
    pub fn ranges(&self) -> &[IdMapping] {
        &self.0
    }

    /// Whether no map is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The id outside that stands for `container_id`.
    #[must_use]
    pub fn to_host(&self, container_id: u32) -> Option<u32> {
        self.0.iter().find_map(|range| range.to_host(container_id))
    }

    /// The id inside that `host_id` is seen as.
    #[must_use]
    pub fn to_container(&self, host_id: u32) -> Option<u32> {
        self.0.iter().find_map(|range| range.to_container(host_id))
    }

    /// The text for `/proc/PID/uid_map` or `gid_map`: one `inside outside size` line a range.
    #[must_use]
    pub fn to_proc_text(&self) -> String {
        let mut text = String::new();
        for range in &self.0 {
            use fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} {} {}", range.container_id, range.host_id, range.size);
        }
        text
    }
}

/// Whether `[a, a+n)` and `[b, b+m)` share an id; both are non-empty.
fn meet(a: u32, n: u32, b: u32, m: u32) -> bool {
    u64::from(a) < u64::from(b) + u64::from(m) && u64::from(b) < u64::from(a) + u64::from(n)
}

impl TryFrom<Vec<IdMapping>> for IdMap {
    type Error = IdMapError;

    fn try_from(ranges: Vec<IdMapping>) -> Result<Self, IdMapError> {
        Self::new(ranges)
    }
}

impl From<IdMap> for Vec<IdMapping> {
    fn from(map: IdMap) -> Self {
        map.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn range(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping { container_id, host_id, size }
    }

    #[test]
    fn ranges_that_touch_are_fine_and_ranges_that_overlap_are_named() {
        let ok = IdMap::new(vec![range(0, 1000, 1), range(1, 1, 999), range(1001, 1001, 9000)]);
        assert_eq!(ok.expect("disjoint").to_host(0), Some(1000));
        assert_eq!(
            IdMap::new(vec![range(0, 0, 10), range(9, 100, 1)]),
            Err(IdMapError::OverlapInside { index: 1, with: 0 })
        );
        assert_eq!(
            IdMap::new(vec![range(0, 0, 10), range(10, 9, 1)]),
            Err(IdMapError::OverlapOutside { index: 1, with: 0 })
        );
    }

    #[test]
    fn the_id_that_means_no_id_cannot_be_mapped() {
        assert_eq!(IdMap::new(vec![range(0, u32::MAX, 1)]), Err(IdMapError::Overflow { index: 0 }));
        assert!(IdMap::new(vec![range(0, 0, u32::MAX)]).is_ok());
        assert_eq!(IdMap::new(vec![range(1, 0, u32::MAX)]), Err(IdMapError::Overflow { index: 0 }));
    }
}
