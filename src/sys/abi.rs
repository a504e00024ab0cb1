//! Numbers and structures of the kernel interface, spelled as in its headers, for both machines nsplan knows.
#![allow(missing_docs, reason = "the kernel's headers and man pages document them")]

macro_rules! constants {
    ($kind:ty: $($name:ident = $value:expr),* $(,)?) => {
        $(pub(crate) const $name: $kind = $value;)*
    };
}

constants! { i32:
    O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_NOCTTY = 0o400,
    O_TRUNC = 0o1000, O_NONBLOCK = 0o4000,
    O_CLOEXEC = 0o2_000_000, O_PATH = 0o10_000_000,
    AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_REMOVEDIR = 0x200, AT_EACCESS = 0x200, AT_EMPTY_PATH = 0x1000,
    AT_RECURSIVE = 0x8000,
    MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x4000_0000, MSG_DONTWAIT = 0x40,
    SOL_SOCKET = 1, SCM_RIGHTS = 1,
    F_GETFD = 1, F_SETFD = 2, FD_CLOEXEC = 1, F_DUPFD_CLOEXEC = 1030,
    SIGCHLD = 17, SIG_SETMASK = 2, WNOHANG = 1, WALL = 0x4000_0000,
    AF_INET = 2, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0o2_000_000,
    MNT_DETACH = 2,
    CLOCK_MONOTONIC = 1,
}

#[cfg(target_arch = "x86_64")]
constants! { i32: O_DIRECTORY = 0o200_000, O_NOFOLLOW = 0o400_000 }
#[cfg(target_arch = "aarch64")]
constants! { i32: O_DIRECTORY = 0o40_000, O_NOFOLLOW = 0o100_000 }

constants! { u32:
    S_IFMT = 0o170_000, S_IFDIR = 0o040_000, S_IFCHR = 0o020_000, S_IFLNK = 0o120_000,
    S_IFREG = 0o100_000, S_IFBLK = 0o060_000, S_IFSOCK = 0o140_000,
    CLOSE_RANGE_CLOEXEC = 4,
    OPEN_TREE_CLONE = 1, OPEN_TREE_CLOEXEC = 0o2_000_000,
    FSOPEN_CLOEXEC = 1, FSMOUNT_CLOEXEC = 1,
    FSCONFIG_SET_FLAG = 0, FSCONFIG_SET_STRING = 1, FSCONFIG_CMD_CREATE = 6,
    MOVE_MOUNT_F_EMPTY_PATH = 0x4, MOVE_MOUNT_T_EMPTY_PATH = 0x40,
    PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG = 2, PR_GET_DUMPABLE = 3, PR_SET_DUMPABLE = 4, PR_SET_KEEPCAPS = 8,
    PR_SET_NAME = 15, PR_SET_MM = 35, PR_SET_MM_MAP = 14,
    PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4,
    MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_POPULATE = 0x8000,
    MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2,
    PR_CAPBSET_DROP = 24, PR_SET_NO_NEW_PRIVS = 38, PR_CAP_AMBIENT = 47,
    PR_CAP_AMBIENT_RAISE = 2, PR_CAP_AMBIENT_CLEAR_ALL = 4,
    LINUX_CAPABILITY_VERSION_3 = 0x2008_0522,
    TIOCSPTLCK = 0x4004_5431, TIOCGPTPEER = 0x5441, TIOCSCTTY = 0x540e, TIOCSWINSZ = 0x5414,
    TIOCGWINSZ = 0x5413, TIOCSPGRP = 0x5410,
    SIOCSIFFLAGS = 0x8914, SIOCGIFFLAGS = 0x8913,
    BPF_PROG_LOAD = 5, BPF_PROG_ATTACH = 8, BPF_PROG_TYPE_CGROUP_DEVICE = 15, BPF_CGROUP_DEVICE = 6,
    BPF_F_ALLOW_MULTI = 2,
    SECCOMP_SET_MODE_FILTER = 1,
}

constants! { u64:
    MS_REMOUNT = 0x20, MS_BIND = 0x1000, MS_MOVE = 0x2000, MS_REC = 0x4000, MS_PRIVATE = 0x4_0000,
    MOUNT_ATTR_RDONLY = 1, MOUNT_ATTR_NOSUID = 2, MOUNT_ATTR_NODEV = 4, MOUNT_ATTR_NOEXEC = 8,
    MOUNT_ATTR_ATIME = 0x70, MOUNT_ATTR_NOATIME = 0x10, MOUNT_ATTR_STRICTATIME = 0x20,
    MOUNT_ATTR_NODIRATIME = 0x80, MOUNT_ATTR_NOSYMFOLLOW = 0x20_0000,
    MOUNT_ATTR_IDMAP = 0x10_0000,
    RESOLVE_NO_XDEV = 1, RESOLVE_NO_MAGICLINKS = 2, RESOLVE_NO_SYMLINKS = 4, RESOLVE_BENEATH = 8,
    RESOLVE_IN_ROOT = 0x10,
    PROC_SUPER_MAGIC = 0x9fa0, TMPFS_MAGIC = 0x0102_1994, DEVPTS_SUPER_MAGIC = 0x1cd1, CGROUP2_SUPER_MAGIC = 0x6367_7270, CGROUP_SUPER_MAGIC = 0x27_e0eb,
    RDTGROUP_SUPER_MAGIC = 0x0765_5821,
    ST_RELATIME = 0x1000, ST_NOSYMFOLLOW = 0x2000,
}

