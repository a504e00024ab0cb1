//! Random configs and hosts: valid values of the model, whatever the planner may think of them together.

use nsplan::config::{
    BindSource, Cgroup, CgroupBase, CgroupDriver, CgroupPath, Clock, Config, Cpu, DeviceRule,
    EnvVar, Hook, Hooks, IoPriority, Limit, Memory, MemoryPolicy, Mount, MountIdMap, MountKind,
    NamespaceSource, PathComponent, Resources, Root, RootSwitch, Scheduler, TimeOffset, UserSpec,
};
use nsplan::facts::{
    CgroupFacts, Feature, Hierarchy, HostFacts, KernelFacts, KernelVersion, PathFact, SubidFacts,
    SubidRange, SystemdFacts, Unified,
};
use nsplan::types::{
    CapSet, DeviceAccess, DeviceKind, HostPath, IdMap, IdMapping, IoClass, MemoryPolicyMode,
    MountFlags, NamespaceKind, Propagation, PropagationKind, Resource, Rlimit, RootPath,
    SchedulerPolicy,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn host_path() -> impl Strategy<Value = HostPath> {
    "(/[a-z]{1,4}){1,3}".prop_map(|text| HostPath::new(&text).unwrap())
}

pub(crate) fn root_path() -> impl Strategy<Value = RootPath> {
    prop_oneof![
        "(/[a-z]{1,4}){1,3}".prop_map(|text| RootPath::new(&text).unwrap()),
        select(vec!["/proc", "/sys", "/dev", "/proc/self", "/", "/sys/fs/cgroup"])
            .prop_map(|text| RootPath::new(text).unwrap()),
    ]
}

/// Ranges that never overlap, since each begins after the one before on both sides.
pub(crate) fn id_map() -> impl Strategy<Value = IdMap> {
    vec((0u32..5, 0u32..100_000, 1u32..70_000), 0..5).prop_map(|raw| {
        let (mut inside, mut outside) = (0u32, 0u32);
        let ranges = raw.into_iter().map(|(gap, skip, size)| {
            let range = IdMapping { container_id: inside + gap, host_id: outside + skip, size };
            inside += gap + size;
            outside += skip + size;
            range
        });
        IdMap::new(ranges.collect()).unwrap()
    })
}

fn namespaces() -> impl Strategy<Value = std::collections::BTreeMap<NamespaceKind, NamespaceSource>>
{
    let source = prop_oneof![
        8 => Just(NamespaceSource::Create),
        1 => host_path().prop_map(NamespaceSource::Join),
    ];
    btree_map(select(NamespaceKind::ALL.to_vec()), source, 0..=8)
}

fn mount_flags() -> impl Strategy<Value = MountFlags> {
    any::<u64>().prop_map(MountFlags::from_bits_truncate)
}

pub(crate) fn mount() -> impl Strategy<Value = Mount> {
    let fstype = select(vec!["proc", "sysfs", "tmpfs", "mqueue", "devpts", "ext4"]);
    let filesystem = (fstype, vec("[a-z]{1,4}(=[0-9]{1,3})?", 0..3)).prop_map(|(fstype, data)| {
        MountKind::Filesystem { fstype: fstype.into(), source: Some(fstype.into()), data }
    });
    let bind = (host_path(), any::<bool>())
        .prop_map(|(source, recursive)| MountKind::Bind(BindSource { source, recursive }));
    let kind = prop_oneof![4 => filesystem, 4 => bind, 1 => Just(MountKind::Cgroup)];
    let propagation = (
        select(vec![PropagationKind::Private, PropagationKind::Shared, PropagationKind::Slave]),
        any::<bool>(),
    )
        .prop_map(|(kind, recursive)| Propagation { kind, recursive });
    let recursive = prop_oneof![3 => Just(MountFlags::empty()), 1 => Just(MountFlags::MS_RDONLY)];
    let mapped = (id_map(), id_map(), any::<bool>()).prop_map(|(uids, gids, recursive)| {
        MountIdMap { uid_mappings: uids, gid_mappings: gids, recursive }
    });
    let mapped = prop_oneof![5 => Just(None), 1 => mapped.prop_map(Some)];
    let copies = prop_oneof![5 => Just(false), 1 => Just(true)];
    let extras = (recursive, mapped, copies);
    (root_path(), kind, mount_flags(), extras, vec(propagation, 0..2)).prop_map(
        |(destination, kind, set, (set_recursive, id_map, copy_up), propagation)| Mount {
            destination,
            kind,
            set,
            clear: MountFlags::empty(),
            set_recursive,
            clear_recursive: MountFlags::empty(),
            propagation,
            id_map,
            relabel: None,
            copy_up,
        },
    )
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![1 => Just(Limit::Unlimited), 4 => any::<u64>().prop_map(Limit::At)]
}

fn device_rule() -> impl Strategy<Value = DeviceRule> {
    let kind = option::of(select(vec![DeviceKind::Block, DeviceKind::Char]));
    (any::<bool>(), kind, option::of(0u32..300), option::of(0u32..300), 1u32..8).prop_map(
        |(allow, kind, major, minor, access)| DeviceRule {
            allow,
            kind,
            major,
            minor,
            access: DeviceAccess::from_bits_truncate(access),
        },
    )
}

fn cgroup() -> impl Strategy<Value = Cgroup> {
    let base = select(vec![CgroupBase::Root, CgroupBase::Init, CgroupBase::Caller]);
    let part = "[a-z]{1,6}".prop_map(|text| PathComponent::new(&text).unwrap());
    let resources = (
        option::of(vec(device_rule(), 0..4)),
        option::of(limit()),
        option::of(limit()),
        option::of(2u64..262_144),
        option::of(limit()),
    )
        .prop_map(|(devices, memory, swap, shares, pids)| Resources {
            devices,
            memory: Memory { limit: memory, swap, ..Memory::default() },
            cpu: Cpu { shares, ..Cpu::default() },
            pids,
            ..Resources::default()
        });
    let slice = option::of(select(vec!["web.slice", "a-b.slice", "-.slice", "web"]));
    let systemd = (slice, "[a-z]{0,6}").prop_map(|(slice, scope)| CgroupDriver::Systemd {
        slice: slice.map(str::to_owned),
        scope,
    });
    let driver = prop_oneof![4 => Just(CgroupDriver::Cgroupfs), 1 => systemd];
    (base, vec(part, 1..3), driver, resources).prop_map(|(base, parts, driver, resources)| Cgroup {
        path: CgroupPath { base, parts },
        driver,
        resources,
    })
}

fn root() -> impl Strategy<Value = Root> {
    let switch = prop_oneof![4 => Just(RootSwitch::PivotRoot), 1 => Just(RootSwitch::MoveMount)];
    let path = prop_oneof![1 => Just(HostPath::new("/").unwrap()), 2 => host_path()];
    (path, any::<bool>(), any::<bool>(), switch).prop_map(
        |(path, readonly, readonly_recursive, switch)| Root {
            path,
            entries: None,
            readonly,
            readonly_recursive,
            propagation: None,
            switch,
        },
    )
}

fn hook() -> impl Strategy<Value = Hook> {
    ("/[a-z]{1,4}", vec("[a-z]{0,3}", 0..2), option::of(1u32..5)).prop_map(
        |(path, args, timeout)| {
            let env = vec![EnvVar { name: "A".into(), value: "b".into() }];
            Hook { path, args, env, timeout }
        },
    )
}

fn hooks() -> impl Strategy<Value = Hooks> {
    let list = || prop_oneof![3 => Just(Vec::new()), 1 => vec(hook(), 1..3)];
    (list(), list(), list(), list(), list(), list()).prop_map(|(a, b, c, d, e, f)| Hooks {
        prestart: a,
        create_runtime: b,
        create_container: c,
        start_container: d,
        poststart: e,
        poststop: f,
    })
}

/// How the process is treated: some of it out of range.
fn treatment()
-> impl Strategy<Value = (Option<Scheduler>, Option<IoPriority>, Option<MemoryPolicy>)> {
    let policy = select(SchedulerPolicy::ALL.to_vec());
    let scheduler = (policy, -21i32..21, 0u32..101, 0u64..4000).prop_map(
        |(policy, nice, priority, runtime)| {
            let (deadline, period) = (2000, 4000);
            Scheduler { policy, nice, priority, flags: Vec::new(), runtime, deadline, period }
        },
    );
    let io = (select(IoClass::ALL.to_vec()), 0u8..9)
        .prop_map(|(class, priority)| IoPriority { class, priority });
    let nodes = select(vec!["", "0", "0-1", "1023", "1024", "x"]);
    let memory = (select(MemoryPolicyMode::ALL.to_vec()), nodes)
        .prop_map(|(mode, nodes)| MemoryPolicy { mode, nodes: nodes.into(), flags: Vec::new() });
    (option::of(scheduler), option::of(io), option::of(memory))
}

/// A config with everything the model has that the planner carries out.
pub(crate) fn config() -> impl Strategy<Value = Config> {
    let parts = (
        root(),
        namespaces(),
        (id_map(), id_map()),
        vec(mount(), 0..6),
        option::of(cgroup()),
        option::of("[a-z]{1,8}"),
        any::<bool>(),
        (hooks(), treatment()),
    );
    let process = (
        vec("[ -~]{0,8}", 0..4),
        (any::<u64>(), any::<u64>()),
        (0u32..2000, 0u32..2000),
        btree_map(select(Resource::ALL.to_vec()), (0u64..5000, 0u64..5000), 0..3),
        any::<bool>(),
        option::of(-1000i32..1001),
    );
    (parts, process).prop_map(|(parts, process)| {
        let (root, namespaces, maps, mounts, cgroup, hostname, loopback, (hooks, treated)) = parts;
        let (args, sets, ids, rlimits, terminal, oom) = process;
        let mut config = Config::sandbox(root.path.clone(), args, true);
        config.root = root;
        config.namespaces = namespaces;
        (config.uid_mappings, config.gid_mappings) = maps;
        config.mounts.extend(mounts);
        config.cgroup = cgroup;
        config.hostname = hostname;
        config.hooks = hooks;
        config.memory_policy = treated.2;
        if !loopback {
            config.networks.clear();
        }
        if config.creates(NamespaceKind::Time) {
            let offset = TimeOffset { secs: -5, nanosecs: 0 };
            config.time_offsets.insert(Clock::Boottime, offset);
        }
        let process = config.process.as_mut().unwrap();
        let capabilities = process.capabilities.as_mut().unwrap();
        capabilities.bounding = CapSet::from_bits(sets.0 & 0x1ff_ffff_ffff);
        capabilities.permitted = CapSet::from_bits(sets.1 & sets.0 & 0x1ff_ffff_ffff);
        capabilities.effective = capabilities.permitted;
        process.user.spec = UserSpec::Ids { uid: ids.0, gid: ids.1 };
        process.terminal = terminal;
        process.oom_score_adj = oom;
        (process.scheduler, process.io_priority) = (treated.0, treated.1);
        process.rlimits = rlimits
            .into_iter()
            .map(|(resource, (a, b))| (resource, Rlimit { soft: a.min(b), hard: a.max(b) }))
            .collect();
        config
    })
}

/// The plain sandbox, which most hosts can plan, with some of its parts changed.
pub(crate) fn sane_config() -> impl Strategy<Value = Config> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (vec(mount(), 0..3), option::of(cgroup()), switches).prop_map(
        |(mounts, cgroup, (userns, terminal, init))| {
            let root = HostPath::new("/srv/root").unwrap();
            let mut config = Config::sandbox(root, vec!["sh".into()], userns);
            let is_fine = |mount: &Mount| {
                !mount.destination.is_root() && mount.destination.parts().next() != Some("proc")
            };
            config.mounts.extend(mounts.into_iter().filter(is_fine));
            config.cgroup = cgroup.filter(|_| !userns);
            let process = config.process.as_mut().unwrap();
            (process.terminal, process.init) = (terminal, init);
            config
        },
    )
}

