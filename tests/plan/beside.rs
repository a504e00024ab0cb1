//! When the launcher makes the network namespace beside init, and what that changes in the plan.

use nsplan::config::{BindSource, Config, Hook, Mount, MountKind, from_oci};
use nsplan::facts::HostFacts;
use nsplan::plan::{
    CgroupOp, NamespaceOp, Op, Plan, ProcessOp, Rule, StateOp, Step, SyncOp, Token, invariants,
    plan, plan_created, plan_prepared,
};
use nsplan::types::{CloneFlags, HostPath, NamespaceKind, RootPath};

/// A launcher alone in its process, on a machine with more than one processor.
fn alone() -> HostFacts {
    let mut facts = HostFacts::example();
    facts.caller.threads = 1;
    facts.caller.processors = 2;
    facts
}

/// What an engine asks for: sysfs in the middle of the mounts, devices, masked and read-only paths.
fn engines() -> Config {
    Config { cgroup: None, ..engines_with_cgroup() }
}

fn engines_with_cgroup() -> Config {
    let text = include_str!("../configs/oci/real/crun-1.8.1.json");
    let base = HostPath::new("/srv/bundle").expect("absolute");
    let mut config = from_oci(text.as_bytes(), &base).expect("a sample").config;
    config.process.as_mut().expect("a process").args = vec!["sh".into()];
    config
}

fn planned(config: &Config, facts: &HostFacts) -> Plan {
    let plan = plan(config, facts).expect("the example host can");
    assert_eq!(invariants(&plan), Ok(()));
    plan
}

fn is_beside(plan: &Plan) -> bool {
    let makes = |step: &Step| matches!(step.op, Op::Namespace(NamespaceOp::Make { .. }));
    let is_beside = plan.parent.iter().any(makes);
    let by_clone = plan.steps().any(|(_, step)| match step.op {
        Op::Process(ProcessOp::Clone { flags, .. }) => flags.contains(CloneFlags::CLONE_NEWNET),
        _ => false,
    });
    assert_ne!(is_beside, by_clone, "one of both makes it\n{plan}");
    is_beside
}

#[test]
fn it_is_made_beside_init_by_a_launcher_with_one_thread_and_two_processors() {
    let config = engines();
    assert!(is_beside(&planned(&config, &alone())));
    let created = plan_created(&config, &alone()).expect("the example host can");
    assert_eq!(invariants(&created), Ok(()));
    assert!(is_beside(&created));
    let mut facts = alone();
    facts.caller.threads = 2;
    assert!(!is_beside(&planned(&config, &facts)), "another thread would look around in it");
    facts.caller.threads = 0;
    assert!(!is_beside(&planned(&config, &facts)), "nobody has counted");
    let mut facts = alone();
    facts.caller.processors = 1;
    assert!(!is_beside(&planned(&config, &facts)), "one after the other in any case");
    let mut facts = alone();
    facts.caller.in_initial_userns = false;
    facts.caller.uid_map = vec![nsplan::types::IdMapping { container_id: 0, host_id: 0, size: 9 }];
    facts.caller.gid_map = facts.caller.uid_map.clone();
    let mut plain = config.clone();
    plain.mounts.clear();
    plain.devices.clear();
    plain.process.as_mut().expect("a process").terminal = false;
    let in_another = plan(&plain, &facts).map(|plan| is_beside(&plan));
    assert_eq!(in_another, Ok(false), "it may not be let back");
}

