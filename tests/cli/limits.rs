//! Limits of real containers changed, what they use told, their processes listed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};

use serde_json::Value;

use super::running::{State, can_limit, can_start};

/// A container of a test's own, killed at its end.
struct Container<'a> {
    state: &'a State,
    id: &'static str,
    child: Child,
    input: ChildStdin,
}

impl<'a> Container<'a> {
    fn new(state: &'a State, id: &'static str, options: &[&str], script: &str) -> Self {
        let words = [&["do", "--name", id][..], options, &["sh", "-c", script]].concat();
        let mut command = state.command(&words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        assert_eq!(line, "ready\n", "{words:?}: its standard error is above");
        let input = child.stdin.take().expect("a pipe");
        Self { state, id, child, input }
    }

    /// What a file of its cgroups holds, whatever the host's layout.
    fn held(&self, names: &[&str]) -> Option<String> {
        let record = std::fs::read_to_string(self.state.path().join(self.id).join("state.json"));
        let record: Value = serde_json::from_str(&record.expect("a record")).expect("JSON");
        let cgroups = &record["planned"]["cgroups"];
        let v1 = cgroups["v1"].as_object().into_iter().flat_map(|paths| paths.values());
        let mut directories = v1.chain(cgroups.get("v2")).filter_map(Value::as_str);
        let read = |directory: &str| {
            let read = |name: &&str| std::fs::read_to_string(PathBuf::from(directory).join(name));
            names.iter().find_map(|name| read(name).ok())
        };
        directories.find_map(read).map(|text| text.trim().to_owned())
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.state.output(words);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {err}");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.state.output(&["delete", "--force", self.id]);
        let _ = self.child.wait();
    }
}

const LIMIT: &[&str] = &["memory.limit_in_bytes", "memory.max"];
const PIDS: &[&str] = &["pids.max"];

/// Looks until it says so.
#[track_caller]
fn wait_for(word: &str, look: impl Fn() -> String) {
    let mut seen = look();
    for _ in 0..1000 {
        if seen.contains(word) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
        seen = look();
    }
    panic!("no {word}: {seen}");
}

#[test]
fn limits_change_and_all_stay_where_one_is_refused() {
    let state = State::new("update");
    if !can_limit(&state, "limits_change_and_all_stay_where_one_is_refused") {
        return;
    }
    let wait = "echo ready; read x";
    let one = Container::new(&state, "one", &["-m", "64m", "--pids-limit", "50"], wait);
    assert_eq!(one.held(PIDS).as_deref(), Some("50"));
    one.ok(&["update", "--pids-limit", "60", "-m", "128m", "one"]);
    assert_eq!(one.held(PIDS).as_deref(), Some("60"));
    assert_eq!(one.held(LIMIT).as_deref(), Some("134217728"));
    // What was changed is what a later change begins with.
    one.ok(&["update", "--cpu-share", "512", "one"]);
    let record = std::fs::read_to_string(state.path().join("one/state.json")).expect("a record");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!(record["planned"]["resources"]["pids"]["at"], 60);
    assert_eq!(record["planned"]["resources"]["cpu"]["shares"], 512);

    // The kernel knows no such processor: the number of processes, written before, is as it was.
    let failed = state.output(&["update", "--pids-limit", "70", "--cpuset-cpus", "4000", "one"]);
    let err = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(125), "{err}");
    assert!(err.contains("--cpuset-cpus 4000") && err.contains("write"), "{err}");
    assert_eq!(one.held(PIDS).as_deref(), Some("60"));

