//! What is asked for in vain is said clearly, and nothing is left of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::is_root;

#[test]
fn a_program_that_is_missing_or_no_program_is_found_out_at_creation() {
    if !is_root() {
        return;
    }
    for (program, code, words) in [
        ("no-such-program", 127, "not found"),
        ("/etc/passwd", 126, "EACCES"),
        ("/bin", 126, "EACCES"),
    ] {
        let bundle = Bundle::new("missing").set("/process/args", json!([program]));
        fs::create_dir_all(bundle.path().join("etc")).unwrap();
        fs::write(bundle.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
        let life = Life::of(bundle);
        let (found, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
        assert_eq!(found, code, "{error}");
        assert!(error.contains(program) && error.contains(words), "{error}");
        life.is_gone();
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_said_by_start() {
    if !is_root() {
        return;
    }
    for (text, code) in [("#!/no/such/interpreter\n", 127), ("no program\n", 126)] {
        let bundle = Bundle::new("bad-program").set("/process/args", json!(["/bad"]));
        let bad = bundle.path().join("bad");
        fs::write(&bad, text).unwrap();
        fs::set_permissions(&bad, fs::Permissions::from_mode(0o755)).unwrap();
        let life = Life::of(bundle);
        let pid = life.created();
        let (found, error) = life.refused(&["start", &life.id]);
        assert_eq!(found, code, "{error}");
        assert!(error.contains("`/bad`") && error.contains("execve"), "{error}");
        assert_eq!(ended(pid), 125, "what nobody but the engine sees");
        life.is("stopped");
        life.done(&["delete", &life.id]);
        life.is_gone();
    }
}

#[test]
fn a_start_of_what_does_not_wait_is_refused_and_changes_nothing() {
    if !is_root() {
        return;
    }
    let life = Life::new("twice", "exec sleep 100");
    let (_, error) = life.refused(&["start", &life.id]);
    assert!(error.contains("does not exist"), "{error}");
    let pid = life.created();
    life.done(&["start", &life.id]);
    let (_, error) = life.refused(&["start", &life.id]);
    assert!(error.contains("was started already"), "{error}");
    life.is("running");
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(pid), 137);
    let (_, error) = life.refused(&["start", &life.id]);
    assert!(error.contains("container not running"), "{error}");
}

#[test]
fn a_name_that_is_taken_is_refused_and_its_owner_stays() {
    if !is_root() {
        return;
    }
    let life = Life::new("taken", "exit 6");
    let pid = life.created();
    for _ in 0..2 {
        let (code, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
        assert_eq!(code, 125);
        assert!(error.contains("is in use"), "{error}");
    }
    life.is("created");
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 6);
    let (_, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
    assert!(error.contains("is in use"), "{error}");
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_by_every_command() {
    if !is_root() {
        return;
    }
    let life = Life::new("names", "exit 0");
    let long = "x".repeat(10_000);
    let verbs = ["create", "run", "start", "state", "kill", "delete", "ps", "pause", "resume"];
    for id in ["a/b", "..", ".", "", &long] {
        let others =
            [vec!["exec", id, "true"], vec!["events", id], vec!["update", "--pids-limit", "5", id]];
        for words in verbs.map(|verb| vec![verb, id]).into_iter().chain(others) {
            let verb = words[0];
            let (code, error) = life.refused(&words);
            assert_eq!(code, 125, "{verb}");
            assert!(error.contains("not a name for a container"), "{verb}: {error}");
        }
    }
}

#[test]
fn a_configuration_that_cannot_be_read_leaves_nothing() {
    if !is_root() {
        return;
    }
    let life = Life::new("unread", "exit 0");
    let file = life.bundle.directory().join("config.json");
    for text in ["", "{", "[]", r#"{"ociVersion": "2.0.0"}"#, "\0\u{1}"] {
        fs::write(&file, text).unwrap();
        let (code, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
        assert_eq!(code, 125);
        assert!(error.contains("config.json"), "{text}: {error}");
        life.is_gone();
    }
    fs::remove_file(&file).unwrap();
    let (_, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
    assert!(error.contains("config.json"), "{error}");
    life.is_gone();
}

#[test]
fn a_configuration_that_is_no_file_is_refused_and_not_waited_for() {
    if !is_root() {
        return;
    }
    let life = Life::new("no-file", "exit 0");
    let file = life.bundle.directory().join("config.json");
    // The numbers of ELOOP and ENOENT: each C library has words of its own for them.
    let put: [(&str, &dyn Fn()); 5] = [
        ("expected a regular file", &|| mkfifo(&file, Mode::S_IRUSR).unwrap()),
        ("expected a regular file", &|| symlink("/dev/zero", &file).unwrap()),
        ("os error 2)", &|| symlink("nowhere", &file).unwrap()),
        ("os error 40)", &|| symlink("config.json", &file).unwrap()),
        ("expected a regular file", &|| fs::create_dir(&file).unwrap()),
    ];
    for (why, put) in put {
        fs::remove_file(&file).unwrap();
        put();
        let (code, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
        assert_eq!(code, 125);
        assert!(error.contains("config.json") && error.contains(why), "{error}");
        life.is_gone();
    }
}

#[test]
fn a_hostile_root_ends_the_creation_or_stays_inside_and_others_go_on() {
    if !is_root() {
        return;
    }
    let other = Life::new("beside", "exit 4");
    let pid = other.created();
    for (name, to) in [
        ("proc", "OUTSIDE"),
        ("sys", "../../../../OUTSIDE"),
        ("dev", "OUTSIDE"),
        ("dev", "/"),
        ("dev/shm", "/proc/1/rootOUTSIDE"),
        ("etc", "OUTSIDE"),
    ] {
        let life = Life::new("hostile", "exit 0");
        let outside = life.bundle.directory().join("outside");
        fs::create_dir(&outside).unwrap();
        let at = life.bundle.path().join(name);
        let _ = fs::remove_dir_all(&at);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(to.replace("OUTSIDE", outside.to_str().unwrap()), &at).unwrap();
        let (is_done, error) = life.leaves(&["create", "--bundle", &life.here(), &life.id]);
        assert!(is_done || error.contains("config.json"), "{name}: {error}");
        life.done(&["delete", "--force", &life.id]);
        life.is_gone();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{name}");
    }
    other.done(&["start", &other.id]);
    assert_eq!(ended(pid), 4);
}

#[test]
fn what_went_wrong_is_in_the_log_as_engines_read_it() {
    if !is_root() {
        return;
    }
    let life = Life::new("log", "exit 0");
    let log = life.bundle.directory().join("log.json");
    let path = log.to_str().unwrap();
    for _ in 0..2 {
        life.refused(&["--log", path, "--log-format", "json", "start", "nobody"]);
    }
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 2);
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "error");
        assert!(
            line["msg"].as_str().unwrap().contains("nobody: container does not exist"),
            "{line}"
        );
        assert!(line["time"].as_str().unwrap().starts_with("20"), "{line}");
    }
}

#[test]
fn a_filter_that_forbids_to_tell_does_not_hide_a_failure() {
    if !is_root() {
        return;
    }
    let filter = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["sendmsg", "sendto"], "action": "SCMP_ACT_ERRNO"}],
    });
    let bundle =
        Bundle::new("mute").set("/process/args", json!(["/bad"])).set("/linux/seccomp", filter);
    let bad = bundle.path().join("bad");
    fs::write(&bad, "no program\n").unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o755)).unwrap();
    let life = Life::of(bundle);
    let pid = life.created();
    let (code, error) = life.refused(&["start", &life.id]);
    assert_eq!(code, 126, "{error}");
    assert!(error.contains("execve: ENOEXEC"), "{error}");
    assert_eq!(ended(pid), 125);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

/// What the caller names may be a pipe, and so has no size; a device has no end.
#[test]
fn a_file_without_an_end_is_too_large_for_exec_and_update() {
    if !is_root() {
        return;
    }
    let life = Life::new("endless", "exec sleep 100");
    life.created();
    life.done(&["start", &life.id]);
    let refused: [&[&str]; 2] =
        [&["exec", "-p", "/dev/zero", &life.id], &["update", "-r", "/dev/zero", &life.id]];
    for words in refused {
        let (code, error) = life.refused(words);
        assert!(code == 125 && error.contains("/dev/zero"), "{words:?}: {code}: {error}");
        assert!(error.contains("4194304"), "{words:?}: {error}");
    }
    life.done(&["delete", "--force", &life.id]);
    life.is_gone();
}
