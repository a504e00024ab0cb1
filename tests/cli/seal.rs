//! CVE-2019-5736: the program that starts a container cannot be written to through its processes.

use std::time::{Duration, Instant};

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::running::State;
use crate::writable::can_be_made_writable;

/// Whether the program of that process is on a read-only mount, or a copy in memory, which is sealed: before Linux 5.12.
fn is_read_only(pid: u32) -> bool {
    let path = format!("/proc/{pid}/exe");
    let copy = "/memfd:nsplan (deleted)";
    let is_copy = std::fs::read_link(&path).is_ok_and(|link| link == std::path::Path::new(copy));
    is_copy || statvfs(&*path).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_RDONLY))
}

#[test]
fn a_launcher_that_is_the_hosts_root_runs_from_a_read_only_mount() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "cannot run: not root");
        return;
    }
    let program = env!("CARGO_BIN_EXE_nsplan");
    let own = statvfs(program).expect("the program");
    assert!(!own.flags().contains(FsFlags::ST_RDONLY), "cannot tell: it is read-only already");
    // A launcher that is killed outright leaves its notes there.
    let state = State::new("seal");
    let mut launcher = state
        .command(&["do", "--rootfs", "/", "--read-only", "--", "sleep", "30"])
        .spawn()
        .expect("nsplan");
    let deadline = Instant::now() + Duration::from_secs(10);
    // Nobody but the launcher is there before it clones.
    let children = format!("/proc/{0}/task/{0}/children", launcher.id());
    let has_cloned = || std::fs::read_to_string(&children).is_ok_and(|pids| !pids.is_empty());
    while !has_cloned() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let is_sealed = is_read_only(launcher.id());
    // By then the program has left the mount's namespace, at the latest; nobody else was in the container.
    let has_begun = || {
        let pid = std::fs::read_to_string(&children).ok()?;
        std::fs::read_to_string(format!("/proc/{}/comm", pid.trim())).ok()
    };
    while has_begun().as_deref() != Some("sleep\n") && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let begun = has_begun();
    let is_opened = can_be_made_writable(launcher.id());
    launcher.kill().expect("its end");
    launcher.wait().expect("its end");
    assert_eq!(begun.as_deref(), Some("sleep\n"));
    assert!(!is_opened, "its mount could be made writable");
    assert!(is_sealed, "the program could be written to");
}
