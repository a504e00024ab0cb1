//! A network namespace that the launcher makes while init mounts: who is in it, and what is left when it cannot be made.

use std::fs;
use std::process::Command;

use crate::stage::{Bundle, said};
use crate::support::is_root;

const MADE: &str = "make a net namespace for init";

/// With one processor nothing is won, and the clone makes it.
fn has_processors() -> bool {
    std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
}

#[test]
fn init_is_in_it_and_the_launcher_is_where_it_was() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("beside");
    assert_eq!(bundle.plan().contains(MADE), has_processors(), "{}", bundle.plan());
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let running = bundle.start();
    let of_launcher = fs::read_link(format!("/proc/{}/ns/net", running.launcher())).unwrap();
    assert_eq!(of_launcher, own);
    let script = "readlink /proc/1/ns/net; ls /sys/class/net; cat /sys/class/net/lo/operstate /proc/1/net/dev";
    let seen = said(&running.joiner(script).output().unwrap());
    let lines: Vec<_> = seen.lines().collect();
    assert_ne!(lines[0], own.to_str().unwrap());
    // A loopback that is up says `unknown`.
    assert_eq!(lines[1..3], ["lo", "unknown"], "{seen}");
    assert_eq!(seen.matches(": ").count(), 1, "one device\n{seen}");
}

/// Init may be moved to another processor, and may run on all of them afterwards.
#[test]
fn its_program_may_run_where_the_launcher_may() {
    if !is_root() {
        return;
    }
    let allowed = |status: &str| -> Vec<String> {
        status.lines().filter(|line| line.starts_with("Cpus_allowed")).map(String::from).collect()
    };
    let bundle = Bundle::new("beside-where");
    let own = allowed(&fs::read_to_string("/proc/self/status").unwrap());
    assert_eq!(own.len(), 2);
    for _ in 0..5 {
        assert_eq!(allowed(&bundle.run("cat /proc/self/status")), own);
    }
}

/// Strace traces the launcher alone, whose call fails.
#[test]
fn what_the_launcher_cannot_make_ends_the_start_and_leaves_nothing() {
    if !is_root() || !has_processors() {
        return;
    }
    let bundle = Bundle::new("beside-fails");
    for (call, errno, said) in [
        ("unshare", "ENOSPC", "a limit on namespaces is reached"),
        ("setns", "EPERM", "return to the launcher's net namespace"),
        ("sendmsg", "EMFILE", "init's network namespace"),
    ] {
        let mut command = Command::new("strace");
        command.args(["--quiet=all", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        command.args(["-e", &format!("inject={call}:error={errno}")]);
        let runner = bundle.runner(Some("echo it ran"));
        let output = command.arg(runner.get_program()).args(runner.get_args()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(125), &b""[..]), "{error}");
        let is_named = error.contains(MADE) || call != "unshare";
        assert!(is_named && error.contains(errno) && error.contains(said), "{error}");
        let state = fs::read_dir(bundle.directory().join("state"));
        assert_eq!(state.map_or(0, Iterator::count), 0, "{error}");
        let cgroups = Command::new("find").args(["/sys/fs/cgroup", "-name", &bundle.id()]).output();
        assert_eq!(cgroups.unwrap().stdout, b"", "{error}");
    }
    assert_eq!(bundle.run("echo it ran"), "it ran\n", "without that");
}
