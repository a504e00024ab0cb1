//! Turns `cgroups` into the place of the container's cgroup and what it enforces.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::device;
use super::door::{At, Door, MAX_INT, Text};
use super::fields::Fields;
use crate::config::error::{Expected, Problem};
use crate::config::{
    BlockIo, Cgroup, CgroupBase, CgroupDriver, CgroupPath, Cpu, DeviceRule, HugepageLimit,
    InterfacePriority, Limit, Memory, PathComponent, Resources, ThrottleDevice, WeightDevice,
};
use crate::types::{DeviceAccess, DeviceNumber, Pointer};

pub(super) fn read(door: &mut Door<'_>, top: &mut Fields<'_>) -> Option<Cgroup> {
    let mut fields = top.fields(door, "cgroups")?;
    let at = fields.at.clone();
    door.note(Pointer::new("/cgroup"), &at);
    let path = path(door, &mut fields);
    if let Some(freezer) = fields.text(door, "freezer") {
        door.refuse(&freezer.at, Problem::FreezerAtStart);
    }
    let driver = driver(door, &mut fields, path.as_ref());
    let resources = Resources {
        devices: devices(door, &mut fields),
        memory: memory(door, &mut fields),
        cpu: cpu(door, &mut fields),
        block_io: block_io(door, &mut fields),
        hugepage_limits: hugepages(door, &mut fields),
        network_class: network_class(door, &mut fields),
        network_priorities: network_priorities(door, &mut fields),
        ..Resources::default()
    };
    fields.finish(door);
    Some(Cgroup { path: path?, driver, resources })
}

