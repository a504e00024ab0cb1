//! Turns `linux.cgroupsPath` and `linux.resources` into the container's cgroup and what it enforces.
//!
//! A zero where a limit of nothing makes no sense says as much as no value: engines write it for "not given".

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::door::{Door, I64, U32, U64};
use super::fields::Fields;
use super::process::cpus;
use super::{default, device};
use crate::config::error::{ConfigErrors, Expected, Problem};
use crate::config::json::{self, Node, Value};
use crate::config::{
    BlockIo, Cgroup, CgroupBase, CgroupDriver, CgroupPath, Cpu, HugepageLimit, InterfacePriority,
    Limit, Memory, PathComponent, RdmaLimit, Resources, SourceMap, ThrottleDevice, WeightDevice,
};
use crate::types::{DeviceNumber, HostPath, Pointer};

/// Relative weights of block I/O.
const WEIGHT: (i64, u64) = (0, 1000);

/// Reads a document that is nothing but `linux.resources`, as engines hand it over to change a container's limits. What it
/// does not say is absent; device rules too, which are otherwise never absent.
///
/// # Errors
/// Everything that is wrong with the document, in the order of the text.
pub fn resources_from_oci(text: &[u8]) -> Result<(Resources, SourceMap), ConfigErrors> {
    let root = json::parse(text).map_err(|error| ConfigErrors(vec![error]))?;
    let bundle = HostPath::root();
    let mut door = Door::new(&bundle);
    let has_rules = door.fields(&root).is_some_and(|mut fields| {
        matches!(fields.take("devices").map(|node| &node.value), Some(Value::List(rules)) if !rules.is_empty())
    });
    let mut resources = of(&mut door, &root).unwrap_or_default();
    let (source, _) = door.close(&root)?;
    resources.devices = resources.devices.filter(|_| has_rules);
    Ok((resources, source))
}

pub(super) fn read(door: &mut Door<'_>, linux: &mut Fields<'_>) -> Option<Cgroup> {
    let path = linux.text(door, "cgroupsPath");
    let path = path.and_then(|(text, node)| {
        door.note(Pointer::new("/cgroup/path"), node);
        path_of(door, text, node)
    });
    let node = linux.take("resources");
    if let Some(node) = node {
        door.note(Pointer::new("/cgroup"), node);
    }
    let resources = node.and_then(|node| of(door, node));
    if path.is_none() && resources.is_none() {
        return None;
    }
    let path = path.unwrap_or(CgroupPath { base: CgroupBase::Root, parts: Vec::new() });
    let resources = resources.unwrap_or_default();
    Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources })
}

/// An absolute path is below the mount point; a relative one below the caller's own cgroup, which is the place an
/// ordinary user may have been given.
fn path_of(door: &mut Door<'_>, text: &str, node: &Node<'_>) -> Option<CgroupPath> {
    let base = if text.starts_with('/') { CgroupBase::Root } else { CgroupBase::Caller };
    let names = text.split('/').filter(|part| !part.is_empty()).map(PathComponent::new);
    match names.collect::<Result<Vec<_>, _>>() {
        Ok(parts) if !parts.is_empty() => Some(CgroupPath { base, parts }),
        _ => {
            door.invalid(node, Expected::Part);
            None
        }
    }
}

/// The limits that `node` describes.
pub(super) fn of<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<Resources> {
    let mut fields = door.fields(node)?;
    let mut rules = device::rules(door, &mut fields);
    default::rules(door, &mut rules);
    let (network_class, network_priorities) = network(door, &mut fields);
    let resources = Resources {
        devices: Some(rules),
        memory: memory(door, &mut fields),
        cpu: cpu(door, &mut fields),
        pids: pids(door, &mut fields),
        block_io: block_io(door, &mut fields),
        hugepage_limits: hugepages(door, &mut fields),
        network_class,
        network_priorities,
        rdma: rdma(door, &mut fields),
        unified: unified(door, &mut fields),
    };
    fields.finish(door);
    Some(resources)
}

/// A number, noted at `key` of `section`.
fn number<T: TryFrom<i128>>(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    (section, key): (&str, &str),
    range: (i64, u64),
) -> Option<T> {
    let node = fields.take(key)?;
    door.note(Pointer::new(section).key(key), node);
    door.number(node, range)
}

/// A number that is not zero.
fn positive<T: TryFrom<i128> + Default + PartialEq>(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    place: (&str, &str),
    range: (i64, u64),
) -> Option<T> {
    number(door, fields, place, range).filter(|value| *value != T::default())
}

