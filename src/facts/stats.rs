//! Texts of the files of a cgroup become what it uses and what it was refused, in the same units on v1 and v2.
//!
//! A file that is missing belongs to a controller that is not there: its numbers are 0, or `None` where 0 would say
//! something. A file that is there and cannot be read as what it should be is an error; zero is not made up for it.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v1/` and `cgroup-v2.rst` of the kernel, `Documentation/accounting/psi.rst`.

mod block_io;
mod events;
mod hugetlb;
mod libcontainer;
mod text;
mod v1;
mod v2;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

pub use events::{InterfaceEvent, StatsEvent};
pub use libcontainer::LibcontainerStats;
pub use text::{
    FreezerState, parse_cgroup_events, parse_cgroup_number, parse_flat_keyed, parse_freezer_state,
};

use crate::types::DeviceNumber;

/// What a cgroup uses and was refused. Times are nanoseconds, sizes bytes, unless a field says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CgroupStats {
    /// CPU time.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Block devices.
    #[serde(rename = "blockIO")]
    pub block_io: BlockIoStats,
    /// Number of tasks; `None` without the pids controller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<PidsStats>,
    /// Huge pages by their size, spelled as the kernel does (`2MB`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hugetlb: BTreeMap<String, Counter>,
}

/// CPU time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuStats {
    /// All of it, in nanoseconds.
    pub total: u64,
    /// In user mode, in nanoseconds; v1 counts it in clock ticks, so it may differ from `total`.
    pub user: u64,
    /// In the kernel, in nanoseconds.
    pub kernel: u64,
    /// By CPU, in nanoseconds (v1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_cpu: Vec<u64>,
    /// What the quota held back.
    pub throttling: Throttling,
    /// Tasks that waited for a CPU (v2, Linux 4.20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
}

/// What a CPU quota held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttling {
    /// Periods in which something ran.
    pub periods: u64,
    /// Periods in which the quota was used up.
    pub throttled_periods: u64,
    /// How long tasks were held back, in nanoseconds, summed over CPUs.
    pub throttled_time: u64,
    /// Periods that used saved-up time (Linux 5.15).
    pub bursts: u64,
    /// Saved-up time that was used, in nanoseconds (Linux 5.15).
    pub burst_time: u64,
}

/// One thing that is counted against a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counter {
    /// Now.
    pub usage: u64,
    /// The most there ever was; 0 where the kernel does not tell (v2 memory before Linux 5.19, v2 huge pages).
    pub max_usage: u64,
    /// How often the limit was met (v1 `failcnt`, v2 `max` of the events).
    pub failures: u64,
    /// The limit; `None` when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStats {
    /// Memory, in bytes.
    #[serde(flatten)]
    pub memory: Counter,
    /// v1: memory **and** swap; v2: swap alone. In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<Counter>,
    /// Kernel memory, in bytes (v1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Counter>,
    /// TCP buffers, in bytes (v1).
    #[serde(rename = "kernelTCP", skip_serializing_if = "Option::is_none")]
    pub kernel_tcp: Option<Counter>,
    /// `memory.stat`, each line under the kernel's word for it.
    pub stats: BTreeMap<String, u64>,
    /// What happened at the limits.
    pub events: MemoryEvents,
    /// Tasks that waited for memory (v2, Linux 4.20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
}

/// What happened at the limits of memory, since the cgroup was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryEvents {
    /// Taken back although it was below `memory.low` (v2).
    pub low: u64,
    /// Slowed down at `memory.high` (v2).
    pub high: u64,
    /// About to go over the hard limit (v2; v1 says it by `failures`).
    pub max: u64,
    /// Allocations that would have failed (v2).
    pub oom: u64,
    /// Processes killed (v1 from Linux 4.13).
    pub oom_kill: u64,
    /// Whether tasks wait for memory right now, the OOM killer being off (v1).
    pub under_oom: bool,
}

