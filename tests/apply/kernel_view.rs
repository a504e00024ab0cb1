//! What the kernel says a container is, asked from inside and outside.

use std::fs;
use std::io::Read as _;

use nsplan::apply::ExitStatus;
use nsplan::config::{BindSource, Mount, MountKind, UserSpec};
use nsplan::types::{MountFlags, NamespaceKind, Resource, Rlimit, RootPath, Signal};

use crate::stage::{Rootfs, Scratch, host_path, plan, run, says, start, with_userns};

#[test]
fn every_namespace_is_its_own() {
    let rootfs = Rootfs::new();
    let plan = plan(&with_userns(rootfs.shell("echo up; sleep 1000")));
    let (mut container, mut output) = start(&plan).unwrap();
    let mut up = [0; 3];
    output.read_exact(&mut up).unwrap();
    let link =
        |pid: &str, kind: NamespaceKind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    let pid = container.pid().to_string();
    for kind in NamespaceKind::ALL {
        let is_own = link(&pid, kind) != link("self", kind);
        assert_eq!(is_own, kind != NamespaceKind::Time, "{kind}");
    }
    let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
    let words: Vec<_> = map.split_whitespace().collect();
    assert_eq!(words, ["0", &nix::unistd::geteuid().to_string(), "1"]);
    container.kill(Signal::KILL).unwrap();
    container.wait().unwrap();
}

#[test]
fn the_mount_table_is_the_plan_s() {
    let table = says("cat /proc/self/mountinfo", |_| ());
    let points: Vec<_> =
        table.lines().map(|line| line.split(' ').nth(4).unwrap_or_default()).collect();
    assert_eq!(points[0], "/");
    for wanted in ["/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/proc/keys", "/proc/sys"] {
        assert!(points.contains(&wanted), "{wanted} in {table}");
    }
    let options = |point: &str| {
        let line = table.lines().find(|line| line.split(' ').nth(4) == Some(point)).unwrap();
        line.split(' ').nth(5).unwrap().to_owned()
    };
    assert!(options("/").starts_with("ro"), "{table}");
    assert!(options("/proc/sys").starts_with("ro"), "{table}");
    assert!(options("/proc").contains("nosuid,nodev,noexec"), "{table}");
    assert!(!table.contains(" shared:"), "{table}");
}

#[test]
fn nothing_of_the_host_s_tree_is_left() {
    let text = says("ls -a / | grep -v '^\\.'; ls /proc/1/root/", |_| ());
    for line in text.lines() {
        let own = ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "data", "run"];
        assert!(own.contains(&line), "{line}");
    }
}

#[test]
fn masked_files_are_the_null_device_and_masked_directories_empty() {
    let text = says(
        "stat -c %t:%T /proc/keys; cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l; ls /proc/acpi 2>/dev/null | wc -l",
        |_| (),
    );
    assert_eq!(text, "1:3\n0\n0\n0");
}

#[test]
fn the_usual_devices_work_for_root_and_in_a_user_namespace() {
    let script = "echo x >/dev/null && dd if=/dev/zero bs=4 count=1 2>/dev/null | wc -c; \
                  stat -c %t:%T /dev/null /dev/full; readlink /dev/fd";
    let expected = "4\n1:3\n1:7\n/proc/self/fd";
    assert_eq!(says(script, |_| ()), expected);
    assert_eq!(says(script, |config| *config = with_userns(config.clone())), expected);
}

#[test]
fn ids_groups_limits_and_names_are_as_asked() {
    let text = says(
        "id; hostname; ulimit -n; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; pwd; umask",
        |config| {
            config.hostname = Some("inside".into());
            let process = config.process.as_mut().unwrap();
            process.user.spec = UserSpec::Ids { uid: 1000, gid: 1001 };
            process.user.additional_gids = vec![7, 8];
            process.cwd = RootPath::new("/data").unwrap();
            process.rlimits.insert(Resource::Nofile, Rlimit { soft: 100, hard: 200 });
        },
    );
    assert!(text.contains("uid=1000 gid=1001 groups=7,8"), "{text}");
    assert!(text.contains("\ninside\n100\n"), "{text}");
    assert!(text.contains("CapEff:\t0000000000000000"), "{text}");
    assert!(text.contains("CapInh:\t0000000000000000"), "{text}");
    assert!(text.contains("CapBnd:\t00000000a80425fb"), "{text}");
    assert!(text.contains("NoNewPrivs:\t1"), "{text}");
    assert!(text.ends_with("/data\n0022"), "{text}");
}

