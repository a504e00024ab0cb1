//! Steps are told what those before them have looked up: the directory they work in, and what they mount on.
//!
//! Looking a path up below the root costs as much as making what is there. A descriptor that was found once is also as safe
//! as can be: nothing that is renamed meanwhile moves it.

use alloc::vec::Vec;

use crate::apply::program::{Act, Known, Target};

/// The directories of a script whose descriptor is still that of their path.
#[derive(Default)]
struct Seen<'a> {
    /// The one that is kept when the script has come this far.
    kept: Option<&'a [u8]>,
    /// File systems that were empty when they were mounted.
    empty: Vec<&'a [u8]>,
}

/// To be called on a whole script, whose order it goes by.
pub(super) fn mark(script: &mut [Act]) {
    let mut seen = Seen::default();
    let known: Vec<_> = script.iter().map(|act| seen.step(act)).collect();
    for (act, now) in script.iter_mut().zip(known) {
        match act {
            Act::MakeMountPoint { known, .. }
            | Act::MakeNode { known, .. }
            | Act::Symlink { known, .. } => *known = now,
            _ => {}
        }
    }
    join_mounts(script);
}

impl<'a> Seen<'a> {
    fn step(&mut self, act: &'a Act) -> Known {
        match act {
            Act::MakeMountPoint { target, .. } => {
                let above = above(target);
                // Elsewhere it is there as a rule, and the directory it would be made in is never opened.
                let is_new = self.empty.contains(&above);
                let directory = is_new && self.work_in(above);
                Known { directory, is_new, ..Known::default() }
            }
            Act::MakeNode { path, .. } | Act::Symlink { path, only_if: None, .. } => {
                Known { directory: self.work_in(above(path)), ..Known::default() }
            }
            Act::Filesystem(new) => {
                self.cover(&new.target);
                if *new.fstype == *c"tmpfs" && !new.copy_up {
                    self.empty.push(new.target.whole.as_bytes());
                }
                Known::default()
            }
            Act::Attach(attach) => {
                self.cover(&attach.target);
                Known::default()
            }
            _ => {
                if !leaves_paths_alone(act) {
                    self.kept = None;
                }
                Known::default()
            }
        }
    }

    /// Whether that directory is the kept one; it is from now on.
    fn work_in(&mut self, directory: &'a [u8]) -> bool {
        self.kept.replace(directory) == Some(directory)
    }

    /// Something is mounted there. Only in a file system that was empty does a path say where that is: on the way through
    /// anything else there may be links, and what they lead to is covered as well.
    fn cover(&mut self, target: &Target) {
        if !self.empty.contains(&above(target)) {
            self.kept = None;
            self.empty.clear();
            return;
        }
        let path = target.whole.as_bytes();
        self.kept.take_if(|kept| is_at_or_below(kept, path));
        self.empty.retain(|empty| !is_at_or_below(empty, path));
    }
}

fn is_at_or_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// The path of the directory that a target is in; empty for the root.
fn above(target: &Target) -> &[u8] {
    let path = target.whole.as_bytes();
    let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    &path[..end]
}

/// Steps after which every path leads where it did.
fn leaves_paths_alone(act: &Act) -> bool {
    matches!(
        act,
        Act::CloneTree { .. }
            | Act::CloneDevice { .. }
            | Act::Remount { .. }
            | Act::Symlink { .. }
            | Act::LoopbackUp
            | Act::Umask(_)
            | Act::SetHostname(_)
            | Act::SetDomainname(_)
    )
}

/// A mount that comes right after its mount point was made, or after the copy of what it attaches.
fn join_mounts(script: &mut [Act]) {
    let mut made: Option<&mut Act> = None;
    for act in script {
        let is_same = |made: &&mut Act, path: &Target| match made {
            Act::MakeMountPoint { target, .. } => target.whole == path.whole,
            _ => false,
        };
        let found = match act {
            // With links refused it is looked up anew.
            Act::Filesystem(new) if !new.strict => {
                let found = made.take().filter(|made| is_same(made, &new.target));
                new.is_found = found.is_some();
                found
            }
            Act::Attach(attach) => {
                let found = made.take().filter(|made| is_same(made, &attach.target));
                attach.is_found = found.is_some();
                found
            }
            Act::CloneTree { .. } | Act::CloneDevice { .. } => continue,
            act => {
                made = matches!(act, Act::MakeMountPoint { .. }).then_some(act);
                continue;
            }
        };
        if let Some(Act::MakeMountPoint { known, .. }) = found {
            known.is_mounted_on = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::lower::lower;
    use crate::config::{Config, Mount};
    use crate::facts::HostFacts;
    use crate::plan::plan;
    use crate::types::{HostPath, MountFlags};

    /// What is known of each thing that is made, by its path.
    fn known(change: impl FnOnce(&mut Config)) -> Vec<(String, Known)> {
        let root = HostPath::new("/srv/root").expect("absolute");
        let mut config = Config::sandbox(root, vec!["sh".into()], false);
        change(&mut config);
        let plan = plan(&config, &HostFacts::example()).expect("root may do this");
        let program = lower(&plan).expect("a plan of the planner's");
        let of = |act: &Act| match act {
            Act::MakeMountPoint { target, known, .. } => Some((target.whole.clone(), *known)),
            Act::MakeNode { path, known, .. } | Act::Symlink { path, known, .. } => {
                Some((path.whole.clone(), *known))
            }
            _ => None,
        };
        let made = program.init.iter().filter_map(of);
        made.map(|(path, known)| (path.into_string().expect("UTF-8"), known)).collect()
    }

    fn of(list: &[(String, Known)], path: &str) -> Known {
        list.iter().find(|(other, _)| other == path).unwrap_or_else(|| panic!("{path}: {list:?}")).1
    }

    #[test]
    fn what_is_made_in_an_empty_file_system_is_made_where_the_step_before_has_worked() {
        let list = known(|_| {});
        let (first, later) = (of(&list, "dev/pts"), of(&list, "dev/shm"));
        assert_eq!(first, Known { directory: false, is_new: true, is_mounted_on: true });
        assert_eq!(later, Known { directory: true, is_new: true, is_mounted_on: true });
        // The image's own directories may be there, and anything in their place.
        assert!(!of(&list, "dev").is_new && !of(&list, "proc").is_new);
        // Right behind one another, with the masks of `/dev` still to come.
        assert!(of(&list, "dev/zero").directory && of(&list, "dev/stdin").directory);
    }

    #[test]
    fn a_mount_that_may_lead_anywhere_ends_all_knowledge() {
        let tmpfs = |path| Mount::filesystem(path, "tmpfs", MountFlags::empty(), &[]);
        let list = known(|config| {
            config.mounts.extend(["/a", "/a/b", "/c", "/a/d"].map(tmpfs));
        });
        assert!(of(&list, "a/b").is_new);
        // `/c` may be a link to `/a`.
        assert_eq!(of(&list, "a/d"), Known { is_mounted_on: true, ..Known::default() });
    }
}
