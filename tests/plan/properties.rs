//! What holds for any config on any host.

use nsplan::plan::{
    Actor, CgroupOp, IdKind, MountOp, NamespaceOp, Op, Plan, ProcessOp, Refusal, Step, Undo,
    UserOp, invariants, plan,
};
use nsplan::types::NamespaceKind;
use proptest::prelude::*;

use crate::strategies::{config, host, id_map, mount, path_fact, sane_config, with_paths};

fn position(script: &[Step], wanted: impl Fn(&Op) -> bool) -> Option<usize> {
    script.iter().position(|step| wanted(&step.op))
}

/// Every id map that the plan writes.
fn maps(plan: &Plan) -> impl Iterator<Item = (IdKind, &nsplan::types::IdMap)> {
    plan.steps().filter_map(|(_, step)| match &step.op {
        Op::User(UserOp::WriteIdMap { kind, map } | UserOp::RunMapHelper { kind, map, .. }) => {
            Some((*kind, map))
        }
        _ => None,
    })
}

/// The steps in words, without the numbers of the slots, which count on.
fn without_slots<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Vec<String> {
    let words = |step: &Step| {
        let text = step.op.to_string();
        text.split(' ').filter(|word| word.parse::<u16>().is_err()).collect::<Vec<_>>().join(" ")
    };
    steps.into_iter().map(words).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn planning_is_total_and_deterministic_and_what_is_planned_holds_every_invariant(
        config in config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        let first = plan(&config, &facts);
        prop_assert_eq!(&first, &plan(&config, &facts));
        match first {
            Ok(plan) => prop_assert_eq!(invariants(&plan), Ok(())),
            Err(errors) => prop_assert!(!errors.is_empty()),
        }
    }

    #[test]
    fn a_sane_config_on_a_capable_host_is_planned_or_refused_for_its_limits_only(
        config in sane_config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        match plan(&config, &facts) {
            Ok(plan) => prop_assert_eq!(invariants(&plan), Ok(())),
            Err(errors) => for error in errors {
                let is_about_the_program = error.origin.as_str().starts_with("/process/args");
                prop_assert!(!is_about_the_program, "{}", error);
            },
        }
    }

    #[test]
    fn a_plan_survives_its_json(config in sane_config(), facts in host(), kind in path_fact()) {
        let facts = with_paths(facts, &config, &kind);
        if let Ok(plan) = plan(&config, &facts) {
            let back: Plan = serde_json::from_str(&plan.to_json()).expect("our own text");
            prop_assert_eq!(&back, &plan);
            prop_assert_eq!(back.to_json(), plan.to_json());
        }
    }

    #[test]
    fn written_maps_are_injective_have_a_root_and_stay_inside_the_grant(
        uids in id_map(), gids in id_map(), facts in host(),
    ) {
        let root = nsplan::types::HostPath::new("/srv/root").unwrap();
        let mut config = nsplan::config::Config::sandbox(root, vec!["sh".into()], true);
        config.uid_mappings = uids;
        config.gid_mappings = gids;
        let facts = with_paths(facts, &config, &nsplan::facts::PathFact::Directory);
        let Ok(plan) = plan(&config, &facts) else { return Ok(()) };
        prop_assert_eq!(maps(&plan).count(), 2);
        for (_, map) in maps(&plan) {
            prop_assert!(map.to_host(0).is_some());
            for range in map.ranges() {
                for id in [range.container_id, range.container_id + (range.size - 1)] {
                    let outside = map.to_host(id).expect("inside the map");
                    prop_assert_eq!(map.to_container(outside), Some(id));
                }
                let is_granted = facts.caller.uid == 0
                    || range.host_id == 1000 && range.size == 1
                    || range.host_id >= 100_000 && range.host_id + range.size <= 165_536;
                prop_assert!(is_granted, "{:?}", range);
            }
        }
    }

    #[test]
    fn setgroups_is_denied_before_a_gid_map_that_needs_no_privilege(
        config in config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        let Ok(plan) = plan(&config, &facts) else { return Ok(()) };
        let writes = |op: &Op| matches!(op, Op::User(UserOp::WriteIdMap { kind: IdKind::Gid, .. }));
        if let Some(write) = position(&plan.parent, writes) && facts.caller.uid != 0 {
            let denies = |op: &Op| matches!(op, Op::User(UserOp::DenySetgroups));
            prop_assert!(position(&plan.parent, denies).is_some_and(|deny| deny < write));
        }
    }

    #[test]
    fn the_cgroup_is_entered_before_its_namespace_is_made(
        config in sane_config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        let Ok(plan) = plan(&config, &facts) else { return Ok(()) };
        let unshares = |op: &Op| {
            matches!(op, Op::Namespace(NamespaceOp::Unshare { kind: NamespaceKind::Cgroup }))
        };
        let enters = |op: &Op| matches!(op, Op::Cgroup(CgroupOp::Enter { .. }));
        let unshare = position(&plan.init, unshares).expect("the sandbox has a cgroup namespace");
        prop_assert!(plan.init[unshare..].iter().all(|step| !enters(&step.op)));
    }

    #[test]
    fn what_is_made_outside_is_removed_in_reverse(
        config in sane_config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        let Ok(plan) = plan(&config, &facts) else { return Ok(()) };
        let made: Vec<_> = plan.parent.iter().filter_map(|step| match &step.op {
            Op::Cgroup(CgroupOp::MakeDirectory { path, .. }) => Some(path.clone()),
            _ => None,
        }).collect();
        let mut removed: Vec<_> = plan.parent.iter().rev().filter_map(|step| match &step.undo {
            Undo::Op(undo) => match &**undo {
                Op::Cgroup(CgroupOp::RemoveDirectory { path, .. }) => Some(path.clone()),
                _ => None,
            },
            _ => None,
        }).collect();
        removed.reverse();
        prop_assert_eq!(made, removed);
    }

    #[test]
    fn an_unrelated_mount_leaves_the_order_of_the_others_alone(
        config in sane_config(), facts in host(), extra in mount(), kind in path_fact(),
    ) {
        let mut facts = with_paths(facts, &config, &kind);
        // Where the network is made beside init, a mount may decide which come last: `beside.rs`.
        facts.caller.threads = 0;
        let Ok(before) = plan(&config, &facts) else { return Ok(()) };
        let mut more = config.clone();
        more.mounts.push(extra);
        let facts = with_paths(facts, &more, &kind);
        let Ok(after) = plan(&more, &facts) else { return Ok(()) };
        let last = format!("/mounts/{}", config.mounts.len());
        let kept = after.init.iter().filter(|step| step.origin.as_str() != last);
        prop_assert_eq!(without_slots(kept), without_slots(&before.init));
    }

    #[test]
    fn no_mount_names_the_root_or_leaves_it(
        config in config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        let Ok(plan) = plan(&config, &facts) else { return Ok(()) };
        for step in plan.script(Actor::Init) {
            let Op::Mount(MountOp::Attach { target, .. } | MountOp::Filesystem { target, .. }) =
                &step.op
            else {
                continue;
            };
            prop_assert!(!target.is_root());
            prop_assert!(target.parts().all(|part| part != ".." && part != "."));
        }
    }

    #[test]
    fn the_program_runs_last_and_after_every_right_is_given_up(
        config in sane_config(), facts in host(), kind in path_fact(),
    ) {
        let facts = with_paths(facts, &config, &kind);
        let Ok(plan) = plan(&config, &facts) else { return Ok(()) };
        let executes = |op: &Op| matches!(op, Op::Process(ProcessOp::Execute { .. }));
        prop_assert_eq!(position(&plan.init, executes), Some(plan.init.len() - 1));
    }

    #[test]
    fn a_mount_on_the_root_is_always_refused(facts in host(), extra in mount()) {
        let root = nsplan::types::HostPath::new("/srv/root").unwrap();
        let mut config = nsplan::config::Config::sandbox(root, vec!["sh".into()], true);
        config.mounts = vec![nsplan::config::Mount {
            destination: nsplan::types::RootPath::root(),
            ..extra
        }];
        let facts = with_paths(facts, &config, &nsplan::facts::PathFact::Directory);
        let errors = plan(&config, &facts).expect_err("a mount on /");
        let is_refused = |refusal: &Refusal| matches!(refusal, Refusal::UnsafeTarget { .. });
        prop_assert!(errors.iter().any(|error| is_refused(&error.refusal)));
    }
}
