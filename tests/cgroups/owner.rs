//! A container's own v2 cgroup, which is its user's where it is mounted for writing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nsplan::apply;
use nsplan::config::{CgroupBase, CgroupPath, Mount, MountKind, PathComponent, UserSpec};
use nsplan::plan::{CgroupOp, Op, needs, plan};
use nsplan::types::{HostPath, MountFlags, RootPath};

use crate::stage::name;
use crate::support::{USER, is_root, rootfs, run_plan, shell, skip};

#[test]
fn a_cgroup_is_given_to_its_user_with_the_files_that_are_there() {
    if !is_root() {
        return;
    }
    let root = rootfs("owner");
    let script = "cd /sys/fs/cgroup && mkdir mine && stat -c '%n %u' . * && rmdir mine";
    let mut config = shell(&root, script);
    config.process.as_mut().unwrap().user.spec = UserSpec::Ids { uid: USER, gid: USER };
    config.mounts.push(Mount::new(
        RootPath::new("/sys/fs/cgroup").unwrap(),
        MountKind::Cgroup,
        MountFlags::MS_NOSUID,
    ));
    let part = PathComponent::new(&name()).unwrap();
    config.place_cgroup(CgroupPath { base: CgroupBase::Root, parts: vec![part] });
    // This host with nothing but its v2 tree.
    let mut facts = apply::probe::probe(&needs(&config)).expect("facts of this host");
    let tree = facts.cgroup.as_mut().unwrap();
    tree.hierarchies.clear();
    let Some(unified) = &tree.unified else { return skip("no v2 tree") };
    let listed = unified.delegate.clone();
    let kernel = fs::read_to_string("/sys/kernel/cgroup/delegate").unwrap_or_default();
    assert_eq!(listed, kernel.lines().collect::<Vec<_>>());
    let plan = plan(&config, &facts).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let gives = plan.parent.iter().find_map(|step| match &step.op {
        Op::Cgroup(CgroupOp::GiveTo { directory, files, .. }) => Some((directory, files)),
        _ => None,
    });
    let (_, files): (&HostPath, _) = gives.expect("the step");
    let said = run_plan(&plan).unwrap_or_else(|error| panic!("{error}")).ok();
    let mut others = 0;
    for line in said.lines() {
        let (name, uid) = line.split_once(' ').unwrap();
        let is_users = matches!(name, "." | "mine") || files.iter().any(|file| file == name);
        assert_eq!(uid == USER.to_string(), is_users, "{line}");
        others += u32::from(!is_users);
    }
    assert!(said.contains(&format!("cgroup.procs {USER}\n")) && others > 3, "{said}");
    assert_eq!(fs::metadata("/sys/fs/cgroup").unwrap().uid(), 0);
}
