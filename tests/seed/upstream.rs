//! Upstream's tests that have no better home, with their values; docs/upstream-tests.md has them all.

use nsplan::config::Mount;
use nsplan::plan::Refusal;
use nsplan::types::{CapSet, Capability, MountFlags, RootPath};

use crate::support::{planned, rootfs, shell};

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