/// A number of something; a negative one is no limit.
fn limit_of(value: i64) -> Limit {
    u64::try_from(value).map_or(Limit::Unlimited, Limit::At)
}

fn memory(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Memory {
    const SECTION: &str = "/cgroup/memory";
    let Some(mut fields) = fields.fields(door, "memory") else { return Memory::default() };
    let mut bytes = |door: &mut Door<'_>, key| {
        positive(door, &mut fields, (SECTION, key), (-1, I64.1)).map(limit_of)
    };
    let limit = bytes(door, "limit");
    let memory = Memory {
        limit,
        reservation: bytes(door, "reservation"),
        swap: bytes(door, "swap"),
        kernel: bytes(door, "kernel"),
        kernel_tcp: bytes(door, "kernelTCP"),
        swappiness: number(door, &mut fields, (SECTION, "swappiness"), (0, 100)),
        disable_oom_killer: fields.flag(door, "disableOOMKiller").unwrap_or_default(),
        use_hierarchy: fields.flag(door, "useHierarchy"),
        check_before_update: fields.flag(door, "checkBeforeUpdate").unwrap_or_default(),
    };
    if let (Some(Limit::At(swap)), Some(Limit::At(limit))) = (memory.swap, limit)
        && swap < limit
    {
        door.refuse(fields.node, Problem::SwapBelowMemory { swap, memory: limit });
    }
    fields.finish(door);
    memory
}

