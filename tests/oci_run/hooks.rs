//! The six kinds of hooks: when they run, where, what they are told, and what comes of one that fails.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::stage::Bundle;
use crate::support::is_root;

/// A hook of the host's that appends a line to the log of its bundle.
fn note(bundle: &Bundle, kind: &str) -> Value {
    let log = log(bundle);
    let script = format!(
        "echo {kind} $(cat) pidns $(readlink /proc/self/ns/pid) root $(ls / | wc -l) >> {}",
        log.display()
    );
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]})
}

fn log(bundle: &Bundle) -> PathBuf {
    bundle.directory().join("log")
}

fn lines(bundle: &Bundle) -> Vec<String> {
    let text = fs::read_to_string(log(bundle)).unwrap_or_default();
    text.lines().map(String::from).collect()
}

/// The state that a line of the log quotes.
fn state(line: &str) -> Value {
    let from = line.find('{').unwrap();
    let to = line.rfind('}').unwrap();
    // The shell has taken the quotes away from nothing: the text was read by `cat`.
    serde_json::from_str(&line[from..=to]).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn with_all_kinds(name: &str) -> Bundle {
    let mut bundle = Bundle::new(name).set("/annotations", json!({"a": "b"}));
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        let hook = note(&bundle, kind);
        bundle = bundle.push(&format!("/hooks/{kind}"), hook);
    }
    // Of the container's files: a bind mount takes its words out.
    let words = bundle.directory().join("words");
    fs::create_dir(&words).unwrap();
    bundle
        .push("/mounts", json!({"destination": "/words", "source": words, "options": ["bind"]}))
        .push("/hooks/startContainer", json!({"path": "/bin/sh", "args": ["sh", "-c", "echo $(cat) pidns $(readlink /proc/self/ns/pid) > /words/start"]}))
}

#[test]
fn every_kind_runs_once_in_its_order_and_is_told_the_state_of_its_moment() {
    if !is_root() {
        return;
    }
    let bundle = with_all_kinds("hooks-all");
    let said = bundle.run("echo program; readlink /proc/self/ns/pid; cat /words/start");
    let lines = lines(&bundle);
    let kinds: Vec<_> = lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
    let statuses: Vec<_> = lines.iter().map(|line| state(line)["status"].clone()).collect();
    assert_eq!(statuses, ["creating", "creating", "creating", "running", "stopped"]);
    for line in &lines {
        let state = state(line);
        assert_eq!(state["id"], json!(bundle.id()));
        assert_eq!(state["bundle"], json!(bundle.directory()));
        assert_eq!(state["annotations"], json!({"a": "b"}));
        assert_eq!(state["ociVersion"], json!("1.3.0"));
        let has_pid = state["pid"].as_u64().is_some_and(|pid| pid > 0);
        assert_eq!(has_pid, state["status"] != "stopped", "{line}");
    }
    // Where they run: the first two and the last two with the host's processes, the third with the container's.
    let own = format!("pidns {}", fs::read_link("/proc/self/ns/pid").unwrap().display());
    let is_here: Vec<_> = lines.iter().map(|line| line.contains(&own)).collect();
    assert_eq!(is_here, [true, true, false, true, true], "{lines:#?}");
    let mut words = said.lines();
    assert_eq!(words.next(), Some("program"));
    let inside = words.next().unwrap();
    let start = words.next().unwrap();
    assert!(start.contains("\"status\":\"created\"") && start.ends_with(inside), "{start}");
    assert!(lines[2].contains(inside), "{lines:#?}");
}

#[test]
fn a_create_hook_sees_the_hosts_files_and_a_start_hook_the_containers() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("hooks-root");
    let marker = bundle.directory().join("marker");
    fs::write(bundle.path().join("inside"), "").unwrap();
    let create = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("test ! -e /inside && echo create > {}", marker.display())]});
    let start = json!({"path": "/bin/sh", "args": ["sh", "-c", "test -e /inside && echo start > /started"]});
    let bundle = bundle.push("/hooks/createContainer", create).push("/hooks/startContainer", start);
    assert_eq!(bundle.run("cat /started"), "start\n");
    assert_eq!(fs::read_to_string(marker).unwrap(), "create\n");
}

