//! Containers that are only created: who does what, and what no plan of one may say.

use nsplan::config::{Config, EnvVar, Hook};
use nsplan::facts::HostFacts;
use nsplan::plan::{
    Actor, Op, Plan, ProcessOp, Rule, StartScript, StateOp, SyncOp, Token, invariants, plan,
    plan_created,
};
use nsplan::types::{HostPath, Signal};
use proptest::prelude::*;

use crate::strategies::{config, host, path_fact, with_paths};
use crate::support::snapshot;

fn created() -> Plan {
    let mut config = Config::sandbox(HostPath::new("/srv/root").unwrap(), vec!["sh".into()], false);
    config.process.as_mut().unwrap().parent_death_signal = None;
    let hook = Hook {
        path: "/bin/hook".into(),
        args: Vec::new(),
        env: vec![EnvVar { name: "A".into(), value: "b".into() }],
        timeout: None,
    };
    config.hooks.start_container.push(hook.clone());
    config.hooks.poststart.push(hook);
    plan_created(&config, &HostFacts::example()).expect("the example host can")
}

fn at(plan: &Plan, actor: Actor, op: &Op) -> usize {
    plan.script(actor).iter().position(|step| step.op == *op).expect("the step")
}

#[track_caller]
fn check(rule: Rule, break_it: impl FnOnce(&mut Plan)) {
    let mut plan = created();
    assert_eq!(invariants(&plan), Ok(()));
    break_it(&mut plan);
    let broken = invariants(&plan).expect_err("a broken plan");
    assert!(broken.iter().any(|found| found.rule == rule), "{broken:?}");
}

#[test]
fn what_is_left_to_the_start_is_a_script_of_its_own() {
    let about = "a container that is created, with hooks of its start";
    snapshot("plan-created", "hooks", about, &created().to_string());
}

#[test]
fn nothing_but_the_wait_is_different_from_one_that_is_run() {
    let mut config = Config::sandbox(HostPath::new("/srv/root").unwrap(), vec!["sh".into()], false);
    config.process.as_mut().unwrap().parent_death_signal = None;
    let facts = HostFacts::example();
    let (run, created) = (plan(&config, &facts).unwrap(), plan_created(&config, &facts).unwrap());
    let is_about_waiting = |op: &Op| {
        let sync = Op::Sync(SyncOp::Signal(Token::Created));
        *op == sync
            || *op == Op::Sync(SyncOp::AwaitKnock)
            || matches!(op, Op::Process(ProcessOp::Find { .. }))
    };
    let rest = created.init.iter().filter(|step| !is_about_waiting(&step.op));
    assert!(rest.eq(&run.init));
}

#[test]
fn the_words_of_what_is_left_are_those_of_the_plan() {
    let plan = created();
    let script = StartScript::of(&plan);
    assert_eq!(StartScript::from_json(&script.to_json()), Some(script.clone()));
    assert_eq!(script.steps, plan.start);
    let waits = at(&plan, Actor::Init, &Op::Sync(SyncOp::AwaitKnock));
    assert_eq!(script.left.len(), plan.init.len() - waits);
    for left in &script.left {
        let step = &plan.init[usize::from(left.index)];
        assert_eq!((&left.words, &left.origin), (&step.op.to_string(), &step.origin));
    }
    let executes = script.left.iter().filter(|left| left.executes).count();
    assert_eq!((executes, &*script.program), (1, "sh"));
    for wrong in ["", "{}", "null", &script.to_json().replacen("\"schema\":1", "\"schema\":2", 1)] {
        assert_eq!(StartScript::from_json(wrong), None, "{wrong}");
    }
}

#[test]
fn one_that_would_die_with_its_creator_is_refused() {
    let mut config = Config::sandbox(HostPath::new("/srv/root").unwrap(), vec!["sh".into()], false);
    config.process.as_mut().unwrap().parent_death_signal = Some(Signal::KILL);
    let errors = plan_created(&config, &HostFacts::example()).expect_err("it would be nobody's");
    assert_eq!(errors[0].origin.as_str(), "/process/parentDeathSignal");
}

#[test]
fn a_wait_for_nobody() {
    check(Rule::Held, |plan| plan.start.clear());
    check(Rule::Handshake, |plan| {
        let knock = at(plan, Actor::Starter, &Op::Sync(SyncOp::Knock));
        plan.start.remove(knock);
    });
}

#[test]
fn a_wait_with_descriptors_or_rights_that_the_program_will_not_have() {
    let waits = Op::Sync(SyncOp::AwaitKnock);
    for early in
        [Op::Process(ProcessOp::CloseDescriptors), Op::Sync(SyncOp::Signal(Token::Created))]
    {
        check(Rule::Held, |plan| {
            let (early, waits) = (at(plan, Actor::Init, &early), at(plan, Actor::Init, &waits));
            plan.init.swap(early, waits);
        });
    }
}

#[test]
fn a_container_that_is_kept_before_it_is_whole() {
    check(Rule::Held, |plan| {
        let last = plan.parent.len() - 1;
        plan.parent.swap(last, last - 1);
    });
}

#[test]
fn a_door_that_nobody_removes_or_that_is_not_there() {
    check(Rule::Undo, |plan| {
        let door = at(plan, Actor::Parent, &Op::State(StateOp::OpenDoor));
        plan.parent[door].undo = nsplan::plan::Undo::Nothing;
    });
    check(Rule::Slot, |plan| {
        let door = at(plan, Actor::Parent, &Op::State(StateOp::OpenDoor));
        plan.parent.remove(door);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_planned_to_wait_holds_every_invariant_on_any_host(
        config in config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        match plan_created(&config, &facts) {
            Ok(plan) => {
                prop_assert_eq!(invariants(&plan), Ok(()));
                prop_assert_eq!(Plan::from_json(&plan.to_json()), Ok(plan));
            }
            Err(errors) => prop_assert!(!errors.is_empty()),
        }
    }
}
