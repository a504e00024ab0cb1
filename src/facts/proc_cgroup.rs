//! Texts of `/proc/PID/cgroup` and the mount table become the cgroup tree as the caller sees it.
//!
//! # References
//! `cgroups(7)`, "/proc files".

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::split::{cut, split};
use super::{CgroupFacts, FactsError, Hierarchy, MountFact, Unified};
use crate::types::HostPath;

/// One line of `/proc/PID/cgroup`: a hierarchy, and which of its cgroups a process is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Number of the hierarchy; 0 is the v2 tree.
    pub id: u32,
    /// Controllers of a v1 hierarchy.
    pub controllers: BTreeSet<String>,
    /// Name of a v1 hierarchy (`name=systemd`).
    pub name: Option<String>,
    /// The cgroup, from the root of the reader's cgroup namespace; `/..` in it leads outside of that.
    pub path: String,
}

impl Membership {
    fn is_unified(&self) -> bool {
        self.id == 0 && self.controllers.is_empty() && self.name.is_none()
    }
}

/// Reads `/proc/PID/cgroup`.
///
/// # Errors
/// The first line that is not `id:controllers:/path`.
pub fn parse_proc_cgroup(text: &str) -> Result<Vec<Membership>, FactsError> {
    split(text, b'\n')
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(at, line)| {
            parse_line(line).ok_or_else(|| {
                FactsError::expected("cgroup", at + 1, "id, controllers and a path, joined by `:`")
            })
        })
        .collect()
}

fn parse_line(line: &str) -> Option<Membership> {
    let (id, rest) = cut(line, b':')?;
    let id = id.parse().ok()?;
    let (words, path) = cut(rest, b':')?;
    let path = path.starts_with('/').then(|| path.to_owned())?;
    let mut membership = Membership { id, controllers: BTreeSet::new(), name: None, path };
    for word in split(words, b',').filter(|word| !word.is_empty()) {
        match word.strip_prefix("name=") {
            Some(name) => membership.name = Some(name.to_owned()),
            None => drop(membership.controllers.insert(word.to_owned())),
        }
    }
    Some(membership)
}

/// Reads `cgroup.controllers` or `cgroup.subtree_control`: words between blanks.
#[must_use]
pub fn parse_controllers(text: &str) -> BTreeSet<String> {
    text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
}

/// Joins the mount table with the memberships of the caller and of the first process it sees.
///
/// What only the directories of the tree can tell is left at its most careful value: nothing is writable, no v2
/// controller exists, the caller's v2 cgroup is populated. `init` is `None` where `/proc/1/cgroup` cannot be read, or
/// nobody asked; its cgroups are then taken to be the roots.
///
/// Of several mounts of one hierarchy the first that shows the caller's cgroup counts, else the first; one that another
/// mount has covered is none.
#[must_use]
pub fn discover(
    mounts: &[MountFact],
    caller: &[Membership],
    init: Option<&[Membership]>,
    systemd: bool,
) -> CgroupFacts {
    let mut found: Vec<(usize, &Membership, Seen)> = Vec::new();
    let mut unified = None;
    for line in caller {
        let Some((at, seen)) = best_mount(mounts, line) else {
            continue;
        };
        if line.is_unified() {
            unified = Some(unified_at(seen, line, init));
        } else {
            found.push((at, line, seen));
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    let hierarchies = found
        .into_iter()
        .map(|(_, line, seen)| Hierarchy {
            controllers: line.controllers.clone(),
            name: line.name.clone(),
            mount_point: seen.mount_point,
            root: seen.root,
            caller: line.path.clone(),
            init: path_of_init(init, line),
            writable: false,
        })
        .collect();
    CgroupFacts { hierarchies, unified, systemd }
}

/// A mount of a hierarchy.
struct Seen {
    mount_point: HostPath,
    root: String,
}

fn best_mount(mounts: &[MountFact], line: &Membership) -> Option<(usize, Seen)> {
    let mut first = None;
    for (at, mount) in mounts.iter().enumerate() {
        if !shows(mount, line) || mount.is_covered(mounts) {
            continue;
        }
        let Ok(mount_point) = HostPath::new(&mount.mount_point) else {
            continue;
        };
        let seen = Seen { mount_point, root: mount.root.clone() };
        if directory(&seen.mount_point, &seen.root, &line.path).is_some() {
            return Some((at, seen));
        }
        first.get_or_insert((at, seen));
    }
    first
}

/// Whether `mount` is one of the hierarchy of `line`: a v1 mount lists its controllers and name among its options.
fn shows(mount: &MountFact, line: &Membership) -> bool {
    if line.is_unified() {
        return mount.fstype == "cgroup2";
    }
    mount.fstype == "cgroup"
        && split(&mount.super_options, b',').any(|word| match word.strip_prefix("name=") {
            Some(name) => line.name.as_deref() == Some(name),
            None => line.controllers.contains(word),
        })
}

fn path_of_init(init: Option<&[Membership]>, line: &Membership) -> String {
    let same =
        |other: &&Membership| other.controllers == line.controllers && other.name == line.name;
    let found = init.unwrap_or_default().iter().find(same);
    found.map_or("/", |found| found.path.as_str()).to_owned()
}

fn unified_at(seen: Seen, line: &Membership, init: Option<&[Membership]>) -> Unified {
    Unified {
        mount_point: seen.mount_point,
        root: seen.root,
        caller: line.path.clone(),
        init: path_of_init(init, line),
        writable: false,
        controllers: BTreeSet::new(),
        caller_controllers: BTreeSet::new(),
        caller_subtree: BTreeSet::new(),
        caller_populated: true,
        delegated: false,
        in_leaf: false,
        bfq: false,
        delegate: Vec::new(),
    }
}

/// Where `cgroup` is seen under a mount of `root` at `mount_point`; `None` when it is outside of what is mounted.
fn directory(mount_point: &HostPath, root: &str, cgroup: &str) -> Option<HostPath> {
    let below = match root {
        "/" => cgroup,
        _ => cgroup.strip_prefix(root).filter(|rest| rest.is_empty() || rest.starts_with('/'))?,
    };
    // Where most callers are, in most trees.
    if below.is_empty() || below == "/" {
        return Some(mount_point.clone());
    }
    if below.split('/').any(|part| part == "..") {
        return None;
    }
    HostPath::new(&alloc::format!("{mount_point}/{below}")).ok()
}

impl Hierarchy {
    /// The directory of `cgroup`, a path like [`caller`](Self::caller); `None` when it is not in what is mounted.
    #[must_use]
    pub fn directory(&self, cgroup: &str) -> Option<HostPath> {
        directory(&self.mount_point, &self.root, cgroup)
    }
}

impl Unified {
    /// The directory of `cgroup`, a path like [`caller`](Self::caller); `None` when it is not in what is mounted.
    #[must_use]
    pub fn directory(&self, cgroup: &str) -> Option<HostPath> {
        directory(&self.mount_point, &self.root, cgroup)
    }
}