/// The container has a record by then, and init the root of its launcher.
#[test]
fn nobody_joins_a_container_whose_root_is_not_in_place() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("hooks-early");
    fs::write(bundle.path().join("inside"), "").unwrap();
    let id = bundle.id();
    let mut hooks = Vec::new();
    for words in [&["exec"][..], &["exec", "--ignore-paused"]] {
        let command = bundle.command(&[words, &[&id, "test", "-e", "/inside"]].concat());
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
        let script = format!("\"$@\" >> {} 2>&1; echo code $? >> {0}", log(&bundle).display());
        let args = [&["sh", "-c", &script, "sh"][..], &words].concat();
        hooks.push(json!({"path": "/bin/sh", "args": args}));
    }
    let bundle = bundle.set("/hooks/createRuntime", hooks.into());
    let running = bundle.start();
    let joined = running.joiner("test -e /inside").status().unwrap();
    drop(running);
    assert!(joined.success());
    let lines = lines(&bundle);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for said in lines.chunks(2) {
        assert!(said[0].contains(&format!("{id}: still being created")), "{lines:#?}");
        assert_eq!(said[1], "code 125", "{lines:#?}");
    }
}

#[test]
fn a_hook_that_fails_before_the_program_ends_everything_and_the_poststop_hooks_run() {
    if !is_root() {
        return;
    }
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        let bundle = Bundle::new("hooks-fail");
        let stop = note(&bundle, "poststop");
        let fails = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo bad luck >&2; exit 3"]});
        let never = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("echo never >> {}", log(&bundle).display())]});
        let bundle = bundle
            .push(&format!("/hooks/{kind}"), fails)
            .push(&format!("/hooks/{kind}"), never)
            .push("/hooks/poststop", stop)
            .set("/process/args", json!(["sh", "-c", "echo program"]));
        let output = bundle.runner(None).output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{kind}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(&format!("/hooks/{kind}/0")), "{error}");
        assert!(error.contains("bad luck"), "{error}");
        assert_eq!(output.stdout, b"", "{kind}: the program was never run");
        let kinds: Vec<_> =
            lines(&bundle).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(kinds, ["poststop"], "{kind}");
    }
}

#[test]
fn a_poststart_hook_that_fails_stops_the_container() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("hooks-poststart")
        .push("/hooks/poststart", json!({"path": "/bin/false"}))
        .set("/process/args", json!(["sleep", "1000"]));
    let output = bundle.runner(None).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("/hooks/poststart/0") && error.contains("exit status: 1"), "{error}");
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_next_one_runs() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("hooks-poststop");
    let stop = note(&bundle, "poststop");
    let bundle =
        bundle.push("/hooks/poststop", json!({"path": "/bin/false"})).push("/hooks/poststop", stop);
    let output = bundle.runner(Some("exit 4")).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "the exit code is still the program's");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("warning: poststop: /bin/false: exit status: 1"), "{error}");
    assert_eq!(lines(&bundle).len(), 1);
}

#[test]
fn a_hook_is_killed_at_its_timeout_wherever_it_runs() {
    if !is_root() {
        return;
    }
    for kind in ["createRuntime", "createContainer"] {
        let bundle = Bundle::new("hooks-timeout").push(
            &format!("/hooks/{kind}"),
            json!({"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}),
        );
        let (code, error) = bundle.refusal();
        assert_eq!(code, 125, "{kind}");
        assert!(error.contains("timeout"), "{error}");
    }
}

#[test]
fn a_hook_has_the_environment_and_the_arguments_it_is_given_and_no_others() {
    if !is_root() {
        return;
    }
    for kind in ["createRuntime", "createContainer"] {
        let bundle = Bundle::new("hooks-env");
        let file = log(&bundle);
        let script = format!(
            "tr '\\0' '\\n' < /proc/self/environ > {0}; echo $0 $1 $PWD >> {0}",
            file.display()
        );
        let hook =
            json!({"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"], "env": ["A=b"]});
        let bundle = bundle.push(&format!("/hooks/{kind}"), hook);
        let mut runner = bundle.runner(Some("true"));
        assert!(runner.env("SECRET", "x").status().unwrap().success());
        let lines = lines(&bundle);
        assert!(
            lines.contains(&"A=b".to_owned()) && !lines.iter().any(|line| line.contains("SECRET")),
            "{lines:#?}"
        );
        assert!(lines.last().unwrap().starts_with("zero one "), "{lines:#?}");
    }
}

#[test]
fn a_hook_inside_finds_no_descriptor_and_no_memory_of_the_launchers() {
    if !is_root() {
        return;
    }
    let script = "ls /proc/self/fd > /fds; cat /proc/1/maps > /maps 2>&1; for f in /proc/1/fd/*; do readlink $f; done > /theirs; true";
    let bundle = Bundle::new("hooks-closed")
        .push("/hooks/startContainer", json!({"path": "/bin/sh", "args": ["sh", "-c", script]}));
    let said = bundle.run("cat /fds /maps /theirs");
    // 0, 1, 2 and the directory that is listed. What init's are can not be looked at, nor its memory.
    assert_eq!(said, "0\n1\n2\n3\ncat: can't open '/proc/1/maps': Permission denied\n");
}

#[test]
fn without_hooks_inside_init_shares_memory_and_with_them_it_does_not() {
    if !is_root() {
        return;
    }
    let hook = json!({"path": "/bin/true"});
    let outside = Bundle::new("hooks-memory").push("/hooks/createRuntime", hook.clone());
    assert!(outside.plan().starts_with("parent clones init, which shares its memory"));
    let inside = outside.push("/hooks/startContainer", hook);
    assert!(inside.plan().starts_with("parent clones init, with memory of its own"));
}

#[test]
fn a_start_hook_is_under_the_filter_and_a_create_hook_is_not() {
    if !is_root() {
        return;
    }
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    ]});
    let script = "mkdir /inside 2>/told; grep Seccomp: /proc/self/status >>/told";
    let start = json!({"path": "/bin/sh", "args": ["sh", "-c", script]});
    for no_new_privileges in [true, false] {
        let bundle = Bundle::new("hooks-filter");
        let made = bundle.directory().join("made");
        let bundle = bundle
            .set("/linux/seccomp", filter.clone())
            .set("/process/noNewPrivileges", json!(no_new_privileges))
            .push("/hooks/createContainer", json!({"path": "/bin/mkdir", "args": ["mkdir", made]}))
            .push("/hooks/startContainer", start.clone());
        let said = bundle.run("cat /told");
        assert_eq!(
            said,
            "mkdir: can't create directory '/inside': Function not implemented\nSeccomp:\t2\n"
        );
        assert!(made.is_dir());
    }
}

