//! The vocabulary of steps: each operation names its system calls, its first kernel and what it needs.
//!
//! Values that exist only at run time are typed: [`Token`] for what actors tell each other, [`Slot`] for a descriptor.
//! "Resolved" means: from the root's descriptor with the plan's [`Resolver`](super::Resolver), used through that
//! descriptor and never walked again.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::bpf::Instruction;
use super::hook_op::{HookKind, HookOp};
use super::record::Planned;
use super::resctrl_op::ResctrlOp;
use super::seccomp::FilterInstruction;
use crate::config::{Clock, Interface};
use crate::types::{
    CapSet, CloneFlags, DeviceKind, DeviceNumber, FilterFlags, HostPath, IdMap, IoClass,
    MemoryPolicyFlag, MemoryPolicyMode, MountFlags, NamespaceKind, PersonalityDomain, Propagation,
    Resource, Rlimit, RootPath, SchedulerFlag, SchedulerPolicy, Signal,
};

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// On control groups.
    Cgroup(CgroupOp),
    /// On mounts and files below the root.
    Mount(MountOp),
    /// On namespaces themselves.
    Namespace(NamespaceOp),
    /// On networks.
    Network(NetworkOp),
    /// On the process and its attributes.
    Process(ProcessOp),
    /// On what outlives the launcher.
    State(StateOp),
    /// Programs of the config's, at moments of the container's life.
    Hook(HookOp),
    /// On groups of the resctrl file system.
    Resctrl(ResctrlOp),
    /// Between actors.
    Sync(SyncOp),
    /// On ids.
    User(UserOp),
    /// On privileges.
    Privilege(PrivilegeOp),
}

/// A descriptor that one step makes and later ones use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// The container's root directory.
    Root,
    /// The root of the container's own procfs, before anything is mounted over parts of it.
    Proc,
    /// The root of the container's own devpts.
    Devpts,
    /// A detached copy of a mount tree, or before Linux 5.2 a descriptor of its source.
    Tree(u16),
    /// A detached copy of a mount tree with an id map, made by the parent.
    Mapped(u16),
    /// A file `tasks` of a v1 hierarchy, opened for writing by the parent.
    Tasks(u16),
    /// A directory of the v2 tree, opened by the parent for `CLONE_INTO_CGROUP`.
    CgroupDirectory,
    /// What hooks of that kind are told, in a file in memory.
    HookState(HookKind),
    /// A namespace file, opened before anything is joined.
    Namespace(NamespaceKind),
    /// The first process of a running container: its pidfd.
    Held,
    /// The socket at which init waits for the word to run its program.
    Door,
}