    let mut child = state
        .command(&["update", "--resources", "-", "one"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(br#"{"pids": {"limit": 80}, "memory": null}"#).expect("it reads");
    drop(input);
    assert!(child.wait().expect("its end").success());
    assert_eq!(one.held(PIDS).as_deref(), Some("80"));

    for (words, needle) in [
        (&["update", "--l3-cache-schema", "L3:0=f", "one"][..], "--l3-cache-schema L3:0=f"),
        (&["update", "--cgroup-parent", "/x", "one"][..], "--cgroup-parent /x"),
        (&["update", "one"][..], "nothing to change"),
        (&["update", "-m", "1m", "nobody"][..], "container does not exist"),
    ] {
        let refused = state.output(words);
        let err = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(125), "{words:?}: {err}");
        assert!(err.contains(needle), "{words:?}: {err}");
    }
}

#[test]
fn a_container_without_a_cgroup_cannot_be_limited() {
    let state = State::new("update-none");
    if !can_start(&state) {
        return;
    }
    let _free = Container::new(&state, "free", &[], "echo ready; read x");
    for words in [&["update", "-m", "64m", "free"][..], &["events", "--stats", "free"]] {
        let refused = state.output(words);
        let err = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(125), "{err}");
        assert!(err.contains("no cgroup of its own"), "{err}");
    }
}

#[test]
fn events_tell_what_is_used_and_when_memory_runs_out() {
    let state = State::new("events");
    if !can_limit(&state, "events_tell_what_is_used_and_when_memory_runs_out") {
        return;
    }
    let script = "echo ready; read x; head -c 200m /dev/zero | tail >/dev/null; read x";
    let mut full = Container::new(&state, "full", &["-m", "32m", "--pids-limit", "50"], script);
    let once: Value = serde_json::from_str(&full.ok(&["events", "--stats", "full"])).expect("JSON");
    assert_eq!((&once["type"], &once["id"]), (&"stats".into(), &"full".into()));
    let data = &once["data"];
    assert_eq!(data["pids"]["limit"], 50);
    assert!(data["pids"]["current"].as_u64().is_some_and(|tasks| tasks >= 1), "{once}");
    assert_eq!(data["memory"]["usage"]["limit"], 32 << 20);
    assert!(data["cpu"]["usage"]["total"].as_u64().is_some_and(|time| time > 0), "{once}");
    assert!(data["network_interfaces"].is_array() && data["blkio"].is_object(), "{once}");

    let mut command = state.command(&["events", "--interval", "100ms", "full"]);
    let mut events = command.stdout(Stdio::piped()).spawn().expect("the binary");
    let mut lines = BufReader::new(events.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["type"], "stats");
    full.input.write_all(b"go\n").expect("it reads");
    let oom = std::iter::repeat_with(&mut next).find(|event| event["type"] == "oom");
    assert_eq!(oom, Some(serde_json::json!({"type": "oom", "id": "full"})));
    // It ends with the container.
    drop(full);
    assert!(events.wait().expect("its end").success());
}

#[test]
fn lists_have_the_members_that_engines_read() {
    let state = State::new("lists");
    if !can_limit(&state, "lists_have_the_members_that_engines_read") {
        return;
    }
    let none = state.output(&["list", "-f", "json"]);
    assert_eq!(none.stdout, b"[]\n", "{}", String::from_utf8_lossy(&none.stderr));
    let one =
        Container::new(&state, "listed", &["--pids-limit", "50"], "sleep 100 & echo ready; read x");
    let list: Value = serde_json::from_str(&one.ok(&["list", "-f", "json"])).expect("JSON");
    let [first] = &list.as_array().expect("a list")[..] else { panic!("{list}") };
    assert_eq!((&first["id"], &first["status"]), (&"listed".into(), &"running".into()));
    for key in ["ociVersion", "bundle", "rootfs", "created", "owner"] {
        assert!(first[key].is_string(), "{key}: {first}");
    }
    let pid = first["pid"].as_u64().expect("a number");
    let table = one.ok(&["list"]);
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.next().expect("a header"),
        ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    );
    assert_eq!(lines.next().expect("a line")[..3], ["listed", &pid.to_string(), "running"]);
    assert_eq!(one.ok(&["list", "-q"]), "listed\n");

    // A shell says that it is ready before its other process is what it shall be.
    wait_for("sleep 100", || one.ok(&["ps", "listed", "-o", "pid,args"]));
    let pids: Vec<u64> =
        serde_json::from_str(&one.ok(&["ps", "-f", "json", "listed"])).expect("JSON");
    assert!(pids.contains(&pid) && pids.len() >= 2, "{pids:?}");
    let table = one.ok(&["ps", "listed", "-o", "pid,args"]);
    let rows: Vec<_> = table.lines().skip(1).collect();
    assert_eq!(rows.len(), pids.len(), "{table}");
    // How far apart the columns are is the affair of the host's ps.
    assert_eq!(table.split_whitespace().take(2).collect::<Vec<_>>(), ["PID", "COMMAND"]);
    assert!(table.contains("sleep 100"), "{table}");
}
