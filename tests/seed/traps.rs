//! Faults of the original that have no better home, each by its number, and that none of the 35 is without a test.

use std::fs;
use std::path::Path;
use std::process::Command;

use nsplan::apply::{Io, Stdio, spawn};
use nsplan::config::{Config, NamespaceSource, from_libcontainer};
use nsplan::namespaces::{Start, exec};
use nsplan::types::{HostPath, NamespaceKind, Signal};

use crate::exec::{range_of, said};
use crate::support::{Scratch, is_root, rootfs, shell};
use crate::tables;

/// A shell whose root is user 100000 outside, and owns its root file system.
fn with_userns(root: &Scratch, script: &str, size: u32) -> Config {
    let mut config = shell(root, script);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    (config.uid_mappings, config.gid_mappings) = (range_of(100_000, size), range_of(100_000, size));
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    config
}

#[test]
fn trap_16_a_pid_and_a_user_namespace_are_joined_by_path_in_any_order() {
    if !is_root() {
        return;
    }
    let root = rootfs("trap16");
    let plan = crate::support::planned(&with_userns(&root, "exec sleep 1000", 1000)).unwrap();
    let stdio = [Stdio::Null, Stdio::Null, Stdio::Inherit];
    let mut target = spawn(&plan, Io { stdio, ..Io::default() }).unwrap();
    let inner = target.pid();
    // The list's order is one in which nothing could be joined: the user namespace last.
    let join =
        |kind: &str, name: &str| format!(r#"{{"type":"{kind}","path":"/proc/{inner}/ns/{name}"}}"#);
    let text = format!(
        r#"{{"namespaces":[{},{},{},{},{{"type":"NEWNS"}}],"environment":["PATH=/bin"],"root_fs":"{}"}}"#,
        join("NEWPID", "pid"),
        join("NEWIPC", "ipc"),
        join("NEWUTS", "uts"),
        join("NEWUSER", "user"),
        root.path().display()
    );
    let mut config = from_libcontainer(text.as_bytes(), &root.host_path()).unwrap().config;
    config.mounts.retain(|mount| mount.destination.as_str() != "/dev/mqueue");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let start = Start {
        stdio: [Stdio::Null, Stdio::Fd(writer.into()), Stdio::Inherit],
        ..Start::default()
    };
    let links = "for kind in pid ipc uts user; do readlink /proc/self/ns/$kind; done";
    let code = exec(&config, &["sh", "-c", links], start);
    let expected: Vec<_> = ["pid", "ipc", "uts", "user"]
        .map(|kind| {
            fs::read_link(format!("/proc/{inner}/ns/{kind}")).unwrap().display().to_string()
        })
        .to_vec();
    target.kill(Signal::KILL).unwrap();
    target.wait().unwrap();
    assert_eq!(code.unwrap(), 0);
    let mut seen = String::new();
    std::io::Read::read_to_string(&mut reader, &mut seen).unwrap();
    assert_eq!(seen.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn trap_25_a_root_that_the_mapped_user_could_not_reach_is_entered_all_the_same() {
    if !is_root() {
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let closed = Scratch::new("trap25");
    let root = rootfs("trap25");
    let place = closed.path().join("root");
    fs::rename(root.path(), &place).unwrap();
    nix::unistd::chown(&place, Some(100_000.into()), Some(100_000.into())).unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut config = with_userns(&closed, "id -u; cat /proc/self/uid_map", 1000);
    nix::unistd::chown(closed.path(), Some(0.into()), Some(0.into())).unwrap();
    config.root.path = HostPath::new(place.to_str().unwrap()).unwrap();
    let seen = said(&config, &[]);
    let words: Vec<_> = seen.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "100000", "1000"]);
}

#[test]
fn trap_28_terminals_and_nodes_belong_to_ids_of_the_container() {
    if !is_root() {
        return;
    }
    let root = rootfs("trap28");
    // The format's own mounts ask for group 5 in devpts; here it is mapped, and then it is the container's group 5.
    let look =
        "stat -c '%u %g' /dev/ptmx /dev/pts/ptmx /dev/null; echo x >/dev/null && echo usable;
        mount | grep ' /dev/pts '";
    let sample = |size: u32| {
        let text = format!(
            r#"{{"root_fs":"{}","namespaces":[{{"type":"NEWNS"}},{{"type":"NEWPID"}},{{"type":"NEWUSER"}},
            {{"type":"NEWNET"}},{{"type":"NEWIPC"}},{{"type":"NEWUTS"}}],
            "uid_mappings":[{{"host_id":100000,"size":{size}}}],"gid_mappings":[{{"host_id":100000,"size":{size}}}],
            "mount_config":{{"device_nodes":[{{"type":99,"path":"/dev/null","major_number":1,"minor_number":3,
            "cgroup_permissions":"rwm","file_mode":438}}]}},"environment":["PATH=/bin"]}}"#,
            root.path().display()
        );
        from_libcontainer(text.as_bytes(), &root.host_path()).unwrap().config
    };
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    let seen = said(&sample(1000), &["sh", "-c", look]);
    assert!(seen.contains("usable"), "{seen}");
    assert!(seen.contains("gid=5") || seen.contains("gid=100005"), "{seen}");
    // Where group 5 is nobody inside, it is not asked for.
    let seen = said(&sample(5), &["sh", "-c", look]);
    assert!(seen.contains("usable") && !seen.contains("gid=5"), "{seen}");
}