/// `RLIM_INFINITY` and "to the last descriptor" of `close_range(2)`.
pub(crate) const LAST_FD: u32 = u32::MAX;
/// Major number of the slave end of Unix98 pseudo-terminals, the first of eight (`Documentation/admin-guide/devices.txt`).
pub(crate) const UNIX98_SLAVE_MAJOR: u32 = 136;
/// `IFF_UP`.
pub(crate) const IFF_UP: u16 = 1;

/// `struct open_how` of `openat2(2)`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct OpenHow {
    pub(crate) flags: u64,
    pub(crate) mode: u64,
    pub(crate) resolve: u64,
}

/// `struct sched_attr` of `sched_setattr(2)`, its first version.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchedAttr {
    pub(crate) size: u32,
    pub(crate) policy: u32,
    pub(crate) flags: u64,
    pub(crate) nice: i32,
    pub(crate) priority: u32,
    pub(crate) runtime: u64,
    pub(crate) deadline: u64,
    pub(crate) period: u64,
}

impl Default for SchedAttr {
    fn default() -> Self {
        let (policy, flags, nice, priority) = (0, 0, 0, 0);
        Self { size: 48, policy, flags, nice, priority, runtime: 0, deadline: 0, period: 0 }
    }
}

/// A mask of memory nodes for `set_mempolicy(2)`: as many as any kernel has.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeMask {
    pub(crate) words: [u64; 16],
}

/// `struct mount_attr` of `mount_setattr(2)`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns: u64,
}

/// Of `clone(2)`: the child's number goes to where `parent_tid` points, before the child runs.
pub(crate) const CLONE_PARENT_SETTID: u64 = 0x0010_0000;

/// `struct clone_args` of `clone3(2)`, with all members of Linux 5.7; older kernels take it while the new ones are 0.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct CloneArgs {
    pub(crate) flags: u64,
    pub(crate) pidfd: u64,
    pub(crate) child_tid: u64,
    pub(crate) parent_tid: u64,
    pub(crate) exit_signal: u64,
    pub(crate) stack: u64,
    pub(crate) stack_size: u64,
    pub(crate) tls: u64,
    pub(crate) set_tid: u64,
    pub(crate) set_tid_size: u64,
    pub(crate) cgroup: u64,
}

/// The kernel's `struct statfs` on machines with 64-bit words.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct StatFs {
    pub(crate) magic: u64,
    unused: [u64; 6],
    fsid: [i32; 2],
    name_len: u64,
    fragment: u64,
    pub(crate) flags: u64,
    spare: [u64; 4],
}

/// The kernel's `struct sigaction`; zeroed, it is `SIG_DFL` with nothing masked.
#[repr(C)]
#[derive(Debug, Default)]
pub(crate) struct SigAction {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

impl SigAction {
    /// `SIG_IGN`; the default is `SIG_DFL`.
    pub(crate) const IGNORE: Self = Self { handler: 1, flags: 0, restorer: 0, mask: 0 };
}

/// `struct user_msghdr`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct MsgHdr {
    pub(crate) name: usize,
    pub(crate) name_len: u32,
    pub(crate) iov: *mut IoVec,
    pub(crate) iov_len: usize,
    pub(crate) control: *mut ControlFd,
    pub(crate) control_len: usize,
    pub(crate) flags: u32,
}

/// `struct iovec`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct IoVec {
    pub(crate) base: *mut u8,
    pub(crate) len: usize,
}

/// `struct cmsghdr` and the one descriptor in it, padded as `CMSG_SPACE` pads.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct ControlFd {
    pub(crate) len: usize,
    pub(crate) level: i32,
    pub(crate) kind: i32,
    pub(crate) fd: i32,
    pub(crate) padding: i32,
}

/// `struct winsize`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WinSize {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) pixels: [u16; 2],
}

/// `struct ifreq`, as far as flags go; 40 bytes with the union's padding.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct IfReq {
    pub(crate) name: [u8; 16],
    pub(crate) flags: u16,
    pub(crate) padding: [u8; 22],
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct CapHeader {
    pub(crate) version: u32,
    pub(crate) pid: i32,
}

