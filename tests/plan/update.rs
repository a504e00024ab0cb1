//! Limits of a running container changed, from a record and what the files hold: which writes, in which order, taken back how.

use std::fs;

use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Cpu, DeviceRule, Limit, Memory,
    PathComponent, Resources, resources_from_oci,
};
use nsplan::facts::{HostFacts, PathFact, SystemdFacts};
use nsplan::plan::{
    CgroupValues, Op, Record, Refusal, StateOp, Update, UpdateOp, plan, update, update_files,
};
use nsplan::types::{DeviceAccess, DeviceKind, HostPath};

use crate::support::{snapshot, top};

fn facts(name: &str) -> HostFacts {
    let text = fs::read_to_string(top().join("tests/facts").join(name)).expect("a fixture");
    let mut facts = HostFacts::from_json(&text).expect("facts");
    facts.paths.insert(HostPath::new("/srv/root").unwrap(), PathFact::Directory);
    facts
}

fn resources() -> Resources {
    Resources {
        devices: Some(vec![DeviceRule {
            allow: true,
            kind: Some(DeviceKind::Char),
            major: Some(1),
            minor: Some(3),
            access: DeviceAccess::all(),
        }]),
        memory: Memory {
            limit: Some(Limit::At(64 << 20)),
            swap: Some(Limit::At(128 << 20)),
            ..Memory::default()
        },
        cpu: Cpu { quota: Some(50_000), period: Some(100_000), ..Cpu::default() },
        pids: Some(Limit::At(100)),
        ..Resources::default()
    }
}

/// The record of a container that was started with these limits.
fn record(facts: &HostFacts, resources: Resources, driver: CgroupDriver) -> Record {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    let path =
        CgroupPath { base: CgroupBase::Root, parts: vec![PathComponent::new("box").unwrap()] };
    config.cgroup = Some(Cgroup { path, driver, resources });
    let plan = plan(&config, facts).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let planned = plan.parent.iter().find_map(|step| match &step.op {
        Op::State(StateOp::WriteRecord { planned }) => Some(planned.clone()),
        _ => None,
    });
    let record = Record {
        schema: Record::SCHEMA,
        id: "box".into(),
        pid: 4711,
        start_time: 1,
        boot: None,
        created: 1,
        bundle: None,
        links: Vec::new(),
        planned: planned.expect("a record"),
    };
    let again = Record::from_json(&record.to_json()).expect("what is written is read");
    assert_eq!(again, record);
    record
}

fn own(facts: &HostFacts) -> Record {
    record(facts, resources(), CgroupDriver::Cgroupfs)
}

/// What the files hold: these, by their names; the others are there and hold 0.
fn values(
    changes: &Resources,
    record: &Record,
    facts: &HostFacts,
    held: &[(&str, &str)],
) -> CgroupValues {
    let files = update_files(changes, record, facts);
    let value = |path: &HostPath| {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        let found = held.iter().find(|(held, _)| *held == name).map(|(_, value)| *value);
        let usual = if name == "cgroup.controllers" { "cpu cpuset io memory pids" } else { "0" };
        Some(found.unwrap_or(usual).to_owned())
    };
    files.into_iter().map(|path| (path.clone(), value(&path))).collect()
}

#[track_caller]
fn updated(
    changes: &Resources,
    record: &Record,
    facts: &HostFacts,
    held: &[(&str, &str)],
) -> Update {
    let values = values(changes, record, facts, held);
    update(changes, record, facts, &values).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[track_caller]
fn refused(
    changes: &Resources,
    record: &Record,
    facts: &HostFacts,
    held: &[(&str, &str)],
) -> Vec<(String, Refusal)> {
    let values = values(changes, record, facts, held);
    let errors = update(changes, record, facts, &values).expect_err("a refusal");
    errors.into_iter().map(|error| (error.origin.to_string(), error.refusal)).collect()
}

/// Names of the files that are written, in order.
fn written(update: &Update) -> Vec<&str> {
    let name = |step: &'_ UpdateOp| match step {
        UpdateOp::Write { file, .. } => {
            Some(file.as_str().rsplit('/').next().unwrap_or_default().to_owned())
        }
        _ => None,
    };
    let names: Vec<String> = update.steps.iter().filter_map(|step| name(&step.op)).collect();
    names.into_iter().map(|name| &*Box::leak(name.into_boxed_str())).collect()
}

fn memory(limit: u64, swap: Option<u64>) -> Resources {
    let memory = Memory {
        limit: Some(Limit::At(limit << 20)),
        swap: swap.map(|swap| Limit::At(swap << 20)),
        ..Memory::default()
    };
    Resources { memory, ..Resources::default() }
}