/// Operations on control groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum CgroupOp {
    /// `mkdir(path, 0755)`. One that exists already is an error when `fresh`, and is used as it is otherwise.
    MakeDirectory {
        /// The directory.
        path: HostPath,
        /// Whether it must not exist yet: the container's own directory, not a parent.
        fresh: bool,
    },
    /// `rmdir(path)`, again with growing pauses while it is busy. Only an undo.
    RemoveDirectory {
        /// The directory.
        path: HostPath,
        /// A parent that other containers may be in by now: then it stays, and the last of them removes it. Whose
        /// container made it marks it so (`setxattr`, `user.nsplan.left` or `trusted.nsplan.left`) when it is not empty;
        /// one that was found is removed only with that mark, so those of the administrator's stay.
        shared: bool,
    },
    /// One `write(2)` of `value` to `file`.
    Write {
        /// The file.
        file: HostPath,
        /// What is written.
        value: String,
    },
    /// Fills `cpuset.cpus` and `cpuset.mems` of a new v1 directory from its parent's where they are empty: without them
    /// no process can enter.
    InheritCpuset {
        /// The directory.
        directory: HostPath,
    },
    /// Writes `+controller…` to `cgroup.subtree_control` of a v2 directory, for those that are not on yet: where all are,
    /// nothing is written, and a directory of the administrator's need not be writable.
    EnableControllers {
        /// The directory whose children get them.
        directory: HostPath,
        /// Which.
        controllers: Vec<String>,
        /// Others, for what they tell: one that cannot be switched on stays off.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        more: Vec<String>,
    },
    /// `chown(2)` of a v2 directory, and of those of its files that are there: they are the container's user's then, who can
    /// make cgroups of its own below.
    GiveTo {
        /// The directory.
        directory: HostPath,
        /// The files in it.
        files: Vec<String>,
        /// The user, as the host counts.
        uid: u32,
    },
    /// Makes room for controllers below a v2 directory that was given to the caller: `mkdir` of the leaf
    /// ([`LEAF`](crate::facts::LEAF)) in it unless it exists, and every process of the directory's is written to the leaf's
    /// `cgroup.procs`, again while there are any. The directory is locked (`flock`) until init is cloned, so that nobody
    /// returns from the leaf meanwhile. Undone by `ReturnFromLeaf`.
    MoveToLeaf {
        /// The directory.
        directory: HostPath,
    },
    /// Under the lock, and only when the leaf is the only cgroup in the directory: all controllers are switched off below
    /// it, the leaf's processes go back and the leaf is removed. Otherwise it is left to the last container. Only an undo.
    ReturnFromLeaf {
        /// The directory.
        directory: HostPath,
    },
    /// `bpf(BPF_PROG_LOAD)` of a device program and `BPF_PROG_ATTACH` to a v2 directory (Linux 4.15; `CAP_BPF` and
    /// `CAP_NET_ADMIN`, or `CAP_SYS_ADMIN`).
    DevicePolicy {
        /// The directory.
        directory: HostPath,
        /// The program.
        program: Vec<Instruction>,
    },
    /// `open(file, O_WRONLY)` for init, which moves itself.
    OpenTasks {
        /// The file `tasks`.
        file: HostPath,
        /// Where the descriptor is kept.
        slot: Slot,
    },
    /// `open(directory, O_DIRECTORY)` for `CLONE_INTO_CGROUP`.
    OpenDirectory {
        /// The directory.
        directory: HostPath,
    },
    /// Init writes `0` to the opened `tasks` file: a thread that moves itself takes no lock of the whole machine.
    Enter {
        /// The opened file.
        slot: Slot,
    },
    /// The parent writes init's pid to `cgroup.procs`: slower, where nothing else works.
    Place {
        /// The file.
        file: HostPath,
    },
    /// Asks systemd over D-Bus for a transient scope around init (`StartTransientUnit`, mode `replace`), and waits until the
    /// job is done: `connect(bus)`, `AUTH EXTERNAL`, `Hello`, `Subscribe`, a match for `JobRemoved`, the call. Undone by
    /// `StopScope`.
    StartScope {
        /// Socket of the bus.
        bus: HostPath,
        /// Name of the unit.
        unit: String,
        /// Its properties.
        properties: Vec<UnitProperty>,
        /// The scope's directory in the v2 tree, which systemd makes; absent on v1, where it makes some of several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directory: Option<HostPath>,
    },
    /// `KillUnit` with SIGKILL, `StopUnit`, the wait for its job, `ResetFailedUnit`. A unit that is gone by itself is no
    /// error. Only an undo.
    StopScope {
        /// Socket of the bus.
        bus: HostPath,
        /// Name of the unit.
        unit: String,
    },
    /// SIGKILLs everything in the directory until it is empty: `cgroup.kill`, or pid by pid, frozen meanwhile if it forks
    /// and thawed at the end. Only an undo.
    Kill {
        /// The directory.
        directory: HostPath,
    },
}

/// A property of a unit of systemd's, `systemd.resource-control(5)`, `systemd.scope(5)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitProperty {
    /// Its name on the bus.
    pub name: String,
    /// Its value.
    pub value: PropertyValue,
}

/// The value of a unit's property, by its type on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropertyValue {
    /// `b`.
    Bool(bool),
    /// `s`.
    Text(String),
    /// `t`.
    Number(u64),
    /// `ay`.
    Bytes(Vec<u8>),
    /// `au`: init's pid, which is known only then.
    InitPid,
}

