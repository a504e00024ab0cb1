//! What engines and service managers rely on beside the life itself.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::{Bundle, said};
use crate::stage::{Life, ended};
use crate::support::{is_root, wait_for};
use crate::writable::can_be_made_writable;

#[test]
fn a_detached_run_is_a_container_that_stays() {
    if !is_root() {
        return;
    }
    let life = Life::new("detached", "exec sleep 100");
    let pids = life.bundle.directory().join("pid");
    let words = ["run", "-d", "-b", &life.here(), "--pid-file", pids.to_str().unwrap(), &life.id];
    assert_eq!(life.leaves(&words), (true, String::new()));
    life.is("running");
    let pid = Pid::from_raw(fs::read_to_string(&pids).unwrap().parse().unwrap());
    let (_, error) = life.refused(&["run", "-b", &life.here(), &life.id]);
    assert!(error.contains("in use"), "{error}");
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(pid), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn a_detached_run_of_what_cannot_be_executed_leaves_nothing() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("detached-bad").set("/process/args", json!(["/bad"]));
    fs::write(bundle.path().join("bad"), "no program\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bundle.path().join("bad"), mode).unwrap();
    let life = Life::of(bundle);
    let (is_done, error) = life.leaves(&["run", "--detach", "--bundle", &life.here(), &life.id]);
    assert!(!is_done && error.contains("ENOEXEC"), "{error}");
    life.is_gone();
}

#[test]
fn sockets_of_a_service_manager_reach_the_program() {
    if !is_root() {
        return;
    }
    let life =
        Life::new("listen", "echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; cat <&3; cat <&4");
    let file = |name: &str| {
        let path = life.bundle.directory().join(name);
        fs::write(&path, format!("{name}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let program = life.bundle.command(&[]);
    let words: Vec<_> = program.get_args().map(|word| word.to_str().unwrap()).collect();
    let script = format!(
        "LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$ exec {} {} run --preserve-fds 1 -b {} {} 3<{} 4<{}",
        program.get_program().to_str().unwrap(),
        words.join(" "),
        life.here(),
        life.id,
        file("three"),
        file("four"),
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(said(&output), "1 1 web\nthree\nfour\n");
}

/// The launcher has descriptors of its own by then, with the lowest numbers that were free.
#[test]
fn only_descriptors_that_the_caller_has_opened_are_passed_on() {
    if !is_root() {
        return;
    }
    let life = Life::new("not-open", "true");
    let words = ["run", "--preserve-fds", "40", "-b", &life.here(), &life.id];
    let (_, error) = life.refused(&words);
    assert!(error.contains("--preserve-fds 40: fcntl: EBADF"), "{error}");
}

#[test]
fn the_callers_keys_are_not_the_containers() {
    if !is_root() || fs::metadata("/proc/keys").is_err() {
        return;
    }
    let bundle = Bundle::new("keys").set("/linux/maskedPaths", json!([]));
    let text = bundle.run("cat /proc/keys");
    assert!(
        text.lines().any(|line| line.contains("keyring") && line.contains("_ses: empty")),
        "{text}"
    );
    let plan = bundle.plan();
    assert!(plan.contains("begin a new session keyring"), "{plan}");
}

#[test]
fn every_process_of_one_without_processes_of_its_own_is_signalled_also_after_the_first_has_ended() {
    if !is_root() {
        return;
    }
    let namespaces =
        json!([{"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}]);
    let bundle = Bundle::new("all")
        .set("/linux/namespaces", namespaces)
        .set("/process/args", json!(["sh", "-c", "sleep 100 & echo $!; exit 3"]));
    let life = Life::of(bundle);
    let pid = life.created();
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 3);
    let other: i32 = life.printed().trim().parse().unwrap();
    let other = Pid::from_raw(other);
    life.is("stopped");
    kill(other, None).expect("it goes on");
    let (_, error) = life.refused(&["kill", &life.id, "KILL"]);
    assert!(error.contains("container not running"), "{error}");
    life.done(&["kill", "--all", &life.id, "KILL"]);
    assert_eq!(ended(other), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn what_the_first_process_has_left_is_ended_by_the_deletion() {
    if !is_root() {
        return;
    }
    let namespaces =
        json!([{"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"}]);
    let bundle = Bundle::new("left")
        .set("/linux/namespaces", namespaces)
        .set("/process/args", json!(["sh", "-c", "sleep 100 & echo $!"]));
    let life = Life::of(bundle);
    let pid = life.created();
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 0);
    let other = Pid::from_raw(life.printed().trim().parse().unwrap());
    life.done(&["delete", &life.id]);
    assert_eq!(ended(other), 128 + Signal::SIGKILL as i32);
    life.is_gone();
}

#[test]
fn a_command_in_a_paused_container_is_refused_unless_it_may_wait() {
    if !is_root() {
        return;
    }
    let life = Life::new("exec-paused", "exec sleep 100");
    life.created();
    life.done(&["start", &life.id]);
    life.done(&["pause", &life.id]);
    let (_, error) = life.refused(&["exec", &life.id, "true"]);
    assert!(error.contains(": paused, and"), "{error}");
    let mut waits = life.bundle.command(&["exec", "--ignore-paused", &life.id, "true"]);
    let mut waits = waits.spawn().unwrap();
    life.done(&["resume", &life.id]);
    assert!(waits.wait().unwrap().success());
}

/// CVE-2019-5736: `/proc/PID/exe` of an init that waits in a pod's shared pid namespace can be opened by whoever may trace
/// there, kept open, and opened for writing once nobody executes it any more.
#[test]
fn the_runtimes_program_cannot_be_overwritten_by_a_neighbour_that_may_trace() {
    if !is_root() {
        return;
    }
    let every = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"]);
    let sets = json!({"bounding": every, "effective": every, "permitted": every});
    let script = "until [ -e /pid ]; do sleep 0.05; done; exec 9< /proc/$(cat /pid)/exe; \
        head -c 4 <&9 | tail -c 3; echo; until [ -e /now ]; do sleep 0.05; done; \
        (echo overwritten > /proc/self/fd/9) 2>&1; echo done; exec sleep 100";
    let bundle = Bundle::new("neighbour")
        .set("/process/args", json!(["sh", "-c", script]))
        .set("/process/capabilities", sets);
    let neighbour = Life::of(bundle);
    let first = neighbour.created();
    neighbour.done(&["start", &neighbour.id]);
    let shared = json!([
        {"type": "pid", "path": format!("/proc/{first}/ns/pid")},
        {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"}
    ]);
    let bundle = Bundle::new("waiting")
        .set("/linux/namespaces", shared)
        .set("/process/args", json!(["sh", "-c", "exit 4"]));
    let life = Life::of(bundle);
    let program = life.bundle.directory().join("nsplan");
    let before = fs::read(&program).unwrap();
    let waiting = life.created();
    let status = fs::read_to_string(format!("/proc/{waiting}/status")).unwrap();
    let inside = status.lines().find(|line| line.starts_with("NSpid:")).unwrap();
    let inside = inside.split_whitespace().last().unwrap();
    fs::write(neighbour.bundle.path().join("pid.new"), inside).unwrap();
    let rename = |from: &str, to: &str| {
        let root = neighbour.bundle.path();
        fs::rename(root.join(from), root.join(to)).unwrap();
    };
    rename("pid.new", "pid");
    wait_for(|| neighbour.printed().contains("ELF").then_some(()));
    life.done(&["start", &life.id]);
    assert_eq!(ended(waiting), 4);
    fs::write(neighbour.bundle.path().join("now"), "").unwrap();
    wait_for(|| neighbour.printed().contains("done").then_some(()));
    // Of a read-only mount (EROFS), or of a sealed copy in memory (EPERM), which it is before Linux 5.12.
    let refusals = ["Read-only file system", "Operation not permitted"];
    let said = neighbour.printed();
    assert!(refusals.iter().any(|refusal| said.contains(refusal)), "{said}");
    assert_eq!(fs::read(&program).unwrap(), before);
}

/// The copy of its mount that the launcher runs from is in no namespace when init waits, wherever init has gone with it: one
/// that leaves the host's root takes it along, if it finds a place for it there. Without `/proc/version` it finds none.
#[test]
fn the_runtimes_program_is_in_no_namespace_when_init_waits() {
    if !is_root() {
        return;
    }
    let of = |name, kinds: &[&str], propagation| {
        let namespaces: Vec<_> = kinds.iter().map(|kind| json!({"type": kind})).collect();
        let bundle = Bundle::new(name).set("/linux/namespaces", json!(namespaces));
        Life::of(bundle.set("/linux/rootfsPropagation", json!(propagation)))
    };
    for life in [
        of("own-pids", &["mount", "uts", "pid"], "private"),
        of("shared-mounts", &["mount", "uts", "pid"], "shared"),
        of("hosts-pids", &["mount", "uts"], "private"),
    ] {
        let init = life.created().as_raw().unsigned_abs();
        assert!(!can_be_made_writable(init), "{}", life.id);
    }
    let life = of("no-version", &["mount", "uts", "pid"], "private");
    let script = "mount -t proc -o subset=pid proc /proc && test ! -e /proc/version && exec \"$@\"";
    let inner = life.bundle.command(&["create", "--bundle", &life.here(), &life.id]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(inner.get_program());
    command.args(inner.get_args()).stdout(Stdio::null());
    assert!(command.status().unwrap().success());
    let init = u32::try_from(life.state()["pid"].as_u64().unwrap()).unwrap();
    assert!(!can_be_made_writable(init));
}

#[test]
fn a_service_manager_is_told_when_the_program_is_ready_and_nothing_else() {
    if !is_root() {
        return;
    }
    let script = "echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET && echo there; exec sleep 100";
    let life = Life::new("notify", script);
    let own = life.bundle.directory().join("manager");
    let manager = UnixDatagram::bind(&own).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut message = [0; 100];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let with = |words: &[&str]| {
        let mut command = life.bundle.command(words);
        command.env("NOTIFY_SOCKET", &own);
        command
    };
    let pids = life.bundle.directory().join("pid");
    let words = ["create", "-b", &life.here(), "--pid-file", pids.to_str().unwrap(), &life.id];
    let out = fs::File::create(life.out()).unwrap();
    assert!(with(&words).stdout(out).status().unwrap().success());
    let pid: i32 = fs::read_to_string(&pids).unwrap().parse().unwrap();
    let mut start = with(&["start", &life.id]).spawn().unwrap();
    wait_for(|| (life.printed().lines().count() == 2).then_some(()));
    assert_eq!(life.printed(), "/run/notify/notify.sock\nthere\n");

    // As its program would say it.
    let inside = format!("/proc/{pid}/root/run/notify/notify.sock");
    let program = UnixDatagram::unbound().unwrap();
    program.send_to(b"STATUS=working\nMAINPID=1", &inside).unwrap();
    assert!(start.try_wait().unwrap().is_none(), "it waits for the word");
    program.send_to(b"STATUS=up\nREADY=1\nMAINPID=1", &inside).unwrap();
    assert_eq!(heard(), format!("READY=1\nMAINPID={pid}\n"));
    assert!(start.wait().unwrap().success());
    assert!(fs::write(format!("/proc/{pid}/root/run/notify/x"), "").is_err(), "read-only inside");
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(Pid::from_raw(pid)), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn one_that_never_says_it_is_ready_is_not_waited_for_after_its_end() {
    if !is_root() {
        return;
    }
    let life = Life::new("notify-never", "exit 3");
    let own = life.bundle.directory().join("manager");
    let manager = UnixDatagram::bind(&own).unwrap();
    manager.set_nonblocking(true).unwrap();
    let words = ["run", "-d", "-b", &life.here(), &life.id];
    let mut command = life.bundle.command(&words);
    command.env("NOTIFY_SOCKET", &own).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    assert!(manager.recv(&mut [0; 10]).is_err());
    life.done(&["delete", &life.id]);
    life.is_gone();
}
