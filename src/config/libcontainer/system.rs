//! What the format implies without saying it: the system mounts, the links in `/dev`, and what `restrict_sys` stands for.

use alloc::borrow::ToOwned;
use alloc::vec;
use alloc::vec::Vec;

use crate::config::{DeviceLink, Mount, MountKind};
use crate::types::{MountFlags, RootPath};

/// Flags of a mount that holds data of programs and nothing to run.
pub(super) const PLAIN: MountFlags =
    MountFlags::MS_NOSUID.union(MountFlags::MS_NODEV).union(MountFlags::MS_NOEXEC);

/// How many mounts [`mounts`] makes.
pub(super) const COUNT: usize = 6;
/// Which of them is `/dev`.
pub(super) const DEV: usize = 1;
/// Which of them is `/sys`.
pub(super) const SYS: usize = 5;

/// Parts of `/proc` that `restrict_sys` makes read-only.
pub(super) const READONLY: [&str; 4] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"];

/// The file of `/proc` that `restrict_sys` hides.
pub(super) const MASKED: &str = "/proc/kcore";

/// The mounts every container with a new mount namespace gets before its own.
///
/// `/sys` is read-only from the start when `restrict`ed: making it so later would reach the host's through a shared
/// network namespace. `tty_group` says whether group 5, the owner of terminals, exists inside.
pub(super) fn mounts(restrict: bool, tty_group: bool) -> Vec<Mount> {
    let sys = if restrict { PLAIN | MountFlags::MS_RDONLY } else { PLAIN };
    let dev = MountFlags::MS_NOSUID | MountFlags::MS_STRICTATIME;
    let pts = MountFlags::MS_NOSUID | MountFlags::MS_NOEXEC;
    let options = ["newinstance", "ptmxmode=0666", "mode=620", "gid=5"];
    let options = if tty_group { &options[..] } else { &options[..3] };
    vec![
        Mount::filesystem("/proc", "proc", PLAIN, &[]),
        Mount::filesystem("/dev", "tmpfs", dev, &["mode=755"]),
        from("shm", Mount::filesystem("/dev/shm", "tmpfs", PLAIN, &["mode=1777", "size=65536k"])),
        Mount::filesystem("/dev/mqueue", "mqueue", PLAIN, &[]),
        Mount::filesystem("/dev/pts", "devpts", pts, options),
        Mount::filesystem("/sys", "sysfs", sys, &[]),
    ]
}

fn from(name: &str, mut mount: Mount) -> Mount {
    if let MountKind::Filesystem { source, .. } = &mut mount.kind {
        *source = Some(name.to_owned());
    }
    mount
}

/// The links in `/dev`, `core` only where the kernel shows its memory.
pub(super) fn links() -> Vec<DeviceLink> {
    let mut links = DeviceLink::standard();
    links.push(DeviceLink {
        path: path("/dev/kcore"),
        target: MASKED.to_owned(),
        replace: false,
        only_if: Some(path(MASKED)),
    });
    links
}

/// A path known to be good.
pub(super) fn path(text: &str) -> RootPath {
    RootPath::new(text).unwrap_or_else(|_| RootPath::root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_where_the_constants_say() {
        let mounts = mounts(true, true);
        assert_eq!(mounts.len(), COUNT);
        assert_eq!(mounts[DEV].destination.as_str(), "/dev");
        assert_eq!(mounts[SYS].destination.as_str(), "/sys");
        assert!(READONLY.iter().all(|text| !path(text).is_root()));
    }
}
