//! Resources → files and values of cgroup v2, with the published conversions where the config speaks v1.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v2.rst` of the kernel; OCI runtime-spec, `config-linux.md`, "Control groups".

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::bpf;
use super::cgroup_v1::rdma_line;
use super::cgroup_weights::{io_weight, weight_of_shares};
use super::cgroups::Setting;
use super::draft::{Draft, at, at_index, step_undone};
use super::error::Refusal;
use super::model::{Step, Undo};
use super::op::{CgroupOp, Op};
use crate::config::{BlockIo, CgroupBase, Cpu, Limit, Memory, Resources, ThrottleDevice};
use crate::facts::{KernelVersion, Unified};
use crate::types::{Capability, HostPath, Pointer};

/// `has_bfq`: whether cgroups here have the weight of the BFQ scheduler.
pub(super) fn settings(
    draft: &mut Draft<'_>,
    resources: &Resources,
    has_bfq: bool,
) -> Vec<Setting> {
    let mut settings = Vec::new();
    memory(draft, &mut settings, &resources.memory);
    cpu(draft, &mut settings, &resources.cpu);
    if let Some(limit) = resources.pids {
        settings.push(Setting::new("pids", "pids.max", max(limit), &at("/cgroup/pids")));
    }
    block_io(draft, &mut settings, &resources.block_io, has_bfq);
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

/// Whether a limit is really one: "unlimited" is kept by a kernel that has no such limit.
pub(super) fn is_limited(limit: Option<Limit>) -> bool {
    matches!(limit, Some(Limit::At(_)))
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
        let origin = place("swap");
        if let (Limit::At(both), Limit::At(alone)) = (swap, alone) {
            let text = format!("{both} bytes of memory and swap together are {alone} of v2's swap");
            draft.note(&origin, text);
        }
        settings.push(Setting::new("memory", "memory.swap.max", max(alone), &origin));
    }
    if let Some(reservation) = memory.reservation {
        let origin = place("reservation");
        settings.push(Setting::new("memory", "memory.low", max(reservation), &origin));
        draft.note(&origin, "a v1 soft limit becomes the v2 protection `memory.low`");
    }
    let lacking = [
        (is_limited(memory.kernel), "kernel", "cgroup v2 has no limit for kernel memory alone"),
        (is_limited(memory.kernel_tcp), "kernelTCP", "cgroup v2 has no limit for TCP memory alone"),
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

fn block_io(draft: &mut Draft<'_>, settings: &mut Vec<Setting>, block_io: &BlockIo, has_bfq: bool) {
    let place = at("/cgroup/blockIO");
    // BFQ takes the numbers of v1, up to 1000; `io.weight` goes up to 10000.
    let file = if has_bfq { "io.bfq.weight" } else { "io.weight" };
    let converted = |weight: u16| if has_bfq { weight.into() } else { io_weight(weight) };
    let say = |draft: &mut Draft<'_>, origin: &Pointer, weight: u16| match has_bfq {
        true => draft.note(origin, "the weight counts for devices with the BFQ scheduler"),
        false => {
            draft
                .note(origin, format!("v1 weight {weight} is the v2 weight {}", io_weight(weight)));
        }
    };
    if let Some(weight) = block_io.weight {
        let origin = place.key("weight");
        say(draft, &origin, weight);
        let line = format!("default {}", converted(weight));
        settings.push(Setting::new("io", file, line, &origin));
    }
    for (index, entry) in block_io.weight_device.iter().enumerate() {
        let origin = place.key("weightDevice").index(index);
        if let Some(weight) = entry.weight {
            let device = entry.device;
            say(draft, &origin, weight);
            let line = format!("{}:{} {}", device.major, device.minor, converted(weight));
            settings.push(Setting::new("io", file, line, &origin));
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
            // v1's 0 lifts a limit, v2's word for that is `max`.
            let rate = max(if entry.rate == 0 { Limit::Unlimited } else { Limit::At(entry.rate) });
            let line = format!("{}:{} {key}={rate}", entry.device.major, entry.device.minor);
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

/// The controllers that the values need, in order. One that the tree does not have is refused.
pub(super) fn wanted(
    draft: &mut Draft<'_>,
    settings: &[Setting],
    held: &BTreeSet<String>,
) -> Vec<String> {
    let mut wanted: Vec<String> = Vec::new();
    for setting in settings {
        let controller = setting.controller;
        let is_new = !controller.is_empty() && !wanted.iter().any(|known| known == controller);
        if is_new && held.contains(controller) {
            wanted.push(controller.into());
        } else if is_new {
            draft.refuse(&setting.origin, Refusal::ControllerMissing { controller });
        }
    }
    wanted
}

/// The other controllers that the container's cgroup can have, for what they tell of it. Not at the price of moving the
/// caller's processes out of the way, which only a limit is worth.
pub(super) fn more(unified: &Unified, base: CgroupBase, wanted: &[String]) -> Vec<String> {
    let is_callers = base == CgroupBase::Caller && unified.caller != "/";
    let there = if is_callers { &unified.caller_controllers } else { &unified.controllers };
    let is_free = !is_callers || !unified.caller_populated || !wanted.is_empty();
    let can = |name: &&String| {
        let is_on = is_callers && unified.caller_subtree.contains(*name);
        !wanted.contains(name) && (is_free || is_on)
    };
    there.iter().filter(can).cloned().collect()
}

/// Whether the processes of the caller's cgroup must go into a leaf, since one with processes of its own cannot switch
/// controllers on for its children, unless it is the root. Where the cgroup was not given to the caller, that is refused.
pub(super) fn needs_leaf(
    draft: &mut Draft<'_>,
    unified: &Unified,
    base: CgroupBase,
    wanted: &[String],
) -> bool {
    if base != CgroupBase::Caller || wanted.is_empty() || unified.caller == "/" {
        return false;
    }
    let is_off = |name: &&String| !unified.caller_subtree.contains(*name);
    let off: Vec<_> = wanted.iter().filter(is_off).collect();
    let may_move = unified.delegated;
    for controller in off.iter().filter(|name| {
        !unified.caller_controllers.contains(**name) || unified.caller_populated && !may_move
    }) {
        let controller = (*controller).clone();
        let directory = format!("{}{}", unified.mount_point, unified.caller);
        let refusal = Refusal::ControllerNotDelegated { controller, directory };
        draft.refuse(&at("/cgroup"), refusal);
    }
    // Who is in the leaf already stays until the last container has ended.
    may_move && (unified.in_leaf || unified.caller_populated && !off.is_empty())
}

/// The step that makes the device rules hold in `directory`, which needs privilege in the first user namespace.
pub(super) fn device_policy(
    draft: &mut Draft<'_>,
    resources: &Resources,
    directory: &HostPath,
) -> Option<Step> {
    let rules = resources.devices.as_ref()?;
    let is_new = draft.facts.kernel.version >= KernelVersion::new(5, 8);
    let capability = if is_new { Capability::BPF } else { Capability::SYS_ADMIN };
    let caller = &draft.facts.caller;
    let is_admin = caller.effective.contains(Capability::SYS_ADMIN);
    let origin = at("/cgroup/devices");
    if !caller.in_initial_userns {
        // Whoever is root in here only may make no device node either, and opens the host's as the user that he is.
        draft.note(
            &origin,
            "device rules are not enforced: that takes root of the first user namespace",
        );
        return None;
    }
    if !is_admin {
        draft.require_capability(&origin, capability, "a device policy on cgroup v2");
    }
    match bpf::compile(rules) {
        Some(program) => {
            let op = CgroupOp::DevicePolicy { directory: directory.clone(), program };
            Some(step_undone(Op::Cgroup(op), &origin, Undo::WithDirectory))
        }
        None => {
            let expected = "at most 500 device rules";
            draft.refuse(&origin, Refusal::LimitInvalid { expected });
            None
        }
    }
}
