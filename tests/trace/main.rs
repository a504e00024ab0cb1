//! The plan is the whole truth: strace sees a run change what the plan's steps say, in their order, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod compare;
mod events;
mod expected;
mod rtnl;
mod scene;
mod strace;

#[path = "../network/island.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod island;
#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;

use nsplan::plan::{MountOp, NamespaceOp, Op, Plan, PrivilegeOp, ProcessOp, Step};

use crate::compare::compare;
use crate::expected::{Around, expected};
use crate::scene::{Scene, can_trace, helper_trace};
use crate::support::{planned, rootfs, shell};

#[test]
fn a_sandbox_of_root_is_its_plan() {
    if can_trace() {
        Scene::new("root").check(&["do", "--name", "one", "--", "true"]);
    }
}

#[test]
fn a_sandbox_of_an_ordinary_user_is_its_plan() {
    if can_trace() {
        Scene::of_user("user").check(&["do", "--name", "one", "--", "true"]);
    }
}

#[test]
fn limits_and_devices_are_in_the_plan() {
    if can_trace() {
        let scene = Scene::new("limits");
        let name = scene.unique("limits");
        scene.check(&[
            "do",
            "--name",
            &name,
            "-m",
            "64m",
            "--pids-limit",
            "20",
            "--cpu-shares",
            "512",
            "--device",
            "/dev/null:/dev/other",
            "--ulimit",
            "nofile=999",
            "--",
            "true",
        ]);
    }
}

#[test]
fn a_terminal_is_in_the_plan() {
    if can_trace() {
        Scene::new("terminal").check(&["do", "-t", "--name", "one", "--", "true"]);
        Scene::new("terminal-user")
            .check(&["do", "-t", "-u", "5:6", "--name", "one", "--", "true"]);
    }
}

#[test]
fn an_init_that_stays_is_in_the_plan() {
    if can_trace() {
        Scene::new("init").check(&["do", "--init", "--name", "one", "--", "true"]);
        Scene::new("init-t").check(&["do", "--init", "-t", "--name", "one", "--", "true"]);
    }
}

#[test]
fn mounts_links_and_kernel_parameters_are_in_the_plan() {
    if can_trace() {
        let (scene, root) = (Scene::new("mounts"), rootfs("trace-mounts"));
        let root = root.path().to_str().unwrap();
        scene.check(&[
            "do",
            "--name",
            "one",
            "--rootfs",
            root,
            "-v",
            "/usr:/new/deep/usr:ro,noatime",
            "-v",
            "/etc/hostname:/new/name",
            "--tmpfs",
            "/scratch:size=1m,mode=700",
            "--mask",
            "/home",
            "--mask",
            "/etc/group",
            "--sysctl",
            "net.ipv4.ip_forward=1",
            "--user",
            "5:6",
            "--group-add",
            "7",
            "--cap-add",
            "NET_ADMIN",
            "-w",
            "/tmp",
            "--oom-score-adj",
            "7",
            "--",
            "true",
        ]);
    }
}