#[test]
fn trap_35_a_relative_data_path_is_the_callers_and_nobody_elses() {
    // A program's working directory is all its threads': this test is one of its own.
    const HERE: &str = "NSPLAN_TEST_TRAP_35";
    let name = "traps::trap_35_a_relative_data_path_is_the_callers_and_nobody_elses";
    if std::env::var_os(HERE).is_none() {
        let directory = Scratch::new("trap35");
        fs::create_dir(directory.path().join("state")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
        command.env(HERE, "1").current_dir(directory.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{error}");
        return;
    }
    let here = std::env::current_dir().unwrap();
    let root = rootfs("trap35");
    let mut config = shell(&root, "true");
    if nix::unistd::geteuid().is_root() {
        config.cgroup = crate::exec::template(&root).cgroup;
    }
    let seen = std::cell::Cell::new((false, false));
    let look = |_: &mut nsplan::apply::Container| {
        let inside = root.path().join("state").exists();
        // Whatever has become of the working directory since.
        std::env::set_current_dir("/").unwrap();
        seen.set((here.join("state/one").exists(), inside));
    };
    let start = Start {
        data_path: Some("state/one".into()),
        started: Some(Box::new(look)),
        ..Start::default()
    };
    assert_eq!(exec(&config, &["true"], start).unwrap(), 0);
    assert_eq!(seen.get(), (true, false), "the state is somewhere else");
    assert!(!here.join("state/one").exists(), "the state stays");
    // And one that names no directory of a container's is refused.
    let start = Start { data_path: Some("/".into()), ..Start::default() };
    assert!(exec(&config, &["true"], start).is_err());
}

#[test]
fn a_data_path_inside_of_the_root_is_refused() {
    let root = rootfs("data-inside");
    let beside = Scratch::new("data-beside");
    std::os::unix::fs::symlink(root.path().join("tmp"), beside.path().join("link")).unwrap();
    for place in [root.path().join("tmp/state/one"), beside.path().join("link/one")] {
        let start = Start { data_path: Some(place.clone()), ..Start::default() };
        let error = exec(&shell(&root, "true"), &["true"], start).unwrap_err();
        assert!(error.to_string().contains("inside of the container's root"), "{error}");
        assert!(!place.exists());
    }
}

#[test]
fn each_of_the_35_traps_has_a_test_by_its_number() {
    let tests = tables::tests_of(Path::new(env!("CARGO_MANIFEST_DIR")));
    let is_there = |number: &i32| {
        let name = format!("trap_{number:02}_");
        tests.iter().any(|test| test.starts_with(&name))
    };
    let missing: Vec<_> = (1..=35).filter(|number| !is_there(number)).collect();
    assert_eq!(missing, [] as [i32; 0], "traps without a test");
}