#[test]
fn only_what_is_changed_is_written_and_the_rest_is_kept_in_the_record() {
    for name in ["root-v1.json", "root-v2.json", "root-hybrid.json"] {
        let facts = facts(name);
        let record = own(&facts);
        let changes = Resources { pids: Some(Limit::At(7)), ..Resources::default() };
        let update = updated(&changes, &record, &facts, &[("pids.max", "100")]);
        assert_eq!(written(&update), ["pids.max"], "{name}");
        let undo = update.steps[0].undo.as_ref().expect("an undo");
        assert!(matches!(undo, UpdateOp::Write { value, .. } if value == "100"), "{name}: {undo}");
        assert_eq!(update.resources, Resources { pids: Some(Limit::At(7)), ..resources() });
    }
}

#[test]
fn memory_is_never_above_memory_and_swap_on_the_way() {
    let facts = facts("root-v1.json");
    let record = own(&facts);
    let held =
        [("memory.limit_in_bytes", "67108864"), ("memory.memsw.limit_in_bytes", "134217728")];
    let both = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
    let raised = updated(&memory(256, Some(256)), &record, &facts, &held);
    assert_eq!(written(&raised), [both[1], both[0]]);
    let lowered = updated(&memory(32, Some(32)), &record, &facts, &held);
    assert_eq!(written(&lowered), both);
    let between = updated(&memory(100, Some(256)), &record, &facts, &held);
    assert_eq!(written(&between), both);
    let alone = updated(&memory(100, None), &record, &facts, &held);
    assert_eq!(written(&alone), [both[0]]);
    let above = refused(&memory(200, None), &record, &facts, &held);
    assert!(matches!(&above[..], [(_, Refusal::LimitInvalid { .. })]), "{above:?}");
}

#[test]
fn on_v2_a_new_memory_limit_moves_the_limit_of_swap_along() {
    let facts = facts("root-v2.json");
    let record = own(&facts);
    let update = updated(&memory(96, None), &record, &facts, &[]);
    let text = update.to_string();
    // Together they stay 128 MiB, as they were asked for.
    assert!(text.contains("write \"33554432\" to"), "{text}");
    assert_eq!(written(&update), ["memory.max", "memory.swap.max"]);
    assert!(
        update.notes.iter().any(|note| note.text.contains("v2's swap")) || update.notes.is_empty()
    );
}

#[test]
fn a_shorter_period_comes_after_its_quota_and_a_longer_one_before() {
    let facts = facts("root-v1.json");
    let record = own(&facts);
    let changes = |quota, period| {
        let cpu = Cpu { quota: Some(quota), period: Some(period), ..Cpu::default() };
        Resources { cpu, ..Resources::default() }
    };
    let held = [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "50000")];
    let shorter = updated(&changes(10_000, 20_000), &record, &facts, &held);
    assert_eq!(written(&shorter), ["cpu.cfs_quota_us", "cpu.cfs_period_us"]);
    let longer = updated(&changes(90_000, 200_000), &record, &facts, &held);
    assert_eq!(written(&longer), ["cpu.cfs_period_us", "cpu.cfs_quota_us"]);
    let real_time = |runtime, period| {
        let cpu = Cpu {
            realtime_runtime: Some(runtime),
            realtime_period: Some(period),
            ..Cpu::default()
        };
        Resources { cpu, ..Resources::default() }
    };
    let held = [("cpu.rt_runtime_us", "5000")];
    let shorter = updated(&real_time(1000, 2000), &record, &facts, &held);
    assert_eq!(written(&shorter), ["cpu.rt_runtime_us", "cpu.rt_period_us"]);
    let longer = updated(&real_time(6000, 9000), &record, &facts, &held);
    assert_eq!(written(&longer), ["cpu.rt_period_us", "cpu.rt_runtime_us"]);
}

#[test]
fn a_smaller_burst_comes_before_a_smaller_quota() {
    let facts = facts("root-v2.json");
    let record = own(&facts);
    let changes = |quota, burst| {
        let cpu = Cpu { quota: Some(quota), burst: Some(burst), ..Cpu::default() };
        Resources { cpu, ..Resources::default() }
    };
    let held = [("cpu.max.burst", "40000"), ("cpu.max", "50000 100000")];
    let smaller = updated(&changes(20_000, 10_000), &record, &facts, &held);
    assert_eq!(written(&smaller), ["cpu.max.burst", "cpu.max"]);
    let larger = updated(&changes(90_000, 80_000), &record, &facts, &held);
    assert_eq!(written(&larger), ["cpu.max", "cpu.max.burst"]);
}

#[test]
fn a_controller_that_no_limit_needed_so_far_is_switched_on_from_the_top() {
    let facts = facts("root-v2.json");
    let only = Resources { pids: Some(Limit::At(9)), ..Resources::default() };
    let record = record(&facts, only, CgroupDriver::Cgroupfs);
    let held = [("cgroup.controllers", "pids")];
    let mut values = values(&memory(64, None), &record, &facts, &held);
    for (path, value) in &mut values {
        if path.as_str().ends_with("memory.max") {
            *value = None;
        }
    }
    let update = update(&memory(64, None), &record, &facts, &values).expect("a plan");
    snapshot(
        "plan",
        "update-enables",
        "update -m 64m, of a container with --pids-limit alone",
        &update.to_string(),
    );
    let UpdateOp::EnableControllers { directory, controllers } = &update.steps[0].op else {
        panic!("{update}");
    };
    assert_eq!(
        (directory.as_str(), &controllers[..]),
        ("/sys/fs/cgroup", &["memory".to_owned()][..])
    );
}

