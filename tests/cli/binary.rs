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
    prints(&["--version"], "nsplan 0.");
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
