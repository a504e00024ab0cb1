//! Real containers, started by the binary.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use crate::binary::text;
use crate::containers::{Scratch, is_root, rootfs};

/// A root file system, where containers are started, and their state elsewhere.
pub(crate) struct Place {
    pub(crate) root: Scratch,
    state: Scratch,
    id: String,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let id = format!("nsinit-{name}-{}", std::process::id());
        Self { root: rootfs(name), state: Scratch::new(&format!("{name}-state")), id }
    }

    pub(crate) fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nsinit"));
        command.arg("--root").arg(self.state.path()).args([verb, "--id", &self.id]).args(args);
        command.current_dir(self.root.path()).env_remove("data_path").stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, verb: &str, args: &[&str]) -> Output {
        self.command(verb, args).output().expect("the binary")
    }

    #[track_caller]
    pub(crate) fn says(&self, args: &[&str]) -> String {
        let output = self.run("exec", args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// A container that has said a line.
    #[track_caller]
    pub(crate) fn started(&self, args: &[&str]) -> Child {
        let mut command = self.command("exec", args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "{args:?}");
        child
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.expect("kill").success());
}

#[test]
fn without_a_configuration_the_current_directory_is_the_root() {
    if !is_root() {
        return;
    }
    let place = Place::new("usual");
    let seen = place.says(&["sh", "-c", "id -u; hostname; pwd; ls / | head -1; grep CapEff /proc/self/status; ip link | grep -c ' lo:'"]);
    assert_eq!(seen, "0\nnsinit\n/\nbin\nCapEff:\t00000000a80425fb\n1\n");
    // Nothing stays, in the root least of all.
    let left = fs::read_dir(place.root.path()).unwrap().flatten().map(|entry| entry.file_name());
    assert!(!left.into_iter().any(|name| name == "state.json"));
}

#[test]
fn exit_codes_are_the_program_s_or_tell_why_there_is_none() {
    if !is_root() {
        return;
    }
    let place = Place::new("codes");
    for (args, code) in [
        (&["sh", "-c", "exit 0"][..], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "exit 255"], 255),
        (&["--init", "sh", "-c", "kill -9 $$"], 137),
        (&["--init", "sh", "-c", "kill -TERM $$"], 143),
        (&["nowhere"], 127),
        (&["/nowhere/at/all"], 127),
        (&["/etc/passwd"], 126),
        (&["--rootfs", "/nowhere", "sh"], 125),
    ] {
        let output = place.run("exec", args);
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        assert_eq!(err.is_empty(), !(125..=127).contains(&code), "{args:?}: {err}");
        assert!(err.is_empty() || err.starts_with("nsinit: "), "{err}");
    }
    let mut child = place.started(&["sh", "-c", "echo ready; exec sleep 1000"]);
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143), "128 and the signal");
}

#[test]
fn options_of_the_process_apply_to_a_file_s_container_too() {
    if !is_root() {
        return;
    }
    let place = Place::new("process");
    let config = r#"{"namespaces":[{"type":"NEWNS"},{"type":"NEWPID"},{"type":"NEWUTS"}],"mount_config":{},
        "hostname":"file","environment":["PATH=/bin","A=1"],"user":"root","capabilities":["KILL"]}"#;
    fs::write(place.root.path().join("container.json"), config).unwrap();
    let script = "hostname; echo $A $B; id -u; pwd; grep CapBnd /proc/self/status";
    let seen = place.says(&["sh", "-c", script]);
    assert_eq!(seen, "file\n1\n0\n/\nCapBnd:\t0000000000000020\n");
    let options = ["--env", "B=2", "--user", "daemon", "--cwd", "/tmp", "sh", "-c", script];
    assert_eq!(place.says(&options), "file\n1 2\n1\n/tmp\nCapBnd:\t0000000000000020\n");
}

