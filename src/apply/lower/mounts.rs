//! Mount steps in the words of `mount_setattr(2)`, `fsconfig(2)` and `mount(2)`.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;

use super::{LowerReason, Lowered, Lowering, makeable, target, text};
use crate::apply::program::{Act, Attach, Filesystem, Known, PrepareRoot, Target};
use crate::plan::{MountApi, MountOp, Slot};
use crate::sys::abi::{self, MountAttr, WinSize};
use crate::types::{MountFlags, Propagation, RootPath};

impl Lowering<'_> {
    pub(super) fn mount(&mut self, op: &MountOp) -> Lowered<Act> {
        Ok(match op {
            MountOp::IsolateTree { propagation } => Act::IsolateTree { flags: flags(*propagation) },
            MountOp::PrepareRoot { path, readonly_submounts, readonly_now } => {
                Act::PrepareRoot(PrepareRoot {
                    path: text(path.as_str())?,
                    readonly_submounts: *readonly_submounts,
                    readonly_now: *readonly_now,
                })
            }
            MountOp::EmptyRoot { path, for_mapped_root } => {
                Act::EmptyRoot { path: text(path.as_str())?, for_mapped_root: *for_mapped_root }
            }
            MountOp::MakeMountPoint { target: path, directory } => {
                let known = Known::default();
                Act::MakeMountPoint { target: makeable(path)?, directory: *directory, known }
            }
            MountOp::Filesystem { .. } => self.filesystem(op)?,
            MountOp::CloneTree { source, recursive, slot } => Act::CloneTree {
                source: text(source.as_str())?,
                recursive: *recursive,
                place: self.place(*slot),
            },
            MountOp::CloneDevice { source, kind, number, slot } => Act::CloneDevice {
                source: text(source.as_str())?,
                file_type: kind.file_type(),
                number: *number,
                place: self.place(*slot),
            },
            MountOp::MapTree { .. } => return Err(LowerReason::WrongActor),
            MountOp::Attach { .. } => self.attach(op)?,
            MountOp::Remount { target: path, set, clear } => Act::Remount {
                target: self.target(path)?,
                attr: attributes(*set, *clear),
                set: set.bits(),
                clear: clear.bits(),
            },
            MountOp::Propagate { target: path, propagation } => Act::Propagate {
                target: self.target(path)?,
                kind: propagation.kind.bits(),
                recursive: propagation.recursive,
            },
            MountOp::PivotRoot => Act::PivotRoot,
            MountOp::MoveRoot => Act::MoveRoot,
            MountOp::ReadonlyRoot => Act::ReadonlyRoot,
            MountOp::FindDevpts => Act::FindDevpts { place: self.place(Slot::Devpts) },
            MountOp::OpenTerminal { size, owner, console } => Act::OpenTerminal {
                devpts: self.place(Slot::Devpts),
                size: size.map(|(rows, columns)| WinSize { rows, columns, ..WinSize::default() }),
                owner: *owner,
                console: *console,
            },
            MountOp::MakeNode { .. }
            | MountOp::Symlink { .. }
            | MountOp::Mask { .. }
            | MountOp::MakeReadonly { .. } => self.file(op)?,
        })
    }

    fn filesystem(&mut self, op: &MountOp) -> Lowered<Act> {
        let MountOp::Filesystem {
            fstype,
            source,
            data,
            flags,
            target: path,
            strict,
            keep,
            copy_up,
        } = op
        else {
            return Err(LowerReason::WrongActor);
        };
        let mut options = superblock_options(*flags);
        for option in data {
            options.push(match option.split_once('=') {
                Some((key, value)) => (text(key)?, Some(text(value)?)),
                None => (text(option)?, None),
            });
        }
        Ok(Act::Filesystem(Box::new(Filesystem {
            fstype: text(fstype)?,
            source: source.as_deref().map(text).transpose()?,
            options,
            attributes: attributes(*flags, MountFlags::empty()).set,
            data: if data.is_empty() { None } else { Some(text(&joined(data))?) },
            flags: flags.bits(),
            target: self.target(path)?,
            strict: *strict,
            keep: keep.map(|slot| self.place(slot)),
            copy_up: *copy_up,
            is_found: false,
        })))
    }

    fn target(&self, path: &RootPath) -> Lowered<Target> {
        target(self.plan.resolver, path)
    }

    fn file(&self, op: &MountOp) -> Lowered<Act> {
        Ok(match op {
            MountOp::MakeNode { path, kind, number, mode, uid, gid } => Act::MakeNode {
                path: file_target(path)?,
                mode: kind.file_type() | (mode & 0o7777),
                number: *number,
                uid: *uid,
                gid: *gid,
                known: Known::default(),
            },
            MountOp::Symlink { path, target: text_of, replace, only_if } => Act::Symlink {
                path: file_target(path)?,
                text: text(text_of)?,
                replace: *replace,
                only_if: only_if.as_ref().map(|path| self.target(path)).transpose()?,
                known: Known::default(),
            },
            MountOp::Mask { path } => Act::Mask(self.target(path)?),
            MountOp::MakeReadonly { path } => Act::MakeReadonly(self.target(path)?),
            _ => return Err(LowerReason::WrongActor),
        })
    }

    fn attach(&mut self, op: &MountOp) -> Lowered<Act> {
        let MountOp::Attach {
            slot,
            target: path,
            recursive,
            set,
            clear,
            set_recursive,
            clear_recursive,
        } = op
        else {
            return Err(LowerReason::WrongActor);
        };
        let change = |set: MountFlags, clear: MountFlags| {
            (!set.is_empty() || !clear.is_empty()).then(|| attributes(set, clear))
        };
        let mut top = (*set, *clear);
        let mut all = change(*set_recursive, *clear_recursive);
        if self.plan.mount_api != MountApi::Detached {
            // The planner adds a remount for each mount below; the top is part of the tree.
            if !clear_recursive.is_empty() {
                return Err(LowerReason::MountApi);
            }
            top.0 |= *set_recursive;
            all = None;
        }
        Ok(Act::Attach(Box::new(Attach {
            place: self.place(*slot),
            target: self.target(path)?,
            recursive: *recursive,
            top: change(top.0, top.1),
            all,
            set: top.0.bits(),
            clear: top.1.bits(),
            is_found: false,
        })))
    }
}

