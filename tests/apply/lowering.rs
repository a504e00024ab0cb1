//! Plans for every kind of host are lowered, whatever this one is.

use nsplan::apply::{LowerReason, lower};
use nsplan::config::Config;
use nsplan::facts::HostFacts;
use nsplan::plan::{Op, ProcessOp, SyncOp, plan};
use nsplan::types::HostPath;

fn facts() -> Vec<HostFacts> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/facts");
    let files = std::fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap());
    texts.map(|text| HostFacts::from_json(&text).unwrap()).collect()
}

#[test]
fn every_plan_for_every_host_is_lowered_step_for_step() {
    let mut count = 0;
    for facts in facts() {
        for userns in [false, true] {
            let root = HostPath::new("/srv/root").unwrap();
            let config = Config::sandbox(root, vec!["sh".into()], userns);
            let Ok(plan) = plan(&config, &facts) else { continue };
            let program = lower(&plan).unwrap();
            assert_eq!(program.len(), plan.init.len() + plan.intermediate.len());
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn a_plan_that_no_planner_makes_is_refused() {
    let root = HostPath::new("/srv/root").unwrap();
    let config = Config::sandbox(root, vec!["sh".into()], false);
    let good = plan(&config, &HostFacts::example()).unwrap();
    let mut nul = good.clone();
    let Some(Op::Process(ProcessOp::Execute { args, .. })) =
        nul.init.last_mut().map(|step| &mut step.op)
    else {
        panic!("a plan ends with a program");
    };
    args.push("a\0b".into());
    assert_eq!(lower(&nul).unwrap_err().reason, LowerReason::Nul);
    let mut short = good.clone();
    short.init.pop();
    assert_eq!(lower(&short).unwrap_err().reason, LowerReason::NoProgram);
    let mut stray = good.clone();
    stray.init[0].op = Op::Sync(SyncOp::AwaitExec);
    assert_eq!(lower(&stray).unwrap_err().reason, LowerReason::WrongActor);
    let mut swapped = good;
    std::mem::swap(&mut swapped.init, &mut swapped.parent);
    assert_eq!(lower(&swapped).unwrap_err().reason, LowerReason::WrongActor);
}
