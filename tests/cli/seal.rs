//! CVE-2019-5736: the program that starts a container cannot be written to through its processes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::statvfs::{FsFlags, statvfs};

/// Whether the program of that process is on a read-only mount, or a copy in memory, which is sealed: before Linux 5.12.
fn is_read_only(pid: u32) -> bool {
    let path = format!("/proc/{pid}/exe");
    let is_copy = std::fs::read_link(&path).is_ok_and(|link| link.starts_with("/memfd:nsplan"));
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
    let mut launcher = Command::new(program)
        .args(["do", "--rootfs", "/", "--read-only", "--", "sleep", "30"])
        .stdin(Stdio::null())
        .spawn()
        .expect("nsplan");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_read_only(launcher.id()) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let is_sealed = is_read_only(launcher.id());
    launcher.kill().expect("its end");
    launcher.wait().expect("its end");
    assert!(is_sealed, "the program could be written to");
}
