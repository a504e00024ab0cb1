//! Real containers, started by the binary. Where none can be started, the reason is printed.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A state directory of a test's own, removed at its end.
pub(crate) struct State(PathBuf);

impl State {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nsplan-cli-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
        command.arg("--root").arg(&self.0).args(args).stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary")
    }

    /// A container that has said a line.
    fn started(&self, args: &[&str]) -> Child {
        let mut child = self.command(args).stdout(Stdio::piped()).spawn().expect("the binary");
        let mut line = String::new();
        let out = child.stdout.as_mut().expect("a pipe");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        child
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether containers can be started here.
#[allow(clippy::print_stdout, reason = "a skip says why")]
pub(crate) fn can_start(state: &State) -> bool {
    let output = state.output(&["do", "true"]);
    let can = output.status.success();
    if !can {
        println!("skipped: no containers here: {}", String::from_utf8_lossy(&output.stderr));
        assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "skipping is forbidden");
    }
    can
}

/// Whether containers can be limited here: an ordinary user has no cgroups on v1, nor on v2 where none was delegated.
#[allow(clippy::print_stdout, reason = "a skip says why")]
pub(crate) fn can_limit(state: &State, test: &str) -> bool {
    if !can_start(state) {
        return false;
    }
    let output = state.output(&["do", "-m", "64m", "--pids-limit", "50", "true"]);
    let can = output.status.success();
    if !can {
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains("cgroup"), "{err}");
        println!("skipped: {test}: needs writable cgroups: {}", err.lines().next().unwrap_or(""));
        assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "skipping is forbidden");
    }
    can
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.expect("kill").success());
}

#[test]
fn exit_codes_are_the_programs_own_or_those_of_a_shell() {
    let state = State::new("codes");
    if !can_start(&state) {
        return;
    }
    for (args, code) in [
        (&["do", "sh", "-c", "exit 7"][..], 7),
        (&["do", "/nonesuch/program"], 127),
        (&["do", "nonesuch"], 127),
        (&["do", "/etc/passwd"], 126),
        (&["do", "--rootfs", "/nonesuch", "sh"], 125),
        (&["do", "--timeout", "100ms", "sleep", "20"], 137),
    ] {
        let output = state.output(args);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        assert_eq!(err.is_empty(), !(125..=127).contains(&code), "{args:?}: {err}");
    }
}

/// Waits until the first process of a container runs that program.
#[track_caller]
fn wait_for_program(launcher: &Child, name: &str) {
    let id = launcher.id();
    let runs = || {
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        let comm = format!("/proc/{}/comm", children.split_whitespace().next()?);
        (std::fs::read_to_string(comm).ok()?.trim() == name).then_some(())
    };
    for _ in 0..4000 {
        if runs().is_some() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("{name} does not run");
}

#[test]
fn a_signal_ends_what_does_not_mind_it_and_reaches_what_does() {
    let state = State::new("signals");
    if !can_start(&state) {
        return;
    }
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut child = state.started(&["do", "sh", "-c", "echo ready; exec sleep 20"]);
        // Some shells have a handler of their own, up to the `execve`.
        wait_for_program(&child, "sleep");
        signal(&child, name);
        assert_eq!(child.wait().expect("its end").code(), Some(code));
    }
    let script = "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done";
    let mut child = state.started(&["do", "sh", "-c", script]);
    signal(&child, "-USR1");
    assert_eq!(child.wait().expect("its end").code(), Some(9));
}

