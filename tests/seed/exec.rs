//! `exec`, and upstream's integration tests with the values they had.

use std::cell::RefCell;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use nsplan::apply::Stdio;
use nsplan::config::{Config, NamespaceSource, from_libcontainer};
use nsplan::namespaces::{ExecError, Start, default_create_command, default_setup_command, exec};
use nsplan::types::{CloneFlags, HostPath, IdMap, IdMapping, NamespaceKind, Signal};

use crate::support::{Scratch, is_root, rootfs};

/// Upstream's template for integration tests, without what cgroups cost: all devices, a name for each test.
pub(crate) fn template(root: &Scratch) -> Config {
    let name = root.path().file_name().unwrap().to_str().unwrap();
    let text = format!(
        r#"{{
        "root_fs": "{}", "hostname": "integration", "mount_config": {{}},
        "environment": ["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME=integration", "TERM=xterm"],
        "namespaces": [{{"type":"NEWNS"}}, {{"type":"NEWUTS"}}, {{"type":"NEWIPC"}}, {{"type":"NEWPID"}}, {{"type":"NEWNET"}}],
        "capabilities": ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
            "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"],
        "networks": [{{"type": "loopback"}}],
        "rlimits": [{{"type": 7, "hard": 1025, "soft": 1025}}],
        "cgroups": {{"parent": "integration", "name": "{name}", "allow_all_devices": true}}
    }}"#,
        root.path().display()
    );
    from_libcontainer(text.as_bytes(), &root.host_path()).unwrap().config
}

/// Runs a program and answers its code and what it wrote.
fn run(config: &Config, args: &[&str]) -> Result<(u8, String), ExecError> {
    written(|start| exec(config, args, start))
}