#[test]
fn only_the_three_standard_descriptors_are_open() {
    let _held = fs::File::open("/etc").unwrap();
    assert_eq!(
        says("ls /proc/self/fd | wc -l; ls -l /proc/self/fd/2 | grep -c pipe", |_| ()),
        "4\n1"
    );
}

#[test]
fn a_bind_mount_shows_the_host_s_directory_with_the_flags_asked_for() {
    let source = Scratch::new();
    fs::write(source.path().join("file"), "of the host").unwrap();
    let bind = |target: &str, set| {
        Mount::new(
            RootPath::new(target).unwrap(),
            MountKind::Bind(BindSource { source: host_path(source.path()), recursive: true }),
            set,
        )
    };
    let script =
        "cat /data/a/b/file; touch /data/a/b/new && echo made; touch /data/ro/x || echo refused";
    let text = says(script, |config| {
        config.mounts.push(bind("/data/a/b", MountFlags::MS_NOSUID));
        config.mounts.push(bind("/data/ro", MountFlags::MS_RDONLY));
    });
    assert!(text.starts_with("of the hostmade"), "{text}");
    assert!(text.ends_with("refused"), "{text}");
    assert!(source.path().join("new").exists());
}

#[test]
fn the_loopback_interface_is_up_and_alone() {
    let text = says("ifconfig lo | grep -c 'UP LOOPBACK RUNNING'; ls /sys/class/net", |_| ());
    assert_eq!(text, "1\nlo");
}

#[test]
fn sysctls_of_its_own_namespaces_are_set() {
    let text = says("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", |config| {
        config.sysctl.insert("net.ipv4.ip_forward".into(), "1".into());
        config.sysctl.insert("kernel.msgmax".into(), "4096".into());
    });
    assert_eq!(text, "1\n4096");
}

#[test]
fn signals_are_as_in_a_new_process() {
    // The Rust runtime ignores SIGPIPE; a program in a container must not inherit that.
    let rootfs = Rootfs::new();
    let config = rootfs.config(&["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]);
    let text = run(&plan(&config)).1;
    assert_eq!(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

#[test]
fn a_time_namespace_has_its_offsets() {
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell("cat /proc/uptime");
    let create = nsplan::config::NamespaceSource::Create;
    config.namespaces.insert(NamespaceKind::Time, create);
    let offset = nsplan::config::TimeOffset { secs: 1_000_000, nanosecs: 0 };
    config.time_offsets.insert(nsplan::config::Clock::Boottime, offset);
    let (status, text) = run(&plan(&config));
    assert_eq!(status, ExitStatus::Exited(0), "{text}");
    let uptime: f64 = text.split(' ').next().unwrap().parse().unwrap();
    assert!(uptime > 1_000_000.0, "{text}");
}

#[test]
fn a_container_joins_the_namespaces_of_another() {
    let rootfs = Rootfs::new();
    let (mut first, mut output) = start(&plan(&rootfs.shell("echo up; sleep 1000"))).unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    let mut config =
        rootfs.shell("readlink /proc/self/ns/pid; readlink /proc/self/ns/net; ls -d /proc/[0-9]*");
    for kind in [NamespaceKind::Pid, NamespaceKind::Net] {
        let path = std::path::PathBuf::from(format!("/proc/{}/ns/{kind}", first.pid()));
        let join = nsplan::config::NamespaceSource::Join(host_path(&path));
        config.namespaces.insert(kind, join);
    }
    config.networks.clear();
    let (status, text) = run(&plan(&config));
    assert_eq!(status, ExitStatus::Exited(0), "{text}");
    for kind in ["pid", "net"] {
        let link = fs::read_link(format!("/proc/{}/ns/{kind}", first.pid())).unwrap();
        assert!(text.contains(link.to_str().unwrap()), "{text}");
    }
    assert!(text.contains("/proc/1\n"), "{text}");
    first.kill(Signal::KILL).unwrap();
    first.wait().unwrap();
}
