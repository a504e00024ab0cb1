//! Files of a v2 cgroup become statistics.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::text::Files;
use super::{
    CgroupStats, Counter, CpuStats, MemoryEvents, MemoryStats, Throttling, block_io, hugetlb, v1,
};
use crate::facts::FactsError;

/// The files that are read, but for those of huge pages.
pub(super) const FILES: [&str; 17] = [
    "cpu.pressure",
    "cpu.stat",
    "io.pressure",
    "io.stat",
    "memory.current",
    "memory.events",
    "memory.max",
    "memory.peak",
    "memory.pressure",
    "memory.stat",
    "memory.swap.current",
    "memory.swap.events",
    "memory.swap.max",
    "memory.swap.peak",
    "pids.current",
    "pids.max",
    "pids.peak",
];

pub(super) fn read(files: &BTreeMap<String, String>) -> Result<CgroupStats, FactsError> {
    let files = Files(files);
    Ok(CgroupStats {
        cpu: cpu(files)?,
        memory: memory(files)?,
        block_io: block_io::v2(files)?,
        pids: v1::pids(files)?,
        hugetlb: hugetlb::hugepages_v2(files)?,
    })
}

fn cpu(files: Files<'_>) -> Result<CpuStats, FactsError> {
    let stat = files.keyed("cpu.stat")?;
    let of = |key: &str| stat.get(key).copied().unwrap_or(0);
    let nanoseconds = |key: &str| of(key).saturating_mul(1000);
    Ok(CpuStats {
        total: nanoseconds("usage_usec"),
        user: nanoseconds("user_usec"),
        kernel: nanoseconds("system_usec"),
        throttling: Throttling {
            periods: of("nr_periods"),
            throttled_periods: of("nr_throttled"),
            throttled_time: nanoseconds("throttled_usec"),
            bursts: of("nr_bursts"),
            burst_time: nanoseconds("burst_usec"),
        },
        pressure: files.pressure("cpu.pressure")?,
        ..CpuStats::default()
    })
}

fn memory(files: Files<'_>) -> Result<MemoryStats, FactsError> {
    let events = files.keyed("memory.events")?;
    let of = |key: &str| events.get(key).copied().unwrap_or(0);
    let counter = Counter {
        // Its root has `memory.stat` without it.
        usage: files.number("memory.current")?.unwrap_or(0),
        max_usage: files.number("memory.peak")?.unwrap_or(0),
        failures: of("max"),
        limit: files.limit("memory.max")?,
    };
    Ok(MemoryStats {
        memory: counter,
        swap: swap(files)?,
        stats: files.keyed("memory.stat")?,
        events: MemoryEvents {
            low: of("low"),
            high: of("high"),
            max: of("max"),
            oom: of("oom"),
            oom_kill: of("oom_kill"),
            under_oom: false,
        },
        pressure: files.pressure("memory.pressure")?,
        ..MemoryStats::default()
    })
}

fn swap(files: Files<'_>) -> Result<Option<Counter>, FactsError> {
    let Some(usage) = files.number("memory.swap.current")? else { return Ok(None) };
    let events = files.keyed("memory.swap.events")?;
    Ok(Some(Counter {
        usage,
        max_usage: files.number("memory.swap.peak")?.unwrap_or(0),
        failures: events.get("max").copied().unwrap_or(0),
        limit: files.limit("memory.swap.max")?,
    }))
}
