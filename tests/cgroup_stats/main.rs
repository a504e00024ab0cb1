//! Texts of cgroup files against the numbers they stand for: upstream's cases by their names, then ours.
#![allow(clippy::unwrap_used, reason = "tests: helpers may fail")]

mod properties;
mod upstream;
mod v2;

use std::collections::BTreeMap;

use nsplan::facts::{BlockIoEntry, CgroupStats, FactsError};
use nsplan::types::DeviceNumber;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn v1(list: &[(&str, &str)]) -> Result<CgroupStats, FactsError> {
    CgroupStats::from_v1(&files(list), 100)
}

fn entry(major: u32, minor: u32, op: &str, value: u64) -> BlockIoEntry {
    BlockIoEntry { device: DeviceNumber { major, minor }, op: op.to_owned(), value }
}
