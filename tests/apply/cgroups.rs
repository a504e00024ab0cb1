//! Control groups of a container: entered, limited, killed and removed, also by another process than the launcher.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nsplan::apply::{self, Cause, StateDir};
use nsplan::config::NamespaceSource;
use nsplan::types::{NamespaceKind, Signal};

use crate::stage::{
    Rootfs, Scratch, can_make_cgroups, cgroup_name, cgroups_named, plan, skip, start, start_in,
    with_cgroup,
};

#[test]
fn a_container_is_in_its_cgroup_and_the_limit_holds() {
    if !can_make_cgroups("a_container_is_in_its_cgroup_and_the_limit_holds") {
        return;
    }
    let rootfs = Rootfs::new();
    let name = cgroup_name();
    let plan = plan(&with_cgroup(rootfs.shell("echo up; sleep 1000"), &name));
    let (mut container, mut output) = start(&plan).unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", container.pid())).unwrap();
    assert!(own.contains(&format!("/{name}/inner")), "{own}");
    let limits = cgroups_named(&name).into_iter();
    let limits: Vec<_> =
        limits.filter_map(|path| fs::read_to_string(path.join("inner/pids.max")).ok()).collect();
    assert!(limits.contains(&"64\n".to_owned()), "{limits:?}");
    container.kill(Signal::KILL).unwrap();
    container.wait().unwrap();
    assert!(cgroups_named(&name).is_empty());
}

#[test]
fn what_a_program_leaves_running_is_killed_without_a_pid_namespace() {
    if !can_make_cgroups("what_a_program_leaves_running_is_killed_without_a_pid_namespace") {
        return;
    }
    let rootfs = Rootfs::new();
    let name = cgroup_name();
    let mut config = rootfs.shell("sleep 1000 >/dev/null 2>&1 & echo $!");
    config.namespaces.remove(&NamespaceKind::Pid);
    let plan = plan(&with_cgroup(config, &name));
    let (mut container, mut output) = start(&plan).unwrap();
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    container.wait().unwrap();
    assert!(cgroups_named(&name).is_empty());
    // Out of its cgroup, which is gone, it may still be on its way: a process leaves that before it is a zombie.
    let deadline = Instant::now() + Duration::from_secs(10);
    let runs = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", text.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    while runs() {
        assert!(Instant::now() < deadline, "{text} still runs");
        std::thread::yield_now();
    }
}

fn state(scratch: &Scratch, id: &str) -> StateDir {
    StateDir { root: scratch.path().join("state"), id: id.into() }
}

#[test]
fn an_id_in_use_is_refused_and_free_again_afterwards() {
    if !can_make_cgroups("an_id_in_use_is_refused_and_free_again_afterwards") {
        return;
    }
    let (rootfs, scratch) = (Rootfs::new(), Scratch::new());
    let (one, other) = (cgroup_name(), cgroup_name());
    let first = plan(&with_cgroup(rootfs.shell("echo up; sleep 1000"), &one));
    let second = plan(&with_cgroup(rootfs.shell("exit 0"), &other));
    let (mut container, mut output) = start_in(&first, Some(state(&scratch, "x"))).unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    let error = start_in(&second, Some(state(&scratch, "x"))).err().unwrap();
    assert_eq!(error.cause, Cause::InUse { id: "x".into() });
    assert!(cgroups_named(&other).is_empty());
    assert!(apply::sweep(&scratch.path().join("state")).is_empty());
    container.kill(Signal::KILL).unwrap();
    container.wait().unwrap();
    assert!(!scratch.path().join("state/x").exists());
    let (mut container, _) = start_in(&second, Some(state(&scratch, "x"))).unwrap();
    container.wait().unwrap();
}

#[test]
fn a_state_directory_of_others_is_refused() {
    if !can_make_cgroups("a_state_directory_of_others_is_refused") {
        return;
    }
    let (rootfs, scratch) = (Rootfs::new(), Scratch::new());
    let plan = plan(&with_cgroup(rootfs.shell("exit 0"), &cgroup_name()));
    let root = scratch.path().join("state");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let error = start_in(&plan, Some(state(&scratch, "x"))).err().unwrap();
    assert!(matches!(error.cause, Cause::State { .. }), "{error}");
    for id in ["", ".", "..", "a/b", "/x"] {
        let error = start_in(&plan, Some(state(&scratch, id))).err().unwrap();
        assert!(matches!(error.cause, Cause::State { .. }), "{id}: {error}");
    }
}

const ROLE: &str = "NSPLAN_TEST_ROLE";

