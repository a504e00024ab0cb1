//! The faults of libcontainer's `namespaces` of 2015, each by its number: the test fails on the original's behaviour.

use std::fs;
use std::os::unix::fs::symlink;

use nsplan::config::{
    BindSource, Config, Mount, MountKind, NamespaceSource, Problem, RootSwitch, UserSpec,
    from_libcontainer,
};
use nsplan::facts::parse_stat;
use nsplan::plan::{Op, Refusal, SyncOp, Token};
use nsplan::types::{
    Capability, HostPath, IdMap, IdMapping, MountFlags, NamespaceKind, Propagation,
    PropagationKind, RootPath,
};

use crate::support::{Scratch, is_root, planned, rootfs, run, run_plan, shell, wait_for};

fn map(host_id: u32) -> IdMap {
    IdMap::new(vec![IdMapping { container_id: 0, host_id, size: 1000 }]).unwrap()
}

/// A container with a user namespace whose root is user 100000 outside.
fn with_userns(root: &Scratch, script: &str) -> Config {
    let mut config = shell(root, script);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    (config.uid_mappings, config.gid_mappings) = (map(100_000), map(100_000));
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    config
}

fn bind(source: &Scratch, destination: &str) -> Mount {
    let template = Mount::filesystem(destination, "tmpfs", MountFlags::empty(), &[]);
    let bind = BindSource { source: source.host_path(), recursive: true };
    Mount { kind: MountKind::Bind(bind), ..template }
}

#[track_caller]
fn refusals(config: &Config) -> Vec<Refusal> {
    planned(config).expect_err("refused").into_iter().map(|error| error.refusal).collect()
}

fn problems(text: &str) -> Vec<Problem> {
    let base = HostPath::new("/srv").unwrap();
    let errors = from_libcontainer(text.as_bytes(), &base).expect_err("refused");
    errors.0.into_iter().map(|error| error.problem).collect()
}

#[test]
fn trap_01_in_a_user_namespace_proc_sys_is_really_read_only() {
    if !is_root() {
        return;
    }
    let root = rootfs("trap01");
    let script = "echo x 2>/dev/null >/proc/sys/kernel/hostname && exit 1
        grep ' /proc/sys ' /proc/self/mountinfo";
    let seen = run(&with_userns(&root, script)).ok();
    assert!(seen.contains(" ro,"), "{seen}");
}

#[test]
fn trap_03_end_of_file_without_the_word_ready_is_an_error() {
    let root = rootfs("trap03");
    fs::write(root.path().join("trap03"), "").unwrap();
    let mut plan = planned(&shell(&root, "true")).unwrap();
    // init waits for a word that never comes, and is killed.
    let at = plan.init.len() - 2;
    let mut wait = plan.init[at].clone();
    wait.op = Op::Sync(SyncOp::Await(Token::Placed));
    plan.init.insert(at, wait);
    let starter = std::thread::spawn(move || run_plan(&plan).map(drop));
    let init = wait_for(|| children().into_iter().find(|pid| is_waiting(*pid)));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(init), nix::sys::signal::SIGKILL).unwrap();
    let error = starter.join().unwrap().expect_err("the program never ran");
    assert!(error.to_string().contains("ended before"), "{error}");
}

/// Children of every thread of this process.
fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether the process is the one of `trap_03`, and has come to the end of its script.
fn is_waiting(pid: i32) -> bool {
    fs::metadata(format!("/proc/{pid}/root/trap03")).is_ok()
        && fs::read_to_string(format!("/proc/{pid}/status"))
            .is_ok_and(|status| status.contains("NoNewPrivs:\t1"))
}

#[test]
fn trap_04_without_pivot_root_a_user_namespace_is_jailed_all_the_same() {
    if !is_root() {
        return;
    }
    let root = rootfs("trap04");
    fs::write(root.path().join("marker"), "inside").unwrap();
    let mut config =
        with_userns(&root, "cat /marker; ls /../../ | head -1; ls /proc/1/root/ | head -1");
    config.root.switch = RootSwitch::MoveMount;
    assert_eq!(run(&config).ok(), "insidebin\nbin\n");
}

