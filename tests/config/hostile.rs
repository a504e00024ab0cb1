//! Documents made to hurt: cut off, endless, deep, doubled, with NULs, with paths that climb.

use nsplan::config::{Problem, from_libcontainer};

use crate::support::{base, read, refuse, sample};

#[test]
fn every_beginning_of_a_document_is_refused() {
    let text = sample("seed-2015-02/minimal.json");
    let text = text.trim_end();
    for end in 0..text.len() {
        let errors = from_libcontainer(&text.as_bytes()[..end], &base()).expect_err("cut off");
        assert_eq!(errors.0.len(), 1, "{end}");
        assert!(matches!(errors.0[0].problem, Problem::Syntax { .. }), "{errors}");
    }
}

#[test]
fn any_one_byte_may_be_wrong() {
    let text = sample("seed-2015-02/userns.json").into_bytes();
    for at in (0..text.len()).step_by(7) {
        for byte in [0, b'"', b'{', b'9', b'-', 0xff] {
            let mut broken = text.clone();
            broken[at] = byte;
            nsplan::config::fuzz_libcontainer(&broken);
        }
    }
}

#[test]
fn depth_and_length_end_the_search_at_once() {
    let deep = "[".repeat(100_000);
    assert_eq!(refuse(&deep).to_string(), "1:65: more than 64 arrays and objects in one another");
    let deep = "{\"a\":".repeat(100_000);
    assert_eq!(refuse(&deep).to_string(), "1:321: more than 64 arrays and objects in one another");
    let long = format!("{{\"user\": \"{}\"}}", "x".repeat(5 << 20));
    assert_eq!(refuse(&long).to_string(), "1:1: 5242892 bytes, expected at most 4194304");
}

#[test]
fn a_long_value_is_shown_in_part() {
    let text = format!("{{\"working_dir\": \"{}\", \"tty\": \"{0}\"}}", "y".repeat(100_000));
    let message = refuse(&text).to_string();
    assert!(message.len() < 600, "{message}");
    assert!(message.contains("yyy…"), "{message}");
}

#[test]
fn a_message_is_one_line_whatever_the_user_wrote() {
    let message = refuse(r#"{"a\nb": 1, "user": ["\u001b[31m"], "capabilities": ["\n\u2028"]}"#);
    assert_eq!(message.to_string().lines().count(), message.0.len());
    assert!(message.to_string().chars().all(|c| c == '\n' || !c.is_control()), "{message}");
}

#[test]
fn no_string_that_reaches_the_kernel_holds_a_nul() {
    let paths = [
        r#"{"root_fs": "a\u0000"}"#,
        r#"{"hostname": "a\u0000", "namespaces": [{"type": "NEWUTS"}]}"#,
        r#"{"user": "a\u0000"}"#,
        r#"{"working_dir": "/a\u0000"}"#,
        r#"{"environment": ["A=\u0000"]}"#,
        r#"{"apparmor_profile": "a\u0000"}"#,
        r#"{"process_label": "a\u0000"}"#,
        r#"{"namespaces": [{"type": "NEWNET", "path": "/a\u0000"}]}"#,
        r#"{"cgroups": {"name": "a\u0000"}}"#,
        r#"{"rootfs": "/", "system_properties": {"a": "\u0000"}}"#,
        r#"{"rootfs": "/", "system_properties": {"a\u0000": "b"}}"#,
    ];
    for text in paths {
        let errors = refuse(text);
        assert!(errors.0.iter().any(|error| error.problem == Problem::Nul), "{text}: {errors}");
    }
}

#[test]
fn no_path_leaves_the_root() {
    let parsed = read(
        r#"{"namespaces": [{"type": "NEWNS"}], "working_dir": "/../../etc",
            "mount_config": {
                "mounts": [{"type": "tmpfs", "destination": "../../../tmp"}],
                "device_nodes": [{"type": 99, "path": "/dev/../../../null"}]}}"#,
    );
    assert_eq!(parsed.config.mounts[6].destination.as_str(), "/tmp");
    assert_eq!(parsed.config.devices[0].path.as_str(), "/null");
    assert_eq!(parsed.config.process.expect("a process").cwd.as_str(), "/etc");
}