/// The code of a start, and what was written to its standard output and error.
pub(crate) fn written(
    start: impl FnOnce(Start<'_>) -> Result<u8, ExecError>,
) -> Result<(u8, String), ExecError> {
    let (reader, writer) = std::io::pipe().unwrap();
    let errors = Stdio::Fd(writer.try_clone().unwrap().into());
    let stdio = [Stdio::Null, Stdio::Fd(writer.into()), errors];
    let code = start(Start { stdio, ..Start::default() })?;
    Ok((code, std::io::read_to_string(reader).unwrap()))
}

#[track_caller]
pub(crate) fn said(config: &Config, args: &[&str]) -> String {
    let (code, text) = run(config, args).unwrap();
    assert_eq!(code, 0, "{text}");
    text.trim().to_owned()
}

fn own_namespace(kind: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().display().to_string()
}

#[track_caller]
fn check_ps(seen: &str) {
    assert_eq!(seen.lines().nth(1).map(str::trim), Some("1 root     ps"), "{seen}");
}

/// So many ids from 0 on, as so many of the host's.
pub(crate) fn range_of(host_id: u32, size: u32) -> IdMap {
    IdMap::new(vec![IdMapping { container_id: 0, host_id, size }]).unwrap()
}

#[test]
fn test_exec_ps() {
    if !is_root() {
        return;
    }
    let root = rootfs("exec-ps");
    check_ps(&said(&template(&root), &["ps"]));
}

#[test]
fn test_userns_exec_ps() {
    if !is_root() {
        return;
    }
    let root = rootfs("exec-userns-ps");
    let mut config = template(&root);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    config.uid_mappings = range_of(0, 1000);
    config.gid_mappings = config.uid_mappings.clone();
    check_ps(&said(&config, &["ps"]));
}

#[test]
fn test_ipc_private() {
    if !is_root() {
        return;
    }
    let root = rootfs("ipc-private");
    assert_ne!(said(&template(&root), &["readlink", "/proc/self/ns/ipc"]), own_namespace("ipc"));
}

#[test]
fn test_ipc_host() {
    if !is_root() {
        return;
    }
    let root = rootfs("ipc-host");
    let mut config = template(&root);
    config.namespaces.remove(&NamespaceKind::Ipc);
    assert_eq!(said(&config, &["readlink", "/proc/self/ns/ipc"]), own_namespace("ipc"));
}

fn with_ipc_path(root: &Scratch, path: &str) -> Config {
    let mut config = template(root);
    let path = HostPath::new(path).unwrap();
    config.namespaces.insert(NamespaceKind::Ipc, NamespaceSource::Join(path));
    config
}

#[test]
fn test_ipc_join_path() {
    if !is_root() {
        return;
    }
    let root = rootfs("ipc-join");
    // Not every machine lets its root look at pid 1.
    let config = with_ipc_path(&root, &format!("/proc/{}/ns/ipc", std::process::id()));
    assert_eq!(said(&config, &["readlink", "/proc/self/ns/ipc"]), own_namespace("ipc"));
}

#[test]
fn test_ipc_bad_path() {
    if !is_root() {
        return;
    }
    let root = rootfs("ipc-bad");
    let error = run(&with_ipc_path(&root, "/proc/1/ns/ipcc"), &["true"]).unwrap_err();
    assert!(error.to_string().contains("/proc/1/ns/ipcc"), "{error}");
}

#[test]
fn test_rlimit() {
    if !is_root() {
        return;
    }
    let root = rootfs("rlimit");
    assert_eq!(said(&template(&root), &["sh", "-c", "ulimit -n"]), "1025");
}

#[test]
fn test_pid_ns_private() {
    if !is_root() {
        return;
    }
    let root = rootfs("pid-private");
    assert_ne!(said(&template(&root), &["readlink", "/proc/self/ns/pid"]), own_namespace("pid"));
}

#[test]
fn test_process_env() {
    if !is_root() {
        return;
    }
    let root = rootfs("process-env");
    let mut config = template(&root);
    let process = config.process.as_mut().unwrap();
    process.env.retain(|variable| variable.name != "HOME");
    let foo = nsplan::config::EnvVar { name: "FOO".into(), value: "BAR".into() };
    process.env.push(foo);
    let seen = said(&config, &["env"]);
    assert!(seen.lines().any(|line| line == "FOO=BAR"), "{seen}");
    assert!(seen.lines().any(|line| line == "HOME=/root"), "{seen}");
}

#[test]
fn test_process_caps() {
    if !is_root() {
        return;
    }
    let root = rootfs("process-caps");
    let mut config = template(&root);
    let sets = config.process.as_mut().unwrap().capabilities.as_mut().unwrap();
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.insert(nsplan::types::Capability::NET_ADMIN);
    }
    let seen = said(&config, &["sh", "-c", "grep CapEff /proc/self/status"]);
    let bits = u64::from_str_radix(seen.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_ne!(bits & 1 << 12, 0, "{seen}");
}

#[test]
fn test_additional_groups() {
    if !is_root() {
        return;
    }
    let root = rootfs("additional-groups");
    fs::write(root.path().join("etc/group"), "root:x:0:\nplugdev:x:46:\naudio:x:29:\n").unwrap();
    let mut config = template(&root);
    config.process.as_mut().unwrap().user.additional_groups =
        ["plugdev", "audio"].map(Into::into).into();
    let seen = said(&config, &["id"]);
    assert!(seen.contains("46(plugdev)") && seen.contains("29(audio)"), "{seen}");
}

#[test]
fn test_pass_extra_files() {
    if !is_root() {
        return;
    }
    let root = rootfs("extra-files");
    passes_two_files_on(|args, start| exec(&template(&root), args, start));
}

/// Two descriptors more than the standard ones are the program's third and fourth, whichever way it is started.
#[track_caller]
pub(crate) fn passes_two_files_on(start: impl FnOnce(&[&str], Start<'_>) -> Result<u8, ExecError>) {
    let pipes: [_; 3] = std::array::from_fn(|_| std::io::pipe().unwrap());
    let [(out, out_end), (one, one_end), (two, two_end)] = pipes;
    let script = "cd /proc/$$/fd; echo -n *; echo -n 1 >3; echo -n 2 >4";
    let with = Start {
        stdio: [Stdio::Null, Stdio::Fd(out_end.into()), Stdio::Inherit],
        passed: vec![one_end.into(), two_end.into()],
        ..Start::default()
    };
    let code = start(&["sh", "-c", script], with).unwrap();
    let texts = [out, one, two].map(|reader| std::io::read_to_string(reader).unwrap());
    assert_eq!((code, texts), (0, ["0 1 2 3 4 5", "1", "2"].map(String::from)));
}

#[test]
fn test_system_properties() {
    if !is_root() {
        return;
    }
    let root = rootfs("system-properties");
    let mut config = template(&root);
    config.sysctl.insert("kernel.shmmni".into(), "8192".into());
    assert_eq!(said(&config, &["cat", "/proc/sys/kernel/shmmni"]), "8192");
}

#[test]
fn test_seccomp_no_chown() {
    if !is_root() {
        return;
    }
    let root = rootfs("seccomp-no-chown");
    let mut config = template(&root);
    // By number, as the format has it, and with what the program uses instead of `chown` on some machines.
    let calls = [libc::SYS_lchown, libc::SYS_chown, libc::SYS_fchownat]
        .map(|number| format!(r#"{{"value":{number},"action":1}}"#))
        .join(",");
    let text =
        format!(r#"{{"rootfs":"{}","seccomp":{{"syscalls":[{calls}]}}}}"#, root.path().display());
    config.seccomp = from_libcontainer(text.as_bytes(), &root.host_path()).unwrap().config.seccomp;
    let (code, seen) = run(&config, &["chown", "1:1", "/tmp"]).unwrap();
    assert!(code != 0 && seen.contains("not permitted"), "{code}: {seen}");
}

#[test]
fn test_cpu_shares() {
    let text = r#"{"cgroups":{"name":"x","parent":"integration","cpu_shares":1}}"#;
    let base = HostPath::new("/srv").unwrap();
    let errors = from_libcontainer(text.as_bytes(), &base).unwrap_err();
    assert!(errors.to_string().contains("cpu_shares"), "{errors}");
}

#[test]
fn a_programs_code_and_128_and_its_signal_come_back() {
    if !is_root() {
        return;
    }
    let root = rootfs("codes");
    let mut config = template(&root);
    for code in [0, 1, 42] {
        let script = format!("exit {code}");
        assert_eq!(run(&config, &["sh", "-c", &script]).unwrap().0, code);
    }
    // Pid 1 dies of no signal of its own making.
    config.namespaces.remove(&NamespaceKind::Pid);
    for (signal, number) in [("KILL", 9), ("TERM", 15)] {
        let script = format!("kill -{signal} $$; sleep 60");
        assert_eq!(run(&config, &["sh", "-c", &script]).unwrap().0, 128 + number);
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_and_nothing_is_called_back() {
    let root = rootfs("not-found");
    let called = RefCell::new(0);
    let start =
        Start { started: Some(Box::new(|_| *called.borrow_mut() += 1)), ..Start::default() };
    let config = crate::support::shell(&root, "true");
    let error = exec(&config, &["no-such-program"], start).unwrap_err();
    let ExecError::Start(error) = error else { panic!("{error}") };
    assert_eq!(error.exit_code(), Some(127));
    assert_eq!(*called.borrow(), 0);
}

#[test]
fn the_start_is_told_once_and_after_the_program_runs() {
    let root = rootfs("told");
    let config = crate::support::shell(&root, "sleep 60");
    let seen = RefCell::new(Vec::new());
    let started = |container: &mut nsplan::apply::Container| {
        let name = fs::read_to_string(format!("/proc/{}/comm", container.pid())).unwrap();
        seen.borrow_mut().push(name.trim().to_owned());
        container.kill(Signal::KILL).unwrap();
    };
    let start = Start { started: Some(Box::new(started)), ..Start::default() };
    assert_eq!(exec(&config, &["sleep", "60"], start).unwrap(), 128 + 9);
    assert_eq!(*seen.borrow(), ["sleep"]);
}

#[test]
fn every_refusal_comes_at_once_before_anything_is_made() {
    let root = rootfs("refused");
    let mut config = crate::support::shell(&root, "true");
    config.hostname = Some("x".repeat(65));
    config.root.path = HostPath::new("/no/such/root").unwrap();
    let error = exec(&config, &["true"], Start::default()).unwrap_err();
    let ExecError::Plan(errors) = &error else { panic!("{error}") };
    let places: Vec<_> = errors.iter().map(|error| error.origin.as_str()).collect();
    assert!(places.contains(&"/hostname") && places.contains(&"/root/path"), "{places:?}");
}

#[test]
fn daemons_left_behind_in_the_hosts_pid_namespace_are_killed() {
    if !is_root() {
        return;
    }
    let root = rootfs("daemons");
    let mut config = template(&root);
    config.namespaces.remove(&NamespaceKind::Pid);
    // Its output stays open: nobody waits for that.
    let (reader, writer) = std::io::pipe().unwrap();
    let stdio = [Stdio::Null, Stdio::Fd(writer.into()), Stdio::Null];
    let script = "sleep 1000 & echo $!; exit 5";
    let start = Start { stdio, ..Start::default() };
    assert_eq!(exec(&config, &["sh", "-c", script], start).unwrap(), 5);
    let mut reader = reader;
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", text.trim()));
    assert!(state.is_err() || state.unwrap().contains(") Z "), "the daemon lives");
}

#[test]
fn the_default_command_is_what_it_was() {
    let root = rootfs("command");
    let config = crate::support::sample("userns", &root, "true");
    let args = ["sh".to_owned(), "-c".to_owned()];
    let command = default_create_command(&config, Some(Path::new("/run/x")), &args);
    let words: Vec<_> =
        command.program.args[1..].iter().map(|word| word.to_str().unwrap()).collect();
    assert_eq!(words, ["init", "--", "sh", "-c"]);
    let tail: Vec<_> = command.program.env.iter().rev().take(2).rev().collect();
    assert_eq!(tail, ["pipe=3", "data_path=/run/x"]);
    assert_eq!(command.attributes.parent_death_signal, Some(Signal::KILL));
    let every = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET;
    assert_eq!(command.attributes.clone_flags, every);
    assert_eq!(command.attributes.uid_mappings, config.uid_mappings);
    assert_eq!(command.program.dir, None);

    let setup = default_setup_command(&config, Some(Path::new("/run/x")));
    let words: Vec<_> = setup.program.args[1..].iter().map(|word| word.to_str().unwrap()).collect();
    let top = root.path().to_str().unwrap();
    assert_eq!(words, ["exec", "--func", "setup", "--", "/run/x", top]);
    assert_eq!(setup.program.dir, Some(root.host_path()));
    assert_eq!(setup.attributes.clone_flags, CloneFlags::empty());
}

#[test]
fn a_container_in_a_data_path_is_there_while_it_runs() {
    let root = rootfs("data-path");
    let state = Scratch::new("data-path-state");
    let config = crate::support::shell(&root, "true");
    let config = if is_root() { with_cgroup(config, &root) } else { config };
    let place = state.path().join("one");
    let has_journal = RefCell::new(false);
    let start = Start {
        data_path: Some(place.clone()),
        started: Some(Box::new(|_| *has_journal.borrow_mut() = place.exists())),
        ..Start::default()
    };
    assert_eq!(exec(&config, &["true"], start).unwrap(), 0);
    assert!(!place.exists(), "the state stays");
    if is_root() {
        assert!(*has_journal.borrow());
    }
}

fn with_cgroup(mut config: Config, root: &Scratch) -> Config {
    config.cgroup = template(root).cgroup;
    config
}

/// What this file would be without `exec` being usable from a program with threads: each test is one.
#[test]
fn two_containers_run_at_once() {
    let (one, two) = (rootfs("at-once"), rootfs("at-once"));
    let place = Scratch::new("at-once-state");
    std::thread::scope(|scope| {
        let start = |root: &'static str, own: &Scratch| {
            let config = crate::support::shell(own, "true");
            let config = if is_root() { with_cgroup(config, own) } else { config };
            let data_path = Some(place.path().join(root));
            scope.spawn(move || {
                let start = Start { data_path, ..Start::default() };
                exec(&config, &["sh", "-c", "exit 9"], start)
            })
        };
        for handle in [start("one", &one), start("two", &two)] {
            assert_eq!(handle.join().unwrap().unwrap(), 9);
        }
    });
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}