#[test]
fn trap_05_capabilities_above_36_are_gone_too() {
    let root = rootfs("trap05");
    let seen = run(&shell(&root, "grep CapBnd /proc/self/status")).ok();
    let bits = seen.split_whitespace().nth(1).expect("a mask");
    let bits = u64::from_str_radix(bits, 16).unwrap();
    assert_eq!(bits >> 37, 0, "{seen}");
    let last = fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    assert!(last.trim().parse::<u32>().unwrap() > 36, "this kernel has none above 36");
}

#[test]
fn trap_07_a_mount_namespace_without_a_mount_config_has_the_usual_mounts() {
    let text = r#"{"namespaces":[{"type":"NEWNS"},{"type":"NEWPID"}]}"#;
    let base = HostPath::new("/srv/bundle").unwrap();
    let config = from_libcontainer(text.as_bytes(), &base).expect("no fault").config;
    assert!(config.mounts.iter().any(|mount| mount.destination.as_str() == "/proc"));
    if !is_root() {
        return;
    }
    // And the host's pid namespace without cgroups is no fault either.
    let root = rootfs("trap07");
    let mut config = shell(&root, "echo fine");
    config.namespaces.remove(&NamespaceKind::Pid);
    config.cgroup = None;
    assert_eq!(run(&config).ok(), "fine\n");
}

#[test]
fn trap_13_a_slave_mount_is_one_and_a_read_only_tree_is_read_only_below() {
    if !is_root() {
        return;
    }
    let (root, data) = (rootfs("trap13"), Scratch::new("data"));
    fs::create_dir(data.path().join("below")).unwrap();
    // A private mount namespace of this thread's own holds the source, so that the host sees nothing of it.
    let source = data.host_path();
    let table = std::thread::spawn(move || {
        use nix::mount::{MsFlags, mount};
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS | nix::sched::CloneFlags::CLONE_FS)
            .unwrap();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("x"), source.as_str(), Some("tmpfs"), MsFlags::empty(), none).unwrap();
        mount(none, source.as_str(), none, MsFlags::MS_SHARED, none).unwrap();
        let below = format!("{source}/below");
        fs::create_dir(&below).unwrap();
        mount(Some("y"), below.as_str(), Some("tmpfs"), MsFlags::empty(), none).unwrap();
        let mut config =
            shell(&root, "touch /data/below/x 2>/dev/null && exit 1; cat /proc/self/mountinfo");
        let slave = Propagation { kind: PropagationKind::Slave, recursive: false };
        config.root.propagation =
            Some(Propagation { kind: PropagationKind::Slave, recursive: true });
        config.mounts.push(Mount {
            set_recursive: MountFlags::MS_RDONLY,
            propagation: vec![slave],
            ..bind(&data, "/data")
        });
        let table = run(&config).ok();
        // So that the directory can be removed.
        nix::mount::umount2(source.as_str(), nix::mount::MntFlags::MNT_DETACH).unwrap();
        table
    });
    let table = table.join().unwrap();
    let line = table.lines().find(|line| line.contains(" /data ")).expect("the mount");
    assert!(line.contains(" master:") && !line.contains(" shared:"), "{line}");
    let below = table.lines().find(|line| line.contains(" /data/below ")).expect("the mount below");
    assert!(below.contains(" ro,"), "{below}");
}

#[test]
fn trap_14_the_null_device_is_writable_and_never_a_file_of_the_host() {
    let root = rootfs("trap14");
    let victim = Scratch::new("victim");
    let file = victim.path().join("file");
    fs::write(&file, "untouched").unwrap();
    // An image whose /dev leads outside: nothing may be made there.
    fs::remove_dir(root.path().join("dev")).unwrap();
    symlink(victim.path(), root.path().join("dev")).unwrap();
    let mut config = shell(&root, "echo gone; echo gone >&2");
    config.process.as_mut().unwrap().args = vec!["sh".into(), "-c".into(), "true".into()];
    let _ = crate::support::try_run(&config);
    let names: Vec<_> =
        fs::read_dir(victim.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["file"], "something was made outside of the root");
    assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");

    let root = rootfs("trap14b");
    let seen =
        run(&shell(&root, "echo x >/dev/null && stat -L -c %t:%T /dev/null && echo y <&0")).ok();
    assert_eq!(seen, "1:3\ny\n");
}

