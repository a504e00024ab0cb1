//! The default container from inside: what a program sees is what the plan says.

use std::collections::BTreeSet;
use std::fs;

use nsplan::config::{BindSource, Config, Mount, MountKind};
use nsplan::types::{HostPath, MountFlags, NamespaceKind};

use crate::support::{as_user, is_root, rootfs, run, shell};

/// `/proc/self/ns` of this process: kind → inode.
fn own_namespaces() -> BTreeSet<String> {
    let links = NamespaceKind::ALL.into_iter().filter(|kind| *kind != NamespaceKind::Time);
    links
        .map(|kind| {
            let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            link.to_string_lossy().into_owned()
        })
        .collect()
}

#[track_caller]
fn check_isolation(with_userns: bool) {
    let root = rootfs("isolation");
    let config = shell(
        &root,
        "for n in cgroup ipc mnt net pid uts user; do readlink /proc/self/ns/$n; done",
    );
    let inside: BTreeSet<_> = run(&config).ok().lines().map(String::from).collect();
    assert_eq!(inside.len(), 7);
    let shared: Vec<_> = own_namespaces().intersection(&inside).cloned().collect();
    let expected = if with_userns { 0 } else { 1 };
    assert_eq!(shared.len(), expected, "{shared:?}");
    assert!(shared.iter().all(|link| link.starts_with("user:")), "{shared:?}");
}

#[test]
fn every_namespace_but_the_user_namespace_is_new_for_root() {
    if is_root() {
        check_isolation(false);
    }
}

#[test]
fn every_namespace_is_new_for_an_ordinary_user() {
    if as_user("sandbox::every_namespace_is_new_for_an_ordinary_user") {
        check_isolation(true);
    }
}

#[track_caller]
fn check_view() {
    let root = rootfs("view");
    let script = "id -u; hostname; ps -o pid,comm | head -3; echo $HOME; umask; pwd; ip -o link";
    let seen = run(&shell(&root, script)).ok();
    let lines: Vec<_> = seen.lines().map(str::trim).collect();
    assert_eq!(lines[0], "0");
    assert_eq!(lines[1], "nsplan");
    assert_eq!(lines[3], "1 sh", "{seen}");
    assert_eq!(&lines[5..8], ["/root", "0022", "/"], "{seen}");
    assert_eq!(lines.len(), 9, "one interface: {seen}");
    assert!(lines[8].contains("lo: <LOOPBACK,UP"), "{seen}");
}

#[test]
fn a_container_has_its_own_processes_name_and_loopback() {
    check_view();
}

#[test]
fn an_ordinary_user_is_root_inside_with_its_own_processes_name_and_loopback() {
    let name = "sandbox::an_ordinary_user_is_root_inside_with_its_own_processes_name_and_loopback";
    if as_user(name) {
        check_view();
    }
}

#[test]
fn the_hosts_root_is_read_only_throughout_and_scratch_is_not() {
    let root = HostPath::new("/").unwrap();
    let script =
        "touch /x /etc/x /usr/x 2>/dev/null && exit 1; touch /tmp/x /run/x /dev/shm/x && echo fine";
    let args = ["/bin/busybox", "sh", "-c", script].map(String::from).to_vec();
    let config = Config::sandbox(root, args, !nix::unistd::geteuid().is_root());
    assert_eq!(run(&config).ok(), "fine\n");
}

#[test]
fn mounts_have_the_flags_that_were_asked_for() {
    let root = rootfs("flags");
    let table = run(&shell(&root, "cat /proc/self/mountinfo")).ok();
    let options = |path: &str| {
        let line = table.lines().find(|line| line.split(' ').nth(4) == Some(path));
        let line = line.unwrap_or_else(|| panic!("nothing on {path}: {table}"));
        line.split(' ').nth(5).unwrap().to_owned()
    };
    for (path, flags) in [
        ("/proc", &["rw", "nosuid", "nodev", "noexec"][..]),
        ("/sys", &["ro", "nosuid", "nodev", "noexec"]),
        ("/dev/shm", &["rw", "nosuid", "nodev", "noexec"]),
        ("/dev/pts", &["rw", "nosuid", "noexec"]),
        ("/proc/sys", &["ro"]),
    ] {
        let found = options(path);
        let found: Vec<_> = found.split(',').collect();
        assert!(flags.iter().all(|flag| found.contains(flag)), "{path}: {found:?}");
    }
    // Nothing of the host's tree is left.
    let foreign: Vec<_> = table
        .lines()
        .filter(|line| line.contains("/sys/fs/cgroup") || line.contains("/oldroot"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

#[test]
fn a_read_only_bind_is_read_only_all_the_way_down() {
    if !is_root() {
        return;
    }
    let (root, data) = (rootfs("bind"), crate::support::Scratch::new("data"));
    fs::write(data.path().join("file"), "hello").unwrap();
    let template = Mount::filesystem("/data", "tmpfs", MountFlags::empty(), &[]);
    let bind = BindSource { source: data.host_path(), recursive: true };
    let mut config = shell(&root, "cat /data/file; touch /data/x || echo refused");
    config.mounts.push(Mount {
        kind: MountKind::Bind(bind),
        set_recursive: MountFlags::MS_RDONLY,
        ..template
    });
    let outcome = run(&config);
    assert_eq!(outcome.out, "hellorefused\n");
    assert!(!data.path().join("x").exists());
}

#[test]
fn device_nodes_are_the_real_ones() {
    let root = rootfs("devices");
    let script = "stat -c %t:%T:%a /dev/null /dev/zero /dev/full /dev/tty /dev/random /dev/urandom;
        echo gone >/dev/null; head -c 3 /dev/zero | wc -c; 
        for l in ptmx fd stdin; do readlink /dev/$l; done";
    let seen = run(&shell(&root, script)).ok();
    let expected =
        "1:3:666 1:5:666 1:7:666 5:0:666 1:8:666 1:9:666 3 pts/ptmx /proc/self/fd /proc/self/fd/0";
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn only_the_three_standard_descriptors_are_open() {
    let root = rootfs("fds");
    let seen = run(&shell(&root, "ls /proc/self/fd")).ok();
    // The fourth is the directory that `ls` reads.
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}