/// Operations on mounts and files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum MountOp {
    /// `mount(NULL, "/", NULL, propagation)`: cuts the new mount namespace's tree off the host's.
    IsolateTree {
        /// The propagation.
        propagation: Propagation,
    },
    /// Makes the root a mount of its own: copies the tree at `path` and attaches the copy there. Fills [`Slot::Root`].
    ///
    /// `open_tree(path, OPEN_TREE_CLONE | AT_RECURSIVE)`, `mount_setattr`, `move_mount`; or `mount(path, path,
    /// MS_BIND | MS_REC)` and an `open`.
    PrepareRoot {
        /// The directory on the host.
        path: HostPath,
        /// Make what is mounted below read-only.
        readonly_submounts: bool,
        /// Make the top read-only at once: nothing is ever created in it.
        readonly_now: bool,
    },
    /// Makes an empty tmpfs the root, attached at `path`. Fills [`Slot::Root`].
    ///
    /// `fsopen("tmpfs")`, `fsmount`, `move_mount`; or `mount("tmpfs", path)` and an `open`.
    EmptyRoot {
        /// The directory on the host that it covers, in the container's mount namespace only.
        path: HostPath,
        /// It belongs to the user namespace's root, whom the maker has not become yet (`uid=0,gid=0`): the maker's own ids
        /// are not mapped, and what belongs to nobody there cannot be filled.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        for_mapped_root: bool,
    },
    /// Makes the place of a mount: missing directories (0755), and an empty file for a file. What exists is left alone.
    MakeMountPoint {
        /// Where.
        target: RootPath,
        /// Directory or file.
        directory: bool,
    },
    /// Mounts a new file system: `fsopen`, `fsconfig`…, `fsmount`, `move_mount`; or `mount(2)`.
    Filesystem {
        /// Type.
        fstype: String,
        /// Source, where the type has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// Options of the file system.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        data: Vec<String>,
        /// Flags of the mount and of the superblock.
        #[serde(default, skip_serializing_if = "MountFlags::is_empty")]
        flags: MountFlags,
        /// Where; resolved.
        target: RootPath,
        /// Whether the target itself must be no symbolic link: `/proc` and `/sys`.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        strict: bool,
        /// Keep its root's descriptor.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keep: Option<Slot>,
        /// Fill it with what the target holds before it is covered: directories, files (`sendfile(2)`), links and nodes,
        /// with their owners, modes and times, at most 32 directories deep; an owner that is not mapped becomes root.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        copy_up: bool,
    },
    /// Copies a tree of the host, detached: `open_tree(OPEN_TREE_CLONE)`; before Linux 5.2 just `open(O_PATH)`.
    CloneTree {
        /// What.
        source: HostPath,
        /// Also what is mounted below.
        recursive: bool,
        /// Where the descriptor is kept.
        slot: Slot,
    },
    /// Copies a tree of the host, detached, and maps its ids: `open_tree(OPEN_TREE_CLONE)`, then
    /// `mount_setattr(MOUNT_ATTR_IDMAP)` (Linux 5.12) with a user namespace that has this map, which ends with the process
    /// that was cloned for it. Also leaves the host's peer groups. Needs `CAP_SYS_ADMIN` where the file system belongs, so
    /// the parent does it, before the clone.
    MapTree {
        /// What.
        source: HostPath,
        /// Also what is mounted below.
        recursive: bool,
        /// Whether the ids of what is mounted below are mapped too.
        map_recursive: bool,
        /// Users: ids in the file system, ids that are seen.
        uids: IdMap,
        /// Groups.
        gids: IdMap,
        /// Where the descriptor is kept.
        slot: Slot,
    },
    /// As `CloneTree` for a device node, which must have this number.
    CloneDevice {
        /// The node on the host.
        source: HostPath,
        /// Kind it must have.
        kind: DeviceKind,
        /// Number it must have.
        number: DeviceNumber,
        /// Where the descriptor is kept.
        slot: Slot,
    },
    /// Attaches a copied tree: `mount_setattr`, `move_mount`; or `mount(MS_BIND)` and a remount.
    Attach {
        /// The tree, closed afterwards.
        slot: Slot,
        /// Where; resolved.
        target: RootPath,
        /// Whether the tree is recursive.
        recursive: bool,
        /// Flags to set on the top mount.
        #[serde(default, skip_serializing_if = "MountFlags::is_empty")]
        set: MountFlags,
        /// Flags to clear on the top mount.
        #[serde(default, skip_serializing_if = "MountFlags::is_empty")]
        clear: MountFlags,
        /// Flags to set on every mount of the tree.
        #[serde(default, skip_serializing_if = "MountFlags::is_empty")]
        set_recursive: MountFlags,
        /// Flags to clear on every mount of the tree.
        #[serde(default, skip_serializing_if = "MountFlags::is_empty")]
        clear_recursive: MountFlags,
    },
    /// Changes the flags of a mount that exists, keeping what it has: `mount_setattr`, or before Linux 5.12
    /// `mount(MS_REMOUNT | MS_BIND)`.
    Remount {
        /// Where; resolved.
        target: RootPath,
        /// Flags to add.
        set: MountFlags,
        /// Flags to take away.
        #[serde(default, skip_serializing_if = "MountFlags::is_empty")]
        clear: MountFlags,
    },
    /// Changes the propagation of a mount: `mount_setattr` or `mount(2)`.
    Propagate {
        /// Where; resolved.
        target: RootPath,
        /// To what.
        propagation: Propagation,
    },
    /// `mknodat`, `fchownat`. An existing node of the same kind and number is accepted, anything else refused.
    MakeNode {
        /// Where; its directory is resolved, missing ones are made.
        path: RootPath,
        /// Kind.
        kind: DeviceKind,
        /// Number.
        number: DeviceNumber,
        /// Permission bits.
        mode: u32,
        /// Owner inside.
        uid: u32,
        /// Group inside.
        gid: u32,
    },
    /// `symlinkat`. An existing name is left alone, or removed first when `replace`.
    Symlink {
        /// Where; its directory is resolved.
        path: RootPath,
        /// What it says.
        target: String,
        /// Whether something else is removed first.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        replace: bool,
        /// Only if this exists.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only_if: Option<RootPath>,
    },
    /// Hides a path if it exists: a directory under an empty read-only tmpfs (one for all), anything else under the
    /// null device (verified by number).
    Mask {
        /// What; resolved.
        path: RootPath,
    },
    /// Makes a path read-only if it exists: a copy of it, read-only, attached on itself.
    MakeReadonly {
        /// What; resolved.
        path: RootPath,
    },
    /// `fchdir(root)`, `pivot_root(".", ".")`, `umount2(".", MNT_DETACH)`, `chdir("/")`.
    PivotRoot,
    /// `fchdir(root)`, `mount(".", "/", MS_MOVE)`, `chroot(".")`, `chdir("/")`.
    MoveRoot,
    /// Makes the mount of `/` read-only: `mount_setattr` or a remount.
    ReadonlyRoot,
    /// `open("/dev/pts", O_PATH)` inside a container that was joined, without links of procfs; it must be a devpts. Fills
    /// [`Slot::Devpts`].
    FindDevpts,
    /// Opens a terminal in the container's devpts, `fchown`s it to the program's user, gives the master to the parent, makes
    /// the other end descriptors 0, 1 and 2 and the controlling terminal, and binds it on `/dev/console`.
    OpenTerminal {
        /// Rows and columns, if not the launcher's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<(u16, u16)>,
        /// The program's user, if that is not root: whose terminal it is can open it again by its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<u32>,
        /// Whether there is a `/dev` of the container's own to hold `/dev/console`.
        console: bool,
    },
}

