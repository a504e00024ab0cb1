//! The mounts of a plan, as bare calls: what is there and what is not is looked up before, on this host.

use nsplan::plan::{MountOp, Op, Plan, Slot};
use nsplan::types::{HostPath, MountFlags, RootPath};

use crate::floor::{Floor, HERE, Unknown, exists};
use crate::machine::{Kept, Word};

/// Where things are mounted, for looking up what exists there.
#[derive(Clone, Debug)]
pub(crate) struct Mounts {
    root: Option<String>,
    /// Whether the container has a null device of its own.
    has_null: bool,
    /// Where new file systems are empty: what is seen on the host is not there.
    empty_at: Vec<RootPath>,
    /// The masks' empty directory, once there is one.
    empty: Option<Kept>,
}

impl Mounts {
    pub(crate) fn new(plan: &Plan) -> Self {
        let root = plan.init.iter().find_map(|step| match &step.op {
            Op::Mount(MountOp::PrepareRoot { path, .. }) => Some(path.as_str().to_owned()),
            _ => None,
        });
        let is_null = |path: &RootPath| path.as_str() == "/dev/null";
        let has_null = plan.init.iter().any(|step| match &step.op {
            Op::Mount(MountOp::MakeNode { path, .. }) => is_null(path),
            Op::Mount(MountOp::Attach { target, .. }) => is_null(target),
            _ => false,
        });
        Self { root, has_null, empty_at: vec![], empty: None }
    }

    /// The path on this host that shows whether `path` will exist inside: procfs and sysfs look the same everywhere.
    fn seen_at(&self, path: &RootPath) -> String {
        let is_kernels = ["/proc/", "/sys/"].iter().any(|top| path.as_str().starts_with(top));
        match &self.root {
            Some(root) if !is_kernels => format!("{}{path}", root.trim_end_matches('/')),
            _ => path.as_str().to_owned(),
        }
    }
}

