//! An ordinary user with a v2 cgroup of its own: its processes go into a leaf while containers are beside it.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nsplan::apply::{self, Io};
use nsplan::config::{Cgroup, CgroupBase, CgroupDriver, CgroupPath, PathComponent, Resources};
use nsplan::facts::{HostFacts, LEAF};
use nsplan::plan::{CgroupOp, Op, Plan, Refusal, Undo, needs, plan};
use nsplan::types::HostPath;

use crate::stage::Group;
use crate::support::{USER, is_root, rootfs};

/// This host with nothing but its v2 tree.
fn v2_only(config: &nsplan::config::Config) -> HostFacts {
    let mut facts = apply::probe::probe(&needs(config)).expect("facts of this host");
    facts.cgroup.as_mut().unwrap().hierarchies.clear();
    facts
}

fn config(
    root: &HostPath,
    script: &str,
    name: &str,
    resources: Resources,
) -> nsplan::config::Config {
    let args = ["sh", "-c", script].map(str::to_owned).to_vec();
    let mut config = nsplan::config::Config::sandbox(root.clone(), args, true);
    let path =
        CgroupPath { base: CgroupBase::Caller, parts: vec![PathComponent::new(name).unwrap()] };
    config.cgroup = Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources });
    config
}

/// The move alone, on a host whose v2 tree has no controller to be switched on.
fn with_move(mut plan: Plan, directory: &HostPath) -> Plan {
    let at = plan
        .parent
        .iter()
        .position(|step| matches!(step.op, Op::Cgroup(CgroupOp::MakeDirectory { .. })));
    let at = at.expect("a cgroup is made");
    let mut step = plan.parent[at].clone();
    step.op = Op::Cgroup(CgroupOp::MoveToLeaf { directory: directory.clone() });
    step.undo = Undo::by(Op::Cgroup(CgroupOp::ReturnFromLeaf { directory: directory.clone() }));
    plan.parent.insert(at, step);
    nsplan::plan::invariants(&plan).expect("a sound plan");
    plan
}

const NAME: &str = "leaf::a_user_s_processes_go_into_a_leaf_and_come_back_after_the_last_container";
const ROLE: &str = "NSPLAN_TEST_LEAF";

/// What the user does in its own cgroup.
fn as_user(directory: &HostPath, root: &HostPath) {
    let procs = |directory: &HostPath| {
        fs::read_to_string(directory.child("cgroup.procs").as_str()).unwrap()
    };
    let leaf = directory.child(LEAF);
    let me = std::process::id().to_string();
    let start = |name: &str| {
        let config = config(root, "exec sleep 1000", name, Resources::default());
        let facts = v2_only(&config);
        let unified = facts.cgroup.as_ref().unwrap().unified.as_ref().unwrap();
        assert!(unified.delegated && directory.as_str().ends_with(&unified.caller), "{unified:?}");
        let is_in_leaf = unified.in_leaf;
        let plan = plan(&config, &facts).unwrap_or_else(|errors| panic!("{errors:#?}"));
        let plan = with_move(plan, directory);
        let container =
            apply::spawn(&plan, Io::default()).unwrap_or_else(|error| panic!("{error}"));
        (container, is_in_leaf)
    };
    let kill = |(mut container, _): (apply::Container, bool)| {
        container.kill(nsplan::types::Signal::KILL).unwrap();
        container.wait().expect("everything undone");
    };
    let first = start("one");
    assert!(!first.1);
    assert_eq!(procs(directory), "", "the cgroup itself is free of processes");
    assert!(procs(&leaf).lines().any(|pid| pid == me), "{}", procs(&leaf));
    assert_eq!(procs(&directory.child("one")), format!("{}\n", first.0.pid()));
    let second = start("two");
    assert!(second.1, "seen from the leaf, the cgroup is the one above it");
    kill(first);
    assert!(procs(&leaf).lines().any(|pid| pid == me), "the second container is still there");
    kill(second);
    assert!(procs(directory).lines().any(|pid| pid == me), "{}", procs(directory));
    assert!(!fs::exists(leaf.as_str()).unwrap());
}

#[test]
fn a_user_s_processes_go_into_a_leaf_and_come_back_after_the_last_container() {
    if let Some(role) = std::env::var_os(ROLE) {
        let role = role.into_string().unwrap();
        let (directory, root) = role.split_once(':').unwrap();
        as_user(&HostPath::new(directory).unwrap(), &HostPath::new(root).unwrap());
        return;
    }
    if !is_root() {
        return;
    }
    let Some(group) = Group::v2() else { return };
    let (directory, root) = (group.directory(0).clone(), rootfs("leaf"));
    for file in ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"] {
        chown(format!("{directory}{file}"), Some(USER), Some(USER)).unwrap();
    }
    chown(root.path(), Some(USER), Some(USER)).unwrap();
    let role = format!("{directory}:{}", root.path().display());
    // A shell that goes there as root, and then waits for the user's own test.
    let script = format!("echo $$ >{directory}/cgroup.procs && exec \"$@\"");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &script,
        "sh",
        "setpriv",
        "--reuid=1000",
        "--regid=1000",
        "--clear-groups",
    ]);
    command.arg(std::env::current_exe().unwrap()).args([NAME, "--exact", "--test-threads=1"]);
    command.env(ROLE, role).process_group(0);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

/// What the planner makes of a user's cgroup, from facts alone.
fn user_facts() -> HostFacts {
    let text = include_str!("../facts/rootless-subuid.json");
    let mut facts = HostFacts::from_json(text).expect("a fixture");
    facts.paths.insert(HostPath::new("/srv/root").unwrap(), nsplan::facts::PathFact::Directory);
    facts
}

fn user_config() -> nsplan::config::Config {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = nsplan::config::Config::sandbox(root, vec!["sh".into()], true);
    let path =
        CgroupPath { base: CgroupBase::Caller, parts: vec![PathComponent::new("box").unwrap()] };
    let pids = Some(nsplan::config::Limit::At(9));
    let resources = Resources { pids, ..Resources::default() };
    config.cgroup = Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources });
    config
}

#[test]
fn a_limit_of_a_user_whose_cgroup_was_given_to_it_is_planned_with_the_move() {
    let plan = plan(&user_config(), &user_facts()).unwrap_or_else(|errors| panic!("{errors:#?}"));
    let ops: Vec<_> = plan.parent.iter().map(|step| step.op.to_string()).collect();
    let at = |start: &str| ops.iter().position(|op| op.starts_with(start)).expect(start);
    let moved = at("move the processes of");
    assert!(moved < at("make cgroup") && moved < at("enable pids"), "{ops:#?}");
    assert!(plan.parent[moved].undo != Undo::Nothing);
}

#[test]
fn a_user_whose_cgroup_was_not_given_to_it_is_refused_as_before() {
    let mut facts = user_facts();
    facts.cgroup.as_mut().unwrap().unified.as_mut().unwrap().delegated = false;
    let errors = plan(&user_config(), &facts).unwrap_err();
    let is_so = |refusal: &Refusal| matches!(refusal, Refusal::ControllerNotDelegated { controller, .. } if controller == "pids");
    assert!(errors.iter().any(|error| is_so(&error.refusal)), "{errors:?}");
}

#[test]
fn no_container_takes_the_name_of_the_leaf() {
    let mut config = user_config();
    config.cgroup.as_mut().unwrap().path.parts = vec![PathComponent::new(LEAF).unwrap()];
    let errors = plan(&config, &user_facts()).unwrap_err();
    assert!(errors.iter().any(|error| error.to_string().contains("leaf")), "{errors:?}");
}
