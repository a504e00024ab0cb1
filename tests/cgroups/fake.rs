//! Directories that are no cgroups, with files of the kernel's names: what is written and what is made of what is read.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use nsplan::apply::{CgroupHandle, ControlError, OomEvent};
use nsplan::facts::CgroupStats;

use crate::stage::{LONG, wait_for};
use crate::support::Scratch;

const SHORT: Duration = Duration::from_millis(100);

fn put(scratch: &Scratch, name: &str, text: &str) {
    fs::write(scratch.path().join(name), text).unwrap();
}

fn get(scratch: &Scratch, name: &str) -> String {
    fs::read_to_string(scratch.path().join(name)).unwrap()
}

/// What tells one eventfd from every other that gets its number.
fn eventfd_id(fd: i32) -> Option<String> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    info.lines().find(|line| line.starts_with("eventfd-id")).map(str::to_owned)
}

#[test]
fn test_notify_on_oom() {
    let scratch = Scratch::new("oom");
    put(&scratch, "memory.oom_control", "");
    put(&scratch, "cgroup.event_control", "");
    let mut events = CgroupHandle::v1([scratch.host_path()]).notify_oom().unwrap();

    let control = get(&scratch, "cgroup.event_control");
    let numbers: Vec<i32> = control.split(' ').map(|word| word.parse().unwrap()).collect();
    let [eventfd, _file] = numbers[..] else { panic!("two numbers: {control:?}") };
    assert_eq!(std::os::fd::AsFd::as_fd(&events).as_raw_fd(), eventfd);
    let id = eventfd_id(eventfd).expect("an eventfd");
    let copy = nix::unistd::dup(std::os::fd::AsFd::as_fd(&events)).unwrap();
    let mut kernel = fs::File::from(copy);

    assert_eq!(events.wait(Duration::ZERO), Ok(None));
    kernel.write_all(&1_u64.to_le_bytes()).unwrap();
    assert_eq!(events.wait(LONG), Ok(Some(OomEvent { count: 1 })));
    assert_eq!(events.wait(Duration::ZERO), Ok(None));
    assert!(!events.has_ended());

    fs::remove_file(scratch.path().join("cgroup.event_control")).unwrap();
    kernel.write_all(&1_u64.to_le_bytes()).unwrap();
    assert_eq!(events.wait(LONG), Ok(None));
    assert!(events.has_ended());
    assert!(events.next().is_none());
    drop(events);
    assert_ne!(eventfd_id(eventfd), Some(id), "the eventfd is still open");
}

#[test]
fn without_the_memory_controller_nothing_is_watched() {
    let scratch = Scratch::new("no-oom");
    let v1 = CgroupHandle::v1([scratch.host_path()]).notify_oom().unwrap_err();
    assert_eq!(v1.to_string(), "the cgroup has no file memory.oom_control");
    let v2 = CgroupHandle::v2(scratch.host_path()).notify_oom().unwrap_err();
    assert_eq!(v2, ControlError::Missing { file: "memory.events" });
}

#[test]
fn on_v2_each_kill_is_an_event_and_an_empty_cgroup_is_the_end() {
    let scratch = Scratch::new("oom-v2");
    put(&scratch, "memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\n");
    put(&scratch, "cgroup.events", "populated 1\nfrozen 0\n");
    let mut events = CgroupHandle::v2(scratch.host_path()).notify_oom().unwrap();
    assert_eq!(events.wait(Duration::ZERO), Ok(None), "what was before does not count");

    put(&scratch, "memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n");
    assert_eq!(events.wait(SHORT), Ok(None), "a limit met is no kill");
    put(&scratch, "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 3\n");
    assert_eq!(events.next(), Some(Ok(OomEvent { count: 2 })));

    // Both at once: the last kill is told before the end.
    put(&scratch, "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 4\n");
    put(&scratch, "cgroup.events", "populated 0\nfrozen 0\n");
    assert_eq!(events.next(), Some(Ok(OomEvent { count: 1 })));
    assert_eq!(events.next(), None);
    assert!(events.has_ended());
}

#[test]
fn on_v2_the_descriptor_is_readable_when_something_is_killed() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let scratch = Scratch::new("oom-poll");
    put(&scratch, "memory.events", "oom_kill 0\n");
    put(&scratch, "cgroup.events", "populated 1\n");
    let mut events = CgroupHandle::v2(scratch.host_path()).notify_oom().unwrap();
    let is_readable = |events: &nsplan::apply::OomEvents| {
        let fd = std::os::fd::AsFd::as_fd(events);
        poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], PollTimeout::ZERO).unwrap() == 1
    };
    assert!(!is_readable(&events));
    put(&scratch, "memory.events", "oom_kill 1\n");
    wait_for("readable", || is_readable(&events));
    assert_eq!(events.wait(Duration::ZERO), Ok(Some(OomEvent { count: 1 })));
    assert!(!is_readable(&events), "what was taken is gone from the queue");
}

#[test]
fn on_v2_a_directory_that_is_gone_is_the_end_also_before_anybody_was_in_it() {
    let scratch = Scratch::new("oom-gone");
    put(&scratch, "memory.events", "oom_kill 0\n");
    put(&scratch, "cgroup.events", "populated 0\n");
    let mut events = CgroupHandle::v2(scratch.host_path()).notify_oom().unwrap();
    assert_eq!(events.wait(SHORT), Ok(None));
    assert!(!events.has_ended(), "a cgroup is empty before its first process");
    drop(scratch);
    assert_eq!(events.next(), None);
}