#[test]
fn a_parent_that_others_have_made_is_in_the_plan() {
    if !can_trace() {
        return;
    }
    let scene = Scene::new("parent");
    let (parent, name) = (scene.unique("parent"), scene.unique("child"));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = mounts.lines().filter(|line| line.contains(" - cgroup"));
    let points = points.filter_map(|line| line.split(' ').nth(4));
    let parents: Vec<_> = points.map(|point| format!("{point}/{parent}")).collect();
    parents.iter().for_each(|path| drop(std::fs::create_dir(path)));
    scene.check(&[
        "do",
        "--name",
        &name,
        "--cgroup-parent",
        &format!("/{parent}"),
        "--pids-limit",
        "20",
        "--",
        "true",
    ]);
    for path in parents {
        std::fs::remove_dir(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

#[test]
fn explicit_id_maps_are_in_the_plan() {
    if can_trace() {
        let (scene, root) = (Scene::new("maps"), rootfs("trace-maps"));
        nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
        let root = root.path().to_str().unwrap();
        scene.check(&[
            "do",
            "--name",
            "one",
            "--rootfs",
            root,
            "--uidmap",
            "0:100000:1000",
            "--gidmap",
            "0:100000:500",
            "--gidmap",
            "500:200000:500",
            "--",
            "true",
        ]);
    }
}

#[test]
fn a_joined_namespace_is_in_the_plan() {
    if can_trace() {
        Scene::new("join").check(&[
            "do",
            "--name",
            "one",
            "--ipc",
            "ns:/proc/self/ns/ipc",
            "--uts",
            "host",
            "--",
            "true",
        ]);
    }
}

#[test]
fn a_process_in_between_is_in_the_plan() {
    if can_trace() {
        let pid = format!("ns:/proc/{}/ns/pid", std::process::id());
        Scene::new("between").check(&["do", "--name", "one", "--pid", &pid, "--", "true"]);
    }
}

#[test]
fn the_seeds_samples_are_their_plans() {
    if can_trace() {
        for name in ["minimal", "host-pid"] {
            Scene::new(name).check_sample(name);
        }
    }
}

#[test]
fn a_network_is_in_the_plan() {
    if can_trace() {
        island::island(|| {
            island::bridge("docker0", &["172.17.42.1/16"]);
            for name in ["attach_to_bridge", "route_source_address_selection", "userns"] {
                Scene::new(name).check_sample(name);
            }
        });
    }
}

/// A plan with most kinds of steps.
fn plan() -> (support::Scratch, Plan) {
    let root = rootfs("trace-changed");
    let plan = planned(&shell(&root, "true")).unwrap();
    (root, plan)
}

/// The program may be the first of the two to run: the launcher's words are not there even then.
#[test]
fn whoever_is_faster_the_program_never_reads_the_launchers_words_from_init() {
    if can_trace() {
        let args = ["do", "--init", "--", "cat", "/proc/1/comm", "/proc/1/cmdline"];
        let seen = Scene::new("late").with_late_parents(&args);
        assert_eq!(seen.trim_end_matches('\0'), "init\ninit");
    }
}

/// A step by what it is.
fn position(plan: &Plan, is: impl Fn(&Op) -> bool) -> usize {
    plan.init.iter().position(|step| is(&step.op)).expect("such a step")
}

#[test]
fn a_step_that_is_not_done_is_missed() {
    if !can_trace() {
        return;
    }
    let (_root, plan) = plan();
    let around = Around { before: scene::of_helper(), ..Around::default() };
    let trace = helper_trace(&plan);
    assert_eq!(compare(&expected(&plan, &around), &trace), Ok(()), "the plan as it is");
    let kinds: [fn(&Op) -> bool; 6] = [
        |op| matches!(op, Op::Namespace(NamespaceOp::SetHostname { .. })),
        |op| matches!(op, Op::Process(ProcessOp::Umask { .. })),
        |op| matches!(op, Op::Privilege(PrivilegeOp::NoNewPrivileges)),
        |op| matches!(op, Op::Privilege(PrivilegeOp::DropBounding { .. })),
        |op| matches!(op, Op::Mount(MountOp::Mask { path }) if path.as_str() == "/proc/keys"),
        |op| matches!(op, Op::Mount(MountOp::MakeReadonly { .. })),
    ];
    for is in kinds {
        let mut less = plan.clone();
        let step = less.init.remove(position(&plan, is));
        let trace = helper_trace(&less);
        let answer = compare(&expected(&plan, &around), &trace);
        assert!(answer.is_err(), "{} was left out, and nobody saw it", step.op);
        assert_eq!(compare(&expected(&less, &around), &trace), Ok(()), "without {}", step.op);
    }
}

#[test]
fn a_call_that_no_step_says_is_seen() {
    if !can_trace() {
        return;
    }
    let (_root, plan) = plan();
    let around = Around { before: scene::of_helper(), ..Around::default() };
    let extra = [
        Op::Namespace(NamespaceOp::SetHostname { name: "another".into() }),
        Op::Process(ProcessOp::Umask { mask: 0o77 }),
        Op::Mount(MountOp::MakeMountPoint {
            target: nsplan::types::RootPath::new("/tmp/more").unwrap(),
            directory: true,
        }),
    ];
    let at = position(&plan, |op| matches!(op, Op::Mount(MountOp::PivotRoot)));
    for op in extra {
        let mut more = plan.clone();
        let step = Step { op, ..plan.init[at].clone() };
        more.init.insert(at, step.clone());
        let trace = helper_trace(&more);
        let answer = compare(&expected(&plan, &around), &trace);
        assert!(answer.is_err(), "{} was done, and nobody saw it", step.op);
        assert_eq!(compare(&expected(&more, &around), &trace), Ok(()), "with {}", step.op);
    }
}

/// Not a test: what [`helper_trace`] runs under strace, which says so by an environment variable.
#[test]
fn helper() {
    if let Ok(text) = std::env::var("NSPLAN_TRACE_PLAN") {
        let plan: Plan = serde_json::from_str(&text).unwrap();
        let mut container = nsplan::apply::spawn(&plan, nsplan::apply::Io::default()).unwrap();
        container.wait().unwrap();
    }
}
