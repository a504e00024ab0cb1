//! Whatever fails, at whichever step: no process, descriptor or cgroup is left, and the error names the step.

use std::fs;

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nsplan::plan::{Actor, CgroupOp, Op, Plan, ProcessOp, Slot, Step, StepId, Undo};
use nsplan::types::{CloneFlags, HostPath};

use crate::rounds::fewer;
use crate::stage::{
    self, Rootfs, can_make_cgroups, cgroup_name, cgroups_named, with_cgroup, with_userns,
};

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn has_children() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags) != Err(Errno::ECHILD)
}

/// An operation that fails when it is carried out, not before.
fn failing(actor: Actor) -> Op {
    Op::Cgroup(match actor {
        Actor::Parent => CgroupOp::Write {
            file: HostPath::new("/nonexistent/file").unwrap(),
            value: String::new(),
        },
        _ => CgroupOp::Enter { slot: Slot::Tasks(999) },
    })
}

fn with_failure(plan: &Plan, id: StepId) -> Plan {
    let mut plan = plan.clone();
    let script = match id.actor {
        Actor::Parent => &mut plan.parent,
        Actor::Intermediate => &mut plan.intermediate,
        Actor::Init => &mut plan.init,
        Actor::Starter => &mut plan.start,
    };
    let step = &mut script[usize::from(id.index)];
    step.op = failing(id.actor);
    step.undo = Undo::Nothing;
    plan
}

/// Fails each step in turn.
fn check(plan: &Plan, name: &str) {
    let before = open_descriptors();
    let executes = plan.init.len() - 1;
    for (id, _) in plan.steps() {
        if id.actor == Actor::Init && usize::from(id.index) == executes {
            continue;
        }
        let error = stage::start(&with_failure(plan, id))
            .err()
            .unwrap_or_else(|| panic!("{id} did not fail"));
        assert_eq!(error.step, Some(id), "{error}");
        assert_eq!(error.left_behind, [], "{error}");
        assert!(!has_children(), "{id}: a process is left");
        assert_eq!(open_descriptors(), before, "{id}: descriptors are left");
        assert_eq!(cgroups_named(name), [] as [std::path::PathBuf; 0], "{id}");
    }
}

#[test]
fn each_step_can_fail_and_nothing_is_left() {
    let rootfs = Rootfs::alone();
    let name = cgroup_name();
    let mut config = rootfs.shell("exit 0");
    if can_make_cgroups("each_step_can_fail_and_nothing_is_left") {
        config = with_cgroup(config, &name);
    }
    check(&stage::plan(&config), &name);
}

#[test]
fn each_step_can_fail_with_a_user_namespace() {
    let rootfs = Rootfs::alone();
    check(&stage::plan(&with_userns(rootfs.shell("exit 0"))), "none");
}

#[test]
fn each_step_can_fail_with_a_process_in_between() {
    let rootfs = Rootfs::alone();
    let mut config = rootfs.shell("exit 0");
    config
        .namespaces
        .insert(nsplan::types::NamespaceKind::Time, nsplan::config::NamespaceSource::Create);
    check(&stage::plan(&config), "none");
}

#[test]
fn an_init_is_found_whenever_the_process_in_between_is_killed() {
    let rootfs = Rootfs::alone();
    let mut config = rootfs.shell("exit 0");
    config
        .namespaces
        .insert(nsplan::types::NamespaceKind::Time, nsplan::config::NamespaceSource::Create);
    let plan = stage::plan(&config);
    let is_clone = |step: &Step| matches!(step.op, Op::Process(ProcessOp::Clone { .. }));
    let clone = plan.parent.iter().position(is_clone).unwrap();
    let write = |file: &str| {
        let file = HostPath::new(file).unwrap();
        let op = Op::Cgroup(CgroupOp::Write { file, value: "x".into() });
        Step { op, origin: nsplan::types::Pointer::root(), undo: Undo::Nothing }
    };
    // A launcher that fails after ever more that takes time, so after ever more of the other's steps.
    let apart = usize::try_from(fewer()).unwrap();
    for pause in (0..400).step_by(apart).chain(std::iter::repeat_n(0, 100 / apart)) {
        let mut plan = plan.clone();
        let steps = (0..pause).map(|_| write("/dev/null")).chain([write("/nonexistent/file")]);
        plan.parent.splice(clone + 1.., steps);
        stage::start(&plan).err().unwrap();
        assert!(!has_children(), "after {pause} writes a process is left");
    }
}

