//! What must hold of the re-exec style, and of the duties that only a process of its own can be asked for.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command as Process, Stdio as Piped};
use std::sync::atomic::{AtomicU32, Ordering};

use nsplan::apply::{Cause, Stdio};
use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Limit, NamespaceSource, PathComponent,
    Resources, Seccomp, SeccompAction, SeccompRule,
};
use nsplan::namespaces::{Command, ExecError, Start, default_create_command, exec};
use nsplan::types::{HostPath, IdMap, IdMapping, NamespaceKind, Resource, Rlimit, Signal};

use crate::support::{Scratch, is_root, rootfs, shell, skip};

pub(crate) const ALL: [(&str, fn()); 18] = [
    (
        "an_init_of_ones_own_becomes_the_program_and_its_code_comes_back",
        an_init_of_ones_own_becomes_the_program_and_its_code_comes_back,
    ),
    ("it_does_so_for_an_ordinary_user", it_does_so_for_an_ordinary_user),
    (
        "it_does_so_in_a_user_namespace_whose_root_reaches_nothing",
        it_does_so_in_a_user_namespace_whose_root_reaches_nothing,
    ),
    ("it_is_executed_when_its_ids_are_mapped", it_is_executed_when_its_ids_are_mapped),
    ("it_does_so_through_an_intermediate", it_does_so_through_an_intermediate),
    (
        "the_program_has_the_descriptors_that_are_passed_on_and_no_others",
        the_program_has_the_descriptors_that_are_passed_on_and_no_others,
    ),
    (
        "nothing_of_inits_environment_reaches_the_program",
        nothing_of_inits_environment_reaches_the_program,
    ),
    (
        "what_fails_inside_comes_back_as_step_call_and_reason",
        what_fails_inside_comes_back_as_step_call_and_reason,
    ),
    ("an_init_that_gives_up_is_quoted", an_init_that_gives_up_is_quoted),
    (
        "an_init_that_ends_before_its_program_runs_is_an_error",
        an_init_that_ends_before_its_program_runs_is_an_error,
    ),
    ("an_init_that_is_not_there_is_an_error", an_init_that_is_not_there_is_an_error),
    ("an_init_with_threads_is_refused", an_init_with_threads_is_refused),
    ("the_steps_can_be_taken_one_by_one", the_steps_can_be_taken_one_by_one),
    (
        "trap_24_init_is_no_path_and_its_file_cannot_be_written_to",
        trap_24_init_is_no_path_and_its_file_cannot_be_written_to,
    ),
    ("a_user_and_an_environment_can_be_had_alone", a_user_and_an_environment_can_be_had_alone),
    (
        "an_init_of_ones_own_installs_the_filter_and_can_fail_below_it",
        an_init_of_ones_own_installs_the_filter_and_can_fail_below_it,
    ),
    (
        "who_has_joined_by_itself_becomes_the_program_as_planned",
        who_has_joined_by_itself_becomes_the_program_as_planned,
    ),
    (
        "trap_18_a_death_signal_is_restored_by_the_parent_there_was",
        trap_18_a_death_signal_is_restored_by_the_parent_there_was,
    ),
];

/// Runs `config` by way of this program in the given role.
fn run(config: &Config, role: &'static str) -> Result<(u8, String), ExecError> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let create = move |config: &Config, data_path: Option<&Path>, args: &[String]| {
        let mut command = default_create_command(config, data_path, args);
        command.program.args[1] = role.into();
        command
    };
    let errors = Stdio::Fd(writer.try_clone().unwrap().into());
    let start = Start {
        stdio: [Stdio::Null, Stdio::Fd(writer.into()), errors],
        create: Some(Box::new(create)),
        ..Start::default()
    };
    let code = exec::<&str>(config, &[], start)?;
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    Ok((code, text))
}

#[track_caller]
fn failure(config: &Config, role: &'static str) -> nsplan::apply::ApplyError {
    match run(config, role) {
        Err(ExecError::Start(error)) => {
            assert!(error.left_behind.is_empty(), "{:?}", error.left_behind);
            error
        }
        other => panic!("expected a failed start: {other:?}"),
    }
}

