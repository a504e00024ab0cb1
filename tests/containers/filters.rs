//! System call filters: installed for real, probed from inside, and told of when a container cannot begin under one.
#![allow(unsafe_code, reason = "an agent asks the kernel by ioctl")]

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nsplan::config::{
    CapabilitySets, Config, Seccomp, SeccompAction, SeccompArg, SeccompFlag, SeccompOperator,
    SeccompRule,
};
use nsplan::plan::Refusal;
use nsplan::types::CapSet;

use crate::support::{as_user, is_root, planned, rootfs, run, shell, try_run};

fn profile(default_action: SeccompAction, rules: &[(&[&str], SeccompAction)]) -> Seccomp {
    let rule = |(names, action): &(&[&str], SeccompAction)| SeccompRule {
        names: names.iter().map(|&name| name.into()).collect(),
        action: *action,
        args: vec![],
    };
    Seccomp {
        default_action,
        architectures: vec![],
        flags: vec![],
        listener_path: None,
        listener_metadata: None,
        rules: rules.iter().map(rule).collect(),
    }
}

fn filtered(mut config: Config, profile: Seccomp, no_new_privileges: bool) -> Config {
    config.seccomp = Some(profile);
    config.process.as_mut().unwrap().no_new_privileges = no_new_privileges;
    config
}

const CHOWN: &[&str] = &["chown", "fchown", "fchownat", "lchown"];

#[track_caller]
fn check_chown() {
    for no_new_privileges in [true, false] {
        let root = rootfs("seccomp-chown");
        let script = "chown 0:0 /tmp && echo done; grep -E '^(NoNewPrivs|Seccomp|CapEff|CapPrm)' /proc/self/status";
        let deny = profile(SeccompAction::Allow, &[(CHOWN, SeccompAction::Errno(1))]);
        let outcome = run(&filtered(shell(&root, script), deny, no_new_privileges));
        assert!(outcome.err.contains("not permitted"), "{outcome:?}");
        let out = outcome.ok();
        assert!(!out.contains("done"), "{out}");
        let line = |name: &str| {
            let line = out.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').trim().to_owned()
        };
        assert_eq!(line("Seccomp"), "2", "a filter");
        assert_eq!(line("NoNewPrivs"), u8::from(no_new_privileges).to_string());
        let wanted = CapabilitySets::container_default();
        for name in ["CapEff", "CapPrm"] {
            let found = u64::from_str_radix(&line(name), 16).unwrap();
            assert_eq!(CapSet::from_bits(found), wanted.bounding, "{name} without CAP_SYS_ADMIN");
        }
        let free = run(&shell(&root, "chown 0:0 /tmp && echo done")).ok();
        assert_eq!(free, "done\n", "without a filter");
    }
}

#[test]
fn a_call_that_a_profile_forbids_fails_and_capabilities_are_those_asked_for() {
    check_chown();
}