#[test]
fn it_is_made_by_the_clone_where_somebody_would_meet_init_elsewhere() {
    type Change = fn(&mut Config);
    let changes: [(&str, Change); 8] = [
        ("a hook", |config| {
            let (args, env) = (Vec::new(), Vec::new());
            let hook = Hook { path: "/bin/true".into(), args, env, timeout: None };
            config.hooks.create_runtime = vec![hook];
        }),
        ("the host's pid namespace", |config| {
            config.namespaces.remove(&NamespaceKind::Pid);
        }),
        ("a kernel parameter of the network", |config| {
            config.sysctl.insert("net.ipv4.ip_forward".into(), "1".into());
        }),
        ("an interface of the host's", |config| {
            config.net_devices.insert("eth9".into(), nsplan::config::NetDevice::default());
        }),
        ("a file system that may be another in another network", |config| {
            let source = Some("10.0.0.1:/".into());
            let kind = MountKind::Filesystem { fstype: "nfs".into(), source, data: Vec::new() };
            let destination = RootPath::new("/data").expect("absolute");
            config.mounts.push(Mount { kind, destination, ..config.mounts[0].clone() });
        }),
        ("a user namespace", |config| {
            config.namespaces.insert(NamespaceKind::User, nsplan::config::NamespaceSource::Create);
            let all = nsplan::types::IdMapping { container_id: 0, host_id: 100_000, size: 65_536 };
            config.uid_mappings = nsplan::types::IdMap::new(vec![all]).expect("a map");
            config.gid_mappings = config.uid_mappings.clone();
        }),
        ("a namespace that is joined", |config| {
            let path = HostPath::new("/proc/1/ns/ipc").expect("absolute");
            let source = nsplan::config::NamespaceSource::Join(path);
            config.namespaces.insert(NamespaceKind::Ipc, source);
        }),
        ("time", |config| {
            config.namespaces.insert(NamespaceKind::Time, nsplan::config::NamespaceSource::Create);
        }),
    ];
    for (what, change) in changes {
        let mut config = engines();
        change(&mut config);
        assert!(!is_beside(&planned(&config, &alone())), "{what}");
    }
    let prepared = plan_prepared(&engines(), &alone()).expect("the example host can");
    assert!(!is_beside(&prepared), "a pool has time");
}

/// Steps of init's by what they say, without what is about the network.
fn lines(plan: &Plan) -> Vec<String> {
    let is_exchange = |step: &&Step| {
        let joins = Op::Namespace(NamespaceOp::Join { kind: NamespaceKind::Net });
        step.op == joins || step.op == Op::Sync(SyncOp::Await(Token::NetworkMade))
    };
    let is_network = |step: &&Step| matches!(step.op, Op::Network(_));
    let steps = plan.init.iter().filter(|step| !is_exchange(step) && !is_network(step));
    steps.map(|step| step.op.to_string()).collect()
}

#[test]
fn the_same_is_done_and_what_is_on_sysfs_comes_last() {
    let config = engines();
    let (by_clone, beside) = (planned(&config, &HostFacts::example()), planned(&config, &alone()));
    let (before, after) = (lines(&by_clone), lines(&beside));
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&before), sorted(&after), "the same steps");
    let is_late = |line: &&String| line.contains(" /sys");
    let order = |lines: &[String], late: bool| -> Vec<String> {
        lines.iter().filter(|line| is_late(line) == late).cloned().collect()
    };
    assert_eq!(order(&before, false), order(&after, false), "in the same order");
    assert_eq!(order(&before, true), order(&after, true));
    let sets_up =
        |script: &[Step]| script.iter().filter(|s| matches!(s.op, Op::Network(_))).count();
    assert_eq!((sets_up(&by_clone.init), sets_up(&beside.init)), (1, 0));
    assert_eq!((sets_up(&by_clone.parent), sets_up(&beside.parent)), (0, 1));
    let joins =
        |step: &Step| step.op == Op::Namespace(NamespaceOp::Join { kind: NamespaceKind::Net });
    let joined = beside.init.iter().position(joins).expect("init joins it");
    let first_late = beside.init.iter().position(|step| is_late(&&step.op.to_string()));
    assert!(Some(joined) < first_late, "{beside}");
    let last_device =
        beside.init.iter().rposition(|step| step.origin.to_string().starts_with("/devices"));
    assert!(last_device < Some(joined), "devices are made while the network is\n{beside}");
}

#[test]
fn the_order_stays_where_a_link_of_the_image_could_lead_below_sysfs() {
    let mut config = engines();
    // `/data` may be a link to a place in /sys.
    let source =
        BindSource { source: HostPath::new("/srv/data").expect("absolute"), recursive: false };
    let destination = RootPath::new("/data").expect("absolute");
    let bind = Mount { kind: MountKind::Bind(source), destination, ..config.mounts[0].clone() };
    let is_sysfs = |mount: &Mount| matches!(&mount.kind, MountKind::Filesystem { fstype, .. } if fstype == "sysfs");
    let sysfs = config.mounts.iter().position(is_sysfs).expect("a sysfs");
    config.mounts.insert(sysfs + 1, bind);
    let mut facts = alone();
    for path in nsplan::plan::needs(&config).paths {
        facts.paths.insert(path, nsplan::facts::PathFact::Directory);
    }
    let mut by_clone = facts.clone();
    by_clone.caller.threads = 0;
    let beside = planned(&config, &facts);
    assert!(is_beside(&beside));
    assert_eq!(lines(&beside), lines(&planned(&config, &by_clone)), "{beside}");
}

