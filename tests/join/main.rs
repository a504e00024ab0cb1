//! Processes that join a running container, asked by the kernel's own files what became of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

#[path = "../support/rounds.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod many;
use many::rounds;

/// A state directory of a test's own, and what runs in it.
struct Scene {
    root: PathBuf,
    launchers: Vec<Child>,
}

impl Scene {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("nsplan-join-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        Self { root, launchers: Vec::new() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
        command.arg("--root").arg(&self.root).args(args).stdin(Stdio::null());
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary")
    }

    /// What a command printed; it must have ended well.
    #[track_caller]
    fn text(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {err}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// A container that has said a line and goes on.
    #[track_caller]
    fn start(&mut self, id: &str, options: &[&str]) -> u32 {
        let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
        let mut args = vec!["do", "--name", id];
        args.extend(options);
        args.extend(["--", "sh", "-c", script]);
        let mut child = self.command(&args).stdout(Stdio::piped()).spawn().expect("the binary");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        self.launchers.push(child);
        assert_eq!(line, "ready\n");
        u32::try_from(self.record(id)["pid"].as_u64().expect("a pid")).expect("a pid")
    }

    /// A root file system of busybox, which user 100000 owns as far as the caller can give it away.
    fn rootfs(&self) -> String {
        let root = self.root.with_extension("rootfs");
        let bin = root.join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        let copied = Command::new("cp").arg("/bin/busybox").arg(&bin).status().expect("cp");
        assert!(copied.success(), "busybox-static is missing");
        for name in ["sh", "cat", "sleep", "echo"] {
            let _ = std::os::unix::fs::symlink("busybox", bin.join(name));
        }
        let _ = nix::unistd::chown(&root, Some(100_000.into()), Some(100_000.into()));
        root.to_str().expect("UTF-8").to_owned()
    }

    fn record_file(&self, id: &str) -> PathBuf {
        self.root.join(id).join("state.json")
    }

    fn record(&self, id: &str) -> Value {
        let text = fs::read_to_string(self.record_file(id)).expect("a record");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for child in &mut self.launchers {
            let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.root);
        let _ = fs::remove_dir_all(self.root.with_extension("rootfs"));
    }
}

/// Whether containers can be started here.
#[allow(clippy::print_stdout, reason = "a skip says why")]
fn can_start(scene: &Scene) -> bool {
    let output = scene.output(&["do", "true"]);
    let can = output.status.success();
    if !can {
        println!("skipped: no containers here: {}", String::from_utf8_lossy(&output.stderr));
        assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "skipping is forbidden");
    }
    can
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

const KINDS: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

#[test]
fn a_joined_process_is_in_every_namespace_and_cgroup_of_the_container() {
    let mut scene = Scene::new("where");
    if !can_start(&scene) {
        return;
    }
    let limits: &[&str] = if is_root() { &["--pids-limit", "50"] } else { &[] };
    let pid = scene.start("where", limits);
    let ask = "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done";
    let inside = scene.text(&["exec", "where", "sh", "-c", ask]);
    let outside: String = KINDS
        .iter()
        .map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("a namespace"))
        .map(|link| format!("{}\n", link.display()))
        .collect();
    assert_eq!(inside, outside);
    // As the container itself sees them.
    let own = scene.text(&["exec", "where", "cat", "/proc/self/cgroup"]);
    assert_eq!(own, scene.text(&["exec", "where", "cat", "/proc/1/cgroup"]));
}

