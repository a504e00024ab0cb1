//! Every rule has a plan that breaks it and nothing else: a rule that nobody can break is none.

use nsplan::config::Config;
use nsplan::facts::HostFacts;
use nsplan::plan::{
    CgroupOp, HookKind, HookOp, MountOp, NamespaceOp, Op, Plan, PrivilegeOp, ProcessOp, Rule, Slot,
    StateOp, SyncOp, Token, Undo, invariants, plan, plan_prepared,
};
use nsplan::types::{CloneFlags, HostPath, NamespaceKind};

fn sound() -> Plan {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.cgroup = Some(nsplan::config::Cgroup {
        path: nsplan::config::CgroupPath {
            base: nsplan::config::CgroupBase::Root,
            parts: vec![nsplan::config::PathComponent::new("box").unwrap()],
        },
        driver: nsplan::config::CgroupDriver::Cgroupfs,
        resources: nsplan::config::Resources {
            pids: Some(nsplan::config::Limit::At(9)),
            ..Default::default()
        },
    });
    plan(&config, &HostFacts::example()).expect("the example host can")
}

/// Breaks a sound plan and expects `rule` among the broken ones.
#[track_caller]
fn check(rule: Rule, break_it: impl FnOnce(&mut Plan)) {
    let mut plan = sound();
    assert_eq!(invariants(&plan), Ok(()));
    break_it(&mut plan);
    let broken = invariants(&plan).expect_err("a broken plan");
    assert!(broken.iter().any(|found| found.rule == rule), "{broken:?}");
}

fn find(plan: &Plan, wanted: impl Fn(&Op) -> bool) -> usize {
    plan.init.iter().position(|step| wanted(&step.op)).expect("the step")
}

#[test]
fn an_empty_script() {
    check(Rule::Length, |plan| plan.init.clear());
}

#[test]
fn something_after_the_program() {
    check(Rule::Ending, |plan| {
        let last = plan.init.len() - 1;
        plan.init.swap(last, last - 1);
    });
    check(Rule::Ending, |plan| {
        let step = plan.init[0].clone();
        plan.init.push(step);
    });
}

#[test]
fn memory_that_the_topology_does_not_share() {
    check(Rule::Topology, |plan| {
        for step in &mut plan.parent {
            if let Op::Process(ProcessOp::Clone { flags, .. }) = &mut step.op {
                flags.remove(CloneFlags::CLONE_VM);
            }
        }
    });
}

#[test]
fn a_wait_that_nobody_answers() {
    check(Rule::Handshake, |plan| {
        plan.init[2].op = Op::Sync(SyncOp::Await(Token::Placed));
    });
}

#[test]
fn a_wait_that_is_answered_too_late() {
    check(Rule::Deadlock, |plan| {
        let last = plan.parent.len() - 1;
        plan.parent[last].op = Op::Sync(SyncOp::Signal(Token::Placed));
        plan.init[2].op = Op::Sync(SyncOp::Await(Token::Placed));
    });
}

#[test]
fn a_descriptor_before_it_exists() {
    check(Rule::Slot, |plan| {
        plan.init[0].op = Op::Cgroup(CgroupOp::Enter { slot: Slot::Tasks(7) });
    });
}

#[test]
fn a_directory_without_an_undo_and_an_undo_as_a_step() {
    check(Rule::Undo, |plan| {
        for step in &mut plan.parent {
            step.undo = Undo::Nothing;
        }
    });
    check(Rule::Undo, |plan| plan.parent[0].op = Op::State(StateOp::CloseJournal));
}