/// Operations on namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum NamespaceOp {
    /// `open(path, O_RDONLY)`; its type is checked by `setns` later. All are opened before any is joined.
    Open {
        /// Kind.
        kind: NamespaceKind,
        /// The namespace file.
        path: HostPath,
    },
    /// Takes hold of the first process of a running container: `pidfd_open`, `open("/proc/PID", O_PATH)`; then its start
    /// time is read through that directory and compared, so a number that another process got since is noticed
    /// (`ESRCH`), and nothing that is opened through it later can be of another process. By the parent.
    Hold {
        /// Its pid, in the launcher's pid namespace.
        pid: u32,
        /// When it started, in clock ticks after boot: field 22 of `/proc/PID/stat`, `proc(5)`.
        start_time: u64,
        /// Whether its pidfd is kept, for `JoinHeld` (Linux 5.3).
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        keep: bool,
    },
    /// `openat(/proc/PID, "ns/KIND")` of the process that is held. By the parent.
    OpenHeld {
        /// Kind.
        kind: NamespaceKind,
    },
    /// `prctl(PR_SET_DUMPABLE, 0)`, so that no process of the container can trace this one before its `execve`
    /// (CVE-2016-9962), then `setns(pidfd, flags)`: all of these namespaces of the process that is held, or none (Linux
    /// 5.8). Needs `CAP_SYS_ADMIN` over each, which the user namespace brings if it is among them.
    JoinHeld {
        /// Kinds.
        kinds: Vec<NamespaceKind>,
    },
    /// `setns(fd, flag)`, then the descriptor is closed.
    Join {
        /// Kind.
        kind: NamespaceKind,
    },
    /// `unshare(flag)` and `open("/proc/thread-self/ns/KIND")`: the namespace becomes [`Slot::Namespace`] of the parent, whose
    /// thread is in it until [`Return`](Self::Return). It is for init, to which its descriptor is sent.
    Make {
        /// Kind.
        kind: NamespaceKind,
    },
    /// `setns(2)` to where the parent's thread was before [`Make`](Self::Make). Needs `CAP_SYS_ADMIN` over that, which the
    /// first user namespace gives over each.
    Return {
        /// Kind.
        kind: NamespaceKind,
    },
    /// `unshare(flag)`.
    Unshare {
        /// Kind.
        kind: NamespaceKind,
    },
    /// Writes `/proc/self/timens_offsets`.
    SetTimeOffset {
        /// Which clock.
        clock: Clock,
        /// Seconds.
        secs: i64,
        /// Nanoseconds.
        nanosecs: u32,
    },
    /// `sethostname`.
    SetHostname {
        /// The name.
        name: String,
    },
    /// `setdomainname`.
    SetDomainname {
        /// The name.
        name: String,
    },
    /// Writes a file below the container's own `/proc/sys`, through [`Slot::Proc`].
    Sysctl {
        /// Path below `/proc/sys`.
        path: String,
        /// What is written.
        value: String,
    },
}

