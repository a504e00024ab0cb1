//! How the kernel treats the process: execution domain, scheduling, I/O priority, memory policy.

use serde_json::{Value, json};

use crate::stage::Bundle;
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