#[test]
fn test_freeze_writes_frozen_then_thawed() {
    let scratch = Scratch::new("freezer");
    put(&scratch, "freezer.state", "THAWED");
    let cgroup = CgroupHandle::v1([scratch.host_path()]);
    cgroup.freeze(LONG).unwrap();
    assert_eq!(get(&scratch, "freezer.state"), "FROZEN");
    assert_eq!(cgroup.is_frozen(), Ok(true));
    cgroup.thaw(LONG).unwrap();
    assert_eq!(get(&scratch, "freezer.state"), "THAWED");
    // Longer than what is written over it, so that it never reads as a state.
    put(&scratch, "freezer.state", "INVALID STATE");
    let error = cgroup.freeze(LONG).unwrap_err();
    let file = scratch.path().join("freezer.state");
    let expected = format!("{}:1: expected THAWED, FREEZING or FROZEN", file.display());
    assert_eq!(error.to_string(), expected);
    assert!(get(&scratch, "freezer.state").starts_with("THAWED"), "let go whatever the error");
}

#[test]
fn without_a_freezer_nothing_is_frozen() {
    let scratch = Scratch::new("no-freezer");
    let v1 = CgroupHandle::v1([scratch.host_path()]).freeze(SHORT);
    assert_eq!(v1, Err(ControlError::Missing { file: "freezer.state" }));
    let v2 = CgroupHandle::v2(scratch.host_path()).freeze(SHORT);
    assert_eq!(v2, Err(ControlError::Missing { file: "cgroup.freeze" }));
    assert!(!Path::new("freezer.state").exists(), "no file is made anywhere");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn on_v2_what_does_not_freeze_in_time_is_let_go() {
    let scratch = Scratch::new("freeze-v2");
    put(&scratch, "cgroup.freeze", "0\n");
    put(&scratch, "cgroup.events", "populated 1\nfrozen 0\n");
    put(&scratch, "cgroup.procs", "4194303\n");
    let cgroup = CgroupHandle::v2(scratch.host_path());
    let error = cgroup.freeze(SHORT).unwrap_err();
    let expected =
        ControlError::TimedOut { waited_for: "frozen", after: SHORT, left: vec![4_194_303] };
    assert_eq!(error, expected);
    assert_eq!(error.to_string(), "not frozen after 100ms, with 1 processes in it");
    assert_eq!(get(&scratch, "cgroup.freeze"), "0\n");
}

#[test]
fn on_v2_freezing_waits_until_the_events_say_so() {
    let scratch = Scratch::new("freeze-wait");
    put(&scratch, "cgroup.freeze", "0\n");
    put(&scratch, "cgroup.events", "populated 1\nfrozen 0\n");
    let cgroup = CgroupHandle::v2(scratch.host_path());
    std::thread::scope(|scope| {
        let frozen = scope.spawn(|| cgroup.freeze(LONG));
        wait_for("the wish", || get(&scratch, "cgroup.freeze") == "1\n");
        assert!(!frozen.is_finished(), "the wish is not the deed");
        put(&scratch, "cgroup.events", "populated 1\nfrozen 1\n");
        assert_eq!(frozen.join().unwrap(), Ok(()));
    });
    assert_eq!(cgroup.is_frozen(), Ok(true));
}

#[test]
fn processes_are_listed_once_in_order_and_below_on_request() {
    let scratch = Scratch::new("pids");
    put(&scratch, "cgroup.procs", "7\n3\n0\n");
    fs::create_dir_all(scratch.path().join("a/b")).unwrap();
    fs::write(scratch.path().join("a/b/cgroup.procs"), "5\n3\n").unwrap();
    let cgroup = CgroupHandle::v2(scratch.host_path());
    assert_eq!(cgroup.pids(false), Ok(vec![3, 7]));
    assert_eq!(cgroup.pids(true), Ok(vec![3, 5, 7]));
}

#[test]
fn statistics_of_several_directories_are_one() {
    let (memory, cpu) = (Scratch::new("memory"), Scratch::new("cpu"));
    put(&memory, "memory.stat", "rss 1\n");
    put(&memory, "memory.usage_in_bytes", "2\n");
    put(&memory, "memory.max_usage_in_bytes", "3\n");
    put(&memory, "memory.failcnt", "4\n");
    put(&cpu, "cpuacct.usage", "5\n");
    put(&cpu, "cpuacct.stat", "user 100\nsystem 0\n");
    let cgroup = CgroupHandle::v1([memory.host_path(), cpu.host_path()]);
    let stats = cgroup.stats().unwrap();
    assert_eq!((stats.memory.memory.usage, stats.cpu.total), (2, 5));
    assert!(stats.cpu.user > 0);
    put(&cpu, "cpuacct.usage", "five\n");
    let error = cgroup.stats().unwrap_err().to_string();
    assert!(error.ends_with("/cpuacct.usage:1: expected one number"), "{error}");
}

#[test]
fn a_cgroup_that_is_gone_has_used_nothing_and_holds_nobody() {
    let gone = Scratch::new("gone").host_path();
    let cgroup = CgroupHandle::v2(gone);
    assert_eq!(cgroup.stats(), Ok(CgroupStats::default()));
    assert_eq!(cgroup.pids(true), Ok(vec![]));
    assert_eq!(cgroup.kill(SHORT), Ok(()));
    assert_eq!(cgroup.remove(SHORT), []);
}