fn cpu(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Cpu {
    const SECTION: &str = "/cgroup/cpu";
    let Some(mut section) = fields.fields(door, "cpu") else { return Cpu::default() };
    let fields = &mut section;
    let cpu = Cpu {
        shares: positive(door, fields, (SECTION, "shares"), U64),
        quota: positive(door, fields, (SECTION, "quota"), I64),
        period: positive(door, fields, (SECTION, "period"), U64),
        burst: number(door, fields, (SECTION, "burst"), U64),
        realtime_runtime: positive(door, fields, (SECTION, "realtimeRuntime"), I64),
        realtime_period: positive(door, fields, (SECTION, "realtimePeriod"), U64),
        cpus: list(door, fields, "cpus"),
        mems: list(door, fields, "mems"),
        idle: number(door, fields, (SECTION, "idle"), (0, 1)),
    };
    section.finish(door);
    cpu
}

fn list(door: &mut Door<'_>, fields: &mut Fields<'_>, key: &str) -> Option<String> {
    if let Some(node) = fields.take(key) {
        door.note(Pointer::new("/cgroup/cpu").key(key), node);
    }
    cpus(door, fields, key)
}

/// −1 is no limit, and so is 0, which engines write for it.
fn pids(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<Limit> {
    let mut fields = fields.fields(door, "pids")?;
    door.note(Pointer::new("/cgroup/pids"), fields.node);
    let limit = fields.required_number(door, "limit", I64);
    fields.finish(door);
    limit.map(|limit| if limit == 0 { Limit::Unlimited } else { limit_of(limit) })
}

fn block_io(door: &mut Door<'_>, fields: &mut Fields<'_>) -> BlockIo {
    const SECTION: &str = "/cgroup/blockIO";
    let Some(mut fields) = fields.fields(door, "blockIO") else { return BlockIo::default() };
    let block_io = BlockIo {
        weight: positive(door, &mut fields, (SECTION, "weight"), WEIGHT),
        leaf_weight: positive(door, &mut fields, (SECTION, "leafWeight"), WEIGHT),
        weight_device: weights(door, &mut fields),
        throttle_read_bps: rates(door, &mut fields, "throttleReadBpsDevice", "throttleReadBps"),
        throttle_write_bps: rates(door, &mut fields, "throttleWriteBpsDevice", "throttleWriteBps"),
        throttle_read_iops: rates(door, &mut fields, "throttleReadIOPSDevice", "throttleReadIops"),
        throttle_write_iops: rates(
            door,
            &mut fields,
            "throttleWriteIOPSDevice",
            "throttleWriteIops",
        ),
    };
    fields.finish(door);
    block_io
}

fn device(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<DeviceNumber> {
    let major = fields.required_number(door, "major", (0, DeviceNumber::MAX_MAJOR.into()));
    let minor = fields.required_number(door, "minor", (0, DeviceNumber::MAX_MINOR.into()));
    Some(DeviceNumber { major: major?, minor: minor? })
}

fn weights(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<WeightDevice> {
    let list = Pointer::new("/cgroup/blockIO/weightDevice");
    let mut devices = Vec::new();
    for node in fields.items(door, "weightDevice") {
        door.note(list.index(devices.len()), node);
        let Some(mut fields) = door.fields(node) else { continue };
        let device = device(door, &mut fields);
        let weight = fields.number(door, "weight", WEIGHT).filter(|weight| *weight != 0);
        let leaf_weight = fields.number(door, "leafWeight", WEIGHT).filter(|weight| *weight != 0);
        fields.finish(door);
        devices.extend(device.map(|device| WeightDevice { device, weight, leaf_weight }));
    }
    devices
}

fn rates(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    canonical: &str,
) -> Vec<ThrottleDevice> {
    let list = Pointer::new("/cgroup/blockIO").key(canonical);
    let mut devices = Vec::new();
    for node in fields.items(door, key) {
        door.note(list.index(devices.len()), node);
        let Some(mut fields) = door.fields(node) else { continue };
        let device = device(door, &mut fields);
        let rate = fields.required_number(door, "rate", U64);
        fields.finish(door);
        devices.extend(device.zip(rate).map(|(device, rate)| ThrottleDevice { device, rate }));
    }
    devices
}

fn hugepages(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<HugepageLimit> {
    let list = Pointer::new("/cgroup/hugepageLimits");
    let mut limits = Vec::new();
    for node in fields.items(door, "hugepageLimits") {
        door.note(list.index(limits.len()), node);
        let Some(mut fields) = door.fields(node) else { continue };
        let size = fields.required_text(door, "pageSize");
        if let Some((_, node)) = size.filter(|(text, _)| !is_page_size(text)) {
            door.invalid(node, Expected::PageSize);
        }
        let limit = fields.required_number(door, "limit", U64);
        fields.finish(door);
        limits.extend(size.zip(limit).map(|((page_size, _), limit)| HugepageLimit {
            page_size: page_size.to_owned(),
            limit,
        }));
    }
    limits
}

/// `^[1-9][0-9]*[KMG]B$`: the kernel's unit prefixes, powers of 1024.
fn is_page_size(text: &str) -> bool {
    let digits = text.strip_suffix('B').and_then(|text| text.strip_suffix(['K', 'M', 'G']));
    digits.is_some_and(|digits| {
        !digits.is_empty()
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn network(door: &mut Door<'_>, fields: &mut Fields<'_>) -> (Option<u32>, Vec<InterfacePriority>) {
    let Some(mut fields) = fields.fields(door, "network") else { return (None, Vec::new()) };
    let class = fields.take("classID").and_then(|node| {
        door.note(Pointer::new("/cgroup/networkClass"), node);
        door.number(node, U32)
    });
    let list = Pointer::new("/cgroup/networkPriorities");
    let mut priorities = Vec::new();
    for node in fields.items(door, "priorities") {
        door.note(list.index(priorities.len()), node);
        let Some(mut fields) = door.fields(node) else { continue };
        let name = fields.required_text(door, "name");
        let priority = fields.required_number(door, "priority", U32);
        fields.finish(door);
        priorities.extend(
            name.zip(priority)
                .map(|((name, _), priority)| InterfacePriority { name: name.to_owned(), priority }),
        );
    }
    fields.finish(door);
    (class, priorities)
}

fn rdma(door: &mut Door<'_>, fields: &mut Fields<'_>) -> BTreeMap<String, RdmaLimit> {
    let mut limits = BTreeMap::new();
    for member in fields.map(door, "rdma") {
        door.note(Pointer::new("/cgroup/rdma").key(&member.key), &member.node);
        let Some(mut fields) = door.fields(&member.node) else { continue };
        if fields.take("hcaHandles").is_none() && fields.take("hcaObjects").is_none() {
            door.invalid(&member.node, Expected::RdmaLimit);
        }
        let hca_handles = fields.number(door, "hcaHandles", U32);
        let hca_objects = fields.number(door, "hcaObjects", U32);
        fields.finish(door);
        let limit = RdmaLimit { hca_handles, hca_objects };
        limits.insert(member.key.as_ref().to_owned(), limit);
    }
    limits
}

fn unified(door: &mut Door<'_>, fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for member in fields.map(door, "unified") {
        door.note(Pointer::new("/cgroup/unified").key(&member.key), &member.node);
        if member.key.contains('/') {
            door.refuse_at(member.place, Problem::NoFileName);
        }
        if let Some(value) = door.text(&member.node) {
            values.insert(member.key.as_ref().to_owned(), value.to_owned());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_are_those_of_the_kernels_file_names() {
        assert!(["2MB", "1GB", "64KB"].iter().all(|text| is_page_size(text)));
        assert!(!["64kB", "2M", "0MB", "MB", "2 MB", "2MiB"].iter().any(|text| is_page_size(text)));
    }
}
