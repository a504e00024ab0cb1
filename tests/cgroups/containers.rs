//! Limits of real containers: really set, really kept, and seen in the statistics.

use std::fs;

use nsplan::apply::CgroupVersion;
use nsplan::config::{Cpu, DeviceRule, Limit, Memory, Resources};
use nsplan::types::{DeviceAccess, DeviceKind};

use crate::stage::{BUSY, LONG, Running, comes, has_v1, wait_for};
use crate::support::{is_root, rootfs};

const MIB: u64 = 1 << 20;

#[test]
fn the_limits_of_a_container_are_in_the_kernel_before_its_program_runs() {
    if !is_root() || !has_v1(&["cpu", "cpuset", "memory", "pids", "devices"]) {
        return;
    }
    let memory = Memory {
        limit: Some(Limit::At(64 * MIB)),
        reservation: Some(Limit::At(32 * MIB)),
        swap: Some(Limit::At(96 * MIB)),
        ..Memory::default()
    };
    let cpu = Cpu {
        shares: Some(512),
        quota: Some(50_000),
        period: Some(200_000),
        cpus: Some("0".into()),
        mems: Some("0".into()),
        ..Cpu::default()
    };
    let resources = Resources { memory, cpu, pids: Some(Limit::At(64)), ..Resources::default() };
    let mut running = Running::new(rootfs("limits"), "echo up; read end", resources);
    running.hear("up");
    assert_eq!(running.cgroup.version(), CgroupVersion::V1);
    let expected = [
        ("memory.limit_in_bytes", "67108864"),
        ("memory.soft_limit_in_bytes", "33554432"),
        ("memory.memsw.limit_in_bytes", "100663296"),
        ("cpu.shares", "512"),
        ("cpu.cfs_quota_us", "50000"),
        ("cpu.cfs_period_us", "200000"),
        ("cpuset.cpus", "0"),
        ("cpuset.mems", "0"),
        ("pids.max", "64"),
    ];
    for (file, value) in expected {
        assert_eq!(running.file(file), value, "{file}");
    }
    let pid = running.container.pid();
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let name = running.cgroup.directories()[0].as_str().rsplit('/').next().unwrap();
    let inside = own.lines().filter(|line| line.ends_with(&format!(":/{name}"))).count();
    assert_eq!(inside, running.cgroup.directories().len(), "{own}");
    assert_eq!(running.cgroup.pids(false), Ok(vec![pid]));

    let stats = running.cgroup.stats().unwrap();
    assert_eq!(stats.memory.memory.limit, Some(64 * MIB));
    assert_eq!(stats.memory.swap.and_then(|swap| swap.limit), Some(96 * MIB));
    assert_eq!(stats.pids.and_then(|pids| pids.limit), Some(64));
    running.end();
}

#[test]
fn the_statistics_of_a_container_move() {
    if !is_root() || !has_v1(&["cpuacct", "memory", "pids"]) {
        return;
    }
    let script = "echo up; while read line; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.1 & wait; echo done; done";
    let mut running = Running::new(rootfs("stats"), script, Resources::default());
    running.hear("up");
    let before = running.cgroup.stats().unwrap();
    running.say("go");
    running.hear("done");
    let after = running.cgroup.stats().unwrap();
    assert!(after.cpu.total > before.cpu.total, "{:?}", after.cpu);
    assert_eq!(after.cpu.per_cpu.iter().sum::<u64>() > 0, after.cpu.total > 0);
    assert!(after.memory.memory.usage > 0 && after.memory.memory.max_usage > 0);
    assert!(after.memory.stats["pgfault"] > before.memory.stats["pgfault"]);
    let pids = after.pids.unwrap();
    assert!(pids.current == 1 && pids.limit.is_none(), "{pids:?}");
    let json = serde_json::to_value(after.to_libcontainer_json()).unwrap();
    assert_eq!(json["cpu_stats"]["cpu_usage"]["total_usage"], after.cpu.total);
    running.end();
}

