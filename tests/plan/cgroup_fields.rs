//! Every limit of the model on every layout of cgroups: which file gets which value, or why it is refused.

use std::collections::BTreeSet;
use std::fs;

use nsplan::config::{
    BlockIo, Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Cpu, DeviceRule, HugepageLimit,
    InterfacePriority, Limit, Memory, PathComponent, RdmaLimit, Resources, ThrottleDevice,
    WeightDevice,
};
use nsplan::facts::{Hierarchy, HostFacts, KernelVersion, PathFact};
use nsplan::plan::{CgroupOp, Op, Plan, PlanError, plan};
use nsplan::types::{DeviceAccess, DeviceKind, DeviceNumber, HostPath};
use proptest::prelude::*;

use crate::support::{snapshot, top};

const MIB: u64 = 1 << 20;
const DISK: DeviceNumber = DeviceNumber { major: 8, minor: 0 };

fn rule(allow: bool, minor: u32) -> DeviceRule {
    DeviceRule {
        allow,
        kind: Some(DeviceKind::Char),
        major: Some(1),
        minor: Some(minor),
        access: DeviceAccess::all(),
    }
}

fn everything() -> DeviceRule {
    DeviceRule { allow: true, kind: None, major: None, minor: None, access: DeviceAccess::all() }
}

