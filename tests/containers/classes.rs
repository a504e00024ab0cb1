//! Classes of service, on directories that stand for the kernel's: no machine of ours has the hardware.

use std::fs;

use nsplan::config::{Config, IntelRdt};
use nsplan::facts::MountFact;
use nsplan::plan::{Plan, plan};
use nsplan::types::MountFlags;

use crate::support::{Scratch, facts, is_root, rootfs, run_plan, shell};

fn classed(root: &Scratch, top: &Scratch, wish: IntelRdt, script: &str) -> Plan {
    let mut config: Config = shell(root, script);
    config.intel_rdt = Some(wish);
    let mut facts = facts(&config);
    facts.mounts.get_or_insert_default().push(MountFact {
        id: 9999,
        parent: 1,
        root: "/".into(),
        mount_point: top.path().to_str().unwrap().into(),
        flags: MountFlags::empty(),
        shared: false,
        fstype: "resctrl".into(),
        source: "resctrl".into(),
        super_options: "rw".into(),
    });
    plan(&config, &facts).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn gold(schemata: &str) -> IntelRdt {
    let schemata = schemata.lines().map(str::to_owned).collect();
    IntelRdt { clos_id: Some("gold".into()), schemata, ..IntelRdt::default() }
}

#[test]
fn init_is_in_the_group_that_is_there_before_its_program_runs() {
    if !is_root() {
        return;
    }
    let (root, top) = (rootfs("class"), Scratch::new("class-top"));
    let group = top.path().join("gold");
    fs::create_dir(&group).unwrap();
    fs::write(group.join("schemata"), "    L3:0=ff;1=ff\n    MB:0=20\n").unwrap();
    for wish in [gold(""), gold("MB:0=20"), gold("L3:0=ff;1=ff\nMB:0=20")] {
        fs::write(group.join("tasks"), "").unwrap();
        let outcome = run_plan(&classed(&root, &top, wish, "echo ran")).unwrap();
        assert_eq!(outcome.ok(), "ran\n");
        let pid = fs::read_to_string(group.join("tasks")).unwrap();
        assert!(pid.trim().parse::<u32>().is_ok_and(|pid| pid > 1), "{pid:?}");
    }
    let error = run_plan(&classed(&root, &top, gold("MB:0=30"), "true")).unwrap_err();
    assert!(error.to_string().contains("has not the line `MB:0=30`"), "{error}");
    assert!(group.exists());
}

#[test]
fn a_group_of_its_own_is_gone_when_the_start_fails() {
    if !is_root() {
        return;
    }
    let (root, top) = (rootfs("class-own"), Scratch::new("class-own-top"));
    let own = || IntelRdt { group: Some("web".into()), ..IntelRdt::default() };
    // A plain directory has no files of the kernel's in it.
    let error = run_plan(&classed(&root, &top, own(), "true")).unwrap_err();
    assert!(error.to_string().contains("ENOENT"), "{error}");
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    fs::create_dir(top.path().join("web")).unwrap();
    let error = run_plan(&classed(&root, &top, own(), "true")).unwrap_err();
    assert!(error.to_string().contains("EEXIST"), "{error}");
    assert!(top.path().join("web").exists(), "it is somebody else's");
}
