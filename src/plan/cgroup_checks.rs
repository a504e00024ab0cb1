//! Values of limits that both versions of cgroups refuse, or that contradict each other.

use super::draft::{Draft, at};
use super::error::Refusal;
use crate::config::Limit::{At, Unlimited};
use crate::config::{Memory, Resources};

pub(super) fn values(draft: &mut Draft<'_>, resources: &Resources) {
    memory(draft, &resources.memory);
    let in_range = |value: Option<u64>, low, high| value.is_none_or(|v| v >= low && v <= high);
    if !in_range(resources.cpu.shares, 2, 262_144) {
        let expected = "CPU shares from 2 to 262144";
        draft.refuse(&at("/cgroup/cpu/shares"), Refusal::LimitInvalid { expected });
    }
    if !in_range(resources.cpu.period, 1000, 1_000_000) {
        let expected = "a CPU period from 1000 to 1000000 µs";
        draft.refuse(&at("/cgroup/cpu/period"), Refusal::LimitInvalid { expected });
    }
    if resources.cpu.quota.is_some_and(|quota| (0..1000).contains(&quota)) {
        let expected = "a CPU quota of at least 1000 µs, or a negative one for none";
        draft.refuse(&at("/cgroup/cpu/quota"), Refusal::LimitInvalid { expected });
    }
    let quota = resources.cpu.quota.and_then(|quota| u64::try_from(quota).ok());
    if let (Some(burst), Some(quota)) = (resources.cpu.burst, quota.filter(|quota| *quota > 0))
        && burst > quota
    {
        let expected = "a burst of no more than the quota";
        draft.refuse(&at("/cgroup/cpu/burst"), Refusal::LimitInvalid { expected });
    }
    if !in_range(resources.block_io.weight.map(u64::from), 10, 1000) {
        let expected = "a block I/O weight from 10 to 1000";
        draft.refuse(&at("/cgroup/blockIO/weight"), Refusal::LimitInvalid { expected });
    }
    let devices = resources.block_io.weight_device.iter();
    let weights = devices.flat_map(|entry| [entry.weight, entry.leaf_weight]);
    for weight in weights.chain([resources.block_io.leaf_weight]) {
        if !in_range(weight.map(u64::from), 10, 1000) {
            let expected = "block I/O weights from 10 to 1000";
            draft.refuse(&at("/cgroup/blockIO"), Refusal::LimitInvalid { expected });
        }
    }
}

fn memory(draft: &mut Draft<'_>, memory: &Memory) {
    if memory.swap.is_some() && memory.limit.is_none()
        || matches!((memory.swap, memory.limit), (Some(At(_)), Some(Unlimited)))
    {
        let expected = "a memory limit beside the limit of memory and swap";
        draft.refuse(&at("/cgroup/memory/swap"), Refusal::LimitInvalid { expected });
    }
    if let (Some(At(swap)), Some(At(limit))) = (memory.swap, memory.limit)
        && swap < limit
    {
        let expected = "memory and swap together to be at least the memory limit";
        draft.refuse(&at("/cgroup/memory/swap"), Refusal::LimitInvalid { expected });
    }
    if memory.swappiness.is_some_and(|value| value > 100) {
        let expected = "a swappiness from 0 to 100";
        draft.refuse(&at("/cgroup/memory/swappiness"), Refusal::LimitInvalid { expected });
    }
}
