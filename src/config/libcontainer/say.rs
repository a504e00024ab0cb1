//! Turns a `Config` and what was kept beside it into the seed's form, as far as that has words.
//!
//! What it has no words for is left out here and found missing by `write`.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

use super::namespace::KINDS;
use super::process::user_text;
use super::{Extra, Kept, seed, system};
use crate::config::{
    BindSource, Cgroup, CgroupBase, CgroupDriver, Config, Device, DeviceRule, Interface, Limit,
    Mount, MountKind, NamespaceSource, Network, PathComponent, Process, Relabel, Resources,
    RootSwitch, Route, User, Veth,
};
use crate::types::{
    Capability, DeviceAccess, IdMap, IdMapping, MountFlags, NamespaceKind, Pointer, PropagationKind,
};

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

/// The document that says `config` as far as the form can.
pub(super) fn document(config: &Config, extra: &Extra) -> seed::Document {
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
            slice: slice(&cgroup.driver),
            ..self::cgroup(&cgroup.path.base, &names(cgroup), &cgroup.resources, extra)
        }),
        restrict_sys: !config.readonly_paths.is_empty(),
        uid_mappings: mappings(&config.uid_mappings),
        gid_mappings: mappings(&config.gid_mappings),
        ..process.map_or_else(seed::Document::default, self::process)
    }
}

fn slice(driver: &CgroupDriver) -> String {
    match driver {
        CgroupDriver::Cgroupfs => String::new(),
        CgroupDriver::Systemd { slice, .. } => slice.clone().unwrap_or_default(),
    }
}

fn process(process: &Process) -> seed::Document {
    let cwd = process.cwd.as_str();
    let bounding = process.capabilities.map(|sets| sets.bounding).unwrap_or_default();
    let name = |capability: Capability| {
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
        additional_groups: groups(&process.user),
        ..seed::Document::default()
    }
}

fn groups(user: &User) -> Vec<seed::Group> {
    let numbers = user.additional_gids.iter().map(|gid| seed::Group::Id(*gid));
    let names = user.additional_groups.iter().map(|name| seed::Group::Name(name.clone()));
    numbers.chain(names).collect()
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
    let mapping = |range: &IdMapping| seed::Mapping {
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
    let ip = |address: &Option<IpAddr>| address.map_or_else(String::new, |it| it.to_string());
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

fn names(cgroup: &Cgroup) -> Vec<&str> {
    cgroup.path.parts.iter().map(PathComponent::as_str).collect()
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