#[test]
fn what_takes_too_much_memory_is_killed_and_that_is_an_event() {
    if !is_root() || !has_v1(&["memory"]) {
        return;
    }
    let memory = Memory { limit: Some(Limit::At(24 * MIB)), ..Memory::default() };
    let resources = Resources { memory, ..Resources::default() };
    let script =
        "echo up; read go; dd if=/dev/zero of=/dev/null bs=96M count=1; echo status $?; read end";
    let mut running = Running::new(rootfs("oom"), script, resources);
    running.hear("up");
    let mut events = running.cgroup.notify_oom().unwrap();
    assert_eq!(events.wait(std::time::Duration::ZERO), Ok(None));
    running.say("go");
    running.hear("status 137");
    let event = events.next().expect("not the end").expect("an event");
    assert!(event.count > 0);
    let stats = running.cgroup.stats().unwrap().memory;
    assert!(stats.events.oom_kill > 0 && stats.memory.failures > 0, "{stats:?}");
    assert!(stats.memory.max_usage <= 24 * MIB, "{stats:?}");
    // The kernel wakes who waits when the cgroup goes away.
    let end = std::thread::spawn(move || events.find(Result::is_err));
    running.end();
    assert!(comes(|| end.is_finished()), "the events go on");
    assert_eq!(end.join().unwrap(), None);
}

#[test]
fn a_fork_bomb_is_stopped_by_the_limit_of_tasks() {
    if !is_root() || !has_v1(&["pids"]) {
        return;
    }
    let resources = Resources { pids: Some(Limit::At(24)), ..Resources::default() };
    // The shell that cannot fork ends, so it is not the first process.
    let script = "sh -c 'b() { b & b; }; b' 2>/dev/null; echo over; read end";
    let mut running = Running::new(rootfs("bomb"), script, resources);
    wait_for("a fork refused", || {
        let pids = running.cgroup.stats().unwrap().pids.unwrap();
        // A fork that is refused is counted as running for a moment (`pids_can_fork` in the kernel's `pids.c`), but never as the
        // most there were.
        assert!(pids.peak <= 24, "{pids:?}");
        pids.refused > 0
    });
    running.cgroup.freeze(LONG).unwrap();
    assert!(running.cgroup.pids(true).unwrap().len() <= 24);
    assert!(running.cgroup.stats().unwrap().pids.unwrap().current <= 24);
    running.cgroup.kill(LONG).unwrap();
    assert_eq!(running.cgroup.pids(true), Ok(vec![]));
    assert_eq!(running.container.wait().expect("everything undone").code(), 128 + 9);
}

#[test]
fn a_cpu_quota_holds_back_and_that_is_counted() {
    if !is_root() || !has_v1(&["cpu", "cpuacct"]) {
        return;
    }
    let cpu = Cpu { quota: Some(5000), period: Some(50_000), ..Cpu::default() };
    let resources = Resources { cpu, ..Resources::default() };
    let mut running = Running::new(rootfs("quota"), &format!("echo up; {BUSY}"), resources);
    running.hear("up");
    wait_for("throttling", || {
        let throttling = running.cgroup.stats().unwrap().cpu.throttling;
        assert!(throttling.throttled_periods <= throttling.periods, "{throttling:?}");
        throttling.throttled_periods > 0 && throttling.throttled_time > 0
    });
    running.end();
}

#[test]
fn a_device_that_is_not_granted_is_refused() {
    if !is_root() || !has_v1(&["devices"]) {
        return;
    }
    let any = DeviceRule {
        allow: false,
        kind: None,
        major: None,
        minor: None,
        access: DeviceAccess::all(),
    };
    let making = DeviceRule { allow: true, access: DeviceAccess::MKNOD, ..any };
    let null = DeviceRule {
        allow: true,
        kind: Some(DeviceKind::Char),
        major: Some(1),
        minor: Some(3),
        access: DeviceAccess::all(),
    };
    let kinds = [DeviceKind::Char, DeviceKind::Block];
    let making = kinds.map(|kind| DeviceRule { kind: Some(kind), ..making });
    let devices = Some([&[any], &making[..], &[null]].concat());
    let resources = Resources { devices, ..Resources::default() };
    let script = "echo x >/dev/null && echo null is granted
        head -c 1 /dev/zero >/dev/null 2>&1 || echo zero is refused
        echo up; read end";
    let mut running = Running::new(rootfs("devices"), script, resources);
    let text = running.hear("up");
    assert!(text.contains("null is granted") && text.contains("zero is refused"), "{text}");
    let list = running.file("devices.list");
    assert!(list.contains("c 1:3 rwm") && !list.contains("a *:*"), "{list}");
    running.end();
}
