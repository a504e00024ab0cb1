//! Resources → files and values of cgroup v1.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v1/` of the kernel.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::cgroup_v2::is_limited;
use super::cgroups::Setting;
use super::device_rules::{self, Policy};
use super::draft::{Draft, at, at_index};
use super::error::Refusal;
use crate::config::{BlockIo, Cpu, DeviceRule, Limit, Memory, Resources, ThrottleDevice};
use crate::facts::KernelVersion;

pub(super) fn settings(draft: &mut Draft<'_>, resources: &Resources) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(rules) = &resources.devices {
        devices(draft, &mut settings, rules);
    }
    memory(draft, &mut settings, &resources.memory);
    cpu(&mut settings, &resources.cpu);
    if let Some(limit) = resources.pids {
        settings.push(Setting::new("pids", "pids.max", max(limit), &at("/cgroup/pids")));
    }
    block_io(draft, &mut settings, &resources.block_io);
    others(&mut settings, resources);
    settings
}

/// `-1` is v1's word for no limit, `max` that of the pids controller.
fn bytes(limit: Limit) -> String {
    match limit {
        Limit::Unlimited => "-1".into(),
        Limit::At(bytes) => format!("{bytes}"),
    }
}

fn max(limit: Limit) -> String {
    match limit {
        Limit::Unlimited => "max".into(),
        Limit::At(count) => format!("{count}"),
    }
}

