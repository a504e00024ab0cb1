//! Cgroups below a container's own become the directories that a process joins.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::draft::{Draft, at};
use super::error::Refusal;
use super::record::CgroupPaths;
use crate::config::PathComponent;
use crate::types::HostPath;

/// A cgroup below a container's own: runc's `[controllers:]path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubCgroup {
    /// Of which controllers; of all if empty.
    controllers: Vec<String>,
    /// The way down.
    parts: Vec<PathComponent>,
}

impl SubCgroup {
    /// Reads `path` or `controller,…:path`. A slash in front means the container's own cgroup, as it does inside of its
    /// cgroup namespace.
    ///
    /// # Errors
    /// What is wrong with it, when it could lead out of the container's cgroup or is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (controllers, path) = text.split_once(':').unwrap_or(("", text));
        let controllers: Vec<_> =
            controllers.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if text.contains(':') && controllers.is_empty() {
            return Err("no controller in front of the colon");
        }
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        let part = |part: &str| match part {
            ".." => Err("leaves the container's cgroup"),
            part => PathComponent::new(part).map_err(|_| "not the name of a cgroup"),
        };
        Ok(Self { controllers, parts: parts.map(part).collect::<Result<_, _>>()? })
    }

    fn of(&self, own: &HostPath) -> HostPath {
        self.parts.iter().fold(own.clone(), |path, part| path.child(part.as_str()))
    }
}

/// The directories to join instead of the container's own.
pub(super) fn below(draft: &mut Draft<'_>, own: &CgroupPaths, asked: &[SubCgroup]) -> CgroupPaths {
    let mut paths = own.clone();
    let origin = at("/cgroup/path");
    for sub in asked {
        if own.is_empty() {
            let reason = "the container has no cgroup of its own to be below of";
            draft.refuse(&origin, Refusal::Contradiction { reason });
        }
        if sub.controllers.is_empty() {
            paths.v1.values_mut().for_each(|path| *path = sub.of(path));
            paths.v2 = paths.v2.as_ref().map(|path| sub.of(path));
            continue;
        }
        for name in &sub.controllers {
            // Controllers that are mounted together are in one directory.
            let Some(directory) = own.v1.get(name) else {
                let reason = "a controller is named that has no hierarchy of cgroup v1 here";
                draft.refuse(&origin, Refusal::Contradiction { reason });
                continue;
            };
            for (other, path) in &mut paths.v1 {
                if own.v1.get(other) == Some(directory) {
                    *path = sub.of(directory);
                }
            }
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_below_or_refused() {
        let parts = |text| SubCgroup::parse(text).map(|sub| sub.parts.len());
        assert_eq!(parts("a/b"), Ok(2));
        assert_eq!(parts("/"), Ok(0));
        assert_eq!(parts("cpu,memory:./a"), Ok(1));
        assert_eq!(parts("a/../b"), Err("leaves the container's cgroup"));
        assert_eq!(parts("pids:.."), Err("leaves the container's cgroup"));
        assert_eq!(parts(":a"), Err("no controller in front of the colon"));
        assert_eq!(parts("cgroup.procs"), Err("not the name of a cgroup"));
    }
}
