//! Upstream's tests that have no better home, with their values; docs/upstream-tests.md has them all.

use std::io::Read as _;

use nsplan::apply::{Running, Stdio};
use nsplan::config::Mount;
use nsplan::namespaces::{ExecError, Start, exec, exec_in};
use nsplan::plan::{Record, Refusal};
use nsplan::types::{CapSet, Capability, MountFlags, RootPath, Signal};

use crate::exec::template;
use crate::support::{Scratch, is_root, planned, rootfs, shell};

#[test]
fn test_capabilities_contains() {
    let set: CapSet = [Capability::MKNOD, Capability::SETPCAP].into_iter().collect();
    assert!(set.contains(Capability::MKNOD));
    assert!(!set.contains(Capability::SYS_ADMIN));
}

/// Whether a mount there is refused as unsafe.
#[track_caller]
fn is_refused(destination: &str) -> bool {
    let root = rootfs("mount-dest");
    let mut config = shell(&root, "true");
    config.mounts.push(Mount::filesystem(destination, "tmpfs", MountFlags::empty(), &[]));
    let path = RootPath::new(destination).unwrap();
    match planned(&config) {
        Ok(_) => false,
        Err(errors) => {
            let refusals: Vec<_> = errors.into_iter().map(|error| error.refusal).collect();
            assert_eq!(refusals, [Refusal::UnsafeTarget { path }]);
            true
        }
    }
}

#[test]
fn test_check_mount_dest_on_proc() {
    assert!(is_refused("/proc"));
    assert!(is_refused("/proc/sys"));
}

#[test]
fn test_check_mount_dest_in_sys() {
    assert!(!is_refused("/sys/fs/cgroup"));
}

#[test]
fn test_check_mount_dest_false_positive() {
    assert!(!is_refused("/sysfiles/fs/cgroup"));
    assert!(!is_refused("/process"));
}

#[test]
fn test_check_mount_root() {
    assert!(is_refused("/"));
}

/// A container `sleep 10` with these limits, and what is looked at in it while it runs.
fn beside_a_sleeper(look: impl Fn(&Record)) {
    let (root, place) = (rootfs("exec-in"), Scratch::new("exec-in-state"));
    let config = template(&root);
    let data_path = place.path().join("one");
    let started = |container: &mut nsplan::apply::Container| {
        let running = Running::open(place.path(), "one").unwrap();
        look(running.record());
        container.kill(Signal::KILL).unwrap();
    };
    let start = Start {
        data_path: Some(data_path),
        started: Some(Box::new(started)),
        stdio: [Stdio::Null, Stdio::Null, Stdio::Inherit],
        ..Start::default()
    };
    assert_eq!(exec(&config, &["sleep", "10"], start).unwrap(), 128 + 9);
}

/// Runs a command beside it: its code and what it wrote.
fn joined(record: &Record, args: &[&str]) -> Result<(u8, String), ExecError> {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let errors = Stdio::Fd(writer.try_clone().unwrap().into());
    let stdio = [Stdio::Null, Stdio::Fd(writer.into()), errors];
    let code = exec_in(record, None, args, Start { stdio, ..Start::default() })?;
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    Ok((code, text))
}

#[test]
fn test_exec_in() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let (code, seen) = joined(record, &["ps"]).unwrap();
        assert_eq!(code, 0, "{seen}");
        assert!(seen.contains("sleep 10") && seen.contains(" ps"), "{seen}");
    });
}

#[test]
fn test_exec_in_rlimit() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        assert_eq!(joined(record, &["sh", "-c", "ulimit -n"]).unwrap(), (0, "1025\n".into()));
    });
}

#[test]
fn test_exec_in_error() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let error = joined(record, &["no-such-program"]).unwrap_err();
        let ExecError::Start(error) = error else { panic!("{error}") };
        assert_eq!(error.exit_code(), Some(127), "{error}");
    });
}

#[test]
fn a_joined_process_that_a_signal_ends_is_128_and_its_number() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        assert_eq!(joined(record, &["sh", "-c", "kill -KILL $$"]).unwrap().0, 128 + 9);
        assert_eq!(joined(record, &["sh", "-c", "exit 5"]).unwrap().0, 5);
    });
}

#[test]
fn nobody_joins_by_way_of_a_program_of_the_hosts() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let create = Some(Box::new(nsplan::namespaces::default_create_command) as _);
        let start = Start { create, ..Start::default() };
        let error = exec_in(record, None, &["true"], start).unwrap_err();
        assert!(matches!(error, ExecError::Command { .. }), "{error}");
    });
}