fn tree() -> impl Strategy<Value = CgroupFacts> {
    let names = ["blkio", "cpu", "cpuset", "devices", "freezer", "memory", "pids"];
    let names = names.map(String::from).to_vec();
    let hierarchies = btree_set(select(names.clone()), 0..=7);
    let unified = option::of((btree_set(select(names), 0..=7), any::<bool>(), any::<bool>()));
    (hierarchies, unified, any::<bool>()).prop_map(|(hierarchies, unified, writable)| {
        let mount = |name: &str| HostPath::new(&format!("/sys/fs/cgroup/{name}")).unwrap();
        CgroupFacts {
            hierarchies: hierarchies
                .into_iter()
                .map(|name| Hierarchy {
                    mount_point: mount(&name),
                    controllers: [name].into(),
                    name: None,
                    root: "/".into(),
                    caller: "/user".into(),
                    init: "/".into(),
                    writable,
                })
                .collect(),
            unified: unified.map(|(controllers, populated, writable)| Unified {
                mount_point: mount("unified"),
                root: "/".into(),
                caller: "/user".into(),
                init: "/init.scope".into(),
                writable,
                caller_controllers: controllers.clone(),
                caller_subtree: controllers.clone(),
                controllers,
                caller_populated: populated,
                delegated: writable,
                in_leaf: writable && !populated,
                bfq: populated,
                delegate: Vec::new(),
            }),
            systemd: false,
        }
    })
}