/// A limit by the place of the model it is at.
type Field = (&'static str, fn(&mut Resources));

/// The values are those of the original's own tests where it has one.
const FIELDS: &[Field] = &[
    ("/cgroup/devices", |r| r.devices = Some(vec![rule(true, 5)])),
    ("/cgroup/devices", |r| r.devices = Some(vec![everything(), rule(false, 3)])),
    ("/cgroup/memory/limit", |r| r.memory.limit = Some(Limit::At(500 * MIB))),
    ("/cgroup/memory/limit", |r| r.memory.limit = Some(Limit::Unlimited)),
    ("/cgroup/memory/reservation", |r| r.memory.reservation = Some(Limit::At(300 * MIB))),
    ("/cgroup/memory/swap", |r| {
        r.memory.limit = Some(Limit::At(300 * MIB));
        r.memory.swap = Some(Limit::At(500 * MIB));
    }),
    ("/cgroup/memory/kernel", |r| r.memory.kernel = Some(Limit::At(500 * MIB))),
    ("/cgroup/memory/kernelTCP", |r| r.memory.kernel_tcp = Some(Limit::At(500 * MIB))),
    ("/cgroup/memory/swappiness", |r| r.memory.swappiness = Some(60)),
    ("/cgroup/memory/disableOOMKiller", |r| r.memory.disable_oom_killer = true),
    ("/cgroup/memory/useHierarchy", |r| r.memory.use_hierarchy = Some(false)),
    ("/cgroup/cpu/shares", |r| r.cpu.shares = Some(512)),
    ("/cgroup/cpu/quota", |r| r.cpu.quota = Some(5000)),
    ("/cgroup/cpu/quota", |r| r.cpu.quota = Some(-1)),
    ("/cgroup/cpu/period", |r| r.cpu.period = Some(7000)),
    ("/cgroup/cpu/burst", |r| r.cpu.burst = Some(1000)),
    ("/cgroup/cpu/realtimePeriod", |r| r.cpu.realtime_period = Some(7000)),
    ("/cgroup/cpu/realtimeRuntime", |r| r.cpu.realtime_runtime = Some(5000)),
    ("/cgroup/cpu/idle", |r| r.cpu.idle = Some(1)),
    ("/cgroup/cpu/cpus", |r| r.cpu.cpus = Some("1-3".into())),
    ("/cgroup/cpu/mems", |r| r.cpu.mems = Some("1".into())),
    ("/cgroup/pids", |r| r.pids = Some(Limit::At(64))),
    ("/cgroup/pids", |r| r.pids = Some(Limit::Unlimited)),
    ("/cgroup/blockIO/weight", |r| r.block_io.weight = Some(200)),
    ("/cgroup/blockIO/leafWeight", |r| r.block_io.leaf_weight = Some(300)),
    ("/cgroup/blockIO/weightDevice/0", |r| {
        r.block_io.weight_device =
            vec![WeightDevice { device: DISK, weight: Some(500), leaf_weight: None }];
    }),
    ("/cgroup/blockIO/throttleReadBps/0", |r| r.block_io.throttle_read_bps = throttle(1024)),
    ("/cgroup/blockIO/throttleWriteBps/0", |r| r.block_io.throttle_write_bps = throttle(0)),
    ("/cgroup/blockIO/throttleReadIops/0", |r| r.block_io.throttle_read_iops = throttle(600)),
    ("/cgroup/blockIO/throttleWriteIops/0", |r| r.block_io.throttle_write_iops = throttle(300)),
    ("/cgroup/hugepageLimits/0", |r| {
        r.hugepage_limits = vec![HugepageLimit { page_size: "2MB".into(), limit: 4 * MIB }];
    }),
    ("/cgroup/networkClass", |r| r.network_class = Some(0x0010_0001)),
    ("/cgroup/networkPriorities/0", |r| {
        r.network_priorities = vec![InterfacePriority { name: "test".into(), priority: 5 }];
    }),
    ("/cgroup/rdma/mlx5_1", |r| {
        let limit = RdmaLimit { hca_handles: Some(3), hca_objects: Some(10_000) };
        r.rdma.insert("mlx5_1".into(), limit);
    }),
    ("/cgroup/unified/memory.high", |r| {
        r.unified.insert("memory.high".into(), "1073741824".into());
    }),
];

fn throttle(rate: u64) -> Vec<ThrottleDevice> {
    vec![ThrottleDevice { device: DISK, rate }]
}

fn host(name: &str) -> HostFacts {
    let text = fs::read_to_string(top().join("tests/facts").join(name)).expect("a fixture");
    let mut facts = HostFacts::from_json(&text).expect("facts");
    facts.paths.insert(HostPath::new("/srv/root").unwrap(), PathFact::Directory);
    facts
}

/// A fixture with every controller that such a kernel can have.
fn complete(name: &str) -> HostFacts {
    let mut facts = host(name);
    let tree = facts.cgroup.as_mut().unwrap();
    let all = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids", "rdma"].map(String::from);
    match &mut tree.unified {
        Some(unified) if tree.hierarchies.is_empty() => unified.controllers = all.into(),
        _ => {
            let v1 = ["hugetlb", "net_cls", "net_prio", "rdma"];
            let known: BTreeSet<_> =
                tree.hierarchies.iter().flat_map(|h| h.controllers.clone()).collect();
            let on_v2 = tree.unified.as_ref().map(|unified| unified.controllers.clone());
            let is_there = |name: &str| {
                known.contains(name) || on_v2.as_ref().is_some_and(|v2| v2.contains(name))
            };
            for name in v1.into_iter().filter(|name| !is_there(name)) {
                tree.hierarchies.push(Hierarchy {
                    controllers: [name.to_owned()].into(),
                    name: None,
                    mount_point: HostPath::new(&format!("/sys/fs/cgroup/{name}")).unwrap(),
                    root: "/".into(),
                    caller: "/".into(),
                    init: "/".into(),
                    writable: true,
                });
            }
        }
    }
    facts
}

/// The layouts and kernels between which the files differ.
fn hosts() -> Vec<(&'static str, HostFacts)> {
    let mut old = complete("root-v1.json");
    old.kernel.version = KernelVersion::new(4, 19);
    let mut bfq = complete("root-v2.json");
    bfq.cgroup.as_mut().unwrap().unified.as_mut().unwrap().bfq = true;
    vec![
        ("v1 before Linux 5.0", old),
        ("v1", complete("root-v1.json")),
        ("hybrid, with hugetlb on v2", complete("root-hybrid.json")),
        ("v2", complete("root-v2.json")),
        ("v2 with the BFQ scheduler", bfq),
    ]
}

fn config(resources: Resources) -> Config {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    let path =
        CgroupPath { base: CgroupBase::Root, parts: vec![PathComponent::new("box").unwrap()] };
    config.cgroup = Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources });
    config
}

fn planned(resources: Resources, facts: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    plan(&config(resources), facts)
}

/// What the plan does for `place`: its writes, policies and notes; or the refusals.
fn words(place: &str, planned: &Result<Plan, Vec<PlanError>>) -> Vec<String> {
    let is_at = |origin: &nsplan::types::Pointer| origin.to_string().starts_with(place);
    match planned {
        Ok(plan) => {
            let done = plan.parent.iter().filter(|step| is_at(&step.origin));
            let done = done.filter_map(|step| match &step.op {
                Op::Cgroup(CgroupOp::Write { file, value }) => Some(format!("{file} {value}")),
                Op::Cgroup(CgroupOp::DevicePolicy { program, .. }) => {
                    Some(format!("a device policy of {} instructions", program.len()))
                }
                _ => None,
            });
            let notes = plan.notes.iter().filter(|note| is_at(&note.origin));
            done.chain(notes.map(|note| format!("({})", note.text))).collect()
        }
        Err(errors) => errors.iter().map(|error| format!("refused: {error}")).collect(),
    }
}