/// Not a test: the launcher that `a_killed_launcher_s_cgroups_are_swept` kills.
#[test]
fn launcher_to_be_killed() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let Some((name, place)) = role.strip_prefix("killed:").and_then(|rest| rest.split_once(':'))
    else {
        return;
    };
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell("sleep 1000");
    // Neither the pid namespace nor a signal is to do the work of the journal.
    config.namespaces.remove(&NamespaceKind::Pid);
    config.process.as_mut().unwrap().parent_death_signal = None;
    let state = StateDir { root: place.into(), id: "killed".into() };
    let (container, _output) = start_in(&plan(&with_cgroup(config, name)), Some(state)).unwrap();
    let text = format!("started {}\n", container.pid());
    nix::unistd::write(std::io::stderr(), text.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(100));
}

#[test]
fn a_killed_launcher_s_cgroups_are_swept() {
    if !can_make_cgroups("a_killed_launcher_s_cgroups_are_swept") {
        return;
    }
    let scratch = Scratch::new();
    let (name, place) = (cgroup_name(), scratch.path().join("state"));
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cgroups::launcher_to_be_killed", "--nocapture"])
        .env(ROLE, format!("killed:{name}:{}", place.display()))
        .env("TMPDIR", scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(launcher.stderr.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("started")).unwrap();
    let words: Vec<_> = line.split(' ').collect();
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    assert!(!cgroups_named(&name).is_empty());
    let swept = apply::sweep(&place);
    assert_eq!(swept.len(), 1);
    assert_eq!(swept[0].left_behind, []);
    assert!(swept[0].undone > 0);
    assert!(cgroups_named(&name).is_empty());
    // From Linux 7.x on a cgroup is empty a moment before its last process has ended.
    let has_ended = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", words[1]));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while !has_ended() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(has_ended(), "the program still runs");
    assert!(!place.join("killed").exists());
}

/// Not a test: the ordinary user of `an_ordinary_user_runs_containers`.
#[test]
fn ordinary_user() {
    let Ok(root) = std::env::var(ROLE) else { return };
    let Some(root) = root.strip_prefix("user:") else { return };
    let path = crate::stage::host_path(root.as_ref());
    let args = ["sh", "-c", "id -u; cat /proc/self/uid_map; echo x >/dev/null; exit 9"];
    let args = args.map(str::to_owned).to_vec();
    let config = nsplan::config::Config::sandbox(path, args, true);
    let (status, text) = crate::stage::run(&plan(&config));
    assert_eq!(status.code(), 9, "{text}");
    let words: Vec<_> = text.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "1000", "1"]);
    let own = fs::metadata("/proc/self/status").unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&own), 1000, "not dumpable any more");
}

