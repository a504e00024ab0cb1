//! The binary from outside.

use std::process::{Command, Output, Stdio};

use super::support::top;

fn nsplan(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
    command.args(args).current_dir(top()).stdin(Stdio::null()).output().expect("the binary")
}

#[track_caller]
fn prints(args: &[&str], needle: &str) {
    let output = nsplan(args);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
    assert!(out.contains(needle) && err.is_empty(), "{args:?}: {out}{err}");
}

#[track_caller]
fn fails(args: &[&str], needle: &str) {
    let output = nsplan(args);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{args:?}");
    assert!(err.starts_with("nsplan: ") && err.contains(needle), "{args:?}: {err}");
    assert!(output.stdout.is_empty(), "{args:?}");
}

#[test]
fn verbs_that_only_print_need_nothing() {
    prints(&["--version"], "nsplan version 0.");
    prints(&["help", "do"], "Usage: nsplan do");
    prints(&["man"], ".TH NSPLAN 1");
    prints(&["completions", "bash"], "complete -F _nsplan nsplan");
    prints(&["probe"], "\"schema\"");
}

#[test]
fn a_plan_for_another_host_is_made_without_a_privilege() {
    let facts = "tests/facts/kernel-6.12.json";
    prints(&["plan", "--host", facts, "--", "sh"], "execute");
    prints(&["plan", "--json", "--host", facts, "-m", "1g", "sh"], "\"schema\": 1");
}

#[test]
fn what_cannot_be_read_is_named() {
    fails(&["plan", "--config", "nowhere.json"], "nowhere.json: ");
    fails(&["plan", "--host", "Cargo.toml", "sh"], "Cargo.toml: ");
    fails(&["config", "Cargo.toml"], "Cargo.toml:1:");
    fails(&["run", "--bundle", "nowhere", "x"], "nowhere/container.json: ");
}

/// The last error of a log as containerd's shim finds it: entry by entry.
fn last_error(log: &str) -> String {
    let entries = serde_json::Deserializer::from_str(log).into_iter::<serde_json::Value>();
    let entries: Vec<_> = entries.map(|entry| entry.expect("an entry")).collect();
    let last = entries.iter().rfind(|entry| entry["level"] == "error").expect("an error");
    assert!(last["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{last}");
    last["msg"].as_str().expect("a text").to_owned()
}

#[test]
fn engines_find_the_last_error_in_the_log_and_people_on_standard_error() {
    let log = std::env::temp_dir().join(format!("nsplan-cli-log-{}", std::process::id()));
    let file = log.to_str().expect("a path");
    let state = std::env::temp_dir().join(format!("nsplan-cli-log-{}.d", std::process::id()));
    let state = state.to_str().expect("a path");
    let global = ["--root", state, "--log", file, "--log-format", "json"];
    let said = |more: &[&str]| {
        let output = nsplan(&[&global[..], more].concat());
        assert_eq!(output.status.code(), Some(125), "{more:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let err = said(&["state", "first"]);
    assert!(err.contains("nsplan: first: container does not exist"), "{err}");
    let text = std::fs::read_to_string(&log).expect("the log");
    assert_eq!(text.lines().count(), 1, "podman takes the whole file for one entry: {text}");
    assert_eq!(last_error(&text), "first: container does not exist");
    // Appended, also by what is not understood.
    let err = said(&["kill", "second", "NOSUCH"]);
    assert!(err.contains("no such signal"), "{err}");
    let text = std::fs::read_to_string(&log).expect("the log");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(last_error(&text), "`NOSUCH`: no such signal");
    std::fs::remove_file(&log).expect("the log");
    let output = nsplan(&["--log-format", "json", "--root", state, "state", "third"]);
    assert_eq!(
        last_error(&String::from_utf8_lossy(&output.stderr)),
        "third: container does not exist"
    );
    fails(&["--log", "/nowhere/log", "state", "x"], "--log /nowhere/log: ");
}

/// Engines of ordinary users call a runtime as root of a user namespace.
#[test]
fn root_of_a_user_namespace_is_an_ordinary_user() {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", env!("CARGO_BIN_EXE_nsplan"), "delete", "nobody"]);
    let output = command.env("XDG_RUNTIME_DIR", "/nowhere").output().expect("unshare");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("state is looked for in /nowhere/nsplan"), "{err}");
}

#[test]
fn the_version_is_three_lines_as_engines_parse_them() {
    let output = nsplan(&["--root", "/nowhere", "--version"]);
    let text = String::from_utf8(output.stdout).expect("text");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], format!("nsplan version {}", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("commit: "), "{text}");
    assert_eq!(lines[2], "spec: 1.3.0");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
    command.args(["help", "do"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