#[test]
fn every_limit_is_written_or_refused_on_every_layout() {
    let mut text = String::new();
    for (name, facts) in hosts() {
        text += &format!("{name}\n");
        for (place, set) in FIELDS {
            let mut resources = Resources::default();
            set(&mut resources);
            let words = words(place, &planned(resources, &facts));
            assert!(!words.is_empty(), "{place} is dropped on {name}");
            text += &format!("  {place}\n");
            for word in words {
                text += &format!("    {word}\n");
            }
        }
    }
    let about = "each limit alone: the files and values of each layout, or the refusal";
    snapshot("plan", "cgroup-fields", about, &text);
}

#[test]
fn every_limit_without_its_controller_is_refused_at_its_place() {
    let none = |name: &str| {
        let mut facts = host(name);
        let tree = facts.cgroup.as_mut().unwrap();
        // One that no limit is about.
        tree.hierarchies.retain(|hierarchy| hierarchy.controllers.contains("freezer"));
        if let Some(unified) = &mut tree.unified {
            unified.controllers.clear();
        }
        facts
    };
    for name in ["root-v1.json", "root-hybrid.json", "root-v2.json"] {
        let facts = none(name);
        for (place, set) in FIELDS {
            // Devices are no controller on v2; no limit of kernel memory, at no time.
            if *place == "/cgroup/devices" && name == "root-v2.json" {
                continue;
            }
            let mut resources = Resources::default();
            set(&mut resources);
            let errors = planned(resources, &facts).expect_err(place);
            let is_at = |error: &PlanError| {
                place.starts_with(&error.origin.to_string())
                    || error.origin.to_string().starts_with(place)
            };
            assert!(errors.iter().any(is_at), "{place} on {name}: {errors:?}");
        }
    }
}

#[test]
fn device_rules_are_noted_and_not_enforced_where_root_is_root_inside_only() {
    let mut facts = complete("root-v2.json");
    facts.caller.in_initial_userns = false;
    let resources = Resources { devices: Some(vec![rule(false, 5)]), ..Resources::default() };
    let text = "(device rules are not enforced: that takes root of the first user namespace)";
    assert_eq!(words("/cgroup/devices", &planned(resources, &facts)), [text]);
}

/// What is written to that file.
fn written(plan: &Plan, name: &str) -> Option<String> {
    plan.parent.iter().find_map(|step| match &step.op {
        Op::Cgroup(CgroupOp::Write { file, value }) if file.as_str().ends_with(name) => {
            Some(value.clone())
        }
        _ => None,
    })
}

proptest! {
    #[test]
    fn on_v2_swap_is_what_remains_of_memory_and_swap(memory in 1u64..1 << 50, more in 0u64..1 << 50) {
        let (limit, swap) = (Some(Limit::At(memory)), Some(Limit::At(memory + more)));
        let memory = Memory { limit, swap, ..Memory::default() };
        let plan = planned(Resources { memory, ..Resources::default() }, &complete("root-v2.json"));
        prop_assert_eq!(written(&plan.unwrap(), "memory.swap.max"), Some(more.to_string()));
    }

    #[test]
    fn a_larger_weight_or_share_never_becomes_a_smaller_one(
        shares in (2u64..=262_144, 2u64..=262_144),
        weights in (10u16..=1000, 10u16..=1000),
    ) {
        let facts = complete("root-v2.json");
        let numbers = |shares, weight| {
            let cpu = Cpu { shares: Some(shares), ..Cpu::default() };
            let block_io = BlockIo { weight: Some(weight), ..BlockIo::default() };
            let plan = planned(Resources { cpu, block_io, ..Resources::default() }, &facts).unwrap();
            let io = written(&plan, "io.weight").unwrap();
            let io: u64 = io.trim_start_matches("default ").parse().unwrap();
            (written(&plan, "cpu.weight").unwrap().parse::<u64>().unwrap(), io)
        };
        let (one, other) = (numbers(shares.0, weights.0), numbers(shares.1, weights.1));
        prop_assert!([one.0, one.1, other.0, other.1].iter().all(|n| (1..=10_000).contains(n)));
        prop_assert!(shares.0 > shares.1 || one.0 <= other.0);
        prop_assert!(weights.0 > weights.1 || one.1 <= other.1);
    }
}