#[test]
fn an_init_that_stays_with_too_much() {
    let stays = |op: &Op| matches!(op, Op::Process(ProcessOp::Supervise { .. }));
    // The launcher's memory, for good.
    check(Rule::MinimalInit, |plan| {
        let at = plan.init.len() - 2;
        let mut step = plan.init[at].clone();
        step.op = Op::Process(ProcessOp::Supervise { terminal: false });
        plan.init.insert(at, step);
    });
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.process.as_mut().unwrap().init = true;
    let sound = plan(&config, &HostFacts::example()).expect("the example host can");
    assert_eq!(invariants(&sound), Ok(()));
    let at = find(&sound, stays);
    let end = sound.init.len();
    type Break = Box<dyn Fn(&mut Plan)>;
    let breaks: [(&str, Break); 4] = [
        ("descriptors", Box::new(move |plan| plan.init.swap(at, at - 1))),
        ("the channel's word", Box::new(move |plan| plan.init[at..end - 1].rotate_left(1))),
        ("another one", Box::new(move |plan| plan.init.insert(at, plan.init[at].clone()))),
        (
            "the host's pid namespace",
            Box::new(|plan| {
                for step in &mut plan.parent {
                    if let Op::Process(ProcessOp::Clone { flags, .. }) = &mut step.op {
                        flags.remove(CloneFlags::CLONE_NEWPID);
                    }
                }
            }),
        ),
    ];
    for (what, break_it) in breaks {
        let mut plan = sound.clone();
        break_it(&mut plan);
        let broken = invariants(&plan).expect_err(what);
        assert!(broken.iter().any(|found| found.rule == Rule::MinimalInit), "{what}: {broken:?}");
    }
}

