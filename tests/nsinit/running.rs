//! Real containers, started by the binary.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Output, Stdio};

use crate::binary::text;
use crate::containers::{Scratch, is_root, rootfs};

/// A root file system, where containers are started, and their state elsewhere.
pub(crate) struct Place {
    pub(crate) root: Scratch,
    state: Scratch,
    id: String,
}

/// A launcher that was killed has left its container: it is ended, and its directories are removed.
impl Drop for Place {
    fn drop(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
        command.arg("--root").arg(self.state.path()).args(["delete", "--force", &self.id]);
        let _ = command.stderr(Stdio::null()).status();
    }
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
        (
            &["--cgroup"],
            "ls /sys/fs/cgroup | grep -q . && echo there; mkdir /sys/fs/cgroup/x 2>/dev/null || echo ro",
            "there\nro\n",
        ),
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
    // In which order a shell minds two that have come is its own affair: it goes on until it has had both.
    let script =
        "trap 'echo child' CHLD; trap 'echo one; a=1' USR1; trap 'echo two; b=1' USR2; echo ready
        while [ \"$a$b\" != 11 ]; do read -t 1 word <>/tmp/never; done; exit 9";
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

/// Of a running container, what a verb prints as JSON.
#[track_caller]
fn asked(place: &Place, verb: &str) -> serde_json::Value {
    let output = place.run(verb, &[]);
    assert!(output.status.success(), "{verb}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_running_container_is_described_and_measured() {
    if !is_root() {
        return;
    }
    let place = Place::new("measured");
    // On v2 memory is counted where it is limited.
    let script = "echo ready; exec sleep 1000";
    let mut child = place.started(&["--memory-limit", "64m", "--init", "sh", "-c", script]);
    let state = asked(&place, "state");
    assert_eq!(state["id"], place.id);
    let pid = state["init_process_pid"].as_u64().expect("a pid");
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start = nsplan::facts::parse_stat(&stat).unwrap().start_time;
    assert_eq!(state["init_process_start"], start.to_string());
    for (word, kind) in [("NEWNS", "mnt"), ("NEWNET", "net"), ("NEWPID", "pid")] {
        let path = state["namespace_paths"][word].as_str().expect(word);
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(fs::read_link(path).unwrap(), own, "{word}");
    }
    let groups = state["cgroup_paths"].as_object().expect("paths");
    assert!(!groups.is_empty());
    for path in groups.values() {
        let processes = format!("{}/cgroup.procs", path.as_str().unwrap());
        assert!(fs::read_to_string(&processes).unwrap().lines().count() >= 2, "{processes}");
    }

    let stats = asked(&place, "stats");
    let keys: Vec<_> = stats.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["cgroup_stats", "network_stats"]);
    let network = stats["network_stats"].as_object().unwrap();
    for way in ["rx", "tx"] {
        for what in ["bytes", "packets", "errors", "dropped"] {
            assert_eq!(network[&format!("{way}_{what}")], 0, "no interface of the host's");
        }
    }
    let usage = stats["cgroup_stats"]["memory_stats"]["usage"].as_u64();
    assert!(usage.is_some_and(|usage| usage > 0), "{stats}");
    // A container of that name is not started twice.
    signal(&child, "-KILL");
    child.wait().unwrap();
}

#[test]
fn a_paused_container_stops_and_goes_on() {
    if !is_root() {
        return;
    }
    let place = Place::new("paused");
    let script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.02; done";
    let mut child = place.started(&["--init", "sh", "-c", script]);
    let state = || asked(&place, "state");
    let pid = state()["init_process_pid"].as_u64().unwrap();
    let frozen = |path: &serde_json::Value| {
        let file = format!("{}/freezer.state", path["freezer"].as_str().unwrap_or_default());
        fs::read_to_string(file).unwrap_or_default()
    };
    let output = place.run("pause", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let paths = state()["cgroup_paths"].clone();
    if paths.get("freezer").is_some() {
        assert_eq!(frozen(&paths), "FROZEN\n");
    }
    // What it is sent waits with it.
    signal(&child, "-USR1");
    assert!(child.try_wait().unwrap().is_none());
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    let output = place.run("unpause", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn out_of_memory_is_a_line_until_the_container_is_gone() {
    if !is_root() {
        return;
    }
    let place = Place::new("oom");
    let script =
        "echo ready; read go </tmp/go; head -c 64m /dev/zero | tail >/dev/null; read go </tmp/go";
    let script = format!("mkfifo /tmp/go; {script}");
    let args = ["--memory-limit", "24m", "--memory-swap", "24m", "sh", "-c", &script];
    let mut child = place.started(&args);
    let mut watcher = place.command("oom", &[]).stdout(Stdio::piped()).spawn().unwrap();
    // It watches once it waits for the events.
    let wchan = format!("/proc/{}/syscall", watcher.id());
    let polls = ["7 ", "271 ", "73 "];
    while !fs::read_to_string(&wchan).is_ok_and(|call| polls.iter().any(|n| call.starts_with(n))) {
        assert!(watcher.try_wait().unwrap().is_none(), "it watches");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let gate = place.root.path().join("tmp/go");
    fs::write(&gate, "go\n").unwrap();
    // The kernel tells of it a moment later, of a cgroup that is still there.
    let mut told = BufReader::new(watcher.stdout.as_mut().unwrap());
    let mut said = String::new();
    told.read_line(&mut said).unwrap();
    // Nobody may be there to read it: whom the kernel kills is its choice.
    while child.try_wait().unwrap().is_none() {
        let gate = fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&gate);
        let _ = gate.and_then(|mut gate| gate.write_all(b"go\n"));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::io::Read::read_to_string(&mut told, &mut said).unwrap();
    assert!(watcher.wait().unwrap().success());
    let expected = format!("{}: out of memory", place.id);
    assert!(!said.is_empty() && said.lines().all(|line| line == expected), "{said:?}");
}

#[test]
fn what_is_asked_of_a_container_that_does_not_run_is_refused() {
    if !is_root() {
        return;
    }
    let place = Place::new("absent");
    for verb in ["state", "stats", "oom", "pause", "unpause"] {
        let output = place.run(verb, &[]);
        assert_eq!(output.status.code(), Some(125), "{verb}");
        let err = text(&output.stderr);
        assert!(err.contains(&format!("{}: no such container runs", place.id)), "{verb}: {err}");
    }
}

#[test]
fn a_program_joins_the_container_of_that_name_while_it_runs() {
    if !is_root() {
        return;
    }
    let place = Place::new("joined");
    let args = ["--env", "A=first", "--hostname", "web", "sh", "-c", "echo ready; exec sleep 1000"];
    let mut child = place.started(&args);
    let state = asked(&place, "state");
    let init = format!("/proc/{}", state["init_process_pid"]);
    for kind in ["mnt", "net", "pid", "ipc", "uts"] {
        let seen = place.says(&["readlink", &format!("/proc/self/ns/{kind}")]);
        let own = fs::read_link(format!("{init}/ns/{kind}")).unwrap();
        assert_eq!(seen.trim(), own.to_str().unwrap(), "{kind}");
    }
    let seen = place.says(&["sh", "-c", "hostname; echo $A; grep CapEff /proc/self/status"]);
    assert_eq!(seen, "web\nfirst\nCapEff:\t00000000a80425fb\n");
    let options = ["--env", "A=second", "--user", "daemon", "--cwd", "/tmp"];
    let script = ["sh", "-c", "echo $A; id -u; pwd"];
    assert_eq!(place.says(&[&options[..], &script].concat()), "second\n1\n/tmp\n");
    // The container's cgroup is the program's too.
    let group = fs::read_to_string(format!("{init}/cgroup")).unwrap();
    let memory = group.lines().find(|line| line.contains(":memory:")).unwrap_or_default();
    if !memory.is_empty() {
        assert!(place.says(&["cat", "/proc/self/cgroup"]).contains(memory));
    }
    for (script, code) in [("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let output = place.run("exec", &["sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}: {}", text(&output.stderr));
    }
    for (program, code) in [("nowhere", 127), ("/etc/passwd", 126)] {
        assert_eq!(place.run("exec", &[program]).status.code(), Some(code), "{program}");
    }
    // What it is cannot be said any more.
    let about = [&["--hostname", "x"][..], &["--config", "x.json"], &["--systemd"], &["--init"]];
    for option in about {
        let output = place.run("exec", &[option, &["true"]].concat());
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{option:?}");
        assert!(err.contains(option[0]) && err.contains("runs already"), "{err}");
    }
    // It ends with the first program, and what joined it too.
    let mut joined = place.command("exec", &["sh", "-c", "echo ready; exec sleep 1000"]);
    let mut joined = joined.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(joined.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(joined.wait().unwrap().code(), Some(137));
}
