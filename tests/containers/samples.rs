//! The seed's own samples, run: what is observable inside is what libcontainer's users saw.

use nsplan::plan::Refusal;

use crate::support::{is_root, planned, rootfs, run, sample};

/// What the samples are asked from inside; each answer on a line of its own.
const LOOK: &str = "id -u; id -g; hostname; echo $HOME; echo $TERM; umask; pwd";

#[test]
fn minimal_is_a_daemon_in_five_namespaces_with_read_only_kernel_settings() {
    if !is_root() {
        return;
    }
    let root = rootfs("minimal");
    let seen = run(&sample("minimal", &root, LOOK)).ok();
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines, ["1", "1", "koye", "/", "xterm", "0022", "/"]);

    let status = run(&sample("minimal", &root, "cat /proc/self/status")).ok();
    assert!(status.contains("Groups:\t500 \n"), "the group that lists the user: {status}");
    // 12 capabilities are listed; a user other than root has them bounded and none effective.
    assert!(status.contains("CapBnd:\t00000000880425eb\n"), "{status}");
    assert!(status.contains("CapEff:\t0000000000000000\n"), "{status}");

    let table = run(&sample("minimal", &root, "cat /proc/self/mountinfo")).ok();
    let has = |path: &str, fstype: &str, option: &str| {
        table.lines().any(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            fields[4] == path
                && line.contains(&format!(" - {fstype} "))
                && fields[5].split(',').any(|found| found == option)
        })
    };
    for (path, fstype, option) in [
        ("/proc", "proc", "noexec"),
        ("/dev", "tmpfs", "nosuid"),
        ("/dev/shm", "tmpfs", "nodev"),
        ("/dev/mqueue", "mqueue", "noexec"),
        ("/dev/pts", "devpts", "noexec"),
        ("/sys", "sysfs", "ro"),
        ("/tmp", "tmpfs", "noexec"),
        ("/proc/sys", "proc", "ro"),
        ("/proc/sysrq-trigger", "proc", "ro"),
        ("/proc/irq", "proc", "ro"),
        ("/proc/bus", "proc", "ro"),
    ] {
        let exists = std::path::Path::new(path).exists();
        assert!(!exists || has(path, fstype, option), "{path} {fstype} {option}: {table}");
    }
}

#[test]
fn minimal_may_use_its_devices_and_no_others() {
    if !is_root() {
        return;
    }
    let root = rootfs("minimal-devices");
    let script =
        "stat -c %t:%T /dev/null /dev/tty; echo x >/dev/null && echo null; cat /proc/self/cgroup";
    let seen = run(&sample("minimal", &root, script)).ok();
    assert!(seen.starts_with("1:3\n5:0\nnull\n"), "{seen}");
    let own = root.path().file_name().unwrap().to_str().unwrap();
    let devices = seen.lines().find(|line| line.contains("devices:") || line.starts_with("0::"));
    assert!(devices.is_some_and(|line| line.ends_with(own)), "{seen}");
}

#[test]
fn host_pid_sees_the_hosts_processes() {
    if !is_root() {
        return;
    }
    let root = rootfs("host-pid");
    let config = sample("host-pid", &root, "readlink /proc/self/ns/pid; hostname");
    let seen = run(&config).ok();
    let own = std::fs::read_link("/proc/self/ns/pid").unwrap();
    assert_eq!(seen, format!("{}\nkoye\n", own.display()));
}

#[test]
fn samples_with_labels_are_refused_on_a_host_without_the_module() {
    let root = rootfs("labels");
    for (name, module) in [("apparmor", "AppArmor"), ("selinux", "SELinux")] {
        let config = sample(name, &root, "true");
        let facts = crate::support::facts(&config);
        let lsm = facts.lsm.expect("a label asks for it");
        let is_active = if name == "apparmor" { lsm.apparmor } else { lsm.selinux };
        if is_active {
            continue;
        }
        let errors = planned(&config).expect_err("nobody would enforce the label");
        assert!(
            errors.iter().any(|error| error.refusal == Refusal::ModuleMissing { module }),
            "{errors:?}"
        );
    }
}
