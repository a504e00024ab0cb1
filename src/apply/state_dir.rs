//! Where a container's state is kept, and whether the container could write to it.

use std::os::fd::AsRawFd as _;
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

use crate::types::HostPath;

/// Where a container's state is kept: `root/id/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    /// A directory that only its owner can write to; it is made if it is missing.
    pub root: PathBuf,
    /// The container's name in it.
    pub id: String,
}

impl StateDir {
    /// Whether it is, by whatever links, below a container's root, which could write to it then. Below the host's own root
    /// everything is: whoever gives a container that gives the state along.
    #[must_use]
    pub fn is_inside(&self, root: &HostPath) -> bool {
        let above = self.root.ancestors().find_map(real);
        match (above, real(Path::new(root.as_str()))) {
            (Some(above), Some(root)) => root != Path::new("/") && above.starts_with(root),
            _ => false,
        }
    }
}

/// Where a path leads, all links followed: itself, if there are none on the way (Linux 5.6), else as the kernel says it, which
/// looks it up once instead of part by part.
fn real(path: &Path) -> Option<PathBuf> {
    let is_plain =
        path.is_absolute() && !path.components().any(|part| part == Component::ParentDir);
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    if is_plain && openat2(AT_FDCWD, path, how).is_ok() {
        return Some(path.to_owned());
    }
    let found = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests run where the package is.
    #[test]
    fn a_state_directory_is_inside_by_whatever_path_it_is_named() {
        let here = std::env::current_dir().unwrap();
        let inside = |root: PathBuf, of: &Path| {
            let of = HostPath::new(of.to_str().unwrap()).unwrap();
            StateDir { root, id: "c".into() }.is_inside(&of)
        };
        let roots =
            [here.join("src"), here.join("src/../src"), here.join("none/yet"), "src".into()];
        for root in roots {
            assert!(inside(root.clone(), &here), "{}", root.display());
            assert!(!inside(root.clone(), &here.join("tests")), "{}", root.display());
        }
    }
}