/// As libcontainer's own test of version 2: calls by their numbers on this machine.
#[test]
fn a_container_of_libcontainers_version_2_has_its_filter() {
    if !is_root() {
        return;
    }
    let root = rootfs("seccomp-version-2");
    let calls = [libc::SYS_fchownat, if cfg!(target_arch = "x86_64") { 92 } else { 54 }];
    let calls = calls.map(|number| format!(r#"{{"value": {number}, "action": 1}}"#)).join(", ");
    let text = format!(r#"{{"rootfs": "/r", "seccomp": {{"syscalls": [{calls}]}}}}"#);
    let base = root.host_path();
    let read = nsplan::config::from_libcontainer(text.as_bytes(), &base).expect("readable").config;
    let config = filtered(shell(&root, "chown 1:1 /tmp"), read.seccomp.unwrap(), false);
    let outcome = run(&config);
    assert!(outcome.err.contains("not permitted"), "{outcome:?}");
    assert_eq!(outcome.status.code(), 1);
}

#[test]
fn an_ordinary_users_container_has_its_filter_too() {
    if as_user("filters::an_ordinary_users_container_has_its_filter_too") {
        check_chown();
    }
}

#[test]
fn another_user_has_no_capability_left_from_installing_the_filter() {
    if !is_root() {
        return;
    }
    let root = rootfs("seccomp-user");
    let deny = profile(SeccompAction::Allow, &[(CHOWN, SeccompAction::Errno(1))]);
    let mut config = filtered(shell(&root, "cat /proc/self/status"), deny, false);
    config.process.as_mut().unwrap().user.spec = nsplan::config::UserSpec::Ids { uid: 12, gid: 34 };
    let out = run(&config).ok();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(out.contains(&format!("{set}:\t0000000000000000")), "{out}");
    }
    assert!(out.contains("Seccomp:\t2"), "{out}");
}

#[test]
fn actions_do_what_they_say() {
    let cases = [
        (SeccompAction::KillProcess, "159\n"),
        (SeccompAction::KillThread, "159\n"),
        (SeccompAction::Trap, "159\n"),
        (SeccompAction::Errno(1), "1\n"),
        (SeccompAction::Log, "0\n"),
        (SeccompAction::Allow, "0\n"),
        // Nobody traces.
        (SeccompAction::Trace(7), "1\n"),
    ];
    for (action, expected) in cases {
        let root = rootfs("seccomp-actions");
        let rules: &[(&[&str], SeccompAction)] = &[(&["mkdir", "mkdirat"], action)];
        let default = match action {
            SeccompAction::Allow => SeccompAction::Log,
            _ => SeccompAction::Allow,
        };
        let mut rules = profile(default, rules);
        rules.flags = vec![SeccompFlag::Tsync, SeccompFlag::Log, SeccompFlag::SpecAllow];
        let config = shell(&root, "/bin/mkdir /tmp/made 2>/dev/null; echo $?");
        assert_eq!(run(&filtered(config, rules, true)).ok(), expected, "{action:?}");
    }
}

#[test]
fn conditions_look_at_all_64_bits_of_an_argument() {
    // dd's offset: its upper half alone differs.
    let rule = |value: u64| SeccompRule {
        names: vec!["lseek".into()],
        action: SeccompAction::Errno(5),
        args: vec![SeccompArg { index: 1, op: SeccompOperator::Equal, value, value_two: 0 }],
    };
    let seek = "dd if=/dev/null of=/tmp/file bs=1 seek=4294967303 2>/dev/null; echo $?";
    for (value, expected) in [(7, "0\n"), (0x1_0000_0007, "1\n")] {
        let root = rootfs("seccomp-wide");
        let mut rules = profile(SeccompAction::Allow, &[]);
        rules.rules = vec![rule(value)];
        assert_eq!(run(&filtered(shell(&root, seek), rules, true)).ok(), expected, "{value:#x}");
    }
}

/// What a filter allows of the start itself: execve, and nothing else that the start would need to tell of a failure.
fn bare() -> Seccomp {
    profile(SeccompAction::Errno(1), &[(&["execve"], SeccompAction::Allow)])
}

#[test]
fn a_failure_under_a_filter_that_lets_nothing_be_said_is_told_all_the_same() {
    let root = rootfs("seccomp-mute");
    for no_new_privileges in [true, false] {
        let mut config = filtered(shell(&root, ""), bare(), no_new_privileges);
        config.process.as_mut().unwrap().args = vec!["/bin/missing".into()];
        let error = try_run(&config).expect_err("no such program");
        assert_eq!(error.call(), Some("execve"), "{error}");
        assert_eq!(error.errno().map(|errno| errno.0), Some(2), "{error}");
    }
}

#[test]
fn a_filter_that_lets_the_program_begin_and_nothing_else_ends_it() {
    let root = rootfs("seccomp-bare");
    let outcome = run(&filtered(shell(&root, "echo said"), bare(), true));
    assert_eq!((outcome.out.as_str(), outcome.status.code() == 0), ("", false), "{outcome:?}");
}

#[test]
fn a_program_that_may_not_begin_is_refused_by_the_planner() {
    let root = rootfs("seccomp-refused");
    let never = profile(SeccompAction::KillProcess, &[(&["read"], SeccompAction::Allow)]);
    let errors = planned(&filtered(shell(&root, ""), never, true)).expect_err("no execve");
    let is_about_execve = |refusal: &Refusal| matches!(refusal, Refusal::Contradiction { reason } if reason.contains("execve"));
    assert!(errors.iter().any(|error| is_about_execve(&error.refusal)), "{errors:?}");
}

/// Linux's `_IOWR('!', number, size)`.
const fn ask(number: libc::Ioctl, size: libc::Ioctl) -> libc::Ioctl {
    3 << 30 | size << 16 | 0x21 << 8 | number
}

#[test]
fn an_agent_gets_the_listener_and_answers_for_the_container() {
    if !is_root() {
        return;
    }
    let root = rootfs("seccomp-agent");
    let path = root.path().join("agent");
    let socket = UnixListener::bind(&path).unwrap();
    let agent = std::thread::spawn(move || {
        let (stream, _) = socket.accept().unwrap();
        let mut buffer = [0; 4096];
        let mut space = nix::cmsg_space!([i32; 1]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let message =
            recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::empty())
                .unwrap();
        let length = message.bytes;
        let fd = message.cmsgs().unwrap().find_map(|part| match part {
            ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
            _ => None,
        });
        // SAFETY: the kernel has just made the descriptor for this process.
        let listener = unsafe { OwnedFd::from_raw_fd(fd.expect("a descriptor")) };
        let state: serde_json::Value = serde_json::from_slice(&buffer[..length]).unwrap();
        // struct seccomp_notif: id, pid, flags, data of 64 bytes; struct seccomp_notif_resp: id, val, error, flags.
        let mut question = [0_u64; 10];
        // SAFETY: 80 bytes, which is what the number says, all of our own.
        let got = unsafe { libc::ioctl(listener.as_raw_fd(), ask(0, 80), question.as_mut_ptr()) };
        assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
        let error = u64::from((-libc::ENOMEDIUM).cast_unsigned());
        let mut answer = [question[0], 0, error];
        // SAFETY: 24 bytes, which is what the number says, all of our own.
        let put = unsafe { libc::ioctl(listener.as_raw_fd(), ask(1, 24), answer.as_mut_ptr()) };
        assert_eq!(put, 0, "{}", std::io::Error::last_os_error());
        (state, question[2] & 0xffff_ffff)
    });
    let mut rules =
        profile(SeccompAction::Allow, &[(&["mkdir", "mkdirat"], SeccompAction::Notify)]);
    rules.listener_path = Some(path.to_str().unwrap().into());
    rules.listener_metadata = Some("about \"this\"".into());
    let outcome = run(&filtered(shell(&root, "mkdir /tmp/made"), rules, true));
    assert!(outcome.err.contains("No medium found"), "{outcome:?}");
    let (state, number) = agent.join().unwrap();
    assert_eq!(state["fds"], serde_json::json!(["seccompFd"]));
    assert_eq!(state["metadata"], "about \"this\"");
    assert_eq!(state["state"]["status"], "creating");
    assert_eq!(state["pid"], state["state"]["pid"]);
    assert!([libc::SYS_mkdirat, 83].contains(&i64::try_from(number).unwrap()), "{number}");
}

#[test]
fn without_its_agent_a_container_does_not_start() {
    let root = rootfs("seccomp-nobody");
    let mut rules = profile(SeccompAction::Allow, &[(&["mkdir"], SeccompAction::Notify)]);
    rules.listener_path = Some(root.path().join("nobody").to_str().unwrap().into());
    let error = try_run(&filtered(shell(&root, "true"), rules, true)).expect_err("no agent");
    assert_eq!(error.call(), Some("connect"), "{error}");
}

#[test]
fn do_takes_a_filter_from_a_file() {
    if !is_root() {
        return;
    }
    let beside = crate::support::Scratch::new("seccomp-file");
    let file = beside.path().join("profile.json");
    let command = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_nsplan"));
        command.args(["do", "--seccomp"]).arg(&file).args(["--", "sh", "-c"]);
        command.arg("grep Seccomp: /proc/self/status; mkdir /tmp/x || echo refused");
        command.output().unwrap()
    };
    let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#;
    std::fs::write(&file, profile).unwrap();
    let said = String::from_utf8(command().stdout).unwrap();
    assert_eq!(said, "Seccomp:\t2\nrefused\n");
    std::fs::write(&file, r#"{"defaultAction": "ALLOW"}"#).unwrap();
    let output = command();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(error.contains("profile.json:1:19: /defaultAction: found"), "{error}");
    std::fs::remove_file(&file).unwrap();
    assert!(String::from_utf8_lossy(&command().stderr).contains("profile.json: "));
}
