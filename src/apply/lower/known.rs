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