fn with_cgroup(mut config: Config, root: &Scratch) -> Config {
    let name = root.path().file_name().unwrap().to_str().unwrap();
    config.cgroup = Some(Cgroup {
        path: CgroupPath {
            base: CgroupBase::Caller,
            parts: vec![PathComponent::new(name).unwrap()],
        },
        driver: CgroupDriver::Cgroupfs,
        resources: Resources { pids: Some(Limit::At(64)), ..Resources::default() },
    });
    config
}

fn an_init_of_ones_own_becomes_the_program_and_its_code_comes_back() {
    let root = rootfs("reexec");
    for code in [0, 1, 42] {
        let config = shell(&root, &format!("echo $$; exit {code}"));
        assert_eq!(run(&config, "init").unwrap(), (code, "1\n".into()));
    }
    // Pid 1 dies of no signal of its own making, so it is a shell in the host's pid namespace that does.
    let mut config = shell(&root, "kill -TERM $$; sleep 60");
    if is_root() {
        config.namespaces.remove(&NamespaceKind::Pid);
        assert_eq!(run(&config, "init").unwrap().0, 128 + 15);
        let mut config = with_cgroup(shell(&root, "cat /proc/self/cgroup"), &root);
        config.namespaces.remove(&NamespaceKind::Cgroup);
        let (code, seen) = run(&config, "init").unwrap();
        let name = root.path().file_name().unwrap().to_str().unwrap();
        assert!(code == 0 && seen.contains(name), "{code}: {seen}");
    }
}

/// A copy of this program that others can execute.
fn copy(scratch: &Scratch) -> std::path::PathBuf {
    let copy = scratch.path().join("reexec");
    let own = std::env::current_exe().unwrap();
    let status = Process::new("cp").arg(&own).arg(&copy).status().unwrap();
    assert!(status.success());
    copy
}

fn it_does_so_for_an_ordinary_user() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("reexec-user");
    let mut command = Process::new(copy(&scratch));
    command.args(["an_init_of_ones_own_becomes", "passed_on", "gives_up"]).current_dir("/");
    let temporary = scratch.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    nix::unistd::chown(&temporary, Some(1000.into()), Some(1000.into())).unwrap();
    command.env("TMPDIR", &temporary).env_remove("NSPLAN_NO_SKIP").uid(1000).gid(1000);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(said.matches("... ok").count(), 3, "{said}");
}

fn it_does_so_in_a_user_namespace_whose_root_reaches_nothing() {
    if !is_root() {
        return;
    }
    let root = rootfs("reexec-userns");
    let script = "cat /proc/self/uid_map; id -u; grep CapEff /proc/self/status";
    let config = with_mapped_ids(shell(&root, script), &root);
    let (code, seen) = run(&config, "init").unwrap();
    let words: Vec<_> = seen.split_whitespace().collect();
    assert_eq!(code, 0, "{seen}");
    assert_eq!(words, ["0", "100000", "1000", "0", "CapEff:", "00000000a80425fb"], "{seen}");
}

fn with_mapped_ids(mut config: Config, root: &Scratch) -> Config {
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    let range = IdMapping { container_id: 0, host_id: 100_000, size: 1000 };
    config.uid_mappings = IdMap::new(vec![range]).unwrap();
    config.gid_mappings = config.uid_mappings.clone();
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    config
}

/// Not a test: what the next one runs in another process.
pub(crate) fn launch_with_mapped_ids() {
    let root = rootfs("reexec-mapped");
    let config = with_mapped_ids(shell(&root, "exit 7"), &root);
    let (code, seen) = run(&config, "init-looks-at-its-ids").unwrap();
    let words: Vec<_> = seen.split_whitespace().collect();
    assert_eq!((code, &words[..]), (7, &["0", "100000", "1000"][..]));
}