#[test]
fn a_start_hook_that_fails_under_a_filter_that_forbids_to_tell_is_named_all_the_same() {
    if !is_root() {
        return;
    }
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["sendmsg", "sendto", "write"], "action": "SCMP_ACT_KILL_PROCESS"}
    ]});
    let bundle = Bundle::new("hooks-mute")
        .set("/linux/seccomp", filter)
        .push("/hooks/startContainer", json!({"path": "/bin/false"}));
    let (code, error) = bundle.refusal();
    assert_eq!(code, 125);
    assert!(error.contains("/hooks/startContainer/0"), "{error}");
}

#[test]
fn a_filter_that_forbids_what_hooks_are_run_with_is_refused() {
    if !is_root() {
        return;
    }
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["wait4"], "action": "SCMP_ACT_ERRNO"}
    ]});
    let bundle = Bundle::new("hooks-forbidden")
        .set("/linux/seccomp", filter)
        .push("/hooks/startContainer", json!({"path": "/bin/true"}));
    let (_, error) = bundle.refusal();
    assert!(error.contains("/hooks/startContainer") && error.contains("wait4"), "{error}");
}

#[test]
fn hooks_of_a_kind_run_in_the_listed_order() {
    if !is_root() {
        return;
    }
    let mut bundle = Bundle::new("hooks-order");
    let words = bundle.directory().join("words");
    fs::create_dir(&words).unwrap();
    bundle = bundle
        .push("/mounts", json!({"destination": "/words", "source": words, "options": ["bind"]}));
    let kinds =
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    for kind in kinds {
        let place = if kind == "startContainer" { "/words".into() } else { words.clone() };
        for number in 1..=3 {
            let script = format!("echo {number} >> {}/{kind}", place.display());
            let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script]});
            bundle = bundle.push(&format!("/hooks/{kind}"), hook);
        }
    }
    bundle.run("true");
    for kind in kinds {
        assert_eq!(fs::read_to_string(words.join(kind)).unwrap(), "1\n2\n3\n", "{kind}");
    }
}

#[test]
fn a_hook_inside_is_told_the_number_that_the_container_sees() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("hooks-pid");
    let outside = bundle.directory().join("outside");
    let keep = |path: &std::path::Path| json!({"path": "/bin/sh", "args": ["sh", "-c", format!("cat > {}", path.display())]});
    let bundle = bundle
        .push("/hooks/createContainer", keep(&outside))
        .push("/hooks/startContainer", keep("/inside".as_ref()));
    let inside = bundle.run("cat /inside");
    for told in [inside, fs::read_to_string(outside).unwrap()] {
        assert_eq!(state(&told)["pid"], json!(1), "{told}");
    }
    let shared = json!([{"type": "mount"}]);
    let bundle = bundle.set("/linux/namespaces", shared).set("/hostname", json!(null));
    let said = bundle.without_mount("/dev/mqueue").without_mount("/sys").without_mount("/proc");
    let said = said.run("cat /inside; echo; echo $$");
    let (told, pid) = said.trim_end().split_once('\n').unwrap();
    assert_eq!(state(told)["pid"].to_string(), pid);
}
