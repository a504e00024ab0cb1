//! The original's faults about cgroups, by their numbers in its specification: each of these fails on its behaviour.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nsplan::apply::{self, CgroupHandle, Io};
use nsplan::config::{BlockIo, Cpu, Limit, Memory, Resources};
use nsplan::facts::CgroupFacts;
use nsplan::plan::{CgroupOp, Op, ProcessOp, Refusal, needs, plan};
use nsplan::types::HostPath;

use crate::stage::{Group, LONG, Running, has_v1, limited};
use crate::support::{is_root, planned, rootfs, shell};

const INSIDE: &str = "NSPLAN_TEST_TRAP_08";

/// The original froze first and listed then, and if the list could not be read, left everything frozen.
#[test]
fn trap_08_a_list_that_cannot_be_read_leaves_nothing_frozen() {
    const NAME: &str = "traps::trap_08_a_list_that_cannot_be_read_leaves_nothing_frozen";
    if let Some(directory) = std::env::var_os(INSIDE) {
        let directory = HostPath::new(directory.to_str().unwrap()).unwrap();
        let cgroup = CgroupHandle::v1([directory]);
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        // No file can be opened any more.
        setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
        let killed = cgroup.kill(LONG);
        let frozen = cgroup.freeze(LONG);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert!(killed.is_err() && frozen.is_err(), "{killed:?} {frozen:?}");
        assert_eq!(cgroup.is_frozen(), Ok(false));
        return;
    }
    if !is_root() || !has_v1(&["freezer"]) {
        return;
    }
    let mut group = Group::v1(&["freezer"]);
    group.run("exec sleep 1000");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([NAME, "--exact", "--test-threads=1"]).stdout(Stdio::piped());
    let output = command.env(INSIDE, group.directory(0).as_str()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    // And what the test itself has frozen is killed all the same, and its cgroup is not left behind.
    group.cgroup.freeze(LONG).unwrap();
    group.cgroup.kill(LONG).unwrap();
    assert_eq!(group.cgroup.is_frozen(), Ok(false));
}

/// The original polled without an end for a state that never came.
#[test]
fn trap_08_freezing_ends_where_something_above_or_inside_never_stops() {
    if !is_root() || !has_v1(&["freezer"]) {
        return;
    }
    let mut group = Group::v1(&["freezer"]);
    group.run("exec sleep 1000");
    let below = group.directory(0).child("below");
    fs::create_dir(below.as_str()).unwrap();
    group.cgroup.freeze(LONG).unwrap();
    // Frozen from above, it can never be thawed from here: an error, not a wait.
    let thawed = CgroupHandle::v1([below]).thaw(Duration::from_millis(20));
    assert!(thawed.is_err(), "{thawed:?}");
    group.cgroup.thaw(LONG).unwrap();
}

/// The original set limits after the process had joined, in random order, and left what it had made when one failed.
#[test]
fn trap_09_limits_come_before_the_program_in_one_order_and_a_refused_one_leaves_nothing() {
    if !is_root() || !has_v1(&["memory", "cpu", "cpuset", "pids"]) {
        return;
    }
    let root = rootfs("trap-09");
    let memory = Memory { limit: Some(Limit::At(64 << 20)), ..Memory::default() };
    // No machine has this processor, which only the kernel can tell.
    let cpu = Cpu { shares: Some(512), cpus: Some("8191".into()), ..Cpu::default() };
    let resources = Resources { memory, cpu, pids: Some(Limit::At(64)), ..Resources::default() };
    let config = limited(shell(&root, "exit 0"), resources);
    let plan = planned(&config).unwrap();
    assert_eq!(plan.to_json(), planned(&config).unwrap().to_json());
    let clone =
        plan.parent.iter().position(|step| matches!(step.op, Op::Process(ProcessOp::Clone { .. })));
    let written =
        plan.parent.iter().rposition(|step| matches!(step.op, Op::Cgroup(CgroupOp::Write { .. })));
    assert!(written < clone, "{plan}");
    let made: Vec<_> = CgroupHandle::of(&plan).unwrap().directories().to_vec();
    assert!(made.len() > 3, "{made:?}");
    let error = apply::spawn(&plan, Io::default()).expect_err("no such processor");
    assert!(error.to_string().contains("cpuset.cpus"), "{error}");
    assert_eq!(error.left_behind, []);
    for directory in made {
        assert!(!fs::exists(directory.as_str()).unwrap(), "{directory}");
    }
}

/// The original wrote a file `blkio.weight` into its own working directory, and said that all was well.
#[test]
fn trap_19_a_weight_without_its_controller_is_refused_and_no_file_is_made() {
    let root = rootfs("trap-19");
    let block_io = BlockIo { weight: Some(500), ..BlockIo::default() };
    let config = limited(shell(&root, "exit 0"), Resources { block_io, ..Resources::default() });
    let mut facts = apply::probe::probe(&needs(&config)).expect("facts of this host");
    let without = |tree: &mut CgroupFacts| {
        tree.hierarchies.retain(|hierarchy| !hierarchy.controllers.contains("blkio"));
        if let Some(unified) = &mut tree.unified {
            unified.controllers.remove("io");
        }
    };
    without(facts.cgroup.as_mut().unwrap());
    let errors = plan(&config, &facts).unwrap_err();
    let missing = |refusal: &Refusal| {
        matches!(refusal, Refusal::ControllerMissing { controller: "blkio" | "io" })
    };
    // A user may be refused the directory as well.
    assert!(errors.iter().any(|error| missing(&error.refusal)), "{errors:?}");
    for file in ["blkio.weight", "blkio.bfq.weight", "io.weight"] {
        assert!(!fs::exists(file).unwrap(), "{file} in the working directory");
    }
}

/// With a reservation alone the original wrote a limit of 0 for memory and swap, which the kernel refuses.
#[test]
fn trap_19_a_reservation_alone_sets_no_limit_of_swap() {
    if !is_root() || !has_v1(&["memory"]) {
        return;
    }
    let memory = Memory { reservation: Some(Limit::At(32 << 20)), ..Memory::default() };
    let resources = Resources { memory, ..Resources::default() };
    let mut running = Running::new(rootfs("trap-19"), "echo up; read end", resources);
    running.hear("up");
    assert_eq!(running.file("memory.soft_limit_in_bytes"), (32 << 20).to_string());
    let swap: u64 = running.file("memory.memsw.limit_in_bytes").parse().unwrap();
    assert!(swap > 1 << 60, "none: {swap}");
    running.end();
}

/// In the format of v2.2.1 a real-time limit and a fair one had the same name, and its decoder dropped both.
#[test]
fn trap_33_a_quota_in_the_later_format_is_the_fair_one_and_is_not_dropped() {
    let text = br#"{"rootfs": "/srv/root", "cgroups": {"name": "box", "parent": "/", "cpu_quota": 5000, "cpu_period": 7000}}"#;
    let parsed = nsplan::config::from_libcontainer(text, &HostPath::new("/srv").unwrap());
    let parsed = parsed.unwrap_or_else(|errors| panic!("{errors:?}"));
    let cpu = parsed.config.cgroup.expect("a cgroup").resources.cpu;
    let expected = Cpu { quota: Some(5000), period: Some(7000), ..Cpu::default() };
    assert_eq!(cpu, expected);
}