/// Linux 7 shows what is being executed as root's for a moment, and its id maps cannot be written then. So the program has
/// to find them written, however slow its launcher is: strace delays what that opens.
fn it_is_executed_when_its_ids_are_mapped() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("reexec-slow");
    let mut command = Process::new("strace");
    command.args(["--quiet=all", "-o"]).arg(scratch.path().join("trace"));
    command.args(["-e", "trace=openat", "-e", "inject=openat:delay_enter=10000"]);
    let output = command.arg(std::env::current_exe().unwrap()).arg("launch-with-mapped-ids");
    let output = output.output().expect("strace");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let trace = fs::read_to_string(scratch.path().join("trace")).unwrap();
    assert!(trace.contains("/uid_map\"") && trace.contains("(DELAYED)"), "{trace}");
}

fn it_does_so_through_an_intermediate() {
    if !is_root() {
        return;
    }
    let root = rootfs("reexec-between");
    let mut sleeper =
        Process::new("unshare").args(["--pid", "--kill-child", "sleep", "60"]).spawn().unwrap();
    let inner = crate::support::wait_for(|| {
        let children = format!("/proc/{0}/task/{0}/children", sleeper.id());
        fs::read_to_string(children).ok()?.split_whitespace().next().map(str::to_owned)
    });
    let mut config = shell(&root, "readlink /proc/self/ns/pid");
    let path = HostPath::new(&format!("/proc/{inner}/ns/pid")).unwrap();
    config.namespaces.insert(NamespaceKind::Pid, NamespaceSource::Join(path.clone()));
    let answer = run(&config, "init");
    let expected = fs::read_link(path.as_str()).unwrap();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(answer.unwrap(), (0, format!("{}\n", expected.display())));
}