#[test]
fn a_joined_process_has_the_rights_limits_and_surroundings_of_the_first() {
    let mut scene = Scene::new("rights");
    if !can_start(&scene) {
        return;
    }
    scene.start("rights", &["--ulimit", "nofile=513:513", "-e", "COLOUR=blue", "-w", "/tmp"]);
    let of = |process: &str| {
        let file = format!("/proc/{process}/status");
        let status = scene.text(&["exec", "rights", "cat", &file]);
        let wanted = [
            "Uid",
            "Gid",
            "Groups",
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp",
        ];
        let keep = |line: &&str| wanted.iter().any(|name| line.starts_with(&format!("{name}:")));
        status.lines().filter(keep).map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_eq!(of("self"), of("1"));
    let say = "echo $COLOUR $(pwd) $(ulimit -n) $(umask)";
    assert_eq!(scene.text(&["exec", "rights", "sh", "-c", say]), "blue /tmp 513 0022\n");
    let say = "echo $COLOUR $(pwd)";
    let other = ["exec", "-e", "COLOUR=red", "--cwd", "/", "rights", "sh", "-c", say];
    assert_eq!(scene.text(&other), "red /\n");
}

#[test]
fn another_user_is_taken_by_number_and_by_the_containers_own_names() {
    let mut scene = Scene::new("users");
    if !can_start(&scene) || !is_root() {
        return;
    }
    scene.start("users", &[]);
    assert_eq!(scene.text(&["exec", "-u", "5:6", "users", "id", "-u"]), "5\n");
    assert_eq!(scene.text(&["exec", "-u", "daemon", "users", "id", "-un"]), "daemon\n");
    let also = ["exec", "-u", "5", "--group-add", "daemon", "users", "id", "-Gn"];
    assert!(scene.text(&also).contains("daemon"));
    let script = "echo again > $(tty); stat -c %u $(tty)";
    let terminal = ["exec", "-t", "-u", "daemon", "users", "sh", "-c", script];
    assert_eq!(scene.text(&terminal), "again\r\n1\r\n");
    let output = scene.output(&["exec", "--group-add", "nonesuch", "users", "true"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("group `nonesuch`"));
    let output = scene.output(&["exec", "-u", "nonesuch", "users", "true"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nonesuch"));
}

#[test]
fn trap_02_a_joined_process_is_in_the_user_namespace() {
    let mut scene = Scene::new("trap02");
    if !can_start(&scene) {
        return;
    }
    // Root's ids end above those that the host's own files need, and begin elsewhere than at the host's root.
    let rootfs = scene.rootfs();
    let options = ["--rootfs", &rootfs, "--uidmap", "0:100000:1000"];
    scene.start("trap02", if is_root() { &options } else { &[] });
    let map = scene.text(&["exec", "trap02", "cat", "/proc/self/uid_map"]);
    let mut words = map.split_whitespace();
    let outside = words.nth(1).expect("a map").to_owned();
    assert_ne!((is_root(), &*outside), (true, "0"), "{map}");
    // From outside it is that user, never root.
    // What it holds of the test's pipes would keep the test waiting.
    let quiet = "exec sleep 33 > /dev/null 2>&1";
    scene.text(&["exec", "-d", "trap02", "sh", "-c", quiet]);
    let find = || {
        fs::read_dir("/proc").expect("procfs").flatten().find(|entry| {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            command == b"sleep\x0033\0" && status.contains(&format!("Uid:\t{outside}\t{outside}"))
        })
    };
    // The shell's own execve may still be to come.
    let found = (0..500).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        find().is_some()
    });
    assert!(found, "no process of uid {outside}");
}

#[test]
fn trap_06_a_process_that_took_the_number_of_another_is_not_joined() {
    let mut scene = Scene::new("trap06");
    if !can_start(&scene) {
        return;
    }
    scene.start("trap06", &[]);
    let file = scene.record_file("trap06");
    let good = fs::read_to_string(&file).expect("a record");
    for (member, value) in [("startTime", 1_u64), ("pid", 4_194_303)] {
        let mut record: Value = serde_json::from_str(&good).expect("JSON");
        record[member] = value.into();
        fs::write(&file, record.to_string()).expect("written");
        let output = scene.output(&["exec", "trap06", "true"]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{member}: {err}");
        assert!(err.contains("trap06: container not running"), "{member}: {err}");
        assert!(scene.output(&["kill", "trap06", "KILL"]).status.code() == Some(125));
    }
    fs::write(&file, good).expect("written");
    assert_eq!(scene.text(&["exec", "trap06", "echo", "there"]), "there\n");
}

#[test]
fn trap_10_a_signal_is_128_and_its_number_and_every_other_code_exact() {
    let mut scene = Scene::new("trap10");
    if !can_start(&scene) {
        return;
    }
    scene.start("trap10", &[]);
    let runs = std::env::var("NSPLAN_JOIN_RUNS").ok().and_then(|text| text.parse().ok());
    for run in 0..runs.unwrap_or_else(|| rounds(100)) {
        let wanted = i32::try_from(run % 120).expect("a code");
        let code = wanted.to_string();
        let output = scene.output(&["exec", "trap10", "sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.status.code(), Some(wanted), "run {run}");
    }
    for (signal, code) in [("TERM", 143), ("KILL", 137)] {
        let script = format!("kill -{signal} $$; sleep 5");
        let output = scene.output(&["exec", "trap10", "sh", "-c", &script]);
        assert_eq!(output.status.code(), Some(code), "{signal}");
    }
    assert_eq!(scene.output(&["exec", "trap10", "nonesuch"]).status.code(), Some(127));
}

#[test]
fn trap_32_an_id_is_one_containers_and_its_record_is_whole() {
    let mut scene = Scene::new("trap32");
    if !can_start(&scene) {
        return;
    }
    let pid = scene.start("trap32", &[]);
    let before = fs::read(scene.record_file("trap32")).expect("a record");
    let second = scene.output(&["do", "--name", "trap32", "--", "true"]);
    assert_eq!(second.status.code(), Some(125));
    let err = String::from_utf8_lossy(&second.stderr);
    assert!(err.contains("trap32"), "{err}");
    assert_eq!(fs::read(scene.record_file("trap32")).expect("a record"), before);
    assert_eq!(u64::from(pid), scene.record("trap32")["pid"].as_u64().expect("a pid"));
    assert!(!scene.root.join("trap32/state.json.new").exists());
}

#[test]
fn a_record_that_no_launcher_wrote_is_refused_and_changes_nothing() {
    let mut scene = Scene::new("hostile");
    if !can_start(&scene) {
        return;
    }
    let pid = scene.start("hostile", &[]);
    let file = scene.record_file("hostile");
    let good = fs::read_to_string(&file).expect("a record");
    let with = |member: &str, value: Value| {
        let mut record: Value = serde_json::from_str(&good).expect("JSON");
        record[member] = value;
        record.to_string()
    };
    for bad in [
        String::new(),
        "{".into(),
        "[]".into(),
        "\0".repeat(100),
        "[".repeat(100_000),
        good[..good.len() / 2].to_owned(),
        with("schema", 99.into()),
        with("pid", 1.into()),
        with("pid", 0.into()),
        with("pid", (-1).into()),
        with("id", "../other".into()),
        with("id", "another".into()),
        with("surplus", true.into()),
        with("links", serde_json::json!(["../../x"])),
    ] {
        fs::write(&file, &bad).expect("written");
        for verb in
            [&["exec", "hostile", "true"][..], &["kill", "hostile", "KILL"], &["state", "hostile"]]
        {
            let output = scene.output(verb);
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(125), "{verb:?} {bad:.60}: {err}");
            assert!(err.starts_with("nsplan: "), "{verb:?} {bad:.60}: {err}");
        }
        assert!(PathBuf::from(format!("/proc/{pid}")).exists());
    }
    fs::write(&file, good).expect("written");
    assert_eq!(scene.text(&["exec", "hostile", "echo", "there"]), "there\n");
}

#[test]
fn what_runs_is_listed_paused_told_and_gone_at_its_end() {
    let mut scene = Scene::new("verbs");
    if !can_start(&scene) {
        return;
    }
    let limits: &[&str] = if is_root() { &["--pids-limit", "50"] } else { &[] };
    let pid = scene.start("verbs", limits);
    assert_eq!(scene.text(&["list", "-q"]), "verbs\n");
    let state = |scene: &Scene| -> Value {
        serde_json::from_str(&scene.text(&["state", "verbs"])).expect("JSON")
    };
    let now = state(&scene);
    assert_eq!((&now["id"], &now["status"]), (&"verbs".into(), &"running".into()));
    assert_eq!(now["pid"], pid);
    assert!(scene.text(&["ps", "verbs"]).contains(&pid.to_string()));
    if is_root() {
        scene.text(&["pause", "verbs"]);
        assert_eq!(state(&scene)["status"], "paused");
        // Who joined it would stop as well, and its launcher wait for ever.
        let output = scene.output(&["exec", "verbs", "true"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{error}");
        assert!(error.contains("verbs: paused"), "{error}");
        scene.text(&["resume", "verbs"]);
        assert_eq!(state(&scene)["status"], "running");
    }
    scene.text(&["kill", "verbs", "TERM"]);
    let ended = scene.launchers.pop().expect("a launcher").wait().expect("its end");
    assert_eq!(ended.code(), Some(7));
    assert_eq!(scene.text(&["list", "-q"]), "");
    assert_eq!(scene.output(&["state", "verbs"]).status.code(), Some(125));
}
