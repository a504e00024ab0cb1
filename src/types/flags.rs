//! Flag words of `clone3(2)` and `mount(2)`, with the values of the kernel's headers.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

bitflags! {
    /// Flags of `clone3(2)`. Namespace flags say which namespaces are *created*.
    ///
    /// # References
    /// `clone(2)`, `include/uapi/linux/sched.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct CloneFlags: u64 {
        /// A new time namespace (Linux 5.6; `clone3` only).
        const CLONE_NEWTIME = 0x80;
        /// Share the memory descriptor with the caller.
        const CLONE_VM = 0x100;
        /// Store a pidfd of the child (Linux 5.2).
        const CLONE_PIDFD = 0x1000;
        /// Suspend the caller until the child execs or exits.
        const CLONE_VFORK = 0x4000;
        /// The child's parent is the caller's parent.
        const CLONE_PARENT = 0x8000;
        /// A new mount namespace.
        const CLONE_NEWNS = 0x0002_0000;
        /// A new cgroup namespace (Linux 4.6).
        const CLONE_NEWCGROUP = 0x0200_0000;
        /// A new UTS namespace.
        const CLONE_NEWUTS = 0x0400_0000;
        /// A new IPC namespace.
        const CLONE_NEWIPC = 0x0800_0000;
        /// A new user namespace.
        const CLONE_NEWUSER = 0x1000_0000;
        /// A new pid namespace.
        const CLONE_NEWPID = 0x2000_0000;
        /// A new network namespace.
        const CLONE_NEWNET = 0x4000_0000;
        /// Reset the caller's signal handlers in the child (Linux 5.5; `clone3` only).
        const CLONE_CLEAR_SIGHAND = 0x1_0000_0000;
        /// Start the child in the v2 cgroup given by fd (Linux 5.7; `clone3` only).
        const CLONE_INTO_CGROUP = 0x2_0000_0000;
    }
}

bitflags! {
    /// Flags of one mount, in the words of `mount(2)`; the planner translates them to `mount_setattr(2)`.
    ///
    /// # References
    /// `mount(2)`, `include/uapi/linux/mount.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct MountFlags: u64 {
        /// No writing through this mount.
        const MS_RDONLY = 0x1;
        /// Set-user-id bits and file capabilities are ignored.
        const MS_NOSUID = 0x2;
        /// Device nodes are not opened.
        const MS_NODEV = 0x4;
        /// Nothing is executed.
        const MS_NOEXEC = 0x8;
        /// Writes are synchronous (superblock).
        const MS_SYNCHRONOUS = 0x10;
        /// Mandatory locks (superblock; no effect since Linux 5.15).
        const MS_MANDLOCK = 0x40;
        /// Directory changes are synchronous (superblock).
        const MS_DIRSYNC = 0x80;
        /// Symbolic links are not followed (Linux 5.10).
        const MS_NOSYMFOLLOW = 0x100;
        /// Access times are not updated.
        const MS_NOATIME = 0x400;
        /// Access times of directories are not updated.
        const MS_NODIRATIME = 0x800;
        /// Complaints of the file system are not logged (superblock).
        const MS_SILENT = 0x8000;
        /// Access times are updated when older than the change time.
        const MS_RELATIME = 0x20_0000;
        /// The inode version is kept (superblock).
        const MS_I_VERSION = 0x80_0000;
        /// Access times are always updated.
        const MS_STRICTATIME = 0x100_0000;
        /// Times are written lazily (superblock, Linux 4.0).
        const MS_LAZYTIME = 0x200_0000;
    }
}

impl MountFlags {
    /// The flags that belong to the file system itself rather than to one mount of it.
    pub const SUPERBLOCK: Self = Self::MS_SYNCHRONOUS
        .union(Self::MS_MANDLOCK)
        .union(Self::MS_DIRSYNC)
        .union(Self::MS_SILENT)
        .union(Self::MS_I_VERSION)
        .union(Self::MS_LAZYTIME);
    /// The flags of which one mount has exactly one (none means `relatime`).
    pub const ATIME: Self = Self::MS_NOATIME.union(Self::MS_RELATIME).union(Self::MS_STRICTATIME);
}

bitflags! {
    /// Flags of `seccomp(SECCOMP_SET_MODE_FILTER)`.
    ///
    /// # References
    /// `seccomp(2)`, `include/uapi/linux/seccomp.h`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct FilterFlags: u32 {
        /// What is not allowed is logged (Linux 4.14).
        const SECCOMP_FILTER_FLAG_LOG = 0x2;
        /// Without the mitigation of speculative store bypass (Linux 4.17).
        const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 0x4;
        /// Answer with the descriptor of a listener (Linux 5.0).
        const SECCOMP_FILTER_FLAG_NEW_LISTENER = 0x8;
        /// What waits for the listener is only interrupted by what kills (Linux 5.19).
        const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 0x20;
    }
}

/// How mount events travel between a mount and its copies in other namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropagationKind {
    /// Nothing travels (`MS_PRIVATE`).
    Private,
    /// Events travel both ways (`MS_SHARED`).
    Shared,
    /// Events arrive only (`MS_SLAVE`).
    Slave,
    /// Private, and may not be bind-mounted (`MS_UNBINDABLE`).
    Unbindable,
}

impl PropagationKind {
    /// The word of `mount(2)`, also that of `mount_setattr(2)`.
    #[must_use]
    pub const fn bits(self) -> u64 {
        match self {
            Self::Unbindable => 1 << 17,
            Self::Private => 1 << 18,
            Self::Slave => 1 << 19,
            Self::Shared => 1 << 20,
        }
    }
}

/// A propagation and whether it covers the mounts below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Propagation {
    /// Which propagation.
    pub kind: PropagationKind,
    /// Also for every mount below (`MS_REC`).
    pub recursive: bool,
}