impl Floor<'_> {
    pub(crate) fn mount(&mut self, op: &MountOp) -> Result<(), Unknown> {
        match op {
            MountOp::IsolateTree { propagation } => {
                let flags =
                    propagation.kind.bits() | if propagation.recursive { MS_REC } else { 0 };
                let top = self.machine.text("/");
                let args = [0.into(), top, 0.into(), flags.into(), 0.into()];
                self.machine.call(libc::SYS_mount, &args);
            }
            MountOp::PrepareRoot { path, readonly_submounts, readonly_now } => {
                self.prepare_root(path.as_str(), *readonly_submounts, *readonly_now);
            }
            MountOp::EmptyRoot { path, for_mapped_root } => self.empty_root(path, *for_mapped_root),
            MountOp::MakeMountPoint { target, directory } => self.mount_point(target, *directory),
            MountOp::Filesystem { fstype, source, data, flags, target, keep, .. } => {
                let attributes = attributes(*flags);
                let mounted = self.new_filesystem(fstype, source.as_deref(), data, attributes);
                self.attach_inside(mounted, target);
                if fstype == "tmpfs" {
                    self.mounts.empty_at.push(target.clone());
                }
                keep.map(|slot| self.keep(slot, mounted));
            }
            MountOp::CloneTree { source, recursive, slot } => {
                let tree = self.clone_tree(HERE.into(), source.as_str(), *recursive);
                self.keep(*slot, tree);
            }
            MountOp::CloneDevice { source, slot, .. } => {
                let tree = self.clone_tree(HERE.into(), source.as_str(), false);
                self.keep(*slot, tree);
            }
            MountOp::Attach { .. } => self.attach_tree(op)?,
            MountOp::Remount { target, set, clear } => {
                self.change(target, [attributes(*set), attributes(*clear), 0, 0], false);
            }
            MountOp::Propagate { target, propagation: new } => {
                self.change(target, [0, 0, new.kind.bits(), 0], new.recursive);
            }
            MountOp::MakeNode { .. } | MountOp::Symlink { .. } => self.make_file(op),
            MountOp::Mask { path } => self.mask(path),
            MountOp::MakeReadonly { path } => {
                if exists(&self.mounts.seen_at(path)) {
                    let (root, inside) = self.inside(path);
                    let tree = self.clone_at(root, inside, true);
                    self.set(tree, READONLY, 0, true);
                    self.attach_inside(tree, path);
                }
            }
            MountOp::PivotRoot => self.pivot_root(),
            MountOp::ReadonlyRoot => {
                let root = self.slot(Slot::Root).ok_or("no root")?;
                self.set(root, READONLY, 0, false);
            }
            _ => return Err(format!("the floor has no calls for {op:?}")),
        }
        Ok(())
    }

    /// `mount_setattr` of what is mounted there, with a `struct mount_attr`.
    fn change(&mut self, target: &RootPath, attr: [u64; 4], recursive: bool) {
        let (root, path) = self.inside(target);
        let attr = self.machine.words(&attr);
        let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
        let args = [root, path, flags.into(), attr, 32.into()];
        self.machine.call(libc::SYS_mount_setattr, &args);
    }

    fn empty_root(&mut self, path: &HostPath, for_mapped_root: bool) {
        let owner = ["uid=0".to_owned(), "gid=0".to_owned()];
        let data = if for_mapped_root { &owner[..] } else { &[] };
        let mounted = self.new_filesystem("tmpfs", None, data, 0);
        let path = self.machine.text(path.as_str());
        self.attach(mounted, HERE.into(), path);
        self.keep(Slot::Root, mounted);
    }

    fn prepare_root(&mut self, path: &str, readonly_submounts: bool, readonly_now: bool) {
        let tree = self.clone_tree(HERE.into(), path, true);
        if readonly_submounts {
            self.set(tree, READONLY, 0, true);
        } else if readonly_now {
            self.set(tree, READONLY, 0, false);
        }
        let path = self.machine.text(path);
        self.attach(tree, HERE.into(), path);
        self.keep(Slot::Root, tree);
    }

    fn mount_point(&mut self, target: &RootPath, directory: bool) {
        let is_in_empty = self.mounts.empty_at.iter().any(|top| top.contains(target));
        let is_seen = self.mounts.root.is_some() && exists(&self.mounts.seen_at(target));
        if target.is_root() || is_seen && !is_in_empty {
            return;
        }
        let parents: Vec<String> = target
            .relative()
            .match_indices('/')
            .map(|(at, _)| target.relative()[..at].to_owned())
            .collect();
        let Some(root) = self.slot(Slot::Root) else { return };
        for parent in parents {
            if self.mounts.root.is_none() {
                let parent = self.machine.text(&parent);
                let args = [Word::Of(root), parent, 0o755.into()];
                self.machine.attempt(libc::SYS_mkdirat, &args);
            }
        }
        let path = self.machine.text(target.relative());
        if directory {
            let args = [Word::Of(root), path, 0o755.into()];
            self.machine.attempt(libc::SYS_mkdirat, &args);
        } else {
            let args = [Word::Of(root), path, 0o100_644.into(), 0.into()];
            self.machine.attempt(libc::SYS_mknodat, &args);
        }
    }

    fn make_file(&mut self, op: &MountOp) {
        match op {
            MountOp::MakeNode { path, kind, number, mode, uid, gid } => {
                let (root, at) = self.inside(path);
                let mode = (kind.file_type() | mode).into();
                let args = [root, at, mode, number.encode().into()];
                self.machine.call(libc::SYS_mknodat, &args);
                if (*uid, *gid) != (0, 0) {
                    let args = [root, at, (*uid).into(), (*gid).into(), 0.into()];
                    self.machine.call(libc::SYS_fchownat, &args);
                }
            }
            MountOp::Symlink { path, target, only_if, .. } => {
                let is_there = |path: &RootPath| exists(&self.mounts.seen_at(path));
                if only_if.as_ref().is_some_and(|path| !is_there(path)) {
                    return;
                }
                let (root, at) = self.inside(path);
                let target = self.machine.text(target);
                self.machine.attempt(libc::SYS_symlinkat, &[target, root, at]);
            }
            _ => {}
        }
    }

    fn mask(&mut self, path: &RootPath) {
        let seen = self.mounts.seen_at(path);
        let Ok(found) = std::fs::metadata(&seen) else { return };
        if !found.is_dir() {
            let device = match self.slot(Slot::Root).filter(|_| self.mounts.has_null) {
                Some(root) => self.clone_tree(Word::Of(root), "dev/null", false),
                None => self.clone_tree(HERE.into(), "/dev/null", false),
            };
            return self.attach_inside(device, path);
        }
        let tree = match self.mounts.empty {
            Some(empty) => {
                let nothing = self.machine.text("");
                self.clone_at(Word::Of(empty), nothing, false)
            }
            None => {
                let hidden = READONLY | NOSUID | NODEV | NOEXEC;
                let made = self.new_filesystem("tmpfs", None, &[], hidden);
                self.mounts.empty = Some(made);
                made
            }
        };
        self.attach_inside(tree, path);
    }

    fn attach_tree(&mut self, op: &MountOp) -> Result<(), Unknown> {
        let MountOp::Attach { slot, target, set, clear, set_recursive, clear_recursive, .. } = op
        else {
            return Err(format!("{op:?}"));
        };
        let tree = self.slot(*slot).ok_or("a tree that is not open")?;
        for (set, clear, recursive) in [(set_recursive, clear_recursive, true), (set, clear, false)]
        {
            if !set.is_empty() || !clear.is_empty() {
                let mut cleared = attributes(*clear);
                if set.union(*clear).intersects(MountFlags::ATIME) {
                    cleared |= ATIME;
                }
                self.set(tree, attributes(*set), cleared, recursive);
            }
        }
        self.attach_inside(tree, target);
        Ok(())
    }

    fn pivot_root(&mut self) {
        let Some(root) = self.slot(Slot::Root) else { return };
        let (here, top) = (self.machine.text("."), self.machine.text("/"));
        self.machine.call(libc::SYS_fchdir, &[Word::Of(root)]);
        self.machine.call(libc::SYS_pivot_root, &[here, here]);
        self.machine.call(libc::SYS_umount2, &[here, libc::MNT_DETACH.into()]);
        self.machine.call(libc::SYS_chdir, &[top]);
    }

    fn new_filesystem(
        &mut self,
        fstype: &str,
        source: Option<&str>,
        data: &[String],
        attributes: u64,
    ) -> Kept {
        const SET_FLAG: i32 = 0;
        const SET_STRING: i32 = 1;
        const CREATE: i32 = 6;
        let text = self.machine.text(fstype);
        let context = self.machine.make(libc::SYS_fsopen, &[text, 1.into()]);
        let context = Word::Of(context);
        let mut options: Vec<(&str, Option<&str>)> =
            source.map(|source| ("source", Some(source))).into_iter().collect();
        options.extend(data.iter().map(|option| match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option.as_str(), None),
        }));
        for (key, value) in options {
            let key = self.machine.text(key);
            let (what, value) = match value {
                Some(value) => (SET_STRING, self.machine.text(value)),
                None => (SET_FLAG, 0.into()),
            };
            let args = [context, what.into(), key, value, 0.into()];
            self.machine.call(libc::SYS_fsconfig, &args);
        }
        let create = [context, CREATE.into(), 0.into(), 0.into(), 0.into()];
        self.machine.call(libc::SYS_fsconfig, &create);
        self.machine.make(libc::SYS_fsmount, &[context, 1.into(), attributes.into()])
    }

    fn clone_tree(&mut self, at: Word, path: &str, recursive: bool) -> Kept {
        let path = self.machine.text(path);
        self.clone_at(at, path, recursive)
    }

    fn clone_at(&mut self, at: Word, path: Word, recursive: bool) -> Kept {
        let all = if recursive { libc::AT_RECURSIVE } else { 0 };
        let flags = 1 | libc::O_CLOEXEC | libc::AT_EMPTY_PATH | all;
        self.machine.make(libc::SYS_open_tree, &[at, path, flags.into()])
    }

    fn set(&mut self, tree: Kept, set: u64, clear: u64, recursive: bool) {
        let attr = self.machine.words(&[set, clear, 0, 0]);
        let nothing = self.machine.text("");
        let all = if recursive { libc::AT_RECURSIVE } else { 0 };
        let flags = (libc::AT_EMPTY_PATH | all).into();
        let args = [Word::Of(tree), nothing, flags, attr, 32.into()];
        self.machine.call(libc::SYS_mount_setattr, &args);
    }

    fn attach(&mut self, tree: Kept, at: Word, path: Word) {
        let nothing = self.machine.text("");
        let args = [Word::Of(tree), nothing, at, path, EMPTY_SOURCE.into()];
        self.machine.call(libc::SYS_move_mount, &args);
    }

    fn attach_inside(&mut self, tree: Kept, path: &RootPath) {
        let (root, path) = self.inside(path);
        self.attach(tree, root, path);
    }

    /// The root's descriptor and the path below it.
    fn inside(&mut self, path: &RootPath) -> (Word, Word) {
        let root = self.slot(Slot::Root).map_or_else(|| HERE.into(), Word::Of);
        let below = if path.is_root() { "." } else { path.relative() };
        (root, self.machine.text(below))
    }
}

const MS_REC: u64 = libc::MS_REC;
/// `MOVE_MOUNT_F_EMPTY_PATH`.
const EMPTY_SOURCE: i32 = 4;
const READONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NOSUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NODEV: u64 = libc::MOUNT_ATTR_NODEV;
const NOEXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const ATIME: u64 = 0x70;

/// Flags of a mount in the words of `fsmount(2)`.
fn attributes(flags: MountFlags) -> u64 {
    let words = [
        (MountFlags::MS_RDONLY, READONLY),
        (MountFlags::MS_NOSUID, NOSUID),
        (MountFlags::MS_NODEV, NODEV),
        (MountFlags::MS_NOEXEC, NOEXEC),
        (MountFlags::MS_NOATIME, 0x10),
        (MountFlags::MS_STRICTATIME, 0x20),
        (MountFlags::MS_NODIRATIME, 0x80),
        (MountFlags::MS_NOSYMFOLLOW, 0x20_0000),
    ];
    words.iter().filter(|(flag, _)| flags.contains(*flag)).fold(0, |all, (_, word)| all | word)
}