/// First everything is denied or allowed, then the exceptions in a fixed order.
fn devices(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, rules: &[DeviceRule]) {
    let origin = at("/cgroup/devices");
    let Policy { allow, exceptions } = match device_rules::fold(rules) {
        Ok(policy) => policy,
        Err(index) => {
            let what =
                "a device rule that takes a part out of an earlier one, which cgroup v1 cannot say";
            draft.refuse(&at_index("/cgroup/devices", index), Refusal::LimitUnsupported { what });
            return;
        }
    };
    let (base, other) =
        if allow { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
    settings.push(Setting::new("devices", base, "a", &origin));
    for (exception, index) in exceptions {
        let origin = at_index("/cgroup/devices", index);
        settings.push(Setting::new("devices", other, exception, &origin));
    }
}

fn memory(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, memory: &Memory) {
    let place = |name: &str| at("/cgroup/memory").key(name);
    // Later kernels refuse the value, or take it and do nothing with it.
    let has_kernel_limit = draft.facts.kernel.version < KernelVersion::new(5, 16);
    if !has_kernel_limit && is_limited(memory.kernel) {
        let what = "a limit for kernel memory alone, which Linux has none of since 5.16";
        draft.refuse(&place("kernel"), Refusal::LimitUnsupported { what });
    }
    let kernel = memory.kernel.filter(|_| has_kernel_limit);
    let mut put = |name, file, value: Option<String>| {
        if let Some(value) = value {
            settings.push(Setting::new("memory", file, value, &place(name)));
        }
    };
    // The limit before the one of memory and swap together, which may not be below it.
    put("limit", "memory.limit_in_bytes", memory.limit.map(bytes));
    put("swap", "memory.memsw.limit_in_bytes", memory.swap.map(bytes));
    put("reservation", "memory.soft_limit_in_bytes", memory.reservation.map(bytes));
    put("kernel", "memory.kmem.limit_in_bytes", kernel.map(bytes));
    put("kernelTCP", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp.map(bytes));
    put("swappiness", "memory.swappiness", memory.swappiness.map(|value| format!("{value}")));
    put("disableOOMKiller", "memory.oom_control", memory.disable_oom_killer.then(|| "1".into()));
    let hierarchy = memory.use_hierarchy.map(|on| format!("{}", u8::from(on)));
    put("useHierarchy", "memory.use_hierarchy", hierarchy);
}

fn cpu(settings: &mut Vec<Setting>, cpu: &Cpu) {
    let place = |name: &str| at("/cgroup/cpu").key(name);
    let mut put = |controller, name, file, value: Option<String>| {
        if let Some(value) = value {
            settings.push(Setting::new(controller, file, value, &place(name)));
        }
    };
    let number = |value: Option<u64>| value.map(|value| format!("{value}"));
    let signed = |value: Option<i64>| value.map(|value| format!("{value}"));
    put("cpu", "shares", "cpu.shares", number(cpu.shares));
    // A period before its quota, else a quota that fits only the new period is refused.
    put("cpu", "period", "cpu.cfs_period_us", number(cpu.period));
    put("cpu", "quota", "cpu.cfs_quota_us", cpu.quota.map(|quota| format!("{}", quota.max(-1))));
    put("cpu", "burst", "cpu.cfs_burst_us", number(cpu.burst));
    put("cpu", "realtimePeriod", "cpu.rt_period_us", number(cpu.realtime_period));
    put("cpu", "realtimeRuntime", "cpu.rt_runtime_us", signed(cpu.realtime_runtime));
    put("cpu", "idle", "cpu.idle", signed(cpu.idle));
    put("cpuset", "cpus", "cpuset.cpus", cpu.cpus.clone());
    put("cpuset", "mems", "cpuset.mems", cpu.mems.clone());
}

fn block_io(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, block_io: &BlockIo) {
    let place = at("/cgroup/blockIO");
    // The CFQ scheduler and with it `blkio.weight` went away in Linux 5.0; BFQ brings its own file.
    let has_cfq = draft.facts.kernel.version < KernelVersion::new(5, 0);
    let weight_file = if has_cfq { "blkio.weight" } else { "blkio.bfq.weight" };
    let device_file = if has_cfq { "blkio.weight_device" } else { "blkio.bfq.weight_device" };
    if let Some(weight) = block_io.weight {
        settings.push(Setting::new("blkio", weight_file, weight, &place.key("weight")));
        if !has_cfq {
            draft
                .note(&place.key("weight"), "the weight counts for devices with the BFQ scheduler");
        }
    }
    let leaves = block_io.weight_device.iter().filter_map(|entry| entry.leaf_weight);
    if !has_cfq && leaves.chain(block_io.leaf_weight).next().is_some() {
        let what = "a leaf weight, which went with the CFQ scheduler in Linux 5.0";
        draft.refuse(&place.key("leafWeight"), Refusal::LimitUnsupported { what });
    }
    let has_weights = has_cfq || draft.facts.kernel.version >= KernelVersion::new(5, 4);
    if !has_weights && block_io.weight_device.iter().any(|entry| entry.weight.is_some()) {
        let what = "weights by device, which BFQ has since Linux 5.4";
        draft.refuse(&place.key("weightDevice"), Refusal::LimitUnsupported { what });
    }
    if let Some(weight) = block_io.leaf_weight {
        let file = "blkio.leaf_weight";
        settings.push(Setting::new("blkio", file, weight, &place.key("leafWeight")));
    }
    for (index, entry) in block_io.weight_device.iter().enumerate() {
        let origin = place.key("weightDevice").index(index);
        let device = entry.device;
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        if let Some(weight) = entry.weight {
            settings.push(Setting::new("blkio", device_file, line(weight), &origin));
        }
        if let Some(weight) = entry.leaf_weight {
            let file = "blkio.leaf_weight_device";
            settings.push(Setting::new("blkio", file, line(weight), &origin));
        }
    }
    let throttles: [(&str, &str, &[ThrottleDevice]); 4] = [
        ("throttleReadBps", "blkio.throttle.read_bps_device", &block_io.throttle_read_bps),
        ("throttleWriteBps", "blkio.throttle.write_bps_device", &block_io.throttle_write_bps),
        ("throttleReadIops", "blkio.throttle.read_iops_device", &block_io.throttle_read_iops),
        ("throttleWriteIops", "blkio.throttle.write_iops_device", &block_io.throttle_write_iops),
    ];
    for (name, file, devices) in throttles {
        for (index, entry) in devices.iter().enumerate() {
            let line = format!("{}:{} {}", entry.device.major, entry.device.minor, entry.rate);
            settings.push(Setting::new("blkio", file, line, &place.key(name).index(index)));
        }
    }
}

fn others(settings: &mut Vec<Setting>, resources: &Resources) {
    for (index, huge) in resources.hugepage_limits.iter().enumerate() {
        let file = format!("hugetlb.{}.limit_in_bytes", huge.page_size);
        let origin = at_index("/cgroup/hugepageLimits", index);
        settings.push(Setting::new("hugetlb", &file, huge.limit, &origin));
    }
    if let Some(class) = resources.network_class {
        let origin = at("/cgroup/networkClass");
        settings.push(Setting::new("net_cls", "net_cls.classid", class, &origin));
    }
    for (index, entry) in resources.network_priorities.iter().enumerate() {
        let line = format!("{} {}", entry.name, entry.priority);
        let origin = at_index("/cgroup/networkPriorities", index);
        settings.push(Setting::new("net_prio", "net_prio.ifpriomap", line, &origin));
    }
    for (device, limit) in &resources.rdma {
        let line = rdma_line(device, limit);
        settings.push(Setting::new("rdma", "rdma.max", line, &at("/cgroup/rdma").key(device)));
    }
}

/// `mlx4_0 hca_handle=2 hca_object=2000`, the same on both versions.
pub(super) fn rdma_line(device: &str, limit: &crate::config::RdmaLimit) -> String {
    let mut line = String::from(device);
    if let Some(handles) = limit.hca_handles {
        line.push_str(&format!(" hca_handle={handles}"));
    }
    if let Some(objects) = limit.hca_objects {
        line.push_str(&format!(" hca_object={objects}"));
    }
    line
}
