//! Statistics become the JSON that libcontainer of 2015 wrote, under its names.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::Serialize;
use serde::ser::{SerializeMap as _, SerializeSeq as _, SerializeStruct as _, Serializer};

use super::{BlockIoEntry, BlockIoStats, CgroupStats, CpuStats, MemoryStats};

/// [`CgroupStats`] under libcontainer's names: `cpu_stats`, `memory_stats`, `blkio_stats`. As there, what is 0 or empty
/// is left out, but for times in user mode and kernel and for `failcnt`. What it did not know is not in it.
#[derive(Clone, Copy, Debug)]
pub struct LibcontainerStats<'a>(pub(super) &'a CgroupStats);

impl Serialize for LibcontainerStats<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("stats", 3)?;
        map.serialize_field("cpu_stats", &Cpu::new(&self.0.cpu))?;
        map.serialize_field("memory_stats", &Memory::new(&self.0.memory))?;
        map.serialize_field("blkio_stats", &BlockIo(&self.0.block_io))?;
        map.end()
    }
}

#[derive(Serialize)]
struct Cpu<'a> {
    cpu_usage: Usage<'a>,
    throttling_data: Throttled,
}

#[derive(Serialize)]
struct Usage<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    total_usage: u64,
    #[serde(skip_serializing_if = "<[u64]>::is_empty")]
    percpu_usage: &'a [u64],
    usage_in_kernelmode: u64,
    usage_in_usermode: u64,
}

#[derive(Serialize)]
struct Throttled {
    #[serde(skip_serializing_if = "is_zero")]
    periods: u64,
    #[serde(skip_serializing_if = "is_zero")]
    throttled_periods: u64,
    #[serde(skip_serializing_if = "is_zero")]
    throttled_time: u64,
}

#[derive(Serialize)]
struct Memory<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    usage: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_usage: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    stats: &'a BTreeMap<String, u64>,
    failcnt: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a field over by reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl<'a> Cpu<'a> {
    fn new(cpu: &'a CpuStats) -> Self {
        Self {
            cpu_usage: Usage {
                total_usage: cpu.total,
                percpu_usage: &cpu.per_cpu,
                usage_in_kernelmode: cpu.kernel,
                usage_in_usermode: cpu.user,
            },
            throttling_data: Throttled {
                periods: cpu.throttling.periods,
                throttled_periods: cpu.throttling.throttled_periods,
                throttled_time: cpu.throttling.throttled_time,
            },
        }
    }
}

impl<'a> Memory<'a> {
    const fn new(stats: &'a MemoryStats) -> Self {
        Self {
            usage: stats.memory.usage,
            max_usage: stats.memory.max_usage,
            stats: &stats.stats,
            failcnt: stats.memory.failures,
        }
    }
}

struct BlockIo<'a>(&'a BlockIoStats);

impl Serialize for BlockIo<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stats = self.0;
        let lists = [
            ("io_service_bytes_recursive", &stats.service_bytes),
            ("io_serviced_recursive", &stats.serviced),
            // Its name there, whatever the file is called.
            ("io_queue_recursive", &stats.queued),
            ("io_service_time_recursive", &stats.service_time),
            ("io_wait_time_recursive", &stats.wait_time),
            ("io_merged_recursive", &stats.merged),
            ("io_time_recursive", &stats.time),
            ("sectors_recursive", &stats.sectors),
        ];
        let mut map = serializer.serialize_map(None)?;
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            map.serialize_entry(name, &Entries(list))?;
        }
        map.end()
    }
}

struct Entries<'a>(&'a [BlockIoEntry]);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for entry in self.0 {
            list.serialize_element(&Entry {
                major: entry.device.major,
                minor: entry.device.minor,
                op: &entry.op,
                value: entry.value,
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    #[serde(skip_serializing_if = "is_zero_number")]
    major: u32,
    #[serde(skip_serializing_if = "is_zero_number")]
    minor: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    op: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    value: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a field over by reference")]
const fn is_zero_number(value: &u32) -> bool {
    *value == 0
}