#[test]
fn a_file_that_the_container_can_change_is_warned_of() {
    if !is_root() {
        return;
    }
    let place = Place::new("warned");
    let config = |readonly: &str| {
        format!(
            r#"{{"namespaces":[{{"type":"NEWNS"}},{{"type":"NEWPID"}}],"mount_config":{{{readonly}}}}}"#
        )
    };
    let warned = |args: &[&str]| {
        let output = place.run("exec", args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr).contains("container.json is in the root file system")
    };
    let file = place.root.path().join("container.json");
    fs::write(&file, config("")).unwrap();
    assert!(warned(&["true"]));
    fs::write(&file, config(r#""readonly_fs":true"#)).unwrap();
    assert!(!warned(&["true"]));
    fs::rename(&file, place.state.path().join("elsewhere.json")).unwrap();
    let elsewhere = place.state.path().join("elsewhere.json");
    assert!(!warned(&["--config", elsewhere.to_str().unwrap(), "true"]));
}

#[test]
fn options_that_make_a_container_do_what_they_say() {
    if !is_root() {
        return;
    }
    let (place, data) = (Place::new("options"), Scratch::new("nsinit-bound"));
    fs::write(data.path().join("file"), "of the host").unwrap();
    let (ro, rw) =
        (format!("{}:/ro:ro", data.path().display()), format!("{}:/rw", data.path().display()));
    for (options, script, expected) in [
        (&["--hostname", "web"][..], "hostname", "web\n"),
        (
            &["--read-only"],
            "touch /x 2>/dev/null || echo ro; touch /dev/x && echo dev",
            "ro\ndev\n",
        ),
        (
            &["--bind", &ro],
            "cat /ro/file; touch /ro/x 2>/dev/null || echo ' ro'",
            "of the host ro\n",
        ),
        (&["--bind", &rw], "touch /rw/x && echo rw", "rw\n"),
        (&["--tmpfs", "/scratch"], "grep -c ' /scratch tmpfs ' /proc/mounts", "1\n"),
        (&["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward", "1\n"),
        (&["--groups", "7,8"], "id -G", "0 7 8\n"),
        (&["--security", "high"], "grep CapEff /proc/self/status", "CapEff:\t0000000020000420\n"),
        (&["--userns-root-uid", "1"], "head -1 /proc/self/uid_map | tr -s ' '", " 0 1 1\n"),
        (&["--init"], "cat /proc/1/comm; echo $$", "init\n2\n"),
    ] {
        let mut words = options.to_vec();
        words.extend(["sh", "-c", script]);
        assert_eq!(place.says(&words), expected, "{options:?}");
    }
    // What is shared is the host's.
    let own = fs::read_link("/proc/self/ns/uts").unwrap();
    let seen = place.says(&["--uts", "host", "readlink", "/proc/self/ns/uts"]);
    assert_eq!(seen.trim(), own.to_str().unwrap());
    let pid = std::process::id().to_string();
    let path = format!("/proc/{pid}/ns/ipc");
    let own = fs::read_link(&path).unwrap();
    let seen = place.says(&["--ipc", &path, "readlink", "/proc/self/ns/ipc"]);
    assert_eq!(seen.trim(), own.to_str().unwrap());
}

#[test]
fn limits_are_the_cgroup_s() {
    if !is_root() {
        return;
    }
    let place = Place::new("limits");
    let mut child = place.started(&[
        "--memory-limit",
        "64m",
        "--cpushares",
        "512",
        "sh",
        "-c",
        "echo ready; exec sleep 1000",
    ]);
    let mount = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let memory = mount.lines().find(|line| line.contains(" - cgroup ") && line.ends_with("memory"));
    if let Some(point) = memory.and_then(|line| line.split(' ').nth(4)) {
        let file = format!("{point}/nsinit/{}/memory.limit_in_bytes", place.id);
        assert_eq!(fs::read_to_string(file).unwrap().trim(), (64 << 20).to_string());
    }
    signal(&child, "-KILL");
    child.wait().unwrap();
}

/// The original sent its own SIGCHLD into the container, took options of the program for its own, and stopped reading the
/// terminal when the program ended.
#[test]
fn trap_30_the_launcher_s_own_signals_stay_its_own_and_nothing_is_lost() {
    if !is_root() {
        return;
    }
    let place = Place::new("trap30");
    // Words that look like options belong to the program.
    assert_eq!(place.says(&["sh", "-c", "echo x"]), "x\n");
    // A child of the launcher's end is none of the program's business; what is meant for it arrives, each one.
    let script =
        "trap 'echo child' CHLD; trap 'echo one' USR1; trap 'echo two; exit 9' USR2; echo ready
        while :; do read -t 1 word <>/tmp/never; done";
    let mut child = place.started(&["sh", "-c", &format!("mkfifo /tmp/never; {script}")]);
    signal(&child, "-CHLD");
    signal(&child, "-USR1");
    signal(&child, "-USR2");
    let mut rest = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert!(
        rest.contains("one\n") && rest.contains("two\n") && !rest.contains("child"),
        "{rest:?}"
    );
}
