//! Turns a read document back into `container.json` in the seed's form.
//!
//! What was written is read again and compared, so a config that the form cannot say is named, never shortened.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde_json::Value;

use super::process::user_text;
use super::read::{KINDS, from_libcontainer};
use super::{Extra, Kept, Parsed, seed, system};
use crate::config::{
    BindSource, CgroupBase, Config, Device, DeviceRule, Interface, Limit, Mount, MountKind,
    NamespaceSource, Network, Process, Relabel, Resources, RootSwitch, Route, Veth,
};
use crate::types::{
    DeviceAccess, HostPath, IdMap, MountFlags, NamespaceKind, Pointer, PropagationKind,
};

/// Places of the canonical config, or of the seed's form where a value there would be refused, that it cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotWrite(pub Vec<Pointer>);

impl fmt::Display for CannotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("libcontainer's container.json cannot say ")?;
        for (index, pointer) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{pointer}")?;
        }
        Ok(())
    }
}

impl core::error::Error for CannotWrite {}

/// Writes a document in the seed's form: tabs, members in the order of the format's tables, zero values left out.
///
/// Reading the result gives the same config and the same extra.
///
/// # Errors
/// The places that the seed's generation has no words for; most of version 2 is such.
pub fn to_libcontainer(parsed: &Parsed) -> Result<String, CannotWrite> {
    let text = render(&document(&parsed.config, &parsed.extra));
    let base = HostPath::new("/").map_err(|_| CannotWrite(Vec::new()))?;
    let again = match from_libcontainer(text.as_bytes(), &base) {
        Ok(again) => again,
        Err(errors) => {
            return Err(CannotWrite(errors.0.into_iter().map(|error| error.pointer).collect()));
        }
    };
    let mut lost = Vec::new();
    if again.config != parsed.config {
        let value = |config: &Config| serde_json::to_value(config).unwrap_or_default();
        differences(&value(&parsed.config), &value(&again.config), &Pointer::root(), &mut lost);
    }
    let (ours, theirs) = (&parsed.extra.without_effect, &again.extra.without_effect);
    lost.extend(
        ours.iter().filter(|(at, kept)| theirs.get(at) != Some(kept)).map(|(at, _)| at.clone()),
    );
    if again.extra.unused_devices != parsed.extra.unused_devices {
        lost.push(Pointer::new("/cgroups/allowed_devices"));
    }
    if lost.is_empty() { Ok(text) } else { Err(CannotWrite(lost)) }
}

/// The deepest places where two values differ.
fn differences(a: &Value, b: &Value, at: &Pointer, found: &mut Vec<Pointer>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let (a, b) = (value(a).unwrap_or_default(), value(b).unwrap_or_default());
                differences(&a, &b, &at.key(key), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, &at.index(index), found);
            }
        }
        _ if a != b => found.push(at.clone()),
        _ => {}
    }
}

/// JSON with a tab for each level, as the format's own tool wrote it.
fn render(document: &seed::Document) -> String {
    let blanks = serde_json::to_string_pretty(document).unwrap_or_default();
    let mut text = String::with_capacity(blanks.len());
    for line in blanks.lines() {
        let rest = line.trim_start_matches(' ');
        // No string holds a raw line break, so what a line begins with is indentation.
        text.extend(core::iter::repeat_n('\t', (line.len() - rest.len()) / 2));
        text.push_str(rest);
        text.push('\n');
    }
    text
}

/// Values without effect of one object of the seed's form.
struct Seat<'e> {
    extra: &'e Extra,
    pointer: Pointer,
}

impl Seat<'_> {
    fn kept(&self, key: &str) -> Option<&Kept> {
        self.extra.without_effect.get(&self.pointer.key(key))
    }

    fn text(&self, key: &str) -> String {
        match self.kept(key) {
            Some(Kept::Text(text)) => text.clone(),
            _ => String::new(),
        }
    }

    fn number(&self, key: &str) -> i64 {
        match self.kept(key) {
            Some(Kept::Number(number)) => *number,
            _ => 0,
        }
    }

    fn flag(&self, key: &str) -> bool {
        self.kept(key) == Some(&Kept::Flag(true))
    }
}

fn document(config: &Config, extra: &Extra) -> seed::Document {
    let at = |pointer: &str| Seat { extra, pointer: Pointer::new(pointer) };
    let process = config.process.as_ref();
    let is_new = config.creates(NamespaceKind::Mnt);
    let cgroup = config.cgroup.as_ref();
    seed::Document {
        mount_config: is_new.then(|| mount_config(config, extra)),
        root_fs: config.root.path.to_string(),
        hostname: config.hostname.clone().unwrap_or_default(),
        namespaces: namespaces(config),
        networks: config
            .networks
            .iter()
            .enumerate()
            .map(|(index, network)| self::network(network, &at(&format!("/networks/{index}"))))
            .collect(),
        routes: config.routes.iter().map(route).collect(),
        cgroups: cgroup.map(|cgroup| seed::Cgroup {
            slice: at("/cgroups").text("slice"),
            ..self::cgroup(&cgroup.path.base, &names(cgroup), &cgroup.resources, extra)
        }),
        restrict_sys: !config.readonly_paths.is_empty(),
        uid_mappings: mappings(&config.uid_mappings),
        gid_mappings: mappings(&config.gid_mappings),
        ..process.map_or_else(seed::Document::default, self::process)
    }
}

