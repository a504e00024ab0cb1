//! Files of the hugetlb controller become counters by page size.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use super::Counter;
use super::text::{Files, number, parse_flat_keyed};
use crate::facts::FactsError;

const FILE: &str = "hugetlb";
const V1: [&str; 4] = ["usage_in_bytes", "max_usage_in_bytes", "failcnt", "limit_in_bytes"];
const V2: [&str; 3] = ["current", "max", "events"];

/// `2MB` of `hugetlb.2MB.current`; `None` for other files, also for those about reservations (`hugetlb.2MB.rsvd.…`).
pub(super) fn hugepage_size(name: &str) -> Option<&str> {
    let (size, what) = name.strip_prefix("hugetlb.")?.split_once('.')?;
    (V1.contains(&what) || V2.contains(&what)).then_some(size)
}

fn sizes(files: Files<'_>) -> BTreeSet<&str> {
    files.0.keys().filter_map(|name| hugepage_size(name)).collect()
}

fn required(files: Files<'_>, size: &str, what: &str) -> Result<u64, FactsError> {
    let found = files.text(&format!("{FILE}.{size}.{what}")).and_then(|text| number(text.trim()));
    found.ok_or_else(|| FactsError::expected(FILE, 0, &format!("a number in {FILE}.{size}.{what}")))
}

pub(super) fn hugepages_v1(files: Files<'_>) -> Result<BTreeMap<String, Counter>, FactsError> {
    let counter = |size: &str| -> Result<(String, Counter), FactsError> {
        let counter = Counter {
            usage: required(files, size, "usage_in_bytes")?,
            max_usage: required(files, size, "max_usage_in_bytes")?,
            failures: required(files, size, "failcnt")?,
            limit: None,
        };
        Ok((size.to_owned(), counter))
    };
    sizes(files).into_iter().map(counter).collect()
}

pub(super) fn hugepages_v2(files: Files<'_>) -> Result<BTreeMap<String, Counter>, FactsError> {
    let counter = |size: &str| -> Result<(String, Counter), FactsError> {
        let file = |what: &str| files.text(&format!("{FILE}.{size}.{what}"));
        let events = parse_flat_keyed(FILE, file("events").unwrap_or_default())?;
        let is_limited = file("max").is_some_and(|text| text.trim() != "max");
        let counter = Counter {
            usage: required(files, size, "current")?,
            max_usage: 0,
            failures: events.get("max").copied().unwrap_or(0),
            limit: is_limited.then(|| required(files, size, "max")).transpose()?,
        };
        Ok((size.to_owned(), counter))
    };
    sizes(files).into_iter().map(counter).collect()
}
