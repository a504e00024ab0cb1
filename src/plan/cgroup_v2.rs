//! Resources → files and values of cgroup v2, with the published conversions where the config speaks v1.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v2.rst` of the kernel; OCI runtime-spec, `config-linux.md`, "Control groups".

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::bpf::{self, Instruction};
use super::cgroup_v1::rdma_line;
use super::cgroups::Setting;
use super::draft::{Draft, at, at_index};
use super::error::Refusal;
use crate::config::{BlockIo, CgroupBase, Cpu, Limit, Memory, Resources, ThrottleDevice};
use crate::facts::{KernelVersion, Unified};
use crate::types::{Capability, Pointer};

pub(super) fn settings(draft: &mut Draft<'_>, resources: &Resources) -> Vec<Setting> {
    let mut settings = Vec::new();
    memory(draft, &mut settings, &resources.memory);
    cpu(draft, &mut settings, &resources.cpu);
    if let Some(limit) = resources.pids {
        settings.push(Setting::new("pids", "pids.max", max(limit), &at("/cgroup/pids")));
    }
    block_io(draft, &mut settings, &resources.block_io);
    others(draft, &mut settings, resources);
    for (file, value) in &resources.unified {
        raw(draft, &mut settings, file, value);
    }
    settings
}

fn max(limit: Limit) -> String {
    match limit {
        Limit::Unlimited => "max".into(),
        Limit::At(value) => format!("{value}"),
    }
}

fn unsupported(draft: &mut Draft<'_>, origin: &Pointer, what: &'static str) {
    draft.refuse(origin, Refusal::LimitUnsupported { what });
}

fn memory(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, memory: &Memory) {
    let place = |name: &str| at("/cgroup/memory").key(name);
    if let Some(limit) = memory.limit {
        settings.push(Setting::new("memory", "memory.max", max(limit), &place("limit")));
    }
    if let Some(swap) = memory.swap {
        // The config counts memory and swap together, v2 counts swap alone.
        let alone = match (swap, memory.limit) {
            (Limit::At(both), Some(Limit::At(limit))) => Limit::At(both.saturating_sub(limit)),
            _ => Limit::Unlimited,
        };
        settings.push(Setting::new("memory", "memory.swap.max", max(alone), &place("swap")));
    }
    if let Some(reservation) = memory.reservation {
        let origin = place("reservation");
        settings.push(Setting::new("memory", "memory.low", max(reservation), &origin));
        draft.note(&origin, "a v1 soft limit becomes the v2 protection `memory.low`");
    }
    let lacking = [
        (memory.kernel.is_some(), "kernel", "cgroup v2 has no limit for kernel memory alone"),
        (memory.kernel_tcp.is_some(), "kernelTCP", "cgroup v2 has no limit for TCP memory alone"),
        (memory.swappiness.is_some(), "swappiness", "cgroup v2 has no swappiness"),
        (
            memory.disable_oom_killer,
            "disableOOMKiller",
            "cgroup v2 cannot switch the OOM killer off",
        ),
    ];
    for (is_asked, name, what) in lacking {
        if is_asked {
            unsupported(draft, &place(name), what);
        }
    }
    if memory.use_hierarchy == Some(false) {
        unsupported(draft, &place("useHierarchy"), "cgroup v2 is always hierarchical");
    }
}

fn cpu(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, cpu: &Cpu) {
    let place = |name: &str| at("/cgroup/cpu").key(name);
    if let Some(shares) = cpu.shares {
        let weight = weight_of_shares(shares);
        let origin = place("shares");
        draft.note(&origin, format!("{shares} v1 shares are the v2 weight {weight}"));
        settings.push(Setting::new("cpu", "cpu.weight", weight, &origin));
    }
    if cpu.quota.is_some() || cpu.period.is_some() {
        let quota = match cpu.quota {
            Some(quota) if quota > 0 => format!("{quota}"),
            _ => "max".into(),
        };
        let origin = place(if cpu.quota.is_some() { "quota" } else { "period" });
        let line = format!("{quota} {}", cpu.period.unwrap_or(100_000));
        settings.push(Setting::new("cpu", "cpu.max", line, &origin));
    }
    if let Some(burst) = cpu.burst {
        settings.push(Setting::new("cpu", "cpu.max.burst", burst, &place("burst")));
    }
    if let Some(idle) = cpu.idle {
        settings.push(Setting::new("cpu", "cpu.idle", idle, &place("idle")));
    }
    for (name, file, list) in
        [("cpus", "cpuset.cpus", &cpu.cpus), ("mems", "cpuset.mems", &cpu.mems)]
    {
        if let Some(list) = list {
            settings.push(Setting::new("cpuset", file, list, &place(name)));
        }
    }
    let what = "cgroup v2 has no real-time limits";
    if cpu.realtime_period.is_some() {
        unsupported(draft, &place("realtimePeriod"), what);
    }
    if cpu.realtime_runtime.is_some() {
        unsupported(draft, &place("realtimeRuntime"), what);
    }
}