fn process(process: &Process) -> seed::Document {
    let cwd = process.cwd.as_str();
    let bounding = process.capabilities.map(|sets| sets.bounding).unwrap_or_default();
    let name = |capability: crate::types::Capability| {
        let text = capability.to_string();
        // A capability without a name keeps its prefix: a number alone would be none.
        match text.strip_prefix("CAP_") {
            Some(bare) if !bare.starts_with(|c: char| c.is_ascii_digit()) => bare.to_owned(),
            _ => text,
        }
    };
    seed::Document {
        user: user_text(&process.user.spec),
        working_dir: if cwd == "/" { String::new() } else { cwd.to_owned() },
        environment: process.env.iter().map(|var| format!("{}={}", var.name, var.value)).collect(),
        tty: process.terminal,
        capabilities: bounding.iter().map(name).collect(),
        apparmor_profile: process.apparmor_profile.clone().unwrap_or_default(),
        process_label: process.selinux_label.clone().unwrap_or_default(),
        rlimits: process
            .rlimits
            .iter()
            .map(|(resource, limit)| seed::Rlimit {
                r#type: resource.number(),
                hard: limit.hard,
                soft: limit.soft,
            })
            .collect(),
        additional_groups: process.user.additional_gids.clone(),
        ..seed::Document::default()
    }
}

fn namespaces(config: &Config) -> Vec<seed::Namespace> {
    let entry = |&(name, kind)| {
        let path = match config.namespaces.get(&kind)? {
            NamespaceSource::Create => String::new(),
            NamespaceSource::Join(path) => path.to_string(),
        };
        Some(seed::Namespace { kind: name, path })
    };
    KINDS.iter().filter_map(entry).collect()
}

fn mappings(map: &IdMap) -> Vec<seed::Mapping> {
    let mapping = |range: &crate::types::IdMapping| seed::Mapping {
        container_id: range.container_id,
        host_id: range.host_id,
        size: range.size,
    };
    map.ranges().iter().map(mapping).collect()
}

fn mount_config(config: &Config, extra: &Extra) -> seed::MountConfig {
    let seat = |list: &str, index: usize| Seat {
        extra,
        pointer: Pointer::new("/mount_config").key(list).index(index),
    };
    let user_mounts = config.mounts.iter().skip(system::COUNT).enumerate();
    let nodes = config.devices.iter().enumerate();
    seed::MountConfig {
        no_pivot_root: config.root.switch == RootSwitch::MoveMount,
        pivot_dir: Seat { extra, pointer: Pointer::new("/mount_config") }.text("pivot_dir"),
        readonly_fs: config.root.readonly,
        mounts: user_mounts
            .map(|(index, mount)| self::mount(mount, &seat("mounts", index)))
            .collect(),
        device_nodes: nodes
            .map(|(index, node)| device(node, &seat("device_nodes", index)))
            .collect(),
        mount_label: config.mount_label.clone().unwrap_or_default(),
    }
}

fn mount(mount: &Mount, seat: &Seat<'_>) -> seed::Mount {
    let destination = mount.destination.to_string();
    let MountKind::Bind(BindSource { source, .. }) = &mount.kind else {
        return seed::Mount {
            r#type: "tmpfs",
            source: seat.text("source"),
            destination,
            writable: seat.flag("writable"),
            relabel: seat.text("relabel"),
            private: seat.flag("private"),
            slave: seat.flag("slave"),
        };
    };
    let has = |kind| mount.propagation.iter().any(|propagation| propagation.kind == kind);
    let relabel = match mount.relabel {
        None => "",
        Some(Relabel::Shared) => "z",
        Some(Relabel::Private) => "Z",
    };
    seed::Mount {
        r#type: "bind",
        source: source.to_string(),
        destination,
        writable: !mount.set_recursive.contains(MountFlags::MS_RDONLY),
        relabel: relabel.to_owned(),
        private: has(PropagationKind::Private),
        slave: has(PropagationKind::Slave),
    }
}

fn device(device: &Device, seat: &Seat<'_>) -> seed::Device {
    seed::Device {
        r#type: u32::from(device.kind.letter()),
        path: device.path.to_string(),
        major_number: device.number.major.into(),
        minor_number: device.number.minor.into(),
        cgroup_permissions: seat.text("cgroup_permissions"),
        file_mode: device.mode.into(),
        uid: device.uid.into(),
        gid: device.gid.into(),
    }
}

