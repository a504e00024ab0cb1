//! Classes of service: which group, made or found, and what is written to it, in which order.

use nsplan::config::{Config, IntelRdt};
use nsplan::facts::{HostFacts, MountFact};
use nsplan::plan::{Op, Plan, PlanError, invariants, plan};
use nsplan::types::{HostPath, MountFlags};

fn host(has_resctrl: bool) -> HostFacts {
    let mount = MountFact {
        id: 90,
        parent: 1,
        root: "/".into(),
        mount_point: "/sys/fs/resctrl".into(),
        flags: MountFlags::empty(),
        shared: false,
        fstype: "resctrl".into(),
        source: "resctrl".into(),
        super_options: "rw".into(),
    };
    let mut facts = HostFacts::example();
    facts.mounts = Some(has_resctrl.then_some(mount).into_iter().collect());
    facts
}

fn planned(wish: IntelRdt, has_resctrl: bool) -> Result<Plan, Vec<PlanError>> {
    let root = HostPath::new("/srv/rootfs").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.intel_rdt = Some(wish);
    plan(&config, &host(has_resctrl))
}

/// The steps about classes, as text, and their undo.
fn steps(wish: IntelRdt) -> Vec<String> {
    let plan = planned(wish, true).unwrap();
    assert_eq!(invariants(&plan), Ok(()));
    let about = plan.parent.iter().filter(|step| matches!(step.op, Op::Resctrl(_)));
    about.map(|step| format!("{} <- {}", step.op, step.origin)).collect()
}

fn own() -> IntelRdt {
    IntelRdt { group: Some("web1".into()), ..IntelRdt::default() }
}

#[test]
fn without_an_id_the_group_is_the_containers_own() {
    let wish = IntelRdt {
        l3_cache_schema: Some("L3:0=7f0\nMB:0=10".into()),
        mem_bw_schema: Some("MB:0=20".into()),
        schemata: vec!["L2:0=f".into(), "L2:1=f".into()],
        ..own()
    };
    assert_eq!(
        steps(wish),
        [
            "make the resctrl group /sys/fs/resctrl/web1 <- /intelRdt",
            "write \"L3:0=7f0\\nMB:0=20\\n\" to /sys/fs/resctrl/web1/schemata <- /intelRdt",
            "write \"L2:0=f\\nL2:1=f\\n\" to /sys/fs/resctrl/web1/schemata <- /intelRdt",
            "write init's pid to /sys/fs/resctrl/web1/tasks <- /intelRdt",
        ]
    );
    assert_eq!(steps(own()).len(), 2, "nothing is written that was not asked for");
}

#[test]
fn a_named_group_is_found_or_made_and_one_without_schemata_must_be_there() {
    let named = |schemata: &[&str]| IntelRdt {
        clos_id: Some("gold".into()),
        schemata: schemata.iter().map(|&line| line.to_owned()).collect(),
        ..own()
    };
    assert_eq!(
        steps(named(&["L3:0=f"])),
        [
            "make the resctrl group /sys/fs/resctrl/gold, or find it, with \"L3:0=f\\n\" <- /intelRdt/closID",
            "write init's pid to /sys/fs/resctrl/gold/tasks <- /intelRdt",
        ]
    );
    assert_eq!(
        steps(named(&[]))[0],
        "look for the resctrl group /sys/fs/resctrl/gold <- /intelRdt/closID"
    );
}

#[test]
fn what_is_monitored_is_in_a_group_of_its_own_below() {
    let wish = IntelRdt { clos_id: Some("gold".into()), enable_monitoring: true, ..own() };
    assert_eq!(
        steps(wish)[1..],
        [
            "make the resctrl group /sys/fs/resctrl/gold/mon_groups/web1 <- /intelRdt/enableMonitoring",
            "write init's pid to /sys/fs/resctrl/gold/tasks <- /intelRdt",
            "write init's pid to /sys/fs/resctrl/gold/mon_groups/web1/tasks <- /intelRdt",
        ]
    );
}

#[test]
fn without_the_file_system_or_a_name_it_is_refused() {
    let refusal = |wish, has_resctrl| {
        let errors = planned(wish, has_resctrl).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let said = refusal(own(), false);
    assert!(said.contains("/intelRdt: ") && said.contains("mounted resctrl"), "{said}");
    let said = refusal(IntelRdt::default(), true);
    assert!(said.contains("/intelRdt: ") && said.contains("needs a name"), "{said}");
}

#[test]
fn whoever_is_not_root_needs_the_right_to_write_there() {
    let mut facts = host(true);
    facts.caller.uid = 1000;
    facts.caller.effective = nsplan::types::CapSet::EMPTY;
    let root = HostPath::new("/srv/rootfs").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], true);
    config.intel_rdt = Some(own());
    let errors = plan(&config, &facts).unwrap_err();
    assert!(errors.iter().any(|error| error.to_string().contains("a class of service needs")));
}
