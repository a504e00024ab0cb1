//! CVE-2019-5736: the program that starts a container cannot be written to through its processes.
#![allow(unsafe_code, reason = "the mount is asked for by a raw call")]

use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use nix::sys::statvfs::{FsFlags, statvfs};

use crate::running::State;

/// Whether the program of that process is on a read-only mount, or a copy in memory, which is sealed: before Linux 5.12.
fn is_read_only(pid: u32) -> bool {
    let path = format!("/proc/{pid}/exe");
    let copy = "/memfd:nsplan (deleted)";
    let is_copy = std::fs::read_link(&path).is_ok_and(|link| link == std::path::Path::new(copy));
    is_copy || statvfs(&*path).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether whoever can look at that process, and may mount, can make its program's mount writable. As long as it is in a
/// namespace, be it the nameless one of a descriptor, the kernel lets him.
fn can_be_made_writable(pid: u32) -> bool {
    let mut options = std::fs::OpenOptions::new();
    let Ok(exe) = options.read(true).custom_flags(libc::O_PATH).open(format!("/proc/{pid}/exe"))
    else {
        return false;
    };
    // SAFETY: all bytes of the structure may be zero: it is four words.
    let mut attr: libc::mount_attr = unsafe { std::mem::zeroed() };
    attr.attr_clr = libc::MOUNT_ATTR_RDONLY;
    let (flags, size) = (libc::AT_EMPTY_PATH, size_of::<libc::mount_attr>());
    let fd = exe.as_raw_fd();
    // SAFETY: the path is a static empty string, `attr` is whole and its size is what is told; both are only read.
    let answer = unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, &raw const attr, size)
    };
    answer == 0
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
    let is_opened = can_be_made_writable(launcher.id());
    let is_sealed = is_read_only(launcher.id());
    launcher.kill().expect("its end");
    launcher.wait().expect("its end");
    assert!(!is_opened, "its mount could be made writable");
    assert!(is_sealed, "the program could be written to");
}