#[test]
fn an_init_that_waits_for_its_program_with_too_much() {
    let waits = |op: &Op| *op == Op::Sync(SyncOp::Await(Token::Payload));
    // The launcher's memory, for as long as it waits.
    check(Rule::Prepared, |plan| {
        let at = plan.init.len() - 2;
        let mut step = plan.init[at].clone();
        step.op = Op::Sync(SyncOp::Await(Token::Payload));
        plan.init.insert(at, step);
    });
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.process.as_mut().unwrap().parent_death_signal = None;
    let sound = plan_prepared(&config, &HostFacts::example()).expect("the example host can");
    assert_eq!(invariants(&sound), Ok(()));
    let at = find(&sound, waits);
    type Late = (&'static str, fn(&Op) -> bool);
    let earlier: [Late; 3] = [
        ("rights", |op| matches!(op, Op::Privilege(PrivilegeOp::SetCapabilities { .. }))),
        ("descriptors", |op| matches!(op, Op::Process(ProcessOp::CloseDescriptors))),
        ("names", |op| matches!(op, Op::Namespace(NamespaceOp::SetHostname { .. }))),
    ];
    for (what, late) in earlier {
        let mut plan = sound.clone();
        let late = find(&plan, late);
        let step = plan.init.remove(late);
        plan.init.insert(at, step);
        let broken = invariants(&plan).expect_err(what);
        assert!(broken.iter().any(|found| found.rule == Rule::Prepared), "{what}: {broken:?}");
    }
    let mut twice = sound;
    let step = twice.init[at].clone();
    twice.init.insert(at, step);
    let broken = invariants(&twice).expect_err("two words");
    assert!(broken.iter().any(|found| found.rule == Rule::Prepared), "{broken:?}");
}

#[test]
fn a_limit_after_init_is_in() {
    check(Rule::CgroupOrder, |plan| {
        let is_limit = |op: &Op| matches!(op, Op::Cgroup(CgroupOp::Write { .. }));
        let at = plan.parent.iter().position(|step| is_limit(&step.op)).expect("a limit");
        let limit = plan.parent.remove(at);
        let end = plan.parent.len() - 1;
        plan.parent.insert(end, limit);
    });
}

#[test]
fn a_mount_after_the_root_was_changed() {
    check(Rule::MountOrder, |plan| {
        let at = find(plan, |op| matches!(op, Op::Mount(MountOp::PivotRoot)));
        plan.init.swap(at, at - 1);
    });
}

#[test]
fn ids_given_up_before_the_bounding_set() {
    check(Rule::PrivilegeOrder, |plan| {
        let at = find(plan, |op| matches!(op, Op::User(nsplan::plan::UserOp::SetGroups { .. })));
        plan.init.swap(at, at - 1);
    });
}

#[test]
fn a_working_directory_chosen_with_descriptors_open() {
    check(Rule::DescriptorOrder, |plan| {
        let at = find(plan, |op| matches!(op, Op::Process(ProcessOp::CloseDescriptors)));
        plan.init.swap(at, at + 1);
    });
}

#[test]
fn another_namespace_joined_before_the_user_namespace() {
    check(Rule::JoinOrder, |plan| {
        for (at, kind) in [NamespaceKind::Net, NamespaceKind::User].into_iter().enumerate() {
            plan.init[at].op = Op::Namespace(NamespaceOp::Join { kind });
        }
    });
}

/// A sound plan with a hook of every kind.
fn hooked() -> Plan {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    let hook = || {
        let (args, env) = (Vec::new(), Vec::new());
        vec![nsplan::config::Hook { path: "/bin/true".into(), args, env, timeout: None }]
    };
    config.hooks = nsplan::config::Hooks {
        prestart: hook(),
        create_runtime: hook(),
        create_container: hook(),
        start_container: hook(),
        poststart: hook(),
        poststop: hook(),
    };
    let plan = plan(&config, &HostFacts::example()).expect("the example host can");
    assert_eq!(invariants(&plan), Ok(()));
    plan
}

#[track_caller]
fn check_hooked(rule: Rule, break_it: impl FnOnce(&mut Plan)) {
    let mut plan = hooked();
    break_it(&mut plan);
    let broken = invariants(&plan).expect_err("a broken plan");
    assert!(broken.iter().any(|found| found.rule == rule), "{broken:?}");
}

fn runs(op: &Op, wanted: HookKind) -> bool {
    matches!(op, Op::Hook(HookOp::Run { kind, .. }) if *kind == wanted)
}

#[test]
fn a_hook_at_another_moment_or_by_another() {
    // After the root was changed.
    check_hooked(Rule::Hook, |plan| {
        let hook = find(plan, |op| runs(op, HookKind::CreateContainer));
        let switch = find(plan, |op| matches!(op, Op::Mount(MountOp::PivotRoot)));
        plan.init.swap(hook, switch);
    });
    // With rights that the program does not have.
    check_hooked(Rule::Hook, |plan| {
        let hook = find(plan, |op| runs(op, HookKind::StartContainer));
        let step = plan.init.remove(hook);
        plan.init.insert(1, step);
    });
    // The container's program by the launcher.
    check_hooked(Rule::Hook, |plan| {
        let hook = find(plan, |op| runs(op, HookKind::StartContainer));
        let step = plan.init.remove(hook);
        let last = plan.parent.len();
        plan.parent.insert(last, step);
    });
    // In the launcher's memory.
    check_hooked(Rule::Hook, |plan| {
        plan.topology = nsplan::plan::Topology::SharedMemory;
        for step in &mut plan.parent {
            if let Op::Process(ProcessOp::Clone { flags, .. }) = &mut step.op {
                *flags |= CloneFlags::CLONE_VM;
            }
        }
    });
    // Before the program runs.
    check_hooked(Rule::Hook, |plan| {
        let step = plan.parent.pop().unwrap();
        assert!(runs(&step.op, HookKind::Poststart));
        plan.parent.insert(plan.parent.len() - 1, step);
    });
}

#[test]
fn a_promise_that_nobody_keeps() {
    check_hooked(Rule::Undo, |plan| {
        let promise = |step: &&mut nsplan::plan::Step| step.op == Op::Hook(HookOp::Promise);
        plan.parent.iter_mut().find(promise).unwrap().undo = Undo::Nothing;
    });
}

#[test]
fn a_text_with_a_nul() {
    check(Rule::Nul, |plan| {
        let at = find(plan, |op| matches!(op, Op::Namespace(NamespaceOp::SetHostname { .. })));
        plan.init[at].op = Op::Namespace(NamespaceOp::SetHostname { name: "a\0b".into() });
    });
}

/// A sound plan whose cgroup is a scope.
fn scope() -> Plan {
    let mut facts = HostFacts::example();
    facts.systemd = Some(nsplan::facts::SystemdFacts {
        bus: HostPath::new("/run/bus").unwrap(),
        version: 252,
        cgroup: "/".into(),
        controllers: Default::default(),
    });
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.cgroup = Some(nsplan::config::Cgroup {
        path: nsplan::config::CgroupPath {
            base: nsplan::config::CgroupBase::Root,
            parts: Vec::new(),
        },
        driver: nsplan::config::CgroupDriver::from_systemd_path("::box").unwrap(),
        resources: nsplan::config::Resources {
            pids: Some(nsplan::config::Limit::At(9)),
            ..Default::default()
        },
    });
    plan(&config, &facts).expect("the example host can")
}

#[test]
fn a_scope_that_nobody_ends_or_that_is_limited_too_late() {
    let is_scope = |op: &Op| matches!(op, Op::Cgroup(CgroupOp::StartScope { .. }));
    let plan = scope();
    assert_eq!(invariants(&plan), Ok(()));
    let at = plan.parent.iter().position(|step| is_scope(&step.op)).expect("a scope");
    let breaks = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        let broken = invariants(&plan).expect_err("a broken plan");
        broken.into_iter().map(|broken| broken.rule).collect::<Vec<_>>()
    };
    let nobody_ends = breaks(&|plan| plan.parent[at].undo = Undo::Nothing);
    assert_eq!(nobody_ends, [Rule::Undo]);
    let limited_late = breaks(&|plan| {
        let write = |op: &Op| matches!(op, Op::Cgroup(CgroupOp::Write { .. }));
        let from = plan.parent.iter().position(|step| write(&step.op)).expect("a limit");
        let step = plan.parent.remove(from);
        let last = plan.parent.len() - 1;
        plan.parent.insert(last, step);
    });
    assert_eq!(limited_late, [Rule::CgroupOrder]);
}