/// The name of an interface on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceName {
    /// This.
    Fixed(String),
    /// A prefix and [`RANDOM_DIGITS`] hexadecimal digits that are drawn when the link is made, again while the name is
    /// taken, at most ten times. The journal gets the name that was drawn.
    Random {
        /// How it begins.
        prefix: String,
        /// Which of the plan's drawn names it is, from 0.
        number: u16,
    },
}

/// How many digits are drawn: four were not enough for a busy host.
pub const RANDOM_DIGITS: usize = 7;

/// An interface, and in whose network it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// In the launcher's network namespace.
    Host(InterfaceName),
    /// In the one that was created for init.
    Inside(String),
}

/// Operations on networks.
///
/// All but `LoopbackUp` are the parent's: requests to rtnetlink (`rtnetlink(7)`, `NETLINK_ROUTE`), each waited for. What
/// is inside is asked for over a socket that a thread opens there, since a socket stays with the namespace it was made
/// in. They need `CAP_NET_ADMIN` where the link is, and `CAP_SYS_ADMIN` for the way inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum NetworkOp {
    /// `ioctl(SIOCSIFFLAGS, "lo", IFF_UP)`.
    LoopbackUp,
    /// `RTM_NEWLINK`, create and exclusive: a veth pair, its peer made in init's network namespace under its final name
    /// (`IFLA_NET_NS_FD` within `VETH_INFO_PEER`, Linux 2.6.35): nothing is moved or renamed. Undone by `RemoveLink`.
    MakeVeth {
        /// Name on the host.
        host: InterfaceName,
        /// Name inside.
        inside: String,
        /// Packets in the transmit queue of both ends; the kernel's if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tx_queue_length: Option<u32>,
    },
    /// `RTM_DELLINK` of a veth, which takes its peer along; one that is gone already is no error, anything but a veth is.
    /// Only an undo.
    RemoveLink {
        /// Name on the host.
        host: InterfaceName,
    },
    /// Moves an interface of the host's into init's network namespace: `RTM_GETADDR`, `RTM_SETLINK` with `IFLA_NET_NS_FD`
    /// and `IFLA_IFNAME`, and inside `RTM_NEWADDR` for each permanent address of global scope that it had, for the kernel
    /// drops them, and `RTM_SETLINK` with `IFF_UP`. A name that is taken inside is an error. Undone by `ReturnLink`.
    MoveLink {
        /// Name on the host.
        host: String,
        /// Name inside.
        inside: String,
    },
    /// The same the other way round, down and with no address but those it had, up if it was. Only an undo, and only of the
    /// launcher itself, which holds the network until then: once nobody does, a physical interface goes back to the first
    /// network namespace by itself, and a virtual one is no more (`network_namespaces(7)`).
    ReturnLink {
        /// Name on the host.
        host: String,
        /// Name inside.
        inside: String,
        /// What it had; in a journal only.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        addresses: Vec<Interface>,
        /// Whether it was up.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        up: bool,
    },
    /// `RTM_SETLINK` with `IFLA_MASTER`; the other one must be a bridge.
    AttachToBridge {
        /// Name on the host.
        host: InterfaceName,
        /// The bridge.
        bridge: String,
    },
    /// `RTM_NEWLINK` with `IFLA_BRPORT_MODE`: the bridge sends packets back to where they came from.
    SetHairpin {
        /// Name on the host, attached to a bridge.
        host: InterfaceName,
    },
    /// `RTM_SETLINK` with `IFLA_MTU`.
    SetMtu {
        /// Which.
        link: Link,
        /// Bytes.
        mtu: u32,
    },
    /// `RTM_SETLINK` with `IFLA_ADDRESS`.
    SetMac {
        /// Which.
        link: Link,
        /// The address.
        mac: [u8; 6],
    },
    /// `RTM_SETLINK` with `IFF_UP`.
    LinkUp {
        /// Which.
        link: Link,
    },
    /// `RTM_NEWADDR`, create and exclusive. An IPv6 address can be used at once (`IFA_F_NODAD`): while the kernel looks for
    /// duplicates, for a second or two, no program could bind to it and no route could have it as its source.
    AddAddress {
        /// Which.
        link: Link,
        /// The address and the length of its network's prefix.
        address: Interface,
    },
    /// `RTM_NEWROUTE` in init's network namespace, create and exclusive: main table, unicast, by protocol boot.
    AddRoute {
        /// The network; everything if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        destination: Option<Interface>,
        /// Next hop.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gateway: Option<IpAddr>,
        /// Preferred source address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
        /// Interface by its name inside; by the gateway's if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
    },
}

