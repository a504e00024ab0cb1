//! Upstream's tests that have no better home, with their values; docs/upstream-tests.md has them all.

use std::fs;

use nsplan::config::{Mount, from_libcontainer};
use nsplan::plan::{Op, Refusal, UserOp};
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

#[test]
fn test_get_additional_groups_path() {
    if !crate::support::is_root() {
        return;
    }
    let root = rootfs("additional-groups-path");
    let file = "root:x:0:\nadm:x:43:\ngrp:x:1234:root,adm\nadm:x:4343:root,adm-duplicate\nthis is just some garbage data\n";
    fs::write(root.path().join("etc/group"), file.replace(":root", ":")).unwrap();
    let groups = |list: &str| {
        let text = format!(r#"{{"rootfs": "/", "additional_groups": [{list}]}}"#);
        let parsed = from_libcontainer(text.as_bytes(), &root.host_path());
        let asked = parsed.map_err(|errors| errors.to_string())?.config.process.unwrap().user;
        let mut config = shell(&root, "true");
        config.process.as_mut().unwrap().user = asked;
        let plan = planned(&config).map_err(|errors| errors[0].to_string())?;
        let set = plan.init.into_iter().find_map(|step| match step.op {
            Op::User(UserOp::SetGroups { mut gids }) => {
                gids.sort_unstable();
                Some(gids)
            }
            _ => None,
        });
        Ok::<_, String>(set.unwrap())
    };
    for (list, expected) in [
        ("", &[][..]),
        (r#""adm""#, &[43]),
        (r#""adm", "grp""#, &[43, 1234]),
        (r#""43""#, &[43]),
        (r#""adm", "10001""#, &[43, 10001]),
        (r#""adm", "43""#, &[43]),
    ] {
        assert_eq!(groups(list).unwrap(), expected, "{list}");
    }
    assert!(groups(r#""grp", "none""#).unwrap_err().contains("group `none` is not in /etc/group"));
    for list in [r#""-1""#, r#""2147483648""#] {
        assert!(groups(list).is_err(), "{list}");
    }
}
