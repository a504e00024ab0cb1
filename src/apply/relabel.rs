//! A tree of the host's gets an SELinux label, entry by entry through descriptors.
//!
//! What is in the tree may be somebody else's who changes it meanwhile: no name is walked twice, no link is followed, and
//! the walk stays on the file system it began on.

use alloc::ffi::CString;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use nix::dir::Dir;
use nix::errno::Errno as NixErrno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use crate::sys::{Fault, Outcome, Sysno, file};
use crate::types::{Errno, HostPath};

/// No path of the kernel's has more parts.
const DEEPEST: u16 = 2048;

/// Labels `path`, links followed once to find it, and everything below it.
pub(crate) fn tree(path: &HostPath, label: &str) -> Outcome {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let top = open(path.as_str(), flags, Mode::empty()).map_err(fault(Sysno::openat))?;
    let status = fstat(&top).map_err(fault(Sysno::fstat))?;
    for own in ["/", "/etc", "/usr"] {
        let is_same = |own: FileStat| (own.st_dev, own.st_ino) == (status.st_dev, status.st_ino);
        if nix::sys::stat::stat(own).is_ok_and(is_same) {
            return Err(Fault::new(Sysno::setxattr, Errno::EPERM));
        }
    }
    one(&top, &status, status.st_dev, label.as_bytes(), 0)
}

/// One entry, and those below it.
fn one(entry: &OwnedFd, status: &FileStat, device: u64, label: &[u8], depth: u16) -> Outcome {
    if status.st_dev != device {
        return Ok(());
    }
    // The entry itself, also if it is a link: the kernel's own link of the descriptor leads to it and no further.
    let path = CString::new(format!("/proc/self/fd/{}", entry.as_raw_fd()))
        .map_err(|_| Fault::new(Sysno::setxattr, Errno::EINVAL))?;
    file::setxattr(&path, c"security.selinux", label)?;
    if SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits()) != SFlag::S_IFDIR {
        return Ok(());
    }
    if depth == DEEPEST {
        return Err(Fault::new(Sysno::openat, Errno::ELOOP));
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut list =
        Dir::openat(entry.as_fd(), c".", flags, Mode::empty()).map_err(fault(Sysno::openat))?;
    let names: Vec<CString> = list
        .iter()
        .map(|found| found.map(|found| found.file_name().to_owned()))
        .collect::<Result<_, _>>()
        .map_err(fault(Sysno::getdents64))?;
    drop(list);
    for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let below = match openat(entry, name.as_c_str(), flags, Mode::empty()) {
            // Removed meanwhile.
            Err(NixErrno::ENOENT) => continue,
            answer => answer.map_err(fault(Sysno::openat))?,
        };
        let status = fstat(&below).map_err(fault(Sysno::fstat))?;
        one(&below, &status, device, label, depth + 1)?;
    }
    Ok(())
}

fn fault(call: Sysno) -> impl Fn(NixErrno) -> Fault {
    move |error| Fault::new(call, Errno(error as i32))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    /// What `getfattr` would show, of the name itself.
    fn label(path: &Path) -> Option<String> {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        let mut value = [0_u8; 64];
        let name = c"security.selinux";
        let length = file::lgetxattr(&path, name, &mut value).ok()?;
        Some(String::from_utf8_lossy(&value[..length]).into_owned())
    }

    #[test]
    fn a_tree_is_labelled_through_and_through_and_nothing_beside_it() {
        let scratch = std::env::temp_dir().join(format!("nsplan-relabel-{}", std::process::id()));
        let (inside, outside) = (scratch.join("inside"), scratch.join("outside"));
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        for file in [inside.join("a/b/file"), outside.join("file")] {
            fs::write(file, "x").unwrap();
        }
        symlink(&outside, inside.join("a/link")).unwrap();
        symlink(outside.join("file"), inside.join("filelink")).unwrap();
        symlink("/etc", scratch.join("etc")).unwrap();
        symlink(&inside, scratch.join("in")).unwrap();
        let host = |path: &Path| HostPath::new(path.to_str().unwrap()).unwrap();
        let etc = tree(&host(&scratch.join("etc")), "u:r:t:s0");
        let through = tree(&host(&scratch.join("in")), "u:r:t:s0");
        let inner = ["", "a", "a/b", "a/b/file", "a/link", "filelink"];
        let labels: Vec<_> = inner.iter().map(|name| label(&inside.join(name))).collect();
        let beside: Vec<_> = ["", "file"].iter().map(|name| label(&outside.join(name))).collect();
        fs::remove_dir_all(&scratch).unwrap();
        assert_eq!(etc, Err(Fault::new(Sysno::setxattr, Errno::EPERM)));
        // An ordinary user may not; but Linux 6.1 with the BPF security module lets it.
        if crate::sys::host::effective_uid() != 0 {
            return;
        }
        assert_eq!(through, Ok(()));
        assert_eq!(labels, [const { Some("u:r:t:s0") }; 6].map(|label| label.map(str::to_owned)));
        let is_ours = |label: &Option<String>| label.as_deref() == Some("u:r:t:s0");
        assert!(!beside.iter().any(is_ours), "{beside:?}");
    }
}