/// Operations on the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ProcessOp {
    /// `open("/proc", O_PATH)` of the host, for labels that are written once another `/proc` is there. Fills
    /// [`Slot::Proc`]. By the parent.
    HoldProc,
    /// `clone3` (or `clone`): the next actor begins its script.
    Clone {
        /// Flags; `CLONE_PIDFD` and the like are the applier's to add as they change nothing.
        flags: CloneFlags,
        /// Who begins.
        starts: super::Actor,
    },
    /// `prctl(PR_SET_PDEATHSIG)`, then a look whether the parent is still there.
    DieWithParent {
        /// Which signal.
        signal: Signal,
    },
    /// `setsid()`.
    NewSession,
    /// `umask(mask)`.
    Umask {
        /// The mask.
        mask: u32,
    },
    /// `prlimit64`.
    SetRlimit {
        /// Which resource.
        resource: Resource,
        /// The limit.
        limit: Rlimit,
    },
    /// `keyctl(KEYCTL_JOIN_SESSION_KEYRING)` without a name: an empty session keyring of its own. A kernel without keys
    /// (`ENOSYS`) has nothing to keep from it.
    NewKeyring,
    /// `personality(2)`.
    SetPersonality {
        /// The execution domain.
        domain: PersonalityDomain,
    },
    /// `ioprio_set(2)` of this process.
    SetIoPriority {
        /// Class.
        class: IoClass,
        /// 0 to 7.
        priority: u8,
    },
    /// `sched_setattr(2)` of this process (Linux 3.14).
    SetScheduler {
        /// Policy.
        policy: SchedulerPolicy,
        /// Nice value.
        nice: i32,
        /// Static priority.
        priority: u32,
        /// Flags.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flags: Vec<SchedulerFlag>,
        /// Nanoseconds of run time a period.
        runtime: u64,
        /// Nanoseconds until the deadline.
        deadline: u64,
        /// Nanoseconds of a period.
        period: u64,
    },
    /// `set_mempolicy(2)`.
    SetMemoryPolicy {
        /// Mode.
        mode: MemoryPolicyMode,
        /// Flags.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        flags: Vec<MemoryPolicyFlag>,
        /// Memory nodes, each below 1024.
        nodes: Vec<u16>,
    },
    /// `sched_setaffinity(2)` of this thread; no CPUs are all of them, which the kernel cuts down to the cgroup's.
    ///
    /// By the parent it is for the process that it clones next, which begins with it.
    SetAffinity {
        /// CPUs, each below 8192.
        cpus: Vec<u16>,
    },
    /// `sched_setaffinity(2)` of the parent's thread with what it had before.
    RestoreAffinity,
    /// Writes `/proc/self/oom_score_adj`, of the host's procfs.
    SetOomScore {
        /// The value.
        value: i32,
    },
    /// Every descriptor from 3 on is closed, but for those the caller passes on, the channel to the parent, [`Slot::Door`]
    /// and what `startContainer` hooks are told, which are close-on-exec: `close_range`, or one by one.
    CloseDescriptors,
    /// Init stays what it is and a child goes on with the script: `prctl(PR_SET_DUMPABLE, 0)`, all signals blocked,
    /// `clone(SIGCHLD)`.
    ///
    /// The child begins a process group of its own (`setpgid`, and `TIOCSPGRP` of its terminal) and blocks nothing. Init
    /// closes every descriptor, forgets the launcher's arguments and environment (they would show in its
    /// `/proc/PID/cmdline`), is called `init`, passes every signal but `SIGCHLD` on to the child, waits for whoever ends,
    /// and ends when the child has: with its exit code, or 128 and the number of its signal.
    Supervise {
        /// Whether the child has a terminal, of which its process group becomes the foreground.
        terminal: bool,
    },
    /// `chdir(path)`, then `getcwd` must answer a path inside the root.
    ChangeDirectory {
        /// Where.
        path: RootPath,
    },
    /// `faccessat2(X_OK, AT_EACCESS)` (Linux 5.8, or `faccessat`) of each candidate until one is there and may be run: a
    /// program that is missing is found out before init waits for the word to run it.
    Find {
        /// As in [`Execute`](Self::Execute).
        candidates: Vec<String>,
    },
    /// `execve` of the first candidate that is there and may be run. Everything before has worked and the parent has been
    /// told so.
    Execute {
        /// Absolute paths, in order: one for a program with a slash, one for each directory of `PATH` otherwise.
        candidates: Vec<String>,
        /// Arguments, the program's name first.
        args: Vec<String>,
        /// Environment, `NAME=value`.
        env: Vec<String>,
    },
}