#[test]
fn a_file_that_is_not_there_stands_against_its_limit() {
    let facts = facts("root-v1.json");
    let record = own(&facts);
    let changes = memory(32, Some(32));
    let mut values = values(&changes, &record, &facts, &[]);
    for (path, value) in &mut values {
        if path.as_str().ends_with("memory.memsw.limit_in_bytes") {
            *value = None;
        }
    }
    let errors = update(&changes, &record, &facts, &values).expect_err("no such file");
    let origins: Vec<_> = errors.iter().map(|error| error.origin.to_string()).collect();
    assert_eq!(origins, ["/cgroup/memory/swap"]);
}

#[test]
fn devices_may_come_along_and_may_not_change() {
    let facts = facts("root-v2.json");
    let record = own(&facts);
    let mut changes = Resources { devices: resources().devices, ..memory(100, None) };
    updated(&changes, &record, &facts, &[]);
    changes.devices = Some(Vec::new());
    let found = refused(&changes, &record, &facts, &[]);
    assert!(
        matches!(&found[..], [(place, Refusal::NotSupported { .. })] if place == "/cgroup/devices")
    );
}

#[test]
fn a_limit_that_is_exceeded_already_is_refused_where_that_is_asked_for() {
    for (name, file) in
        [("root-v1.json", "memory.usage_in_bytes"), ("root-v2.json", "memory.current")]
    {
        let facts = facts(name);
        let record = own(&facts);
        let mut changes = memory(32, None);
        let held = [(file, "50000000"), ("memory.memsw.limit_in_bytes", "134217728")];
        updated(&changes, &record, &facts, &held);
        changes.memory.check_before_update = true;
        let found = refused(&changes, &record, &facts, &held);
        assert!(matches!(&found[..], [(_, Refusal::LimitInvalid { .. })]), "{name}: {found:?}");
    }
}

#[test]
fn a_container_without_a_cgroup_has_no_limits_to_change() {
    let facts = facts("root-v2.json");
    let mut record = own(&facts);
    record.planned.cgroups = nsplan::plan::CgroupPaths::default();
    let found = refused(&memory(32, None), &record, &facts, &[]);
    assert!(found.iter().any(|(place, _)| place == "/cgroup"), "{found:?}");
}

#[test]
fn systemd_is_told_first_and_told_back() {
    let mut facts = facts("root-v2.json");
    let bus = HostPath::new("/run/dbus/system_bus_socket").unwrap();
    let controllers = ["cpu", "cpuset", "memory", "pids"].map(String::from).into();
    facts.cgroup.as_mut().unwrap().systemd = true;
    facts.systemd = Some(SystemdFacts { bus, version: 252, cgroup: "/".into(), controllers });
    let driver = CgroupDriver::Systemd { slice: None, scope: "box".into() };
    let record = record(&facts, resources(), driver);
    let changes =
        Resources { cpu: Cpu { shares: Some(512), ..Cpu::default() }, ..memory(256, Some(256)) };
    let update = updated(&changes, &record, &facts, &[]);
    snapshot(
        "plan",
        "update-systemd",
        "update -m 256m --memory-swap 256m -c 512, in a scope",
        &update.to_string(),
    );
    let properties = |op: &UpdateOp| match op {
        UpdateOp::SetProperties { unit, properties, .. } => {
            assert_eq!(unit, "box.scope");
            let list = properties.iter().map(|it| format!("{}={:?}", it.name, it.value));
            list.collect::<Vec<_>>()
        }
        other => panic!("{other}"),
    };
    let told = properties(&update.steps[0].op);
    assert!(told.contains(&"MemoryMax=Number(268435456)".to_owned()), "{told:?}");
    let back = properties(update.steps[0].undo.as_ref().expect("an undo"));
    assert!(back.contains(&"MemoryMax=Number(67108864)".to_owned()), "{back:?}");
    assert!(back.contains(&format!("CPUWeight=Number({})", u64::MAX)), "{back:?}");
}

#[test]
fn an_engines_document_says_only_what_it_says() {
    let text = br#"{"memory": {"limit": 134217728, "swap": 0}, "cpu": {"shares": 0, "cpus": ""}, "devices": null, "pids": null, "blockIO": {"weight": 0}}"#;
    let (read, sources) = resources_from_oci(text).expect("resources");
    assert_eq!(read, memory(128, None));
    let place = nsplan::types::Pointer::new("/cgroup/memory/limit");
    assert!(
        sources.find(&place).is_some_and(|origin| origin.to_string().contains("/memory/limit"))
    );
    let wrong = resources_from_oci(br#"{"memory": {"limit": "much"}}"#).expect_err("a text");
    assert!(wrong.to_string().contains("/memory/limit"), "{wrong}");
}