#[test]
fn trap_15_no_mount_on_the_root_or_inside_proc_and_none_through_a_link_out() {
    let root = rootfs("trap15");
    for destination in ["/", "/proc", "/proc/self/attr"] {
        let mut config = shell(&root, "true");
        config.mounts.push(Mount::filesystem(destination, "tmpfs", MountFlags::empty(), &[]));
        let path = RootPath::new(destination).unwrap();
        assert!(refusals(&config).contains(&Refusal::UnsafeTarget { path }), "{destination}");
    }
    let outside = Scratch::new("outside");
    symlink(outside.path(), root.path().join("way")).unwrap();
    let mut config = shell(&root, "ls -d /way/../way/out; ls /way/out");
    config.mounts.push(Mount::filesystem("/way/out", "tmpfs", MountFlags::empty(), &[]));
    let _ = crate::support::try_run(&config);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "a link led out of the root");
}

#[test]
fn trap_17_a_start_time_is_found_behind_a_name_with_blanks() {
    let text = "42 (a ) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 0";
    let found = parse_stat(text).expect("a stat line");
    assert_eq!((found.pid, found.start_time), (42, 987_654));
}

#[test]
fn trap_20_a_cgroup_without_a_name_is_never_the_hosts_own() {
    assert!(!problems(r#"{"cgroups":{"memory":1048576}}"#).is_empty());
    assert!(!problems(r#"{"cgroups":{"name":"x","freezer":"FROZEN"}}"#).is_empty());
}

#[test]
fn trap_21_an_unknown_capability_namespace_or_key_is_refused() {
    assert!(!problems(r#"{"capabilities":["SYS_ADMINN"]}"#).is_empty());
    assert!(!problems(r#"{"namespaces":[{"type":"NEWFOO"}]}"#).is_empty());
    assert!(!problems(r#"{"hostnam":"x"}"#).is_empty());
}

#[test]
fn trap_22_a_label_that_nobody_would_enforce_is_refused() {
    let root = rootfs("trap22");
    let mut config = shell(&root, "true");
    let process = config.process.as_mut().unwrap();
    process.apparmor_profile = Some("docker-default".into());
    process.selinux_label = Some("system_u:system_r:svirt_lxc_net_t:s0".into());
    let lsm = crate::support::facts(&config).lsm.expect("a label asks for it");
    let refused = planned(&config).err().unwrap_or_default();
    for (is_active, module) in [(lsm.apparmor, "AppArmor"), (lsm.selinux, "SELinux")] {
        let is_refused =
            refused.iter().any(|error| error.refusal == Refusal::ModuleMissing { module });
        assert_ne!(is_active, is_refused, "{module}");
    }
}

#[test]
fn trap_23_nothing_is_inheritable_and_a_user_can_keep_what_is_asked_for() {
    if !is_root() {
        return;
    }
    let root = rootfs("trap23");
    let mut config = shell(&root, "grep Cap /proc/self/status");
    config.process.as_mut().unwrap().user.spec = UserSpec::Ids { uid: 5, gid: 5 };
    let seen = run(&config).ok();
    assert!(seen.contains("CapInh:\t0000000000000000"), "{seen}");
    let sets = config.process.as_mut().unwrap().capabilities.as_mut().unwrap();
    sets.inheritable.insert(Capability::KILL);
    sets.ambient.insert(Capability::KILL);
    let seen = run(&config).ok();
    assert!(seen.contains("CapEff:\t0000000000000020"), "{seen}");
}

#[test]
fn trap_26_a_number_is_a_number_even_where_a_user_has_that_name() {
    if !is_root() {
        return;
    }
    // passwd has a user *named* 1234, whose ids are 77.
    let root = rootfs("trap26");
    let mut config = shell(&root, "id -u; id -g");
    let named = |user: &str| UserSpec::Named { user: Some(user.into()), group: None };
    config.process.as_mut().unwrap().user.spec = named("1234");
    assert_eq!(run(&config).ok(), "1234\n0\n");
    config.process.as_mut().unwrap().user.spec = named("daemon");
    assert_eq!(run(&config).ok(), "1\n1\n");
}

#[test]
fn trap_27_the_umask_is_022_in_a_user_namespace_too() {
    if !is_root() {
        return;
    }
    let root = rootfs("trap27");
    assert_eq!(run(&with_userns(&root, "umask")).ok(), "0022\n");
}
