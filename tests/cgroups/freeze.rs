//! Freezing really stops, thawing really continues, and neither waits for ever nor leaves anything stopped.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nsplan::apply::{CgroupHandle, ControlError};
use nsplan::config::Resources;
use nsplan::facts::parse_stat;

use crate::stage::{BUSY, FORKING, Group, LONG, Running, comes, has_v1, wait_for};
use crate::support::{Scratch, is_root, rootfs, skip};

#[track_caller]
fn cpu_time(cgroup: &CgroupHandle) -> u64 {
    cgroup.stats().expect("statistics").cpu.total
}

/// Stops `cgroup`, in which something takes CPU time, and lets it go on.
#[track_caller]
fn stops_and_continues(cgroup: &CgroupHandle) {
    wait_for("it runs", || cpu_time(cgroup) > 0);
    cgroup.freeze(LONG).unwrap();
    assert_eq!(cgroup.is_frozen(), Ok(true));
    // A process that was ending when the others were stopped is not stopped, but counted out, and ends: some microseconds
    // (`cgroup_exit` in the kernel's `cgroup.c`).
    std::thread::sleep(Duration::from_millis(50));
    let before = cpu_time(cgroup);
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(cpu_time(cgroup), before, "it went on while it was frozen");
    cgroup.freeze(LONG).unwrap();
    cgroup.thaw(LONG).unwrap();
    assert_eq!(cgroup.is_frozen(), Ok(false));
    wait_for("it goes on", || cpu_time(cgroup) > before);
    cgroup.thaw(LONG).unwrap();
}

#[test]
fn a_frozen_container_takes_no_cpu_time_until_it_is_thawed() {
    if !is_root() || !has_v1(&["freezer", "cpuacct"]) {
        return;
    }
    let script = format!("echo up; {BUSY}");
    let mut running = Running::new(rootfs("freeze"), &script, Resources::default());
    running.hear("up");
    stops_and_continues(&running.cgroup);
    running.end();
}

#[test]
fn on_v2_what_is_frozen_takes_no_cpu_time_until_it_is_thawed() {
    if !is_root() {
        return;
    }
    let Some(mut group) = Group::v2() else { return };
    group.run(BUSY);
    stops_and_continues(&group.cgroup);
}

#[test]
fn what_forks_all_the_time_is_frozen_and_goes_on() {
    if !is_root() {
        return;
    }
    let v1 = has_v1(&["freezer", "cpuacct"]).then(|| Group::v1(&["freezer", "cpuacct"]));
    for mut group in v1.into_iter().chain(Group::v2()) {
        group.run(FORKING);
        stops_and_continues(&group.cgroup);
        group.cgroup.freeze(LONG).unwrap();
        let pids = group.cgroup.pids(true).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(group.cgroup.pids(true).unwrap(), pids, "somebody forked or ended");
        group.cgroup.thaw(LONG).unwrap();
    }
}

/// A process in an uninterruptible sleep, and the file system that does not answer it: gone when the file is closed.
fn uninterruptible(scratch: &Scratch) -> Option<(Child, File)> {
    let fuse = File::options().read(true).write(true).open("/dev/fuse").ok()?;
    let directory = scratch.path().to_owned();
    // A thread has a mount namespace of its own by `unshare`, so nothing is mounted for anybody else.
    let made = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).ok()?;
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).ok()?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", fuse.as_raw_fd());
        let options = Some(options.as_str());
        mount(Some("stuck"), &directory, Some("fuse"), MsFlags::empty(), options).ok()?;
        answer_init(&fuse)?;
        let mut command = Command::new("cat");
        command.arg(directory.join("file")).stdout(Stdio::null()).stderr(Stdio::null());
        Some((command.spawn().ok()?, fuse))
    });
    let (child, fuse) = made.join().ok()??;
    Some((child, fuse))
}

/// Answers `FUSE_INIT`; nothing after it is.
fn answer_init(mut fuse: &File) -> Option<()> {
    let mut request = [0; 8192];
    let length = fuse.read(&mut request).ok()?;
    assert!(length >= 16);
    let unique = request.get(8..16)?;
    let body: [u32; 16] = [7, 31, 0, 0, 0x000c_000c, 4096, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut answer = Vec::new();
    answer.extend(80_u32.to_ne_bytes());
    answer.extend(0_u32.to_ne_bytes());
    answer.extend(unique);
    answer.extend(body.iter().flat_map(|word| word.to_ne_bytes()));
    fuse.write_all(&answer).ok()
}

fn state(pid: u32) -> char {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse_stat(&text).map_or('?', |stat| stat.state)
}

/// Tries to stop a cgroup in which something cannot be stopped.
fn gives_up_and_lets_go(mut group: Group) {
    let scratch = Scratch::new("stuck");
    let Some((child, fuse)) = uninterruptible(&scratch) else {
        skip("no FUSE to hang on");
        return;
    };
    let pid = child.id();
    group.adopt(child);
    let busy = group.run(BUSY);
    wait_for("it waits", || matches!(state(pid), 'S' | 'D'));

    let limit = Duration::from_millis(300);
    let error = group.cgroup.freeze(limit).unwrap_err();
    let mut left = vec![pid, busy];
    left.sort_unstable();
    assert_eq!(error, ControlError::TimedOut { waited_for: "frozen", after: limit, left });
    assert_eq!(group.cgroup.is_frozen(), Ok(false));
    let before = cpu_time(&group.cgroup);
    wait_for("the other goes on", || cpu_time(&group.cgroup) > before);

    // Also when it cannot be frozen it is killed: this sleep ends by SIGKILL alone.
    group.cgroup.kill(LONG).unwrap();
    assert_eq!(group.cgroup.pids(true), Ok(vec![]));
    drop(fuse);
}

#[test]
fn on_v1_what_cannot_be_stopped_is_not_waited_for_and_the_rest_goes_on() {
    if is_root() && has_v1(&["freezer", "cpuacct"]) {
        gives_up_and_lets_go(Group::v1(&["freezer", "cpuacct"]));
    }
}

#[test]
fn on_v2_what_cannot_be_stopped_is_not_waited_for_and_the_rest_goes_on() {
    if is_root()
        && let Some(group) = Group::v2()
    {
        gives_up_and_lets_go(group);
    }
}

#[test]
fn what_stays_frozen_from_above_is_told() {
    if !is_root() || !has_v1(&["freezer"]) {
        return;
    }
    let mut above = Group::v1(&["freezer"]);
    let below = above.directory(0).child("below");
    fs::create_dir(below.as_str()).unwrap();
    let pid = above.run("exec sleep 1000");
    fs::write(below.child("cgroup.procs").as_str(), pid.to_string()).unwrap();
    above.cgroup.freeze(LONG).unwrap();
    let error = CgroupHandle::v1([below]).thaw(Duration::from_millis(50)).unwrap_err();
    assert!(error.to_string().starts_with("not thawed after 50ms"), "{error}");
    assert!(comes(|| above.cgroup.is_frozen() == Ok(true)));
    above.cgroup.thaw(LONG).unwrap();
}