fn rule(rule: &DeviceRule, seat: &Seat<'_>) -> seed::Device {
    let letters =
        [('r', DeviceAccess::READ), ('w', DeviceAccess::WRITE), ('m', DeviceAccess::MKNOD)];
    let granted = letters.into_iter().filter(|&(_, access)| rule.access.contains(access));
    seed::Device {
        r#type: rule.kind.map_or(0, |kind| u32::from(kind.letter())),
        path: seat.text("path"),
        major_number: rule.major.map_or(-1, i64::from),
        minor_number: rule.minor.map_or(-1, i64::from),
        cgroup_permissions: granted.map(|(letter, _)| letter).collect(),
        file_mode: seat.number("file_mode"),
        uid: seat.number("uid"),
        gid: seat.number("gid"),
    }
}

fn network(network: &Network, seat: &Seat<'_>) -> seed::Network {
    match network {
        Network::Veth(veth) => self::veth(veth),
        Network::Loopback => seed::Network {
            kind: "loopback",
            bridge: seat.text("bridge"),
            veth_prefix: seat.text("veth_prefix"),
            mac_address: seat.text("mac_address"),
            address: seat.text("address"),
            ipv6_address: seat.text("ipv6_address"),
            gateway: seat.text("gateway"),
            ipv6_gateway: seat.text("ipv6_gateway"),
            mtu: seat.number("mtu"),
            txqueuelen: seat.number("txqueuelen"),
            hairpin_mode: seat.flag("hairpin_mode"),
        },
    }
}

fn veth(veth: &Veth) -> seed::Network {
    let mac = veth.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":"));
    let cidr =
        |interface: &Option<Interface>| interface.map_or_else(String::new, |it| cidr_text(&it));
    let ip =
        |address: &Option<core::net::IpAddr>| address.map_or_else(String::new, |it| it.to_string());
    seed::Network {
        kind: "veth",
        bridge: veth.bridge.clone(),
        veth_prefix: veth.prefix.clone(),
        mac_address: mac.unwrap_or_default(),
        address: cidr(&veth.address),
        ipv6_address: cidr(&veth.ipv6_address),
        gateway: ip(&veth.gateway),
        ipv6_gateway: ip(&veth.ipv6_gateway),
        mtu: veth.mtu.map_or(0, i64::from),
        txqueuelen: veth.tx_queue_length.map_or(0, i64::from),
        hairpin_mode: veth.hairpin,
    }
}

fn cidr_text(interface: &Interface) -> String {
    format!("{}/{}", interface.address, interface.prefix)
}

fn route(route: &Route) -> seed::Route {
    seed::Route {
        destination: route.destination.as_ref().map(cidr_text).unwrap_or_default(),
        source: route.source.map(|address| address.to_string()).unwrap_or_default(),
        gateway: route.gateway.map(|address| address.to_string()).unwrap_or_default(),
        interface_name: route.interface.clone().unwrap_or_default(),
    }
}

fn names(cgroup: &crate::config::Cgroup) -> Vec<&str> {
    cgroup.path.parts.iter().map(crate::config::PathComponent::as_str).collect()
}

fn cgroup(base: &CgroupBase, names: &[&str], resources: &Resources, extra: &Extra) -> seed::Cgroup {
    let (name, parents) = names.split_last().unwrap_or((&"", &[]));
    let root = if *base == CgroupBase::Root { "/" } else { "" };
    let rules = resources.devices.as_ref().unwrap_or(&extra.unused_devices);
    let seat =
        |index| Seat { extra, pointer: Pointer::new("/cgroups/allowed_devices").index(index) };
    let limit = |limit: Option<Limit>| match limit {
        None => 0,
        Some(Limit::Unlimited) => -1,
        Some(Limit::At(bytes)) => i128::from(bytes),
    };
    let (memory, cpu) = (&resources.memory, &resources.cpu);
    seed::Cgroup {
        name: (*name).to_owned(),
        parent: format!("{root}{}", parents.join("/")),
        allow_all_devices: resources.devices.is_none(),
        allowed_devices: rules.iter().enumerate().map(|(at, it)| rule(it, &seat(at))).collect(),
        memory: limit(memory.limit),
        memory_reservation: limit(memory.reservation),
        memory_swap: limit(memory.swap),
        cpu_shares: cpu.shares.map_or(0, i128::from),
        cpu_quota: cpu.quota.map_or(0, i128::from),
        cpu_period: cpu.period.map_or(0, i128::from),
        cpuset_cpus: cpu.cpus.clone().unwrap_or_default(),
        cpuset_mems: cpu.mems.clone().unwrap_or_default(),
        blkio_weight: resources.block_io.weight.map_or(0, i128::from),
        slice: String::new(),
    }
}
