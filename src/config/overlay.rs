//! Limits with others over them.

use alloc::vec::Vec;

use super::{BlockIo, Cpu, Memory, Resources};

impl Resources {
    /// These limits with `new` over them: what `new` does not say stays. The device policy stays in any case.
    #[must_use]
    pub fn overlaid(&self, new: &Self) -> Self {
        let mut all = Self {
            devices: self.devices.clone(),
            memory: memory(self.memory, new.memory),
            cpu: cpu(&self.cpu, &new.cpu),
            pids: new.pids.or(self.pids),
            block_io: block_io(&self.block_io, &new.block_io),
            hugepage_limits: list(&self.hugepage_limits, &new.hugepage_limits, |it| {
                it.page_size.clone()
            }),
            network_class: new.network_class.or(self.network_class),
            network_priorities: list(&self.network_priorities, &new.network_priorities, |it| {
                it.name.clone()
            }),
            rdma: self.rdma.clone(),
            unified: self.unified.clone(),
        };
        all.rdma.extend(new.rdma.iter().map(|(device, limit)| (device.clone(), *limit)));
        all.unified.extend(new.unified.iter().map(|(file, value)| (file.clone(), value.clone())));
        all
    }
}

fn memory(old: Memory, new: Memory) -> Memory {
    Memory {
        limit: new.limit.or(old.limit),
        reservation: new.reservation.or(old.reservation),
        swap: new.swap.or(old.swap),
        kernel: new.kernel.or(old.kernel),
        kernel_tcp: new.kernel_tcp.or(old.kernel_tcp),
        swappiness: new.swappiness.or(old.swappiness),
        disable_oom_killer: new.disable_oom_killer || old.disable_oom_killer,
        use_hierarchy: new.use_hierarchy.or(old.use_hierarchy),
        // Not a limit, but how this one change is made.
        check_before_update: old.check_before_update,
    }
}

fn cpu(old: &Cpu, new: &Cpu) -> Cpu {
    Cpu {
        shares: new.shares.or(old.shares),
        quota: new.quota.or(old.quota),
        period: new.period.or(old.period),
        burst: new.burst.or(old.burst),
        realtime_runtime: new.realtime_runtime.or(old.realtime_runtime),
        realtime_period: new.realtime_period.or(old.realtime_period),
        cpus: new.cpus.clone().or_else(|| old.cpus.clone()),
        mems: new.mems.clone().or_else(|| old.mems.clone()),
        idle: new.idle.or(old.idle),
    }
}

fn block_io(old: &BlockIo, new: &BlockIo) -> BlockIo {
    BlockIo {
        weight: new.weight.or(old.weight),
        leaf_weight: new.leaf_weight.or(old.leaf_weight),
        weight_device: list(&old.weight_device, &new.weight_device, |it| it.device),
        throttle_read_bps: list(&old.throttle_read_bps, &new.throttle_read_bps, |it| it.device),
        throttle_write_bps: list(&old.throttle_write_bps, &new.throttle_write_bps, |it| it.device),
        throttle_read_iops: list(&old.throttle_read_iops, &new.throttle_read_iops, |it| it.device),
        throttle_write_iops: list(&old.throttle_write_iops, &new.throttle_write_iops, |it| {
            it.device
        }),
    }
}

/// An element takes the place of the one with its key, or follows.
fn list<T: Clone, K: PartialEq>(old: &[T], new: &[T], key: impl Fn(&T) -> K) -> Vec<T> {
    let mut all = old.to_vec();
    for element in new {
        match all.iter().position(|known| key(known) == key(element)) {
            Some(at) => {
                if let Some(place) = all.get_mut(at) {
                    *place = element.clone();
                }
            }
            None => all.push(element.clone()),
        }
    }
    all
}