/// A shell blocks all signals for the moment in which it forks. What comes then is dropped later, when nobody looks.
///
/// `drops` is dropped at once: the first thread of a program of tests does not block it. What is seen in between is for the
/// tests of `signals::fate`.
#[test]
fn a_signal_that_is_blocked_for_a_moment_ends_the_program_all_the_same() {
    let state = State::new("blocked");
    if !can_start(&state) {
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let (folder, file) = (own.parent().expect("a folder"), own.file_name().expect("a name"));
    let bound = format!("{}:/mnt:ro", folder.display());
    let program = format!("/mnt/{}", file.display());
    for (what, code) in [("drops", 143), ("fetches", 9)] {
        let variable = format!("NSPLAN_TEST_BLOCKED={what}");
        let args = ["do", "-v", &bound, "-e", &variable, "--", &program];
        let helper = ["running::helper", "--exact", "--nocapture", "--test-threads=1"];
        let mut command = state.command(&[&args[..], &helper].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let ready = lines.find(|line| line.as_ref().is_ok_and(|line| line.ends_with("ready")));
        assert!(ready.is_some(), "{what}: {:?}", child.wait());
        signal(&child, "-TERM");
        assert_eq!(child.wait().expect("its end").code(), Some(code), "{what}");
    }
}

/// Not a test: what runs in the container there. It ends by itself, should nobody end it.
#[test]
#[allow(clippy::print_stdout, clippy::exit, reason = "the test waits for its word and its code")]
fn helper() {
    use nix::sys::signal::{SigSet, Signal};
    let Ok(what) = std::env::var("NSPLAN_TEST_BLOCKED") else { return };
    let term: SigSet = [Signal::SIGTERM].into_iter().collect();
    term.thread_block().expect("blocked");
    // What a thread blocks is what the whole program blocks after an `execve`; the threads of tests begin with what the first has.
    if what == "fetches" {
        use std::os::unix::process::CommandExt as _;
        let own = std::env::current_exe().expect("this program");
        let again = Command::new(own)
            .args(std::env::args_os().skip(1))
            .env("NSPLAN_TEST_BLOCKED", "waits")
            .exec();
        panic!("{again}");
    }
    println!("ready");
    if what == "waits" {
        assert_eq!(term.wait(), Ok(Signal::SIGTERM));
        std::process::exit(9);
    }
    let pending = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        status.contains("ShdPnd:\t0000000000004000\n")
    };
    while !pending() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    term.thread_unblock().expect("unblocked");
    std::thread::sleep(std::time::Duration::from_secs(20));
}

#[test]
fn a_running_container_is_deleted_by_force_only() {
    let state = State::new("delete");
    // Only what must be undone is written down, such as a control group.
    if !can_limit(&state, "a_running_container_is_deleted_by_force_only") {
        return;
    }
    let script = "echo ready; sleep 20";
    let args = ["do", "--pids-limit", "50", "--name", "web", "sh", "-c", script];
    let mut child = state.started(&args);
    let refused = state.output(&["delete", "web"]);
    let err = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(125), "{err}");
    assert!(err.contains(&format!("running, started by process {}", child.id())), "{err}");
    let forced = state.output(&["delete", "--force", "web"]);
    assert!(forced.status.success(), "{}", String::from_utf8_lossy(&forced.stderr));
    assert_eq!(child.wait().expect("its end").code(), Some(143));

    // A launcher that was killed outright leaves its notes, and the next one finishes its work.
    let mut child = state.started(&args);
    child.kill().expect("a signal");
    child.wait().expect("its end");
    let swept = state.output(&["delete", "web"]);
    assert!(swept.status.success(), "{}", String::from_utf8_lossy(&swept.stderr));
    let gone = state.output(&["delete", "web"]);
    assert_eq!(gone.status.code(), Some(125));
}

#[test]
fn a_terminal_is_the_containers_own_and_its_last_words_arrive() {
    let state = State::new("terminal");
    if !can_start(&state) {
        return;
    }
    let script = "tty; seq 1 5000; printf last";
    let mut child = state.command(&["do", "-t", "sh", "-c", script]);
    let mut child = child.stdout(Stdio::piped()).spawn().expect("the binary");
    let mut text = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    assert!(child.wait().expect("its end").success());
    assert!(text.starts_with("/dev/pts/0\r\n"), "{:?}", &text[..40.min(text.len())]);
    assert!(text.ends_with("5000\r\nlast"), "{:?}", &text[text.len().saturating_sub(40)..]);
}

#[test]
fn options_do_what_they_say() {
    let state = State::new("options");
    if !can_start(&state) {
        return;
    }
    for (args, script, expected) in [
        ("--hostname web", "hostname", "web\n"),
        ("-e A=b", "echo $A", "b\n"),
        ("-w /tmp", "pwd", "/tmp\n"),
        ("--umask 077", "umask", "0077\n"),
        ("--ulimit nofile=33", "ulimit -n", "33\n"),
        ("--tmpfs /mnt:size=1m", "df -k /mnt | awk 'NR==2 {print $2}'", "1024\n"),
        ("", "cat /sys/class/net/lo/operstate; ls /sys/class/net | wc -l", "unknown\n1\n"),
        ("--cap-drop ALL", "grep CapBnd /proc/self/status | cut -f2", "0000000000000000\n"),
        ("-v /etc:/mnt:ro", "touch /mnt/x 2>/dev/null || test -e /mnt/passwd && echo ro", "ro\n"),
    ] {
        let mut words = vec!["do"];
        words.extend(args.split(' ').filter(|word| !word.is_empty()));
        words.extend(["sh", "-c", script]);
        let output = state.output(&words);
        let err = String::from_utf8_lossy(&output.stderr);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(out.replace("down\n", "unknown\n") == expected, "{args}: {out:?} {err}");
    }
}

/// Its root is made before it becomes somebody: by one whom its user namespace does not know.
#[test]
fn the_host_seen_by_foreign_ids_has_a_root_that_belongs_to_them() {
    let state = State::new("foreign");
    if !nix::unistd::geteuid().is_root() || !can_start(&state) {
        return;
    }
    let output =
        state.output(&["do", "--uidmap", "0:100000:1000", "--", "stat", "-c", "%u %g %a", "/"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 0 755\n", "{err}");
}
