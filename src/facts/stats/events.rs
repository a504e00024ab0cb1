//! Statistics become the JSON of `events`, under the names that runc gives and engines read.
//!
//! As there, no limit is the largest number, and swap counts memory too, which v2's own files do not.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::{BlockIoEntry, BlockIoStats, CgroupStats, Counter, MemoryStats, Pressure};

/// What a container's interface has moved, as the container sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InterfaceEvent {
    /// Its name on the host.
    pub name: String,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets received with errors.
    pub rx_errors: u64,
    /// Packets that came and were dropped.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets not sent because of errors.
    pub tx_errors: u64,
    /// Packets dropped instead of sent.
    pub tx_dropped: u64,
}

/// The `data` of an event of type `stats`.
#[derive(Clone, Debug, Serialize)]
pub struct StatsEvent<'a> {
    cpu: Cpu<'a>,
    memory: Memory<'a>,
    pids: Pids,
    blkio: BlockIo<'a>,
    hugetlb: BTreeMap<&'a str, Entry>,
    network_interfaces: &'a [InterfaceEvent],
}

#[derive(Clone, Debug, Serialize)]
struct Cpu<'a> {
    usage: Usage<'a>,
    throttling: Throttled,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Stall>,
}

#[derive(Clone, Debug, Serialize)]
struct Usage<'a> {
    total: u64,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    percpu: &'a [u64],
    kernel: u64,
    user: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttled {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Memory<'a> {
    cache: u64,
    usage: Entry,
    swap: Entry,
    kernel: Entry,
    #[serde(rename = "kernelTCP")]
    kernel_tcp: Entry,
    raw: &'a BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Stall>,
}

/// Something that is counted; of huge pages no limit is told.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    usage: u64,
    max: u64,
    failcnt: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Pids {
    current: u64,
    /// 0 is no limit.
    limit: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockIo<'a> {
    io_service_bytes_recursive: List<'a>,
    io_serviced_recursive: List<'a>,
    io_queue_recursive: List<'a>,
    io_service_time_recursive: List<'a>,
    io_wait_time_recursive: List<'a>,
    io_merged_recursive: List<'a>,
    io_time_recursive: List<'a>,
    sectors_recursive: List<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psi: Option<Stall>,
}

type List<'a> = Vec<Line<'a>>;

#[derive(Clone, Copy, Debug, Serialize)]
struct Line<'a> {
    major: u32,
    minor: u32,
    op: &'a str,
    value: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Stall {
    some: Share,
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<Share>,
}

/// Percent, and microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
struct Share {
    avg10: Hundredths,
    avg60: Hundredths,
    avg300: Hundredths,
    total: u64,
}

/// A number with two digits behind the point.
#[derive(Clone, Copy, Debug)]
struct Hundredths(u32);

impl Serialize for Hundredths {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl CgroupStats {
    /// The statistics as an event has them, with those of the container's interfaces.
    #[must_use]
    pub fn event<'a>(&'a self, interfaces: &'a [InterfaceEvent]) -> StatsEvent<'a> {
        let throttling = &self.cpu.throttling;
        StatsEvent {
            cpu: Cpu {
                usage: Usage {
                    total: self.cpu.total,
                    percpu: &self.cpu.per_cpu,
                    kernel: self.cpu.kernel,
                    user: self.cpu.user,
                },
                throttling: Throttled {
                    periods: throttling.periods,
                    throttled_periods: throttling.throttled_periods,
                    throttled_time: throttling.throttled_time,
                },
                psi: self.cpu.pressure.map(stall),
            },
            memory: memory(&self.memory),
            pids: Pids {
                current: self.pids.map_or(0, |pids| pids.current),
                limit: self.pids.and_then(|pids| pids.limit).unwrap_or(0),
            },
            blkio: block_io(&self.block_io),
            hugetlb: self
                .hugetlb
                .iter()
                .map(|(size, counter)| (size.as_str(), Entry { limit: None, ..entry(*counter) }))
                .collect(),
            network_interfaces: interfaces,
        }
    }
}

fn entry(counter: Counter) -> Entry {
    Entry {
        limit: Some(counter.limit.unwrap_or(u64::MAX)),
        usage: counter.usage,
        max: counter.max_usage,
        failcnt: counter.failures,
    }
}

fn memory(stats: &MemoryStats) -> Memory<'_> {
    // v1 has kernel memory beside it, and counts memory in its swap already.
    let is_v1 = stats.kernel.is_some() || stats.stats.contains_key("cache");
    let both = |swap: Counter| Counter {
        usage: swap.usage.saturating_add(stats.memory.usage),
        max_usage: swap.max_usage,
        failures: swap.failures,
        limit: swap.limit.zip(stats.memory.limit).map(|(swap, memory)| swap.saturating_add(memory)),
    };
    let swap = stats.swap.map(|swap| if is_v1 { swap } else { both(swap) });
    let of = |counter: Option<Counter>| entry(counter.unwrap_or_default());
    let cache = stats.stats.get("cache").or_else(|| stats.stats.get("file"));
    Memory {
        cache: cache.copied().unwrap_or(0),
        usage: entry(stats.memory),
        swap: of(swap),
        kernel: of(stats.kernel),
        kernel_tcp: of(stats.kernel_tcp),
        raw: &stats.stats,
        psi: stats.pressure.map(stall),
    }
}

fn block_io(stats: &BlockIoStats) -> BlockIo<'_> {
    BlockIo {
        io_service_bytes_recursive: lines(&stats.service_bytes),
        io_serviced_recursive: lines(&stats.serviced),
        io_queue_recursive: lines(&stats.queued),
        io_service_time_recursive: lines(&stats.service_time),
        io_wait_time_recursive: lines(&stats.wait_time),
        io_merged_recursive: lines(&stats.merged),
        io_time_recursive: lines(&stats.time),
        sectors_recursive: lines(&stats.sectors),
        psi: stats.pressure.map(stall),
    }
}

fn lines(entries: &[BlockIoEntry]) -> List<'_> {
    let mut lines = Vec::with_capacity(entries.len());
    for BlockIoEntry { device, op, value } in entries {
        lines.push(Line { major: device.major, minor: device.minor, op, value: *value });
    }
    lines
}

fn stall(pressure: Pressure) -> Stall {
    let share = |stalled: super::Stalled| Share {
        avg10: Hundredths(stalled.avg10),
        avg60: Hundredths(stalled.avg60),
        avg300: Hundredths(stalled.avg300),
        total: stalled.total,
    };
    Stall { some: share(pressure.some), full: pressure.full.map(share) }
}