#[test]
fn an_ordinary_user_runs_containers() {
    use std::os::unix::process::CommandExt as _;
    let rootfs = Rootfs::new();
    assert!(crate::stage::is_root(), "needs root to become an ordinary user");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cgroups::ordinary_user", "--nocapture"])
        .env(ROLE, format!("user:{}", rootfs.path().display()))
        .uid(1000)
        .gid(1000)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_cgroup_namespace_begins_at_the_container_s_own() {
    if !can_make_cgroups("a_cgroup_namespace_begins_at_the_container_s_own") {
        return;
    }
    let text = crate::stage::says("cat /proc/self/cgroup", |config| {
        config.namespaces.insert(NamespaceKind::Cgroup, NamespaceSource::Create);
        *config = with_cgroup(config.clone(), &cgroup_name());
    });
    // The container was put into each hierarchy that has a controller, and those are all it can see.
    let hierarchies = text.lines().filter(|line| !line.contains("::") && !line.contains("name="));
    let least = hierarchies.count().clamp(1, 2);
    assert!(text.lines().filter(|line| line.ends_with(":/")).count() >= least, "{text}");
    assert!(!text.contains("nsplan-test"), "{text}");
}

/// A v2 tree can be entered also where it stands beside v1 hierarchies and has no controllers.
fn with_v2(
    plan: &nsplan::plan::Plan,
    name: &str,
    place: bool,
    program: Vec<nsplan::plan::Instruction>,
) -> Option<nsplan::plan::Plan> {
    use nsplan::plan::{CgroupOp, Op, ProcessOp, Step, SyncOp, Token, Undo};
    use nsplan::types::{CloneFlags, Pointer};
    let needs = nsplan::facts::Needs { cgroup: true, ..Default::default() };
    let directory = apply::probe::probe(&needs).unwrap().cgroup?.unified?.mount_point.child(name);
    let step = |op| Step { op, origin: Pointer::root(), undo: Undo::Nothing };
    let cgroup = |op| step(Op::Cgroup(op));
    let mut plan = plan.clone();
    let remove = CgroupOp::RemoveDirectory { path: directory.clone(), shared: false };
    let mut make = cgroup(CgroupOp::MakeDirectory { path: directory.clone(), fresh: true });
    make.undo = Undo::by(Op::Cgroup(remove));
    let policy = cgroup(CgroupOp::DevicePolicy { directory: directory.clone(), program });
    let at =
        plan.parent.iter().position(|s| matches!(s.op, Op::Process(ProcessOp::Clone { .. })))?;
    let signal = |op| step(Op::Sync(op));
    if place {
        let file = directory.child("cgroup.procs");
        plan.parent.insert(at + 1, signal(SyncOp::Signal(Token::Placed)));
        plan.parent.insert(at + 1, cgroup(CgroupOp::Place { file }));
        plan.init.insert(0, signal(SyncOp::Await(Token::Placed)));
    } else {
        if let Op::Process(ProcessOp::Clone { flags, .. }) = &mut plan.parent[at].op {
            flags.insert(CloneFlags::CLONE_INTO_CGROUP);
        }
        plan.parent.insert(at, cgroup(CgroupOp::OpenDirectory { directory }));
    }
    plan.parent.insert(at, policy);
    plan.parent.insert(at, make);
    Some(plan)
}

/// r0 = 1; exit: every device is allowed.
fn everything() -> Vec<nsplan::plan::Instruction> {
    let code =
        |code, immediate| nsplan::plan::Instruction { code, registers: 0, offset: 0, immediate };
    vec![code(0xb7, 1), code(0x95, 0)]
}

/// The program that the planner makes of device rules on a v2 host.
fn device_program(rules: Vec<nsplan::config::DeviceRule>) -> Vec<nsplan::plan::Instruction> {
    use nsplan::plan::{CgroupOp, Op};
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/facts/root-v2.json");
    let facts = nsplan::facts::HostFacts::from_json(&fs::read_to_string(file).unwrap()).unwrap();
    let root = nsplan::types::HostPath::new("/srv/rootfs").unwrap();
    let mut config = nsplan::config::Config::sandbox(root, vec!["sh".into()], false);
    config = with_cgroup(config, "rules");
    config.cgroup.as_mut().unwrap().resources =
        nsplan::config::Resources { devices: Some(rules), ..Default::default() };
    let plan = nsplan::plan::plan(&config, &facts).unwrap();
    let program = plan.parent.into_iter().chain(plan.init).find_map(|step| match step.op {
        Op::Cgroup(CgroupOp::DevicePolicy { program, .. }) => Some(program),
        _ => None,
    });
    program.expect("a device policy")
}

/// The verifier takes each of these, also with rules before one about everything, which are never reached.
#[test]
fn the_planner_s_device_policies_are_loaded_and_hold_inside() {
    use nsplan::config::DeviceRule;
    use nsplan::types::{DeviceAccess, DeviceKind};
    let all = |allow| DeviceRule {
        allow,
        kind: None,
        major: None,
        minor: None,
        access: DeviceAccess::all(),
    };
    let full = |allow, access| DeviceRule {
        allow,
        kind: Some(DeviceKind::Char),
        major: Some(1),
        minor: Some(7),
        access,
    };
    let (read, write) = (DeviceAccess::READ, DeviceAccess::WRITE);
    let cases = [
        (vec![full(false, read), all(false), all(true)], "yes yes"),
        (vec![all(true), full(false, write)], "yes no"),
        (vec![all(true), full(false, read | write)], "no no"),
        (vec![all(true), full(false, read | write), full(true, read)], "yes no"),
    ];
    let rootfs = Rootfs::new();
    let script = "can() { if (eval \"$1\") 2>/dev/null; then echo yes; else echo no; fi; }
        can ': </dev/full'; can ': >/dev/full'; can ': </dev/null' >&2";
    for (rules, expected) in cases {
        let config = rootfs.shell(script);
        let program = device_program(rules.clone());
        let Some(plan) = with_v2(&plan(&config), &cgroup_name(), false, program) else {
            return skip("the_planner_s_device_policies_are_loaded_and_hold_inside: no v2 tree");
        };
        let (status, text) = crate::stage::run(&plan);
        assert_eq!(status.code(), 0, "{text}");
        let words: Vec<_> = text.split_whitespace().take(2).collect();
        assert_eq!(words.join(" "), expected, "{rules:?}: {text}");
    }
}

#[test]
fn a_container_is_cloned_into_or_placed_in_a_v2_cgroup_with_a_device_policy() {
    let rootfs = Rootfs::new();
    for place in [false, true] {
        let mut config = rootfs.shell("cat /proc/self/cgroup; echo x >/dev/null");
        config.namespaces.remove(&NamespaceKind::Cgroup);
        let name = cgroup_name();
        let Some(plan) = with_v2(&plan(&config), &name, place, everything()) else {
            let test = "a_container_is_cloned_into_or_placed_in_a_v2_cgroup_with_a_device_policy";
            return skip(&format!("{test}: no v2 tree"));
        };
        let (status, text) = crate::stage::run(&plan);
        assert_eq!(status.code(), 0, "{text}");
        assert!(text.contains(&format!("0::/{name}")), "{text}");
        assert!(cgroups_named(&name).is_empty());
    }
}