/// Number of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PidsStats {
    /// Now, threads counted one by one.
    pub current: u64,
    /// The most there ever were; 0 before Linux 6.6.
    pub peak: u64,
    /// Forks refused.
    pub refused: u64,
    /// The limit; `None` when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Block devices. v2 fills the first two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockIoStats {
    /// Bytes moved.
    pub service_bytes: Vec<BlockIoEntry>,
    /// Requests done.
    pub serviced: Vec<BlockIoEntry>,
    /// Requests waiting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<BlockIoEntry>,
    /// Time between dispatch and completion, in nanoseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_time: Vec<BlockIoEntry>,
    /// Time in the scheduler's queues, in nanoseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wait_time: Vec<BlockIoEntry>,
    /// Requests merged into others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged: Vec<BlockIoEntry>,
    /// Disk time allocated, in milliseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time: Vec<BlockIoEntry>,
    /// Sectors moved, of 512 bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sectors: Vec<BlockIoEntry>,
    /// Tasks that waited for a device (v2, Linux 4.20).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
}

/// One number of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlockIoEntry {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceNumber,
    /// What it did, in the kernel's words: `Read`, `Write`, `Sync`, `Async`, `Discard`, `Total`; empty where the file
    /// does not tell them apart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub op: String,
    /// How much.
    pub value: u64,
}

/// Pressure stall information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Stalled,
    /// All tasks waited at once; `None` where the kernel does not tell (CPU before Linux 5.13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full: Option<Stalled>,
}

/// How much of the time tasks waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stalled {
    /// Over the last 10 s, in hundredths of a percent.
    pub avg10: u32,
    /// Over the last 60 s, in hundredths of a percent.
    pub avg60: u32,
    /// Over the last 300 s, in hundredths of a percent.
    pub avg300: u32,
    /// Altogether, in microseconds.
    pub total: u64,
}

impl CgroupStats {
    /// With each part of `other` of which there is nothing here: the two trees of a hybrid host have each controller once.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        fn either<T: Default + PartialEq>(own: T, other: T) -> T {
            if own == T::default() { other } else { own }
        }
        Self {
            cpu: either(self.cpu, other.cpu),
            memory: either(self.memory, other.memory),
            block_io: either(self.block_io, other.block_io),
            pids: either(self.pids, other.pids),
            hugetlb: either(self.hugetlb, other.hugetlb),
        }
    }

    /// Whether a file of that name has a part in the statistics: the others need not be read.
    #[must_use]
    pub fn is_source(name: &str) -> bool {
        Self::sources().any(|source| source == name) || hugetlb::hugepage_size(name).is_some()
    }

    /// The files that have a part in the statistics, but for those of huge pages, whose names hold a size.
    pub(super) fn sources() -> impl Iterator<Item = &'static str> {
        let block_io = block_io::FILES.into_iter().flatten();
        v1::FILES.iter().chain(&v2::FILES).chain(block_io).copied()
    }

    /// Reads the files of a v1 cgroup, by name, of all its hierarchies together. `ticks` are clock ticks a second
    /// (`sysconf(_SC_CLK_TCK)`; 0 stands for the usual 100).
    ///
    /// # Errors
    /// At the first file that cannot be read, or that must be there beside another (`memory.usage_in_bytes` beside
    /// `memory.stat`).
    pub fn from_v1(
        files: &BTreeMap<String, String>,
        ticks: u64,
    ) -> Result<Self, super::FactsError> {
        v1::read(files, ticks)
    }

    /// Reads the files of a v2 cgroup, by name.
    ///
    /// # Errors
    /// At the first file that cannot be read.
    pub fn from_v2(files: &BTreeMap<String, String>) -> Result<Self, super::FactsError> {
        v2::read(files)
    }

    /// The statistics as libcontainer of 2015 wrote them.
    #[must_use]
    pub const fn to_libcontainer_json(&self) -> LibcontainerStats<'_> {
        LibcontainerStats(self)
    }
}