/// Operations on what outlives the launcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum StateOp {
    /// Makes the container's state directory and in it, locked, the journal of what must be undone. An id that is in use
    /// is an error.
    OpenJournal,
    /// Removes both. Only an undo.
    CloseJournal,
    /// Writes what the container is into its state directory, together with what only the launcher knows: init's pid and
    /// start time, the names of links. A file of another name, mode 0600, takes the place of `state.json` by
    /// `renameat(2)`, so that a reader finds all of it or nothing.
    WriteRecord {
        /// What is known before.
        planned: Box<Planned>,
    },
    /// Removes it. Only an undo.
    RemoveRecord,
    /// Makes [`Slot::Door`]: a `SOCK_SEQPACKET` socket that listens under the name `start` in the state directory. Before, a
    /// file of eight bytes beside it, `last`, which init shares (`mmap`): there it leaves the report of a failure that its
    /// filter keeps it from sending.
    OpenDoor,
    /// Removes both, and the starter's script. Only an undo.
    RemoveDoor,
    /// Makes the directory `notify` in the state directory, mode 0755: whoever starts the container listens there for its word
    /// that it is ready (`sd_notify(3)`).
    MakeNotify,
    /// Removes it, and the socket in it. Only an undo.
    RemoveNotify,
    /// Writes the starter's script into the state directory, then into the journal that the container stays: its end, and
    /// that of its launcher, undo nothing any more. Whoever deletes it carries the journal out.
    Keep,
    /// Writes into the journal that the container stays, as [`Keep`](Self::Keep) does; its program runs already. By the
    /// launcher of one that is restored.
    Stay,
}

/// What one actor tells another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Token {
    /// Parent to init: the id maps are written.
    MapsWritten,
    /// Parent to init: init is in its cgroups.
    Placed,
    /// Parent to init: links, addresses and routes are made.
    NetworkReady,
    /// Parent to init: its network namespace is made. The descriptor comes along, by `SCM_RIGHTS`.
    NetworkMade,
    /// Parent to init: what the container is has been written down.
    Recorded,
    /// Init to parent: everything is mounted, and the root not changed yet.
    Mounted,
    /// Parent to init: the hooks that are the parent's have been run.
    HooksRun,
    /// Intermediate to parent: init is cloned, and its pid known.
    InitPid,
    /// Init to parent: the master of the terminal.
    Terminal,
    /// Init to parent: everything before `execve` has worked, but for a filter, which comes in between.
    Ready,
    /// Init to parent: the listener of a filter.
    Listener,
    /// Init to parent: everything is set up, and what is left waits for the starter.
    Created,
    /// Starter to init: run the program. The connection itself says so.
    Start,
    /// Init to parent: everything is set up, and what is left waits for the program.
    Prepared,
    /// Parent to init: run the program. Another program than the plan's may come along, with its arguments, environment and
    /// working directory, in memory that was shared at the clone for this alone; so may standard descriptors, by `SCM_RIGHTS`,
    /// one a message.
    Payload,
}

/// Operations between actors, over one socket pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum SyncOp {
    /// Sends.
    Signal(Token),
    /// Waits for the other's `Signal`; end of file or a reported failure instead is an error.
    Await(Token),
    /// The parent waits for end of file after [`Token::Ready`]: the channel was close-on-exec, so the program runs.
    AwaitExec,
    /// The starter connects to [`Slot::Door`]'s name; the connection is its channel to init.
    Knock,
    /// Init takes a connection from [`Slot::Door`], which it closes, and with it the channel to the parent: what it tells
    /// it tells the starter from now on. Before, `prctl(PR_SET_DUMPABLE, 0)`: its memory is the launcher's, or a copy.
    AwaitKnock,
}

