//! The order of writes: the kernel checks each value against the others that are there at that moment.

use alloc::string::String;
use alloc::vec::Vec;

use super::{CgroupValues, Target};

/// Files whose present values decide about the order, or about whether a value can be written at all.
pub(super) const BESIDE: [&str; 9] = [
    "cgroup.controllers",
    "cpu.cfs_burst_us",
    "cpu.cfs_period_us",
    "cpu.max.burst",
    "cpu.rt_runtime_us",
    "memory.current",
    "memory.memsw.limit_in_bytes",
    "memory.usage_in_bytes",
    "memory.limit_in_bytes",
];

/// Changes the order where the usual one, in which an empty cgroup is limited, is refused by what is there now.
pub(super) fn order(targets: &mut Vec<Target>, values: &CgroupValues) {
    let now = |file: &str| {
        let found = targets.iter().find_map(|target| {
            let path = target.directory.child(file);
            values.get(&path)?.as_deref().map(String::from)
        });
        found.as_deref().map_or(0, number)
    };
    let (swap, period) = (now("memory.memsw.limit_in_bytes"), now("cpu.cfs_period_us"));
    let (runtime, burst) =
        (now("cpu.rt_runtime_us"), now("cpu.cfs_burst_us").max(now("cpu.max.burst")));
    let is = |targets: &[Target], file: &str, holds: &dyn Fn(u64) -> bool| {
        let target = targets.iter().find(|target| target.setting.file == file);
        target.is_some_and(|target| holds(number(&target.setting.value)))
    };
    // Memory alone may never be above memory and swap together.
    if is(targets, "memory.limit_in_bytes", &|limit| limit > swap) {
        before(targets, "memory.memsw.limit_in_bytes", "memory.limit_in_bytes");
    }
    // A shorter period with the old quota could be more than the cgroup above has.
    if is(targets, "cpu.cfs_period_us", &|new| new < period) {
        before(targets, "cpu.cfs_quota_us", "cpu.cfs_period_us");
    }
    // Real-time: no more run time than there is period.
    if is(targets, "cpu.rt_period_us", &|new| new < runtime) {
        before(targets, "cpu.rt_runtime_us", "cpu.rt_period_us");
    }
    // A burst is at most the quota: the smaller burst before the smaller quota.
    if is(targets, "cpu.cfs_burst_us", &|new| new < burst) {
        before(targets, "cpu.cfs_burst_us", "cpu.cfs_period_us");
        before(targets, "cpu.cfs_burst_us", "cpu.cfs_quota_us");
    }
    if is(targets, "cpu.max.burst", &|new| new < burst) {
        before(targets, "cpu.max.burst", "cpu.max");
    }
}

/// A limit as a number: no limit is the largest.
fn number(text: &str) -> u64 {
    match text.trim() {
        "max" | "-1" => u64::MAX,
        text => text.parse().unwrap_or(0),
    }
}

/// Moves the value of `file` before that of `other`, if both are written and it is not there yet.
fn before(targets: &mut Vec<Target>, file: &str, other: &str) {
    let find = |file: &str| targets.iter().position(|target| target.setting.file == file);
    if let (Some(from), Some(to)) = (find(file), find(other))
        && from > to
    {
        let target = targets.remove(from);
        targets.insert(to, target);
    }
}
