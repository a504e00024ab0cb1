//! Whose a container's v2 cgroup is, and which controllers are on in it.

use nsplan::config::{CgroupBase, CgroupPath, Config, Mount, MountKind, PathComponent, UserSpec};
use nsplan::facts::{HostFacts, PathFact};
use nsplan::plan::{CgroupOp, Op, plan};
use nsplan::types::{
    CapSet, Capability, HostPath, IdMap, IdMapping, MountFlags, NamespaceKind, RootPath,
};

fn facts() -> HostFacts {
    let mut facts = HostFacts::example();
    facts.paths.insert(HostPath::new("/srv/rootfs").unwrap(), PathFact::Directory);
    facts
}

/// With the tree of cgroups mounted, for writing or not.
fn config(flags: MountFlags) -> Config {
    let mut config =
        Config::sandbox(HostPath::new("/srv/rootfs").unwrap(), vec!["sh".into()], true);
    let range = IdMapping { container_id: 0, host_id: 100_000, size: 1000 };
    config.uid_mappings = IdMap::new(vec![range]).unwrap();
    config.gid_mappings = IdMap::new(vec![range]).unwrap();
    config.mounts.retain(|mount| !matches!(mount.kind, MountKind::Cgroup));
    config.mounts.push(Mount::new(
        RootPath::new("/sys/fs/cgroup").unwrap(),
        MountKind::Cgroup,
        flags,
    ));
    let part = PathComponent::new("web1").unwrap();
    config.place_cgroup(CgroupPath { base: CgroupBase::Root, parts: vec![part] });
    config
}

fn given(config: &Config, facts: &HostFacts) -> Option<(String, Vec<String>, u32)> {
    plan(config, facts).unwrap().parent.into_iter().find_map(|step| match step.op {
        Op::Cgroup(CgroupOp::GiveTo { directory, files, uid }) => {
            Some((directory.as_str().to_owned(), files, uid))
        }
        _ => None,
    })
}

#[test]
fn a_cgroup_that_is_mounted_for_writing_is_the_containers_users() {
    let open = config(MountFlags::empty());
    let (directory, files, uid) = given(&open, &facts()).unwrap();
    assert_eq!((directory.as_str(), uid), ("/sys/fs/cgroup/web1", 100_000));
    assert_eq!(files, ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]);
    let mut facts = facts();
    let tree = facts.cgroup.as_mut().unwrap().unified.as_mut().unwrap();
    tree.delegate = vec!["cgroup.procs".into(), "memory.reclaim".into()];
    assert_eq!(given(&open, &facts).unwrap().1, ["cgroup.procs", "memory.reclaim"]);
    let mut other = open;
    other.process.as_mut().unwrap().user.spec = UserSpec::Ids { uid: 7, gid: 7 };
    assert_eq!(given(&other, &facts).unwrap().2, 100_007);
}

#[test]
fn one_that_is_not_stays_the_callers() {
    assert_eq!(given(&config(MountFlags::MS_RDONLY), &facts()), None);
    let mut shared = config(MountFlags::empty());
    shared.namespaces.remove(&NamespaceKind::Cgroup);
    assert_eq!(given(&shared, &facts()), None);
    let mut own = config(MountFlags::empty());
    own.namespaces.remove(&NamespaceKind::User);
    own.uid_mappings = IdMap::default();
    own.gid_mappings = IdMap::default();
    assert_eq!(given(&own, &facts()), None, "root's are root's already");
    // Who may not give it away says so, and starts the container.
    let mut poor = facts();
    let chown: CapSet = [Capability::CHOWN].into_iter().collect();
    poor.caller.effective = poor.caller.effective.difference(chown);
    let config = config(MountFlags::empty());
    assert_eq!(given(&config, &poor), None);
    let notes = plan(&config, &poor).unwrap().notes;
    assert!(notes.iter().any(|note| note.text.contains("may not give it away")), "{notes:?}");
}

#[test]
fn every_controller_is_on_where_a_container_has_no_limit() {
    let config = config(MountFlags::MS_RDONLY);
    let switched = |facts: &HostFacts| {
        let steps = plan(&config, facts).unwrap().parent;
        steps.into_iter().find_map(|step| match step.op {
            Op::Cgroup(CgroupOp::EnableControllers { controllers, more, .. }) => {
                Some((controllers, more))
            }
            _ => None,
        })
    };
    let all = ["cpu", "cpuset", "io", "memory", "pids"].map(str::to_owned).to_vec();
    assert_eq!(switched(&facts()), Some((Vec::new(), all.clone())));
    let mut limited = config.clone();
    limited.cgroup.as_mut().unwrap().resources.pids = Some(nsplan::config::Limit::At(9));
    let steps = plan(&limited, &facts()).unwrap().parent;
    let found = steps.into_iter().find_map(|step| match step.op {
        Op::Cgroup(CgroupOp::EnableControllers { controllers, more, .. }) => {
            Some((controllers, more))
        }
        _ => None,
    });
    assert_eq!(found, Some((vec!["pids".to_owned()], all[..4].to_vec())));
}

#[test]
fn a_callers_own_processes_are_moved_for_a_limit_only() {
    let mut config = config(MountFlags::MS_RDONLY);
    let part = PathComponent::new("web1").unwrap();
    let path = CgroupPath { base: CgroupBase::Caller, parts: vec![part] };
    config.cgroup.as_mut().unwrap().path = path;
    let mut facts = facts();
    let tree = facts.cgroup.as_mut().unwrap().unified.as_mut().unwrap();
    tree.caller = "/user".into();
    tree.caller_subtree = ["pids".to_owned()].into();
    let plan = plan(&config, &facts).unwrap();
    assert!(
        !plan.parent.iter().any(|step| matches!(step.op, Op::Cgroup(CgroupOp::MoveToLeaf { .. })))
    );
    let more = plan.parent.iter().find_map(|step| match &step.op {
        Op::Cgroup(CgroupOp::EnableControllers { more, .. }) => Some(more.clone()),
        _ => None,
    });
    assert_eq!(more, Some(vec!["pids".to_owned()]), "what is on already");
}