/// User or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdKind {
    /// Users.
    Uid,
    /// Groups.
    Gid,
}

/// Operations on ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum UserOp {
    /// Writes `deny` to `/proc/PID/setgroups` (Linux 3.19): the price of an unprivileged gid map.
    DenySetgroups,
    /// Writes `/proc/PID/uid_map` or `gid_map` in one `write(2)`.
    WriteIdMap {
        /// Which file.
        kind: IdKind,
        /// What.
        map: IdMap,
    },
    /// Runs `newuidmap` or `newgidmap`, which check `/etc/subuid` and write the map with their own privilege.
    RunMapHelper {
        /// Which.
        kind: IdKind,
        /// The helper.
        program: HostPath,
        /// What.
        map: IdMap,
    },
    /// `setgroups([])`, `setresgid(0)`, `setresuid(0)`: becomes the new user namespace's root.
    BecomeRoot {
        /// Whether `setgroups` is allowed there.
        clear_groups: bool,
    },
    /// `setgroups`.
    SetGroups {
        /// The supplementary groups.
        gids: Vec<u32>,
    },
    /// `setresgid`, `setresuid`.
    SetIds {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

/// Operations on privileges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum PrivilegeOp {
    /// `prctl(PR_CAPBSET_DROP)` for each capability up to the kernel's last one that is not in `keep`.
    DropBounding {
        /// What stays.
        keep: CapSet,
        /// The kernel's last capability.
        last: u8,
    },
    /// `prctl(PR_SET_KEEPCAPS)`: permitted capabilities survive the change of uid. `execve` clears it.
    KeepCapabilities,
    /// `capset`.
    SetCapabilities {
        /// Effective.
        effective: CapSet,
        /// Permitted.
        permitted: CapSet,
        /// Inheritable.
        inheritable: CapSet,
    },
    /// `prctl(PR_CAP_AMBIENT)`: all cleared, then each of these raised.
    SetAmbient {
        /// Which.
        set: CapSet,
    },
    /// `prctl(PR_SET_NO_NEW_PRIVS)`.
    NoNewPrivileges,
    /// `prctl(PR_SET_DUMPABLE, 0)`, where the filter that comes next may end init by a signal that dumps core: on its
    /// own, or because it forbids `exit_group`. Before Linux 5.16 such a death takes every process along that shares the
    /// memory, so the launcher; not where the memory may not be dumped (`core(5)`, `prctl(2)`). `execve` lifts it again.
    NotDumpable,
    /// `seccomp(SECCOMP_SET_MODE_FILTER)` (Linux 3.17), for the calling thread, which then is the only one of its
    /// process. Its process has no new privileges, or holds `CAP_SYS_ADMIN`. With
    /// `SECCOMP_FILTER_FLAG_NEW_LISTENER` the listener is then handed to the parent, as [`Token::Listener`].
    ///
    /// What comes after it is under the filter: only `execve`.
    Seccomp {
        /// How the kernel takes it.
        #[serde(default, skip_serializing_if = "FilterFlags::is_empty")]
        flags: FilterFlags,
        /// The program.
        program: Vec<FilterInstruction>,
    },
    /// The parent connects to the socket of the agent that will answer for a filter: `socket(AF_UNIX)`, `connect`.
    ConnectAgent {
        /// The socket.
        path: HostPath,
    },
    /// The parent sends the agent the listener and the container's state, as the OCI runtime-spec has it
    /// (`config-linux.md`, "The Container Process State"): one `sendmsg` with `SCM_RIGHTS`; then it closes both.
    SendListener {
        /// Text for the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metadata: Option<String>,
    },
    /// Writes the label for the next `execve` to the process's own file of the module, through [`Slot::Proc`].
    ExecLabel {
        /// Which module.
        module: LabelModule,
        /// The file below `/proc/self`: `attr/exec`, or `attr/apparmor/exec` (Linux 5.8).
        file: String,
        /// The label.
        label: String,
    },
    /// Gives a file or directory of the host's, and everything below it on the same file system, an SELinux label
    /// (`setxattr`, `security.selinux`): each through a descriptor, symbolic links themselves and not what they lead to.
    /// The labels stay. Whatever the path leads to, `/`, `/etc` and `/usr` are refused (`EPERM`).
    Relabel {
        /// The tree.
        path: HostPath,
        /// The label.
        label: String,
    },
}

/// A security module that labels processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelModule {
    /// AppArmor: a profile.
    Apparmor,
    /// SELinux: a context.
    Selinux,
}