/// The weight that gives a group with `shares` the share of CPU time it had on v1: 2 → 1, 1024 → 100, 262144 → 10000,
/// and on a quadratic curve through these points in the logarithm, rounded up. (The straight line that was used before
/// made 1024 a weight of 39, and so any container weaker than a group of the default weight.)
pub(super) fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => return 1,
        262_144.. => return 10_000,
        _ => {}
    }
    let log = log2(shares);
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    // Rounding up must not turn 100.00000000001 into 101.
    let mut weight = 1u64;
    let power = exp10(exponent) - 1e-6;
    while u64_as_f64(weight) < power {
        weight += 1;
    }
    weight
}

/// Exact below 2^53, and everything here is.
fn u64_as_f64(value: u64) -> f64 {
    let high = u32::try_from(value >> 32).unwrap_or(u32::MAX);
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX);
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

/// Binary logarithm, by halving and the series of the inverse hyperbolic tangent: `core` has no `log2`.
fn log2(value: u64) -> f64 {
    let whole = value.ilog2();
    let fraction = u64_as_f64(value) / u64_as_f64(1 << whole);
    let z = (fraction - 1.0) / (fraction + 1.0);
    let (mut term, mut sum, mut n) = (z, 0.0, 1.0);
    while n < 60.0 {
        sum += term / n;
        term *= z * z;
        n += 2.0;
    }
    f64::from(whole) + 2.0 * sum / core::f64::consts::LN_2
}

/// Power of ten, by the exponential series of a small part: `core` has no `powf`.
fn exp10(exponent: f64) -> f64 {
    let mut power = 1.0;
    let mut rest = exponent;
    while rest >= 1.0 {
        power *= 10.0;
        rest -= 1.0;
    }
    let x = rest * core::f64::consts::LN_10;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while n < 40.0 {
        term *= x / n;
        sum += term;
        n += 1.0;
    }
    power * sum
}

fn block_io(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, block_io: &BlockIo) {
    let place = at("/cgroup/blockIO");
    // 10..1000 becomes 1..10000 on a straight line.
    let convert = |weight: u16| 1 + (u32::from(weight).saturating_sub(10)) * 9999 / 990;
    if let Some(weight) = block_io.weight {
        let origin = place.key("weight");
        let line = format!("default {}", convert(weight));
        draft.note(&origin, format!("v1 weight {weight} is the v2 weight {}", convert(weight)));
        settings.push(Setting::new("io", "io.weight", line, &origin));
    }
    for (index, entry) in block_io.weight_device.iter().enumerate() {
        let origin = place.key("weightDevice").index(index);
        if let Some(weight) = entry.weight {
            let device = entry.device;
            let line = format!("{}:{} {}", device.major, device.minor, convert(weight));
            settings.push(Setting::new("io", "io.weight", line, &origin));
        }
        if entry.leaf_weight.is_some() {
            unsupported(draft, &origin, "cgroup v2 has no leaf weight");
        }
    }
    if block_io.leaf_weight.is_some() {
        unsupported(draft, &place.key("leafWeight"), "cgroup v2 has no leaf weight");
    }
    let throttles: [(&str, &str, &[ThrottleDevice]); 4] = [
        ("throttleReadBps", "rbps", &block_io.throttle_read_bps),
        ("throttleWriteBps", "wbps", &block_io.throttle_write_bps),
        ("throttleReadIops", "riops", &block_io.throttle_read_iops),
        ("throttleWriteIops", "wiops", &block_io.throttle_write_iops),
    ];
    for (name, key, devices) in throttles {
        for (index, entry) in devices.iter().enumerate() {
            let line =
                format!("{}:{} {key}={}", entry.device.major, entry.device.minor, entry.rate);
            settings.push(Setting::new("io", "io.max", line, &place.key(name).index(index)));
        }
    }
}