#[test]
fn a_filter_that_could_not_be_installed_or_that_nobody_listens_to() {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.seccomp = Some(nsplan::config::Seccomp {
        default_action: nsplan::config::SeccompAction::Allow,
        architectures: vec![],
        flags: vec![],
        listener_path: Some("/run/agent".into()),
        listener_metadata: None,
        rules: vec![nsplan::config::SeccompRule {
            names: vec!["mount".into()],
            action: nsplan::config::SeccompAction::Notify,
            args: vec![],
        }],
    });
    let sound = plan(&config, &HostFacts::example()).expect("the example host can");
    assert_eq!(invariants(&sound), Ok(()));
    let is = |wanted: fn(&PrivilegeOp) -> bool| move |op: &Op| matches!(op, Op::Privilege(op) if wanted(op));
    let filter = find(&sound, is(|op| matches!(op, PrivilegeOp::Seccomp { .. })));
    let renounce = find(&sound, is(|op| matches!(op, PrivilegeOp::NoNewPrivileges)));
    type Break = Box<dyn Fn(&mut Plan)>;
    let breaks: [Break; 5] = [
        // Without the right to install it.
        Box::new(move |plan| drop(plan.init.remove(renounce))),
        // One that does not end.
        Box::new(move |plan| {
            if let Op::Privilege(PrivilegeOp::Seccomp { program, .. }) = &mut plan.init[filter].op {
                program.pop();
            }
        }),
        // Twice.
        Box::new(move |plan| plan.init.insert(filter, plan.init[filter].clone())),
        // Before what it may forbid.
        Box::new(move |plan| plan.init.swap(filter, filter - 1)),
        // An agent that is told nothing.
        Box::new(|plan| {
            plan.parent
                .retain(|step| !matches!(step.op, Op::Privilege(PrivilegeOp::SendListener { .. })));
        }),
    ];
    for (number, breaks) in breaks.iter().enumerate() {
        let mut plan = sound.clone();
        breaks(&mut plan);
        let broken = invariants(&plan).expect_err("broken");
        let rules: Vec<_> = broken.iter().map(|broken| broken.rule).collect();
        assert!(rules.contains(&Rule::Filter), "{number}: {rules:?}");
    }
}