/// `parent` and `name` joined: below the root when `parent` begins with `/`, else below the first process's cgroup.
fn path(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<CgroupPath> {
    let parent = fields.text(door, "parent");
    let name = fields.text(door, "name");
    if parent.is_none() && name.is_none() {
        door.refuse(&fields.at, Problem::NoCgroupName);
        return None;
    }
    let is_absolute = parent.as_ref().is_some_and(|parent| parent.text.starts_with('/'));
    let base = if is_absolute { CgroupBase::Root } else { CgroupBase::Init };
    let before = door.problems.len();
    let mut parts = Vec::new();
    for text in parent.iter().chain(&name) {
        let names = text.text.split('/').filter(|part| !part.is_empty()).map(PathComponent::new);
        match names.collect::<Result<Vec<_>, _>>() {
            Ok(names) => parts.extend(names),
            // Once for the text, however many of its names are wrong.
            Err(_) => door.invalid(text, Expected::Part),
        }
    }
    if parts.is_empty() && door.problems.len() == before {
        door.refuse(&fields.at, Problem::NoCgroupName);
    }
    Some(CgroupPath { base, parts })
}

/// A slice asks for systemd, whose scope is `scope_prefix-name`, or as the original had it first `parent-name`.
fn driver(door: &mut Door<'_>, fields: &mut Fields<'_>, path: Option<&CgroupPath>) -> CgroupDriver {
    let Some(slice) = fields.text(door, "slice") else {
        // Without a slice systemd is not asked, and its prefix has no effect.
        fields.keep(door, &Pointer::new("/cgroups"), &["scope_prefix"]);
        return CgroupDriver::Cgroupfs;
    };
    door.note(Pointer::new("/cgroup/driver"), &slice.at);
    let prefix = fields.text(door, "scope_prefix");
    let parts: Vec<_> =
        path.iter().flat_map(|path| &path.parts).map(PathComponent::as_str).collect();
    let scope = match (prefix, parts.last()) {
        (Some(prefix), Some(name)) => format!("{}-{name}", prefix.text),
        _ => parts.join("-"),
    };
    CgroupDriver::Systemd { slice: Some(slice.text.to_owned()), scope }
}

/// The rules: nothing but the list, or everything but the list of version 2.
fn devices(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<Vec<DeviceRule>> {
    let all = fields.flag(door, "allow_all_devices");
    let allowed = fields.items(door, "allowed_devices");
    let denied = fields.items(door, "denied_devices");
    let seat = Pointer::new("/cgroups/allowed_devices");
    let mut rules = Vec::new();
    for (index, at) in allowed.into_iter().enumerate() {
        if all.is_none() {
            door.note(Pointer::new("/cgroup/devices").index(index), &at);
        }
        rules.extend(device::rule(door, at, &seat.index(index), true));
    }
    let Some(all) = all else {
        for at in denied {
            // Everything is denied already; what is both allowed and denied nobody can have meant.
            door.refuse(&at, Problem::NoEquivalent);
        }
        return Some(rules);
    };
    door.extra.unused_devices = rules;
    if denied.is_empty() {
        return None;
    }
    let everything = DeviceRule {
        allow: true,
        kind: None,
        major: None,
        minor: None,
        access: DeviceAccess::all(),
    };
    door.note(Pointer::new("/cgroup/devices/0"), &all);
    let mut rules = vec![everything];
    for (index, at) in denied.into_iter().enumerate() {
        door.note(Pointer::new("/cgroup/devices").index(index + 1), &at);
        let seat = Pointer::new("/cgroups/denied_devices").index(index);
        rules.extend(device::rule(door, at, &seat, false));
    }
    Some(rules)
}

/// A number of the section, noted at `canonical` of `/cgroup`.
fn number(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    canonical: &str,
    (min, max): (i64, u64),
) -> Option<i128> {
    let number = fields.number(door, key, min, max)?;
    door.note(Pointer::new(canonical), &number.at);
    Some(number.value)
}

/// An unsigned number of the section, noted the same way.
fn unsigned(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    canonical: &str,
    range: (i64, u64),
) -> Option<u64> {
    number(door, fields, key, canonical, range).and_then(|value| u64::try_from(value).ok())
}

/// A number of bytes; −1 is no limit.
fn bytes(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    canonical: &str,
) -> Option<Limit> {
    number(door, fields, key, canonical, (-1, MAX_INT)).map(limit_of)
}

fn limit_of(value: i128) -> Limit {
    u64::try_from(value).map_or(Limit::Unlimited, Limit::At)
}

/// Memory limits. A swap limit that is not given stays unset: the original doubled the one of memory.
fn memory(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Memory {
    let limit = bytes(door, fields, "memory", "/cgroup/memory/limit");
    let swap = swap(door, fields, limit);
    let oom = fields.flag(door, "oom_kill_disable");
    if let Some(at) = &oom {
        door.note(Pointer::new("/cgroup/memory/disableOOMKiller"), at);
    }
    let swappiness = "/cgroup/memory/swappiness";
    Memory {
        limit,
        swap,
        reservation: bytes(door, fields, "memory_reservation", "/cgroup/memory/reservation"),
        kernel: bytes(door, fields, "kernel_memory", "/cgroup/memory/kernel"),
        // −1 leaves it alone, and so does its zero value, which version 2 writes everywhere.
        swappiness: unsigned(door, fields, "memory_swappiness", swappiness, (-1, 100)),
        disable_oom_killer: oom.is_some(),
        ..Memory::default()
    }
}

/// The limit of memory and swap together, which the kernel takes only above one of memory.
fn swap(door: &mut Door<'_>, fields: &mut Fields<'_>, memory: Option<Limit>) -> Option<Limit> {
    let number = fields.number(door, "memory_swap", -1, MAX_INT)?;
    door.note(Pointer::new("/cgroup/memory/swap"), &number.at);
    let limit = limit_of(number.value);
    match (limit, memory) {
        (Limit::At(swap), Some(Limit::At(memory))) if swap < memory => {
            door.refuse(&number.at, Problem::SwapBelowMemory { swap, memory });
        }
        (Limit::At(_), None | Some(Limit::Unlimited)) => {
            door.refuse(&number.at, Problem::SwapWithoutMemory);
        }
        _ => {}
    }
    Some(limit)
}

/// CPU time and placement. `cpu_quota` and `cpu_period` are those of the fair scheduler: version 2 has real-time
/// limits under the same names, which its own decoder therefore drops.
fn cpu(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Cpu {
    let quota = number(door, fields, "cpu_quota", "/cgroup/cpu/quota", (-1, MAX_INT));
    Cpu {
        shares: unsigned(door, fields, "cpu_shares", "/cgroup/cpu/shares", (2, 262_144)),
        quota: quota.and_then(|value| i64::try_from(value).ok()),
        period: unsigned(door, fields, "cpu_period", "/cgroup/cpu/period", (1000, 1_000_000)),
        cpus: list(door, fields, "cpuset_cpus", "/cgroup/cpu/cpus"),
        mems: list(door, fields, "cpuset_mems", "/cgroup/cpu/mems"),
        ..Cpu::default()
    }
}

/// A list of CPUs or memory nodes.
fn list(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    canonical: &str,
) -> Option<String> {
    let text = fields.text(door, key)?;
    door.note(Pointer::new(canonical), &text.at);
    if !text.text.split(',').all(is_range) {
        door.invalid(&text, Expected::CpuList);
    }
    Some(text.text.to_owned())
}

/// `3` or `0-3`.
fn is_range(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    matches!((digits::<u32>(first), digits(last)), (Some(first), Some(last)) if first <= last)
}

/// A number made of digits only.
fn digits<T: core::str::FromStr>(text: &str) -> Option<T> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

fn block_io(door: &mut Door<'_>, fields: &mut Fields<'_>) -> BlockIo {
    let weight = number(door, fields, "blkio_weight", "/cgroup/blockIO/weight", (10, 1000));
    let mut throttle = |key| -> Vec<ThrottleDevice> {
        let lines = device_lines(door, fields, key, (0, u64::MAX));
        lines.into_iter().map(|(device, rate)| ThrottleDevice { device, rate }).collect()
    };
    let throttle_read_bps = throttle("blkio_throttle_read_bps_device");
    let throttle_write_bps = throttle("blkio_throttle_write_bps_device");
    let throttle_read_iops = throttle("blkio_throttle_read_iops_device");
    let throttle_write_iops = throttle("blkio_throttle_write_iops_device");
    let weights = device_lines(door, fields, "blkio_weight_device", (10, 1000));
    let weight_device = |(device, weight)| {
        let weight = u16::try_from(weight).ok();
        WeightDevice { device, weight, leaf_weight: None }
    };
    BlockIo {
        weight: weight.and_then(|weight| u16::try_from(weight).ok()),
        leaf_weight: None,
        weight_device: weights.into_iter().map(weight_device).collect(),
        throttle_read_bps,
        throttle_write_bps,
        throttle_read_iops,
        throttle_write_iops,
    }
}

/// Lines `major:minor number`, as the kernel's own files take them.
fn device_lines(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    range: (u64, u64),
) -> Vec<(DeviceNumber, u64)> {
    let Some(text) = fields.text(door, key) else {
        return Vec::new();
    };
    door.note(Pointer::new("/cgroup/blockIO"), &text.at);
    let lines: Option<Vec<_>> = text.text.lines().map(|line| device_line(line, range)).collect();
    lines.unwrap_or_else(|| {
        door.invalid(&text, Expected::DeviceLimits);
        Vec::new()
    })
}

fn device_line(line: &str, (min, max): (u64, u64)) -> Option<(DeviceNumber, u64)> {
    let (device, value) = line.split_once(' ')?;
    let (major, minor) = device.split_once(':')?;
    let number = DeviceNumber { major: digits(major)?, minor: digits(minor)? };
    let is_number =
        number.major <= DeviceNumber::MAX_MAJOR && number.minor <= DeviceNumber::MAX_MINOR;
    let value = digits(value).filter(|value| (min..=max).contains(value))?;
    is_number.then_some((number, value))
}

fn hugepages(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<HugepageLimit> {
    let items = fields.items(door, "hugetlb_limit");
    let mut limits = Vec::new();
    for at in items {
        door.note(Pointer::new("/cgroup/hugepageLimits").index(limits.len()), &at);
        limits.extend(hugepage(door, at));
    }
    limits
}

fn hugepage(door: &mut Door<'_>, at: At<'_>) -> Option<HugepageLimit> {
    let mut fields = door.fields_at(at)?;
    let page_size = fields.required(door, "page_size").map(|size| size.text.to_owned());
    let limit = fields.number(door, "limit", 0, MAX_INT).map_or(0, |number| number.value);
    fields.finish(door);
    Some(HugepageLimit { page_size: page_size?, limit: u64::try_from(limit).ok()? })
}

fn network_class(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<u32> {
    let text = fields.text(door, "net_cls_classid")?;
    door.note(Pointer::new("/cgroup/networkClass"), &text.at);
    let class = class_id(&text);
    if class.is_none() {
        door.invalid(&text, Expected::ClassId);
    }
    class
}

fn class_id(text: &Text<'_>) -> Option<u32> {
    match text.text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()
        }
        Some(_) => None,
        None => digits(text.text),
    }
}

fn network_priorities(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<InterfacePriority> {
    let items = fields.items(door, "net_prio_ifpriomap");
    let mut priorities = Vec::new();
    for at in items {
        door.note(Pointer::new("/cgroup/networkPriorities").index(priorities.len()), &at);
        let Some(mut fields) = door.fields_at(at) else {
            continue;
        };
        let name = fields.required(door, "interface").map(|name| name.text.to_owned());
        let priority = fields.unsigned(door, "priority", u32::MAX);
        fields.finish(door);
        priorities.extend(name.map(|name| InterfacePriority { name, priority }));
    }
    priorities
}
