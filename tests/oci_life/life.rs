//! What each command does to a container that is as it should be.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::{Bundle, after, said};
use crate::stage::{Life, ended};
use crate::support::{is_root, wait_for};

#[test]
fn the_program_runs_when_it_is_started_and_not_before() {
    if !is_root() {
        return;
    }
    let life = Life::new("life", "echo started; exit 7");
    let pid = life.created();
    let state = life.state();
    assert_eq!(state["status"], "created");
    assert_eq!(state["ociVersion"], "1.3.0");
    assert_eq!(state["id"], life.id.as_str());
    assert_eq!(state["pid"], pid.as_raw());
    assert_eq!(state["bundle"], life.here());
    assert_eq!(state["rootfs"], life.bundle.path().to_str().unwrap());
    assert_eq!(life.printed(), "");
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 7);
    assert_eq!(life.printed(), "started\n");
    let state = life.state();
    assert_eq!(state["status"], "stopped");
    assert_eq!(state["pid"], 0, "nobody has that number any more");
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn while_it_waits_it_is_the_containers_and_holds_nothing_of_the_hosts() {
    if !is_root() {
        return;
    }
    let life =
        Life::of(Bundle::new("waits").set("/process/user", json!({"uid": 1000, "gid": 1000})));
    let pid = life.created();
    let proc = Path::new("/proc").join(pid.to_string());
    let links = fs::read_dir(proc.join("fd")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        fs::read_link(path).unwrap().to_string_lossy().into_owned()
    });
    let links: Vec<_> = links.collect();
    let sockets = links.iter().filter(|link| link.starts_with("socket:")).count();
    assert_eq!((links.len(), sockets), (5, 2), "standard ones, the door, the channel: {links:?}");
    let root = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).unwrap();
    assert_eq!(root(&proc.join("root")), root(life.bundle.path()));
    assert_eq!(root(&proc.join("cwd")), root(life.bundle.path()));
    let status = fs::read_to_string(proc.join("status")).unwrap();
    assert!(status.contains("Uid:\t1000\t1000\t1000\t1000"), "{status}");
    // The files of a process that may not be looked at are root's.
    assert_eq!(fs::metadata(proc.join("stat")).unwrap().uid(), 0);
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 0);
}

#[test]
fn one_that_runs_is_deleted_by_force_only() {
    if !is_root() {
        return;
    }
    let life = Life::new("force", "echo started; exec sleep 100");
    let pid = life.created();
    life.done(&["start", &life.id]);
    wait_for(|| (life.printed() == "started\n").then_some(()));
    life.is("running");
    let (code, error) = life.refused(&["delete", &life.id]);
    assert_eq!(code, 125);
    assert!(error.contains("the container is running"), "{error}");
    life.done(&["delete", "--force", &life.id]);
    assert_eq!(ended(pid), 137);
    life.is_gone();
    life.done(&["delete", "--force", &life.id]);
    let (_, error) = life.refused(&["delete", &life.id]);
    assert!(error.contains("does not exist"), "{error}");
}

#[test]
fn one_that_waits_is_deleted_as_it_is() {
    if !is_root() {
        return;
    }
    let life = Life::new("unstarted", "echo started");
    let pid = life.created();
    life.done(&["delete", &life.id]);
    assert_eq!(ended(pid), 137);
    assert_eq!(life.printed(), "");
    life.is_gone();
}

#[test]
fn a_signal_ends_what_waits_and_what_runs() {
    if !is_root() {
        return;
    }
    for is_started in [false, true] {
        let life = Life::new("killed", "exec sleep 100");
        let pid = life.created();
        if is_started {
            life.done(&["start", &life.id]);
        }
        life.done(&["kill", &life.id, "KILL"]);
        assert_eq!(ended(pid), 137);
        life.is("stopped");
        let (_, error) = life.refused(&["kill", &life.id, "TERM"]);
        // What containerd looks for.
        assert!(error.contains("container not running"), "{error}");
        life.done(&["delete", &life.id]);
        life.is_gone();
    }
}