/// `struct __user_cap_data_struct`: 32 capabilities each, so there are two.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct CapData {
    pub(crate) effective: u32,
    pub(crate) permitted: u32,
    pub(crate) inheritable: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! equal_libc {
        ($($name:ident),* $(,)?) => {
            $(assert_eq!(i128::from($name), i128::from(libc::$name), stringify!($name));)*
        };
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a list of names")]
    fn our_numbers_are_those_of_the_c_library() {
        equal_libc!(
            O_RDONLY,
            O_WRONLY,
            O_RDWR,
            O_CREAT,
            O_EXCL,
            O_NOCTTY,
            O_DIRECTORY,
            O_NOFOLLOW,
            O_CLOEXEC,
            O_PATH,
            AT_FDCWD,
            AT_SYMLINK_NOFOLLOW,
            AT_REMOVEDIR,
            AT_EACCESS,
            AT_EMPTY_PATH,
            AT_RECURSIVE,
            MSG_NOSIGNAL,
            MSG_CMSG_CLOEXEC,
            MSG_DONTWAIT,
            SOL_SOCKET,
            SCM_RIGHTS,
            F_GETFD,
            F_DUPFD_CLOEXEC,
            SIGCHLD,
            SIG_SETMASK,
            AF_INET,
            SOCK_DGRAM,
            SOCK_CLOEXEC,
            MNT_DETACH,
            S_IFMT,
            S_IFDIR,
            S_IFCHR,
            S_IFLNK,
            S_IFBLK,
        );
        equal_libc!(
            OPEN_TREE_CLONE,
            FSOPEN_CLOEXEC,
            FSMOUNT_CLOEXEC,
            FSCONFIG_SET_FLAG,
            FSCONFIG_SET_STRING,
            FSCONFIG_CMD_CREATE,
            MOVE_MOUNT_F_EMPTY_PATH,
            MOVE_MOUNT_T_EMPTY_PATH,
            PR_SET_PDEATHSIG,
            PR_GET_DUMPABLE,
            PR_SET_DUMPABLE,
            PR_SET_KEEPCAPS,
            PR_SET_MM,
            PR_SET_MM_MAP,
            PROT_READ,
            PROT_WRITE,
            PROT_EXEC,
            MAP_PRIVATE,
            MAP_FIXED,
            MAP_ANONYMOUS,
            MAP_POPULATE,
            MREMAP_MAYMOVE,
            MREMAP_FIXED,
            PR_CAPBSET_DROP,
            PR_SET_NO_NEW_PRIVS,
            PR_CAP_AMBIENT,
            PR_CAP_AMBIENT_RAISE,
            PR_CAP_AMBIENT_CLEAR_ALL,
            TIOCSPTLCK,
            TIOCGPTPEER,
            TIOCSCTTY,
            TIOCSWINSZ,
            TIOCGWINSZ,
            SIOCSIFFLAGS,
            SIOCGIFFLAGS,
        );
        equal_libc!(
            MS_REMOUNT,
            MS_BIND,
            MS_MOVE,
            MS_REC,
            MS_PRIVATE,
            MOUNT_ATTR_RDONLY,
            MOUNT_ATTR_NOSUID,
            MOUNT_ATTR_NODEV,
            MOUNT_ATTR_NOEXEC,
            MOUNT_ATTR_NOATIME,
            MOUNT_ATTR_STRICTATIME,
            MOUNT_ATTR_NODIRATIME,
            MOUNT_ATTR_NOSYMFOLLOW,
            RESOLVE_NO_XDEV,
            RESOLVE_NO_MAGICLINKS,
            RESOLVE_NO_SYMLINKS,
            RESOLVE_BENEATH,
            RESOLVE_IN_ROOT,
            PROC_SUPER_MAGIC,
            DEVPTS_SUPER_MAGIC,
            CGROUP2_SUPER_MAGIC,
            CGROUP_SUPER_MAGIC,
            TMPFS_MAGIC,
        );
        // musl's headers, and so libc for it, do not have this one.
        #[cfg(target_env = "gnu")]
        assert_eq!(i128::from(ST_RELATIME), i128::from(libc::ST_RELATIME));
        assert_eq!(i32::from(IFF_UP), libc::IFF_UP);
    }

    #[test]
    fn our_structures_have_the_size_of_the_c_library_s() {
        assert_eq!(size_of::<OpenHow>(), size_of::<libc::open_how>());
        assert_eq!(size_of::<MountAttr>(), size_of::<libc::mount_attr>());
        assert_eq!(size_of::<StatFs>(), size_of::<libc::statfs>());
        assert_eq!(size_of::<MsgHdr>(), size_of::<libc::msghdr>());
        assert_eq!(size_of::<IoVec>(), size_of::<libc::iovec>());
        assert_eq!(size_of::<WinSize>(), size_of::<libc::winsize>());
        assert_eq!(size_of::<IfReq>(), size_of::<libc::ifreq>());
        assert_eq!(size_of::<CloneArgs>(), 88);
        assert_eq!(size_of::<SigAction>(), 32);
        assert_eq!(size_of::<ControlFd>(), 24);
    }
}