fn others(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, resources: &Resources) {
    for (index, huge) in resources.hugepage_limits.iter().enumerate() {
        let file = format!("hugetlb.{}.max", huge.page_size);
        let origin = at_index("/cgroup/hugepageLimits", index);
        settings.push(Setting::new("hugetlb", &file, huge.limit, &origin));
    }
    for (device, limit) in &resources.rdma {
        let line = rdma_line(device, limit);
        settings.push(Setting::new("rdma", "rdma.max", line, &at("/cgroup/rdma").key(device)));
    }
    if resources.network_class.is_some() {
        unsupported(draft, &at("/cgroup/networkClass"), "cgroup v2 has no network classes");
    }
    if !resources.network_priorities.is_empty() {
        let what = "cgroup v2 has no network priorities";
        unsupported(draft, &at("/cgroup/networkPriorities"), what);
    }
}

/// A raw file: `controller.name`, nothing else. What `cgroup.*` files do belongs to the plan itself.
fn raw(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, file: &str, value: &str) {
    let origin = at("/cgroup/unified").key(file);
    const CONTROLLERS: [&str; 8] =
        ["cpu", "cpuset", "hugetlb", "io", "memory", "misc", "pids", "rdma"];
    let name = file.split('.').next().unwrap_or("");
    let known = CONTROLLERS.into_iter().find(|controller| *controller == name);
    let is_file = !file.contains(['/', '\0']) && file.len() > name.len() + 1;
    match known.filter(|_| is_file) {
        Some(controller) => settings.push(Setting::new(controller, file, value, &origin)),
        None => {
            let expected = "a file of a cgroup v2 controller, `memory.high` or the like";
            draft.refuse(&origin, Refusal::LimitInvalid { expected });
        }
    }
}

/// A cgroup with processes of its own cannot switch controllers on for its children, unless it is the root.
pub(super) fn check_delegation(
    draft: &mut Draft<'_>,
    unified: &Unified,
    base: CgroupBase,
    wanted: &[String],
) {
    if base != CgroupBase::Caller {
        return;
    }
    for controller in wanted {
        let is_on = unified.caller_subtree.contains(controller);
        let is_there = unified.caller_controllers.contains(controller);
        let is_root = unified.caller == "/";
        if !is_on && (!is_there || unified.caller_populated && !is_root) {
            let directory = format!("{}{}", unified.mount_point, unified.caller);
            draft.refuse(
                &at("/cgroup"),
                Refusal::ControllerNotDelegated { controller: controller.clone(), directory },
            );
        }
    }
}

/// The program for the device rules; loading it needs privilege in the first user namespace.
pub(super) fn device_policy(
    draft: &mut Draft<'_>,
    resources: &Resources,
) -> Option<Vec<Instruction>> {
    let rules = resources.devices.as_ref()?;
    let is_new = draft.facts.kernel.version >= KernelVersion::new(5, 8);
    let capability = if is_new { Capability::BPF } else { Capability::SYS_ADMIN };
    let caller = &draft.facts.caller;
    let is_admin = caller.effective.contains(Capability::SYS_ADMIN);
    let origin = at("/cgroup/devices");
    if !caller.in_initial_userns || !is_admin {
        draft.require_capability(&origin, capability, "a device policy on cgroup v2");
    }
    match bpf::compile(rules) {
        Some(program) => Some(program),
        None => {
            let expected = "at most 500 device rules";
            draft.refuse(&origin, Refusal::LimitInvalid { expected });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_the_weights_that_the_standard_library_computes() {
        for shares in 2..=262_144u64 {
            let log = u64_as_f64(shares).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            let expected = (10f64.powf(exponent) - 1e-6).ceil();
            assert!((u64_as_f64(weight_of_shares(shares)) - expected).abs() < 0.5, "{shares}");
        }
        assert_eq!([2, 1024, 262_144].map(weight_of_shares), [1, 100, 10_000]);
    }
}