/// Options for `mount(2)`. A context has commas of its own, so it is quoted; `fsconfig(2)` takes each value as it is.
fn joined(data: &[String]) -> String {
    let quoted = |option: &String| match option.strip_prefix("context=") {
        Some(label) => alloc::format!("context=\"{label}\""),
        None => option.clone(),
    };
    data.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// A name to be made, which the root itself is not.
fn file_target(path: &RootPath) -> Lowered<Target> {
    if path.is_root() { Err(LowerReason::Path) } else { makeable(path) }
}

fn flags(propagation: Propagation) -> u64 {
    propagation.kind.bits() | if propagation.recursive { abi::MS_REC } else { 0 }
}

/// Flags of one mount for `mount_setattr(2)`. The access time is one field: it is cleared whenever it is set, and the
/// flag that is merely cleared leaves `relatime`, the kernel's default.
fn attributes(set: MountFlags, clear: MountFlags) -> MountAttr {
    const WORDS: [(MountFlags, u64); 6] = [
        (MountFlags::MS_RDONLY, abi::MOUNT_ATTR_RDONLY),
        (MountFlags::MS_NOSUID, abi::MOUNT_ATTR_NOSUID),
        (MountFlags::MS_NODEV, abi::MOUNT_ATTR_NODEV),
        (MountFlags::MS_NOEXEC, abi::MOUNT_ATTR_NOEXEC),
        (MountFlags::MS_NODIRATIME, abi::MOUNT_ATTR_NODIRATIME),
        (MountFlags::MS_NOSYMFOLLOW, abi::MOUNT_ATTR_NOSYMFOLLOW),
    ];
    let words = |flags: MountFlags| {
        let chosen = WORDS.iter().filter(|(flag, _)| flags.contains(*flag));
        chosen.fold(0, |word, (_, bit)| word | bit)
    };
    let mut attr = MountAttr { set: words(set), clear: words(clear), ..MountAttr::default() };
    if set.union(clear).intersects(MountFlags::ATIME) {
        attr.clear |= abi::MOUNT_ATTR_ATIME;
    }
    if set.contains(MountFlags::MS_NOATIME) {
        attr.set |= abi::MOUNT_ATTR_NOATIME;
    } else if set.contains(MountFlags::MS_STRICTATIME) {
        attr.set |= abi::MOUNT_ATTR_STRICTATIME;
    }
    attr
}

/// Flags that belong to the file system, by the names `fsconfig(2)` knows.
fn superblock_options(flags: MountFlags) -> Vec<(CString, Option<CString>)> {
    let names: [(MountFlags, &str); 4] = [
        (MountFlags::MS_SYNCHRONOUS, "sync"),
        (MountFlags::MS_DIRSYNC, "dirsync"),
        (MountFlags::MS_LAZYTIME, "lazytime"),
        (MountFlags::MS_MANDLOCK, "mand"),
    ];
    let chosen = names.iter().filter(|(flag, _)| flags.contains(*flag));
    chosen
        .filter_map(|(_, name)| CString::new(String::from(*name)).ok().map(|n| (n, None)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_quoted_where_commas_divide() {
        let data = ["mode=755", "context=u:r:t:s0:c1,c2"].map(String::from);
        assert_eq!(joined(&data), "mode=755,context=\"u:r:t:s0:c1,c2\"");
    }

    #[test]
    fn the_access_time_is_one_field() {
        let attr = attributes(MountFlags::MS_NOATIME | MountFlags::MS_RDONLY, MountFlags::empty());
        assert_eq!((attr.set, attr.clear), (0x11, 0x70));
        let attr = attributes(MountFlags::empty(), MountFlags::MS_NOATIME);
        assert_eq!((attr.set, attr.clear), (0, 0x70));
    }
}
