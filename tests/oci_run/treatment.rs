//! How the kernel treats the process: execution domain, scheduling, I/O priority, memory policy.

use serde_json::{Value, json};

use crate::stage::{Bundle, said};
use crate::support::is_root;

#[test]
fn the_personality_is_that_of_a_32_bit_machine() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("personality").set("/linux/personality", json!({"domain": "LINUX32"}));
    assert_eq!(bundle.run("cat /proc/self/personality"), "00000008\n");
}

/// The fields of `/proc/self/stat` from the state on.
fn stat(bundle: &Bundle) -> Vec<String> {
    let said = bundle.run("cat /proc/self/stat");
    let (_, fields) = said.rsplit_once(") ").unwrap();
    fields.split_whitespace().map(String::from).collect()
}

#[test]
fn the_scheduler_is_the_one_that_is_asked_for() {
    if !is_root() {
        return;
    }
    let bundle = |scheduler: Value| Bundle::new("scheduler").set("/process/scheduler", scheduler);
    // Nice value, real-time priority and policy are fields 19, 40 and 41; the state is field 3.
    let of = |scheduler: Value| {
        let fields = stat(&bundle(scheduler));
        (fields[16].clone(), fields[37].clone(), fields[38].clone())
    };
    let all =
        |nice: &str, priority: &str, policy: &str| (nice.into(), priority.into(), policy.into());
    assert_eq!(of(json!({"policy": "SCHED_BATCH", "nice": 7})), all("7", "0", "3"));
    assert_eq!(of(json!({"policy": "SCHED_IDLE"})), all("0", "0", "5"));
    assert_eq!(of(json!({"policy": "SCHED_OTHER", "nice": -3})), all("-3", "0", "0"));
}

#[test]
fn a_scheduler_that_the_kernel_would_not_take_is_refused_before_anything_is_made() {
    if !is_root() {
        return;
    }
    for scheduler in [
        json!({"policy": "SCHED_ISO"}),
        json!({"policy": "SCHED_FIFO"}),
        json!({"policy": "SCHED_OTHER", "nice": 20}),
        json!({"policy": "SCHED_OTHER", "priority": 1}),
        json!({"policy": "SCHED_DEADLINE", "runtime": 9_000_000, "deadline": 8_000_000, "period": 10_000_000}),
        json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_UTIL_CLAMP_MAX"]}),
    ] {
        let (code, error) =
            Bundle::new("scheduler-no").set("/process/scheduler", scheduler.clone()).refusal();
        assert!(
            code == 125 && error.contains("/process/scheduler: expected"),
            "{scheduler}: {error}"
        );
    }
}

#[test]
fn the_memory_policy_is_that_of_the_process() {
    if !is_root() {
        return;
    }
    let bundle = |policy: Value| Bundle::new("memory-policy").set("/linux/memoryPolicy", policy);
    let said = bundle(json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}))
        .run("cat /proc/self/numa_maps");
    assert!(said.lines().all(|line| line.contains(" bind=static:0")), "{said}");
    let said = bundle(json!({"mode": "MPOL_LOCAL"})).run("cat /proc/self/numa_maps");
    assert!(said.lines().all(|line| line.contains(" local")), "{said}");
    let (code, error) = bundle(json!({"mode": "MPOL_BIND"})).refusal();
    assert!(
        code == 125 && error.contains("/linux/memoryPolicy: expected at least one node"),
        "{error}"
    );
}

#[test]
fn the_io_priority_is_set() {
    if !is_root() {
        return;
    }
    // No file shows it; ionice(1) of busybox does.
    let bundle = Bundle::new("ioprio")
        .set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0}));
    assert_eq!(bundle.run("busybox ionice"), "idle\n");
    let bundle =
        bundle.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 6}));
    assert_eq!(bundle.run("busybox ionice"), "best-effort: prio 6\n");
}

#[test]
fn a_cpu_affinity_counts_for_processes_that_join_and_says_so() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("affinity").set("/process/execCPUAffinity", json!({"initial": "0"}));
    assert!(bundle.plan().contains("/process/execCPUAffinity: counts for processes that join"));
    assert_eq!(bundle.run("echo ran"), "ran\n");
}

/// The CPUs that this test may use.
fn cpus() -> Vec<usize> {
    let set = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    (0..nix::sched::CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap()).collect()
}

#[test]
fn a_process_that_joins_ends_up_on_the_cpus_of_its_affinity_or_on_all_of_its_cgroups() {
    if !is_root() {
        return;
    }
    let cpus = cpus();
    let (first, last) = (cpus[0].to_string(), cpus[cpus.len() - 1].to_string());
    let script = "grep Cpus_allowed_list: /proc/self/status";
    let on = |affinity: Value| {
        let bundle = Bundle::new("affinity-exec").set("/process/execCPUAffinity", affinity);
        let running = bundle.start();
        said(&running.joiner(script).output().unwrap())
    };
    let bundle = Bundle::new("affinity-none");
    let everywhere = said(&bundle.start().joiner(script).output().unwrap());
    assert_eq!(on(json!({"initial": first})), everywhere);
    let line = |cpus: &str| format!("Cpus_allowed_list:\t{cpus}\n");
    assert_eq!(on(json!({"initial": first, "final": last})), line(&last));
    assert_eq!(on(json!({"final": first})), line(&first));
    let own = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    assert!(own.is_set(cpus[0]).unwrap());
}

#[test]
fn an_affinity_to_cpus_that_are_not_there_is_an_error_at_its_place() {
    if !is_root() {
        return;
    }
    let bundle =
        Bundle::new("affinity-no").set("/process/execCPUAffinity", json!({"final": "8000"}));
    let running = bundle.start();
    let output = running.joiner("true").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(
        error.contains("/process/execCPUAffinity/final") && error.contains("EINVAL"),
        "{error}"
    );
}

#[test]
fn capabilities_that_the_caller_lacks_are_left_out_with_a_note() {
    if !is_root() {
        return;
    }
    let all = json!(["CAP_KILL", "CAP_SYS_TIME"]);
    let mut bundle = Bundle::new("caps-lacking");
    for set in ["bounding", "effective", "permitted"] {
        bundle = bundle.set(&format!("/process/capabilities/{set}"), all.clone());
    }
    let through = |command: std::process::Command| {
        let mut lacking = std::process::Command::new("setpriv");
        lacking.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"]);
        lacking.arg(command.get_program()).args(command.get_args());
        lacking
    };
    let run = bundle.runner(Some("grep -E '^Cap(Bnd|Eff)' /proc/self/status"));
    let said = said(&through(run).output().unwrap());
    assert_eq!(said, "CapEff:\t0000000000000020\nCapBnd:\t0000000000000020\n");
    let here = bundle.directory().to_str().unwrap().to_owned();
    let plan = through(bundle.command(&["plan", "--bundle", &here])).output().unwrap();
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    let note = "/process/capabilities: without CAP_SYS_TIME, which the caller does not have";
    assert!(plan.contains(note), "{plan}");
}
