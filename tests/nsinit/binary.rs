//! The binary from outside, where nothing is started.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::containers::Scratch;
use crate::support::snapshot;

/// In a directory of its own.
pub(crate) fn nsinit(cwd: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nsinit"));
    command.args(args).current_dir(cwd).env_remove("data_path").stdin(Stdio::null());
    command.output().expect("the binary")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const MINIMAL: &str =
    r#"{"namespaces":[{"type":"NEWNS"},{"type":"NEWPID"}],"hostname":"","mount_config":{}}"#;

#[test]
fn what_only_prints_needs_nothing() {
    let here = Scratch::new("nsinit-prints");
    for (args, needle) in [
        (&["--version"][..], "nsinit 0."),
        (&[], "Usage: nsinit VERB"),
        (&["help", "exec"], "Usage: nsinit exec"),
        (&["exec", "--help"], "Usage: nsinit exec"),
        (&["man"], ".TH NSINIT 1"),
        (&["completions", "bash"], "complete -F _nsinit nsinit"),
        (&["exec", "--list"], "NAME    USAGE\nexec    "),
    ] {
        let output = nsinit(here.path(), args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).contains(needle), "{args:?}: {}", text(&output.stdout));
        assert!(output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn the_same_program_is_nsinit_under_that_name() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
    let output = command.arg0("/usr/bin/nsinit").arg("--version").output().expect("the binary");
    assert!(text(&output.stdout).starts_with("nsinit "), "{}", text(&output.stdout));
}

#[test]
fn what_is_refused_is_said_in_the_user_s_words() {
    let here = Scratch::new("nsinit-refused");
    let mut said = String::new();
    for args in [
        &["frobnicate"][..],
        &["exe"],
        &["exec"],
        &["exec", "--no-such", "sh"],
        &["exec", "--hostnam", "x", "sh"],
        &["exec", "--criu", "/bin/criu", "sh"],
        &["--id", "x"],
        &["exec", "--id", "a/b", "sh"],
        &["exec", "--func", "fly"],
        &["exec", "--func", "mknod", "/dev/x", "c", "1", "3"],
        &["exec", "--func", "setup"],
        &["exec", "--func", "ip"],
        &["exec", "--config", "nowhere.json", "sh"],
        &["exec", "--config", "x.json", "--hostname", "x", "sh"],
        &["exec", "--user", "", "sh"],
        &["exec", "--env", "=x", "--cwd", "relative", "sh"],
        &["pause", "x"],
        &["init"],
        &["checkpoint"],
        &["restore"],
        &["completions", "tcsh"],
    ] {
        let output = nsinit(here.path(), args);
        assert_eq!(output.status.code(), Some(125), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
        said.push_str(&format!("{}\n{}\n", args.join(" "), text(&output.stderr)));
    }
    snapshot("nsinit", "refused", "what the binary says", &said);
}

#[test]
fn systemd_is_not_asked_for_a_control_group_that_nobody_wants() {
    let here = Scratch::new("nsinit-no-cgroup");
    let config = r#"{"namespaces":[{"type":"NEWNS"}],"mount_config":{}}"#;
    fs::write(here.path().join("container.json"), config).unwrap();
    let output = nsinit(here.path(), &["exec", "--systemd", "true"]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{err}");
    assert!(err.contains("--systemd: the configuration asks for no control group"), "{err}");
}

#[test]
fn a_printed_configuration_is_read_back_as_it_was() {
    let here = Scratch::new("nsinit-config");
    let options =
        ["config", "--hostname", "web", "--memory-limit", "64m", "--file", "container.json"];
    assert!(nsinit(here.path(), &options).status.success());
    let first = fs::read_to_string(here.path().join("container.json")).unwrap();
    assert!(first.contains("\t\"hostname\": \"web\""), "{first}");
    // Options that make a container have no place beside a file that describes one.
    let output = nsinit(here.path(), &["config", "--hostname", "db"]);
    let err = text(&output.stderr);
    assert!(
        err.contains("--hostname db: not together with") && err.contains("container.json"),
        "{err}"
    );
}

#[test]
fn a_file_of_an_older_generation_is_printed_in_the_seed_s_form() {
    let here = Scratch::new("nsinit-old");
    fs::write(here.path().join("old.json"), MINIMAL).unwrap();
    let output = nsinit(here.path(), &["config", "--config", "old.json"]);
    let out = text(&output.stdout);
    assert!(out.contains("\"namespaces\": ["), "{out}{}", text(&output.stderr));
    assert!(out.contains(here.path().to_str().unwrap()), "the root is absolute: {out}");
}

/// The original looked for `container.json` in two places when the data path was relative.
#[test]
fn trap_35_a_relative_data_path_means_one_place() {
    let here = Scratch::new("nsinit-data");
    fs::create_dir(here.path().join("data")).unwrap();
    let file = here.path().join("data/container.json");
    fs::write(&file, "{").unwrap();
    for data in ["data", "./data/", "data/../data"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nsinit"));
        let output = command.arg("config").current_dir(here.path()).env("data_path", data).output();
        let err = text(&output.unwrap().stderr);
        assert!(err.contains("/data/container.json:1:"), "{data}: {err}");
        assert!(err.contains("nsinit: /"), "{data}: {err}");
    }
}

#[test]
fn what_goes_wrong_is_in_the_log_file_instead() {
    let here = Scratch::new("nsinit-log");
    for _ in 0..2 {
        let output = nsinit(here.path(), &["--log-file", "log", "exec", "--pid", "foo", "sh"]);
        assert_eq!(output.status.code(), Some(125));
        assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    }
    let log = fs::read_to_string(here.path().join("log")).unwrap();
    assert_eq!(log.matches("nsinit: --pid foo: expected").count(), 2, "{log}");
    // One that cannot be written to hides nothing.
    let output = nsinit(here.path(), &["--log-file", "/nowhere/log", "exec", "--pid", "foo", "sh"]);
    assert!(text(&output.stderr).contains("--pid foo"), "{}", text(&output.stderr));
}
