//! What the spec requires of a document, and what it forbids in few words: each is missed, or refused, by its name.

use crate::{document, refuse};

/// Members of the document, and what is missing in them.
const REQUIRED: &[(&str, &[&str])] = &[
    (r#""process": {}"#, &["cwd"]),
    (r#""process": {"cwd": "/", "terminal": true, "consoleSize": {}}"#, &["height", "width"]),
    (r#""process": {"cwd": "/", "rlimits": [{}]}"#, &["type", "soft", "hard"]),
    (r#""process": {"cwd": "/", "scheduler": {}}"#, &["policy"]),
    (r#""process": {"cwd": "/", "ioPriority": {}}"#, &["class", "priority"]),
    (r#""process": {"cwd": "/", "user": {}}"#, &["uid", "gid"]),
    (r#""mounts": [{"type": "tmpfs"}]"#, &["destination"]),
    (r#""hooks": {"createRuntime": [{}]}"#, &["path"]),
    (r#""linux": {"namespaces": [{}]}"#, &["type"]),
    (
        r#""linux": {"namespaces": [{"type": "user"}], "uidMappings": [{}]}"#,
        &["containerID", "hostID", "size"],
    ),
    (r#""linux": {"devices": [{"type": "p"}]}"#, &["path"]),
    (r#""linux": {"devices": [{"path": "/x", "major": 1, "minor": 3}]}"#, &["type"]),
    (r#""linux": {"devices": [{"type": "b", "path": "/dev/x"}]}"#, &["major", "minor"]),
    (r#""linux": {"resources": {"devices": [{}]}}"#, &["allow"]),
    (r#""linux": {"resources": {"pids": {}}}"#, &["limit"]),
    (r#""linux": {"resources": {"blockIO": {"weightDevice": [{}]}}}"#, &["major", "minor"]),
    (
        r#""linux": {"resources": {"blockIO": {"throttleReadBpsDevice": [{}]}}}"#,
        &["major", "minor", "rate"],
    ),
    (r#""linux": {"resources": {"hugepageLimits": [{}]}}"#, &["pageSize", "limit"]),
    (r#""linux": {"resources": {"network": {"priorities": [{}]}}}"#, &["name", "priority"]),
    (r#""linux": {"seccomp": {}}"#, &["defaultAction"]),
    (
        r#""linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}}"#,
        &["names", "action"],
    ),
    (
        r#""linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_LOG", "args": [{}]}]}}"#,
        &["index", "value", "op"],
    ),
    (r#""linux": {"personality": {}}"#, &["domain"]),
];

#[test]
fn what_the_spec_requires_is_missed_by_name() {
    for (members, names) in REQUIRED {
        let said = refuse(&document(members)).to_string();
        for name in *names {
            assert!(said.contains(&format!("found no `{name}`")), "{members}: {said}");
        }
        assert_eq!(said.lines().count(), names.len(), "{members}: {said}");
    }
    let said = refuse(r#"{"ociVersion": "1.3.0"}"#).to_string();
    assert_eq!(said, "1:1: found no `root`");
    let said = refuse(r#"{"ociVersion": "1.3.0", "root": {}}"#).to_string();
    assert!(said.ends_with("/root: found no `path`"), "{said}");
}

fn filter(members: &str) -> String {
    document(&format!(r#""linux": {{"seccomp": {{{members}}}}}"#))
}

#[test]
fn an_errno_for_an_action_that_has_none_is_refused() {
    let rule = |action: &str| {
        filter(&format!(
            r#""defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{{"names": ["bpf"], "action": "{action}", "errnoRet": 2}}]"#
        ))
    };
    let default =
        |action: &str| filter(&format!(r#""defaultAction": "{action}", "defaultErrnoRet": 2"#));
    for action in ["KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP", "ALLOW", "LOG", "NOTIFY"] {
        let action = format!("SCMP_ACT_{action}");
        let said = refuse(&rule(&action)).to_string();
        let place = "/linux/seccomp/syscalls/0/errnoRet: found the number 2, expected it with";
        assert!(said.contains(place), "{action}: {said}");
        let said = refuse(&default(&action)).to_string();
        assert!(said.contains("/linux/seccomp/defaultErrnoRet: found the number 2"), "{said}");
    }
    for action in ["SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"] {
        crate::read(&rule(action));
        crate::read(&default(action));
    }
}

#[test]
fn a_rule_without_names_is_refused() {
    let text = filter(
        r#""defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_LOG"}]"#,
    );
    let said = refuse(&text).to_string();
    assert!(said.contains("/linux/seccomp/syscalls/0/names: found an array, expected"), "{said}");
}

#[test]
fn metadata_for_no_listener_is_refused() {
    let said = refuse(&filter(r#""defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "m""#))
        .to_string();
    assert!(said.ends_with("/linux/seccomp: found no `listenerPath`"), "{said}");
}

#[test]
fn a_read_only_path_is_absolute() {
    let said = refuse(&document(r#""linux": {"readonlyPaths": ["proc/sys"]}"#)).to_string();
    assert!(said.contains("/linux/readonlyPaths/0: relative path"), "{said}");
}