#[test]
fn a_paused_one_is_deleted_by_force() {
    if !is_root() {
        return;
    }
    let life = Life::new("paused", "exec sleep 100");
    let pid = life.created();
    life.done(&["start", &life.id]);
    life.done(&["pause", &life.id]);
    life.is("paused");
    life.refused(&["delete", &life.id]);
    life.done(&["delete", "--force", &life.id]);
    assert_eq!(ended(pid), 137);
    life.is_gone();
}

#[test]
fn what_the_command_ignores_is_not_ignored_by_what_joins() {
    if !is_root() {
        return;
    }
    let life = Life::new("exec-ignores", "exec sleep 1000");
    life.created();
    life.done(&["start", &life.id]);
    let words = ["exec", &life.id, "grep", "-E", "SigBlk|SigIgn", "/proc/self/status"];
    let exec = life.bundle.command(&words);
    let mut shell = after("trap '' HUP USR2 TSTP", &exec);
    let expected = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
    assert_eq!(said(&shell.output().unwrap()), expected);
    life.done(&["delete", "--force", &life.id]);
    life.is_gone();
}

#[test]
fn commands_can_be_run_in_one_that_waits() {
    if !is_root() {
        return;
    }
    let life = Life::new("exec", "exit 3");
    let pid = life.created();
    let said = life.done(&["exec", &life.id, "sh", "-c", "echo $$; readlink /proc/1/ns/mnt; true"]);
    let namespace = fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
    assert!(said.starts_with("2\n"), "{said}");
    // Its memory is the launcher's: what is inside may not look at it.
    assert!(!said.contains(namespace.to_str().unwrap()), "{said}");
    life.is("created");
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 3);
}

#[test]
fn a_process_comes_from_a_file_as_engines_write_it() {
    if !is_root() {
        return;
    }
    let life = Life::new("process", "exec sleep 100");
    life.created();
    life.done(&["start", &life.id]);
    let file = life.bundle.directory().join("process.json");
    let process = json!({
        "terminal": false,
        "user": {"uid": 5, "gid": 6, "additionalGids": [7]},
        "args": ["sh", "-c", "id; echo $A; pwd; exit 4"],
        "env": ["PATH=/bin", "A=b"],
        "cwd": "/tmp",
    });
    fs::write(&file, process.to_string()).unwrap();
    let (file, pids) = (file.to_str().unwrap(), life.bundle.directory().join("exec-pid"));
    let pid_file = ["--pid-file", pids.to_str().unwrap()];
    let words = [&["exec", "--process", file], &pid_file[..], &[&*life.id]].concat();
    let output = life.output(&words);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "uid=5 gid=6 groups=7\nb\n/tmp\n");
    assert!(fs::read_to_string(&pids).unwrap().parse::<u32>().is_ok());
    let detached = [&["exec", "-d", "-p", file], &pid_file[..], &[&*life.id]].concat();
    let mut command = life.bundle.command(&detached);
    assert!(command.stdout(std::process::Stdio::null()).status().unwrap().success());
    let pid = fs::read_to_string(&pids).unwrap().parse().unwrap();
    assert_eq!(ended(Pid::from_raw(pid)), 4);
}

#[test]
fn the_path_of_the_state_may_be_as_long_as_paths_are() {
    if !is_root() {
        return;
    }
    let life = Life::new("long", "exit 5");
    let root = life.bundle.directory().join("r".repeat(120)).join("s".repeat(120));
    let root = root.to_str().unwrap();
    let pids = life.bundle.directory().join("pid");
    let (here, pids) = (life.here(), pids.to_str().unwrap());
    let words = ["--root", root, "create", "-b", &here, "--pid-file", pids, &life.id];
    assert_eq!(life.leaves(&words), (true, String::new()));
    life.done(&["--root", root, "start", &life.id]);
    let pid = fs::read_to_string(pids).unwrap().parse().unwrap();
    assert_eq!(ended(Pid::from_raw(pid)), 5);
    life.done(&["--root", root, "delete", &life.id]);
    assert_eq!(fs::read_dir(root).unwrap().count(), 0);
}