#[test]
fn a_plan_that_breaks_the_rule_is_found() {
    let plan = planned(&engines(), &alone());
    let find = |wanted: &dyn Fn(&Op) -> bool| {
        plan.init.iter().position(|step| wanted(&step.op)).expect("the step")
    };
    let joins = find(&|op| *op == Op::Namespace(NamespaceOp::Join { kind: NamespaceKind::Net }));
    let waits = find(&|op| *op == Op::Sync(SyncOp::Await(Token::NetworkMade)));
    let sysfs = find(&|op| op.to_string().contains("mount sysfs"));
    let of_parent = |wanted: &dyn Fn(&Op) -> bool| {
        plan.parent.iter().position(|step| wanted(&step.op)).expect("the step")
    };
    let up = of_parent(&|op| matches!(op, Op::Network(_)));
    let returns = of_parent(&|op| matches!(op, Op::Namespace(NamespaceOp::Return { .. })));
    let record = of_parent(&|op| matches!(op, Op::State(StateOp::WriteRecord { .. })));
    let breaks = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        let broken = invariants(&plan).expect_err("a broken plan");
        assert!(broken.iter().any(|found| found.rule == Rule::Network), "{broken:?}");
    };
    breaks(&|plan| plan.init.swap(joins, sysfs));
    breaks(&|plan| plan.parent.swap(up, returns));
    breaks(&|plan| plan.parent.swap(returns, record));
    breaks(&|plan| drop(plan.parent.remove(returns)));
    breaks(&|plan| plan.init.swap(joins, waits));
    breaks(&|plan| drop(plan.init.remove(joins)));
    let clones = |step: &Step| matches!(step.op, Op::Process(ProcessOp::Clone { .. }));
    let clone = plan.parent.iter().position(clones).expect("a clone");
    for (without, with) in [
        (CloneFlags::CLONE_NEWPID, CloneFlags::empty()),
        (CloneFlags::empty(), CloneFlags::CLONE_NEWUSER),
        (CloneFlags::empty(), CloneFlags::CLONE_NEWNET),
    ] {
        breaks(&|plan| {
            if let Op::Process(ProcessOp::Clone { flags, .. }) = &mut plan.parent[clone].op {
                *flags = flags.difference(without) | with;
            }
        });
    }
    breaks(&|plan| plan.parent.swap(clone, clone + 1));
}

#[test]
fn the_policy_of_the_cgroup_that_init_is_born_in_is_inits() {
    let mut config = engines_with_cgroup();
    // A terminal is opened under the policy.
    config.process.as_mut().expect("a process").terminal = false;
    let part = nsplan::config::PathComponent::new("box").expect("a name");
    let base = nsplan::config::CgroupBase::Root;
    config.place_cgroup(nsplan::config::CgroupPath { base, parts: vec![part] });
    let polices = |script: &[Step]| {
        script.iter().any(|step| matches!(step.op, Op::Cgroup(CgroupOp::DevicePolicy { .. })))
    };
    let mut facts = alone();
    let beside = planned(&config, &facts);
    assert!(polices(&beside.init) && !polices(&beside.parent), "{beside}");
    facts.caller.threads = 0;
    let by_clone = planned(&config, &facts);
    assert!(polices(&by_clone.parent) && !polices(&by_clone.init), "{by_clone}");
    // On another directory than the one that init is born in it would police others.
    let mut broken = beside;
    let other = HostPath::new("/sys/fs/cgroup/other").expect("absolute");
    for step in &mut broken.init {
        if let Op::Cgroup(CgroupOp::DevicePolicy { directory, .. }) = &mut step.op {
            *directory = other.clone();
        }
    }
    let broken = invariants(&broken).expect_err("a broken plan");
    assert!(broken.iter().any(|found| found.rule == Rule::CgroupOrder), "{broken:?}");
}