fn the_program_has_the_descriptors_that_are_passed_on_and_no_others() {
    let root = rootfs("reexec-fds");
    let config = shell(&root, "echo three >&3; echo four >&4; ls /proc/self/fd");
    let (mut out, out_end) = std::io::pipe().unwrap();
    let (mut third, third_end) = std::io::pipe().unwrap();
    let (mut fourth, fourth_end) = std::io::pipe().unwrap();
    let start = Start {
        stdio: [Stdio::Null, Stdio::Fd(out_end.into()), Stdio::Inherit],
        passed: vec![third_end.into(), fourth_end.into()],
        create: Some(Box::new(default_create_command)),
        ..Start::default()
    };
    assert_eq!(exec::<&str>(&config, &[], start).unwrap(), 0);
    let read = |pipe: &mut std::io::PipeReader| {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(
        read(&mut out).split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3", "4", "5"]
    );
    assert_eq!((read(&mut third), read(&mut fourth)), ("three\n".into(), "four\n".into()));
}

fn nothing_of_inits_environment_reaches_the_program() {
    let root = rootfs("reexec-env");
    let (_, seen) = run(&shell(&root, "env"), "init").unwrap();
    for name in ["pipe=", "data_path=", "console=", "CARGO"] {
        assert!(!seen.contains(name), "{name} in {seen}");
    }
    assert!(seen.contains("PATH="), "{seen}");
}

fn what_fails_inside_comes_back_as_step_call_and_reason() {
    let root = rootfs("reexec-error");
    let mut config = shell(&root, "true");
    config.process.as_mut().unwrap().args = vec!["no-such-program".into()];
    let error = failure(&config, "init");
    assert_eq!(error.exit_code(), Some(127), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("init/") && text.contains("execve: ENOENT"), "{text}");
}

fn an_init_that_gives_up_is_quoted() {
    let root = rootfs("reexec-gives-up");
    let error = failure(&shell(&root, "true"), "init-gives-up");
    assert_eq!(error.cause, Cause::GivenUp { words: "something bad happened".into() });
}

fn an_init_that_ends_before_its_program_runs_is_an_error() {
    let root = rootfs("reexec-dies");
    for (role, how) in [("init-dies", "killed by SIGKILL"), ("init-says-nothing", "ended before")] {
        let mut config = shell(&root, "true");
        let is_root = is_root();
        if is_root {
            // Pid 1 cannot kill itself.
            config.namespaces.remove(&NamespaceKind::Pid);
            config = with_cgroup(config, &root);
        }
        let error = failure(&config, role);
        let how = if is_root { how } else { "ended before" };
        assert!(error.to_string().contains(how), "{role}: {error}");
    }
}

fn an_init_that_is_not_there_is_an_error() {
    let root = rootfs("reexec-none");
    let missing = HostPath::new("/no/such/init").unwrap();
    let no_program = root.host_path().child("etc/passwd");
    // Of an ordinary user it is a copy that is executed, and of root before Linux 5.12.
    for (program, says) in [(missing, &["ENOENT"][..]), (no_program, &["EACCES", "ENOEXEC"])] {
        let create = |config: &Config, data_path: Option<&Path>, args: &[String]| {
            let mut command = default_create_command(config, data_path, args);
            command.program.program = Some(program);
            command
        };
        let start = Start { create: Some(Box::new(create)), ..Start::default() };
        let error = exec::<&str>(&shell(&root, "true"), &[], start).unwrap_err();
        assert!(says.iter().any(|says| error.to_string().contains(says)), "{error}");
    }
    // And one that is none of the config's is not run at all.
    let create = |_: &Config, _: Option<&Path>, _: &[String]| Command::default();
    let start = Start { create: Some(Box::new(create)), ..Start::default() };
    let error = exec::<&str>(&shell(&root, "true"), &[], start).unwrap_err();
    assert!(matches!(error, ExecError::Command { .. }), "{error}");
}

fn an_init_with_threads_is_refused() {
    let root = rootfs("reexec-threads");
    let error = failure(&shell(&root, "true"), "init-with-threads");
    assert!(error.to_string().contains("2 threads, expected one"), "{error}");
}

fn the_steps_can_be_taken_one_by_one() {
    let root = rootfs("reexec-steps");
    let config = shell(&root, "cat /tmp/made-by-init; exit 3");
    assert_eq!(run(&config, "init-step-by-step").unwrap(), (3, "here".into()));
}

fn trap_24_init_is_no_path_and_its_file_cannot_be_written_to() {
    let root = rootfs("trap24");
    let (code, seen) = run(&shell(&root, "echo runs"), "init-looks-at-itself").unwrap();
    assert_eq!((code, seen.as_str()), (0, "out of reach: true\nruns\n"));
    // Started by a relative name, from a directory that is left at once, and whose file is another by then.
    let scratch = Scratch::new("trap24");
    copy(&scratch);
    let mut command = Process::new("sh");
    let script = "exec ./reexec an_init_that_gives_up an_init_of_ones_own_becomes";
    command.args(["-c", script]).current_dir(scratch.path());
    let mut child = command.stdout(Piped::piped()).spawn().unwrap();
    crate::support::wait_for(|| {
        let runs = fs::read_link(format!("/proc/{}/exe", child.id())).ok()?;
        // Not this program, which the child is before it is the shell.
        (runs == scratch.path().join("reexec")).then_some(())
    });
    fs::rename(scratch.path().join("reexec"), scratch.path().join("moved")).unwrap();
    let mut impostor = fs::File::create(scratch.path().join("reexec")).unwrap();
    impostor.write_all(b"#!/bin/sh\nexit 66\n").unwrap();
    drop(impostor);
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert_eq!(said.matches("... ok").count(), 2, "{said}");
}

#[track_caller]
fn role(name: &str) -> String {
    let output = Process::new(std::env::current_exe().unwrap()).arg(name).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {:?} {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn a_user_and_an_environment_can_be_had_alone() {
    assert_eq!(role("load-an-environment"), "A=2\nB=x=y\n");
    assert!(role("load-with-threads").contains("2 threads, expected one"));
    if !is_root() {
        return;
    }
    let seen = role("become-a-user");
    assert!(seen.contains("Uid:\t1234\t1234\t1234\t1234"), "{seen}");
    assert!(seen.contains("Gid:\t2345\t2345\t2345\t2345"), "{seen}");
    assert!(seen.contains("Groups:\t7 8"), "{seen}");
}

fn an_init_of_ones_own_installs_the_filter_and_can_fail_below_it() {
    let root = rootfs("reexec-filter");
    let denied = |names: &[&str], action| {
        let rule = SeccompRule {
            names: names.iter().map(|&name| name.into()).collect(),
            action,
            args: Vec::new(),
        };
        Seccomp {
            default_action: SeccompAction::Allow,
            architectures: Vec::new(),
            flags: Vec::new(),
            listener_path: None,
            listener_metadata: None,
            rules: vec![rule],
        }
    };
    let mut config = shell(&root, "mkdir /tmp/x && echo made; grep Seccomp: /proc/self/status");
    config.seccomp = Some(denied(&["mkdir", "mkdirat"], SeccompAction::Errno(1)));
    let (code, seen) = run(&config, "init").unwrap();
    assert!(code == 0 && seen.contains("not permitted") && seen.contains("Seccomp:\t2"), "{seen}");
    assert!(!seen.contains("made"), "{seen}");
    // It cannot say that there is no such program, and not even end by a call; yet the parent knows.
    config.process.as_mut().unwrap().args = vec!["no-such-program".into()];
    let calls = ["sendmsg", "sendto", "write", "exit", "exit_group"];
    config.seccomp = Some(denied(&calls, SeccompAction::KillProcess));
    let error = failure(&config, "init");
    assert_eq!(error.exit_code(), Some(127), "{error}");
    assert!(error.to_string().contains("execve: ENOENT"), "{error}");
}

fn who_has_joined_by_itself_becomes_the_program_as_planned() {
    if !is_root() {
        return;
    }
    let (root, place) = (rootfs("reexec-setns"), Scratch::new("reexec-setns-state"));
    let mut config = shell(&root, "sleep 1000");
    config.hostname = Some("joined".into());
    let limit = Rlimit { soft: 513, hard: 513 };
    config.process.as_mut().unwrap().rlimits.insert(Resource::Nofile, limit);
    let started = |container: &mut nsplan::apply::Container| {
        let mut command = Process::new(std::env::current_exe().unwrap());
        let output = command.arg("join-by-itself").env("STATE", place.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}{errors}");
        let expected = "513\njoined\n0\n1\n";
        assert_eq!(said, expected, "{errors}");
        container.kill(Signal::KILL).unwrap();
    };
    let start = Start {
        data_path: Some(place.path().join("one")),
        started: Some(Box::new(started)),
        ..Start::default()
    };
    assert_eq!(exec::<&str>(&config, &[], start).unwrap(), 128 + 9);
}

fn trap_18_a_death_signal_is_restored_by_the_parent_there_was() {
    assert_eq!(role("restore-a-death-signal"), "Some(SIGTERM)\n");
    // A supervisor that is pid 1 is a parent like any other: the original killed itself here.
    if is_root() {
        let own = std::env::current_exe().unwrap();
        let mut command = Process::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "sh", "-c"]);
        command.arg(format!("{} restore-a-death-signal; echo code $?", own.display()));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, "Some(SIGTERM)\ncode 0\n", "{}", String::from_utf8_lossy(&output.stderr));
    } else {
        skip("not root");
    }
    // And one that has died meanwhile is noticed by its number, wherever the orphan has gone.
    let own = std::env::current_exe().unwrap();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let scratch = Scratch::new(&format!("trap18-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let out = scratch.path().join("out");
    let script = format!(
        "{} restore-after-a-death >{out} & while ! grep -q ready {out}; do sleep 0.01; done; echo $!",
        own.display(),
        out = out.display()
    );
    let output = Process::new("sh").args(["-c", &script]).output().unwrap();
    let orphan = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    crate::support::wait_for(|| {
        let state = fs::read_to_string(format!("/proc/{orphan}/stat")).ok();
        state.is_none_or(|stat| stat.contains(") Z ")).then_some(())
    });
    assert_eq!(fs::read_to_string(&out).unwrap(), "ready\n", "{:?}", output.status.signal());
}