/// A host that can do nearly everything, with any kernel from 4.0 to 7.9.
pub(crate) fn host() -> impl Strategy<Value = HostFacts> {
    (4u16..8, 0u16..20, btree_set(select(Feature::ALL.to_vec()), 0..3), tree(), any::<bool>())
        .prop_map(|(major, minor, missing, tree, is_root)| {
            let mut facts = HostFacts::example();
            facts.kernel.version = KernelVersion::new(major, minor);
            facts.kernel.features = KernelFacts::features_since(facts.kernel.version);
            for feature in missing {
                facts.kernel.features.remove(&feature);
            }
            facts.cgroup = Some(tree);
            facts.systemd = (minor % 4 > 0).then(|| SystemdFacts {
                bus: HostPath::new("/run/bus").unwrap(),
                version: 200 + u32::from(minor) * 3,
                cgroup: if is_root { "/" } else { "/user" }.into(),
                controllers: ["cpu", "memory", "pids"].map(String::from).into(),
            });
            facts.mounts = Some(Vec::new());
            facts.caller.threads = u32::from(minor % 3);
            facts.caller.processors = u32::from(minor % 4);
            if !is_root {
                facts.caller.uid = 1000;
                facts.caller.gid = 1000;
                facts.caller.effective = CapSet::EMPTY;
                facts.caller.permitted = CapSet::EMPTY;
                facts.subids = Some(SubidFacts {
                    uids: vec![SubidRange { first: 100_000, count: 65_536 }],
                    gids: vec![SubidRange { first: 100_000, count: 65_536 }],
                    newuidmap: HostPath::new("/usr/bin/newuidmap").ok(),
                    newgidmap: HostPath::new("/usr/bin/newgidmap").ok(),
                });
            }
            facts
        })
}

/// Facts that answer what `config` will ask about paths.
pub(crate) fn with_paths(mut facts: HostFacts, config: &Config, kind: &PathFact) -> HostFacts {
    for path in nsplan::plan::needs(config).paths {
        facts.paths.insert(path, PathFact::Directory);
    }
    for mount in &config.mounts {
        if let MountKind::Bind(bind) = &mount.kind {
            facts.paths.insert(bind.source.clone(), kind.clone());
        }
    }
    facts
}

pub(crate) fn path_fact() -> impl Strategy<Value = PathFact> {
    select(vec![PathFact::Directory, PathFact::File, PathFact::Special])
}
