//! Files of a v1 cgroup become statistics.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::text::{Files, number, numbers};
use super::{
    CgroupStats, Counter, CpuStats, MemoryStats, PidsStats, Throttling, block_io, hugetlb,
};
use crate::facts::FactsError;

/// The files that are read, but for those of block devices and huge pages.
pub(super) const FILES: [&str; 25] = [
    "cpu.stat",
    "cpuacct.stat",
    "cpuacct.usage",
    "cpuacct.usage_percpu",
    "memory.failcnt",
    "memory.kmem.failcnt",
    "memory.kmem.limit_in_bytes",
    "memory.kmem.max_usage_in_bytes",
    "memory.kmem.tcp.failcnt",
    "memory.kmem.tcp.limit_in_bytes",
    "memory.kmem.tcp.max_usage_in_bytes",
    "memory.kmem.tcp.usage_in_bytes",
    "memory.kmem.usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.memsw.failcnt",
    "memory.memsw.limit_in_bytes",
    "memory.memsw.max_usage_in_bytes",
    "memory.memsw.usage_in_bytes",
    "memory.oom_control",
    "memory.stat",
    "memory.usage_in_bytes",
    "pids.current",
    "pids.max",
    "pids.events",
];

pub(super) fn read(
    files: &BTreeMap<String, String>,
    ticks: u64,
) -> Result<CgroupStats, FactsError> {
    let files = Files(files);
    Ok(CgroupStats {
        cpu: cpu(files, ticks)?,
        memory: memory(files)?,
        block_io: block_io::v1(files)?,
        pids: pids(files)?,
        hugetlb: hugetlb::hugepages_v1(files)?,
    })
}

fn cpu(files: Files<'_>, ticks: u64) -> Result<CpuStats, FactsError> {
    let stat = files.keyed("cpu.stat")?;
    let of = |key: &str| stat.get(key).copied().unwrap_or(0);
    let (user, kernel) = match files.text("cpuacct.stat") {
        Some(text) => user_and_kernel(text, ticks).ok_or_else(|| {
            FactsError::expected("cpuacct.stat", 0, "`user`, ticks, `system`, ticks")
        })?,
        None => (0, 0),
    };
    let per_cpu = files.text("cpuacct.usage_percpu");
    Ok(CpuStats {
        total: files.number("cpuacct.usage")?.unwrap_or(0),
        user,
        kernel,
        per_cpu: per_cpu
            .map(|text| numbers("cpuacct.usage_percpu", text))
            .transpose()?
            .unwrap_or_default(),
        throttling: Throttling {
            periods: of("nr_periods"),
            throttled_periods: of("nr_throttled"),
            throttled_time: of("throttled_time"),
            bursts: of("nr_bursts"),
            burst_time: of("burst_time"),
        },
        pressure: None,
    })
}

/// Exactly four words; ticks become nanoseconds.
fn user_and_kernel(text: &str, ticks: u64) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace();
    let mut after = |key: &str| {
        let is_key = words.next()? == key;
        number(words.next()?).filter(|_| is_key)
    };
    let (user, kernel) = (after("user")?, after("system")?);
    let is_all = words.next().is_none();
    let ticks = if ticks == 0 { 100 } else { ticks };
    let nanoseconds = |count: u64| {
        let exact = u128::from(count) * 1_000_000_000 / u128::from(ticks);
        u64::try_from(exact).unwrap_or(u64::MAX)
    };
    is_all.then(|| (nanoseconds(user), nanoseconds(kernel)))
}

fn memory(files: Files<'_>) -> Result<MemoryStats, FactsError> {
    // Without this one there is no memory controller.
    if files.text("memory.stat").is_none() {
        return Ok(MemoryStats::default());
    }
    let control = files.keyed("memory.oom_control")?;
    let of = |key: &str| control.get(key).copied().unwrap_or(0);
    let mut stats = MemoryStats {
        stats: files.keyed("memory.stat")?,
        memory: Counter {
            usage: files.required("memory.usage_in_bytes")?,
            max_usage: files.required("memory.max_usage_in_bytes")?,
            failures: files.required("memory.failcnt")?,
            limit: limit(files, "memory.limit_in_bytes")?,
        },
        ..MemoryStats::default()
    };
    stats.events.oom_kill = of("oom_kill");
    stats.events.under_oom = of("under_oom") != 0;
    for (place, names) in
        [&mut stats.swap, &mut stats.kernel, &mut stats.kernel_tcp].into_iter().zip(MORE)
    {
        let [usage, max_usage, failures, limited] = names;
        if files.text(usage).is_some() {
            *place = Some(Counter {
                usage: files.required(usage)?,
                max_usage: files.required(max_usage)?,
                failures: files.required(failures)?,
                limit: limit(files, limited)?,
            });
        }
    }
    Ok(stats)
}

/// Usage, greatest usage, failures and limit of what is counted beside memory itself.
const MORE: [[&str; 4]; 3] = [
    [
        "memory.memsw.usage_in_bytes",
        "memory.memsw.max_usage_in_bytes",
        "memory.memsw.failcnt",
        "memory.memsw.limit_in_bytes",
    ],
    [
        "memory.kmem.usage_in_bytes",
        "memory.kmem.max_usage_in_bytes",
        "memory.kmem.failcnt",
        "memory.kmem.limit_in_bytes",
    ],
    [
        "memory.kmem.tcp.usage_in_bytes",
        "memory.kmem.tcp.max_usage_in_bytes",
        "memory.kmem.tcp.failcnt",
        "memory.kmem.tcp.limit_in_bytes",
    ],
];

/// "No limit" is the largest number of whole pages, and before Linux 3.19 the largest number.
fn limit(files: Files<'_>, name: &'static str) -> Result<Option<u64>, FactsError> {
    const LARGEST: u64 = i64::MAX.unsigned_abs();
    const LARGEST_PAGE: u64 = 64 * 1024;
    Ok(files.number(name)?.filter(|&bytes| bytes <= LARGEST - LARGEST_PAGE))
}

pub(super) fn pids(files: Files<'_>) -> Result<Option<PidsStats>, FactsError> {
    let Some(current) = files.number("pids.current")? else { return Ok(None) };
    Ok(Some(PidsStats {
        current,
        peak: files.number("pids.peak")?.unwrap_or(0),
        refused: files.keyed("pids.events")?.get("max").copied().unwrap_or(0),
        limit: files.limit("pids.max")?,
    }))
}
