//! Sentences of the spec about the operations that no other test shows.

use std::fs;

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::is_root;

/// A hook of the host's that writes its kind down.
fn noted(bundle: &Bundle, kind: &str) -> Value {
    let log = bundle.directory().join("log");
    let script = format!("echo {kind} >> {}", log.display());
    json!({"path": "/bin/sh", "args": ["sh", "-c", script]})
}

#[test]
fn hooks_run_in_the_command_that_they_belong_to() {
    if !is_root() {
        return;
    }
    let mut bundle = Bundle::new("life-hooks").set("/process/args", json!(["sleep", "1000"]));
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        let hook = noted(&bundle, kind);
        bundle = bundle.push(&format!("/hooks/{kind}"), hook);
    }
    let words = bundle.directory().join("words");
    fs::create_dir(&words).unwrap();
    let start = json!({"path": "/bin/sh", "args": ["sh", "-c", "echo start > /words/start"]});
    let mount = json!({"destination": "/words", "source": words, "options": ["bind"]});
    let life = Life::of(bundle.push("/mounts", mount).push("/hooks/startContainer", start));
    let log = || fs::read_to_string(life.bundle.directory().join("log")).unwrap();
    let created = "prestart\ncreateRuntime\ncreateContainer\n";
    let pid = life.created();
    assert_eq!(log(), created);
    assert!(!words.join("start").exists());
    life.done(&["start", &life.id]);
    assert_eq!(log(), format!("{created}poststart\n"));
    assert_eq!(fs::read_to_string(words.join("start")).unwrap(), "start\n");
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(pid), 137);
    life.is("stopped");
    assert_eq!(log(), format!("{created}poststart\n"));
    life.done(&["delete", &life.id]);
    assert_eq!(log(), format!("{created}poststart\npoststop\n"));
    life.is_gone();
}

#[test]
fn what_is_written_to_the_bundle_after_creation_has_no_effect() {
    if !is_root() {
        return;
    }
    let life = Life::new("life-changed", "echo as created");
    let pid = life.created();
    fs::write(life.bundle.directory().join("config.json"), "{").unwrap();
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 0);
    assert_eq!(life.printed(), "as created\n");
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn no_operation_does_without_an_id() {
    if !is_root() {
        return;
    }
    let life = Life::new("life-nameless", "exit 0");
    for verb in ["state", "create", "start", "kill", "delete"] {
        let (code, error) = life.refused(&[verb]);
        assert_eq!(code, 125, "{verb}: {error}");
        assert!(error.contains(verb), "{error}");
    }
    let (_, error) = life.refused(&["create", "--bundle", "/no/such/bundle", &life.id]);
    assert!(error.contains("/no/such/bundle"), "{error}");
    life.is_gone();
}

#[test]
fn a_container_that_is_not_there_is_an_error_of_every_operation() {
    if !is_root() {
        return;
    }
    let life = Life::new("life-nobody", "exit 0");
    for words in [&["state"][..], &["start"], &["kill"], &["delete"]] {
        let words = [words, &[&*life.id]].concat();
        let (code, error) = life.refused(&words);
        assert_eq!(code, 125, "{words:?}");
        assert!(error.contains("does not exist"), "{words:?}: {error}");
    }
}

#[test]
fn what_cannot_be_applied_leaves_no_container() {
    if !is_root() {
        return;
    }
    let wrong = [
        ("/linux/sysctl", json!({"net.core.somaxconn": "no number"})),
        ("/linux/devices", json!([{"path": "/bin", "type": "c", "major": 1, "minor": 3}])),
        ("/process/cwd", json!("/no/such/directory")),
    ];
    for (place, value) in wrong {
        let life = Life::of(Bundle::new("life-wrong").set(place, value));
        let (code, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
        assert_eq!(code, 125, "{place}: {error}");
        assert!(error.contains(place), "{place}: {error}");
        let (_, error) = life.refused(&["state", &life.id]);
        assert!(error.contains("does not exist"), "{error}");
        life.is_gone();
    }
}
