//! The features document against the door and the planner.

use nsplan::facts::HostFacts;
use nsplan::plan::{Features, Refusal, plan};
use serde_json::Value;

use super::{document, read, refuse};

fn features() -> Value {
    serde_json::to_value(Features::of_this_version()).expect("JSON")
}

fn list(features: &Value, pointer: &str) -> Vec<String> {
    let list = features.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    list.as_array()
        .expect("a list")
        .iter()
        .map(|word| word.as_str().expect("a word").into())
        .collect()
}

#[test]
fn every_mount_option_named_is_one_and_no_other_word_is() {
    // What is no option is left to the file system, which a bind mount has not: there it is refused.
    let mount = |option: &str| {
        let source = r#""destination": "/m", "source": "/s", "type": "bind""#;
        document(&format!(r#""mounts": [{{{source}, "options": ["{option}"]}}]"#))
    };
    let named = list(&features(), "/mountOptions");
    assert!(named.iter().any(|word| word == "rro") && named.len() > 50, "{named:?}");
    for word in named.iter().filter(|word| *word != "tmpcopyup") {
        read(&mount(word));
    }
    for word in ["acl", "noacl", "rsync", "rbindx", "size=1", "RO", "rrro"] {
        assert!(!named.contains(&word.to_owned()), "{word}");
        refuse(&mount(word));
    }
}

#[test]
fn every_capability_action_operator_architecture_and_flag_named_is_read_and_no_other() {
    let features = features();
    let filter = |members: &str| document(&format!(r#""linux": {{"seccomp": {{{members}}}}}"#));
    let of = [
        ("actions", r#""defaultAction": "WORD", "listenerPath": "/l""#, "SCMP_ACT_NONE"),
        (
            "operators",
            r#""defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 0, "op": "WORD"}]}]"#,
            "SCMP_CMP_NO",
        ),
        ("archs", r#""defaultAction": "SCMP_ACT_LOG", "architectures": ["WORD"]"#, "SCMP_ARCH_SH"),
        ("knownFlags", r#""defaultAction": "SCMP_ACT_LOG", "flags": ["WORD"]"#, "SECCOMP_X"),
    ];
    for (key, members, other) in of {
        let named = list(&features, &format!("/linux/seccomp/{key}"));
        assert!(!named.is_empty(), "{key}");
        for word in &named {
            read(&filter(&members.replace("WORD", word)));
        }
        refuse(&filter(&members.replace("WORD", other)));
    }
    let named = list(&features, "/linux/capabilities");
    assert_eq!(named.len(), 41);
    for name in named {
        let parsed = read(&document(&format!(
            r#""process": {{"user": {{"uid": 0, "gid": 0}}, "cwd": "/", "args": ["p"], "capabilities": {{"bounding": ["{name}"]}}}}"#
        )));
        let sets = parsed.config.process.and_then(|process| process.capabilities);
        assert!(sets.is_some_and(|sets| !sets.bounding.is_empty()), "{name}");
    }
}

#[test]
fn what_is_said_to_be_off_is_what_the_planner_does_not_carry_out() {
    let features = features();
    let linux = |members: &str| document(&format!(r#""linux": {{{members}}}"#));
    let map = r#"[{"containerID": 0, "hostID": 1, "size": 1}]"#;
    let mapped = format!(
        r#""mounts": [{{"destination": "/m", "source": "/s", "options": ["bind"], "uidMappings": {map}, "gidMappings": {map}}}]"#
    );
    let cases = [
        ("/linux/intelRdt/enabled", linux(r#""intelRdt": {"closID": "c"}"#)),
        (
            "/linux/netDevices/enabled",
            linux(r#""namespaces": [{"type": "network"}], "netDevices": {"eth7": {}}"#),
        ),
        (
            "/linux/mountExtensions/idmap/enabled",
            document(&format!(r#"{mapped}, "linux": {{"namespaces": [{{"type": "mount"}}]}}"#)),
        ),
    ];
    for (pointer, document) in cases {
        let said = features.pointer(pointer).and_then(Value::as_bool).expect("yes or no");
        let outcome = plan(&read(&document).config, &HostFacts::example());
        let is_missing = outcome.is_err_and(|errors| {
            errors.iter().any(|error| matches!(error.refusal, Refusal::NotSupported { .. }))
        });
        assert_eq!(said, !is_missing, "{pointer}");
    }
    for kind in ["prestart", "createRuntime", "startContainer", "poststop"] {
        let document = document(&format!(r#""hooks": {{"{kind}": [{{"path": "/h"}}]}}"#));
        let outcome = plan(&read(&document).config, &HostFacts::example());
        let is_missing = outcome.is_err_and(|errors| {
            errors.iter().any(|error| matches!(error.refusal, Refusal::NotSupported { .. }))
        });
        let said = list(&features, "/hooks").iter().any(|word| word == kind);
        assert_eq!(said, !is_missing, "{kind}");
    }
}

#[test]
fn the_document_has_the_form_of_the_spec() {
    let features = features();
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert_eq!(features["ociVersionMax"], "1.3.0");
    for pointer in ["/hooks", "/mountOptions", "/potentiallyUnsafeConfigAnnotations"] {
        list(&features, pointer);
    }
    assert!(features["annotations"].is_object());
    let kinds = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];
    assert_eq!(list(&features, "/linux/namespaces"), kinds);
    for name in list(&features, "/linux/capabilities") {
        let rest = name.strip_prefix("CAP_").expect("CAP_");
        assert!(rest.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{name}");
    }
    for key in ["v1", "v2", "systemd", "systemdUser", "rdma"] {
        assert!(features["linux"]["cgroup"][key].is_boolean(), "{key}");
    }
    for key in ["apparmor", "selinux", "intelRdt", "netDevices"] {
        assert!(features["linux"][key]["enabled"].is_boolean(), "{key}");
    }
}

#[test]
fn both_versions_named_are_read_and_in_order() {
    let features = features();
    let version = |key: &str| features[key].as_str().expect("a version").to_owned();
    let (least, greatest) = (version("ociVersionMin"), version("ociVersionMax"));
    for version in [&least, &greatest] {
        read(&format!(r#"{{"ociVersion": "{version}", "root": {{"path": "r"}}}}"#));
    }
    let parts = |version: &str| {
        version.split('.').map(|part| part.parse().expect("a number")).collect::<Vec<u32>>()
    };
    assert!(parts(&least) <= parts(&greatest), "{least} {greatest}");
}

#[test]
fn memory_policies_and_their_flags_that_are_named_are_read() {
    let features = features();
    for mode in list(&features, "/linux/memoryPolicy/modes") {
        for flag in list(&features, "/linux/memoryPolicy/flags") {
            let policy = format!(r#""mode": "{mode}", "nodes": "0", "flags": ["{flag}"]"#);
            read(&document(&format!(r#""linux": {{"memoryPolicy": {{{policy}}}}}"#)));
        }
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_document_is_the_same_on_every_host() {
    let said = |words: &[&str]| {
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]).arg("features").env_clear();
        let output = command.output().expect("the binary");
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let program = env!("CARGO_BIN_EXE_nsplan");
    assert_eq!(said(&[program]), features());
    // Where there is no user namespace, no procfs and no cgroup to look at.
    assert_eq!(said(&[program, "--root", "/no/such/directory"]), features());
}