#[test]
fn a_program_that_is_not_there_leaves_nothing() {
    let rootfs = Rootfs::alone();
    let name = cgroup_name();
    let mut config = rootfs.config(&["nothing"]);
    if can_make_cgroups("a_program_that_is_not_there_leaves_nothing") {
        config = with_cgroup(config, &name);
    }
    let before = open_descriptors();
    let error = stage::start(&stage::plan(&config)).err().unwrap();
    assert!(error.to_string().contains("execve: ENOENT (no such file or directory)"), "{error}");
    assert!(!has_children());
    assert_eq!(open_descriptors(), before);
    assert_eq!(cgroups_named(&name), [] as [std::path::PathBuf; 0]);
}

#[test]
fn a_finished_container_leaves_nothing() {
    let rootfs = Rootfs::alone();
    let name = cgroup_name();
    if !can_make_cgroups("a_finished_container_leaves_nothing") {
        return;
    }
    let plan = stage::plan(&with_cgroup(rootfs.shell("cat /proc/self/cgroup"), &name));
    let before = open_descriptors();
    let (status, text) = stage::run(&plan);
    assert_eq!(status.code(), 0, "{text}");
    assert!(!has_children());
    assert_eq!(open_descriptors(), before);
    assert_eq!(cgroups_named(&name), [] as [std::path::PathBuf; 0]);
}

/// Children of any thread of this process.
fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_process_killed_before_its_program_runs_is_an_error_that_says_so() {
    use nix::sys::signal::{Signal, kill};
    use nsplan::apply::{Cause, ExitStatus};
    use nsplan::plan::{SyncOp, Token};
    let rootfs = Rootfs::alone();
    let mut plan = stage::plan(&rootfs.shell("exit 0"));
    // After all that it is told it waits for what nobody says.
    let told = Op::Sync(SyncOp::Await(Token::Recorded));
    let last = plan.init.iter().position(|step| step.op == told).unwrap();
    let op = Op::Sync(SyncOp::Await(Token::Placed));
    plan.init[last + 1] = Step { op, origin: nsplan::types::Pointer::root(), undo: Undo::Nothing };
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            while children().is_empty() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            for child in children() {
                kill(nix::unistd::Pid::from_raw(child), Signal::SIGKILL).unwrap();
            }
        });
        stage::start(&plan).err().unwrap()
    });
    let status = Some(ExitStatus::Signaled(nsplan::types::Signal::KILL));
    assert_eq!(error.cause, Cause::Ended { status });
    assert!(
        error.to_string().contains("the process ended before its program ran: killed by SIGKILL"),
        "{error}"
    );
    assert!(!has_children());
}

/// The kernel's reason is the error, though nobody is there at the other end of the channel.
#[test]
fn a_clone_that_the_kernel_refuses_is_an_error_with_its_reason() {
    let rootfs = Rootfs::alone();
    let mut plan = stage::plan(&rootfs.shell("true"));
    let at = plan.parent.iter().position(|step| matches!(step.op, Op::Process(_))).unwrap();
    let Op::Process(ProcessOp::Clone { flags, .. }) = &mut plan.parent[at].op else {
        panic!("{plan}")
    };
    *flags |= CloneFlags::CLONE_INTO_CGROUP;
    // Which is none.
    let op = Op::Cgroup(CgroupOp::OpenDirectory { directory: HostPath::new("/proc").unwrap() });
    let step = Step { op, undo: Undo::Nothing, ..plan.parent[at].clone() };
    plan.parent.insert(at, step);
    let before = open_descriptors();
    let error = stage::start(&plan).expect_err("cloned into no cgroup");
    let index = u16::try_from(at + 1).unwrap();
    assert_eq!(error.step, Some(StepId { actor: Actor::Parent, index }), "{error}");
    // Before Linux 5.7, or without `clone3`, it is another one.
    let expected = [libc::EBADF, libc::ENOSYS, libc::EINVAL];
    assert!(error.errno().is_some_and(|errno| expected.contains(&errno.0)), "{error}");
    assert_eq!(open_descriptors(), before);
}
