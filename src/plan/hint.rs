//! Advice: what a refusal or a failed step usually means on such a host, and what to do about it.

use alloc::format;
use alloc::string::String;

use super::error::{Refusal, UsernsBar};
use super::hook_op::HookOp;
use super::op::{CgroupOp, InterfaceName, MountOp, NamespaceOp, NetworkOp, Op, ProcessOp, UserOp};
use crate::types::{Capability, CloneFlags, Errno};

/// What to do about a refusal; `None` where the message says it already.
#[must_use]
pub fn plan_hint(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::UserNamespacesForbidden { by } => match by {
            UsernsBar::Max => "an administrator can raise user.max_user_namespaces".into(),
            UsernsBar::Sysctl => {
                "run as root, or have an administrator set kernel.unprivileged_userns_clone=1".into()
            }
            UsernsBar::Apparmor => {
                "run as root, or have an administrator load an AppArmor profile for nsplan that allows `userns`"
                    .into()
            }
        },
        Refusal::CapabilityMissing { missing, .. } if missing.contains(Capability::NET_ADMIN) => {
            "run as root: a user namespace gives no right over the host's network. Without it a container has `lo` only".into()
        }
        Refusal::CapabilityMissing { missing, .. }
            if missing.contains(Capability::SYS_ADMIN) || missing.contains(Capability::SETPCAP) =>
        {
            "run as root, or add a user namespace".into()
        }
        Refusal::CapabilityMissing { .. } => {
            "ask for fewer capabilities, or start with more: see CapPrm in /proc/self/status".into()
        }
        Refusal::IdsNotGranted { file, count, .. } => {
            format!("ask for fewer ids, or have an administrator grant {count} in {file}")
        }
        Refusal::MapHelperMissing { program } => {
            format!("install the package that has `{program}` (uidmap), or map a single id")
        }
        Refusal::IdNotMapped { .. } => "widen the id map, or choose an id that is in it".into(),
        Refusal::ControllerMissing { controller } => {
            format!("drop the limit, or mount a cgroup tree that has `{controller}`")
        }
        Refusal::ControllerNotDelegated { .. } | Refusal::CgroupDenied { .. } => {
            "run as root, or below a delegated cgroup that no process is in: see --cgroup-parent".into()
        }
        Refusal::SystemdMissing { is_running: false } => {
            "leave out --systemd-cgroup and the slice: nsplan makes cgroups itself".into()
        }
        Refusal::SystemdMissing { is_running: true } => {
            "as root see /run/dbus/system_bus_socket, else $DBUS_SESSION_BUS_ADDRESS; or leave out --systemd-cgroup".into()
        }
        Refusal::ModuleMissing { module } => {
            format!("remove the label, or start on a host that runs {module}")
        }
        Refusal::FactMissing { .. } => "probe the host again with everything: nsplan probe".into(),
        Refusal::SetgroupsDenied => {
            "map groups with newgidmap (a grant in /etc/subgid), or ask for none".into()
        }
        Refusal::PathMissing { .. } => "make it first; nothing is created on the host".into(),
        _ => return None,
    })
}

/// What to do about a step that failed with `errno`; `None` where the kernel's word says it already.
#[must_use]
pub fn apply_hint(op: &Op, errno: Errno) -> Option<String> {
    Some(match (op, errno) {
        (
            Op::Process(ProcessOp::Clone { .. }) | Op::Namespace(NamespaceOp::Make { .. }),
            Errno::ENOSPC | Errno::EUSERS,
        ) => {
            "a limit on namespaces is reached: see /proc/sys/user/max_*_namespaces, or they are nested too deeply".into()
        }
        (
            Op::Process(ProcessOp::Clone { .. }) | Op::Namespace(NamespaceOp::Make { .. }),
            Errno::EPERM,
        ) => {
            "namespaces are refused: by a seccomp filter, a security module, or because the root directory is a chroot".into()
        }
        (Op::Process(ProcessOp::Clone { flags, .. }), Errno::EACCES)
            if flags.contains(CloneFlags::CLONE_INTO_CGROUP) =>
        {
            "a process may be begun in a cgroup by who may write the cgroup.procs of one above it and his own; below a user's systemd he is with `systemd-run --user --scope`".into()
        }
        (Op::Process(ProcessOp::Clone { .. }), Errno::EAGAIN) => {
            "no more processes: see RLIMIT_NPROC and the pids controller".into()
        }
        (
            Op::Process(ProcessOp::Execute { .. } | ProcessOp::Find { .. }),
            Errno::ENOENT,
        ) => {
            "the program, or the interpreter in its first line, is not in the container's root".into()
        }
        (
            Op::Process(ProcessOp::Execute { .. } | ProcessOp::Find { .. }),
            Errno::EACCES,
        ) => {
            "the file has no execute bit, or is on a mount with noexec".into()
        }
        (Op::Process(ProcessOp::Execute { .. }), Errno::ENOEXEC) => {
            "not a program for this machine; a script needs `#!` and its interpreter in the first line".into()
        }
        (Op::Process(ProcessOp::ChangeDirectory { path }), Errno::ENOENT) => {
            format!("{path} is not in the container's root, or lies outside of it")
        }
        (Op::User(UserOp::WriteIdMap { .. }), Errno::EPERM) => {
            "the kernel refuses the map: the caller does not own these ids, or lacks CAP_SETFCAP for host id 0".into()
        }
        (Op::Hook(HookOp::Run { .. }), Errno::ECANCELED) => {
            "it did not end with 0, or could not be executed: what it wrote is above".into()
        }
        (Op::Hook(HookOp::Run { .. }), Errno::ETIMEDOUT) => "it was killed at its timeout".into(),
        (Op::Mount(op), errno) => return mount_hint(op, errno),
        (Op::Cgroup(op), errno) => return cgroup_hint(op, errno),
        (Op::Network(op), errno) => return network_hint(op, errno),
        (Op::Namespace(NamespaceOp::Join { kind }), Errno::EINVAL) => {
            format!("the file is not a {kind} namespace, or it is the caller's own user namespace")
        }
        _ => return None,
    })
}

fn mount_hint(op: &MountOp, errno: Errno) -> Option<String> {
    Some(match (op, errno) {
        (MountOp::MakeMountPoint { target, .. }, Errno::EROFS) => {
            format!("{target} does not exist in the root, which is read-only: make it there first")
        }
        (
            MountOp::MakeMountPoint { target, .. } | MountOp::Attach { target, .. },
            Errno::ENOTDIR,
        ) => {
            format!(
                "a directory can only be mounted on a directory, a file on a file: see {target}"
            )
        }
        (MountOp::Filesystem { fstype, .. }, Errno::ENODEV) => {
            format!("this kernel has no file system {fstype}: see /proc/filesystems")
        }
        (MountOp::Filesystem { fstype, .. }, Errno::EPERM)
            if fstype == "proc" || fstype == "sysfs" =>
        {
            format!(
                "a user namespace may mount {fstype} only where the host's own is wholly visible: nothing mounted over parts of it"
            )
        }
        (MountOp::Filesystem { fstype, .. }, Errno::EINVAL) => {
            format!("{fstype} does not know one of the options")
        }
        (MountOp::Filesystem { target, strict: true, .. }, Errno::ELOOP) => {
            format!("{target} is a symbolic link in the root; it must be a directory")
        }
        (_, Errno::ENOSPC) => "too many mounts: see /proc/sys/fs/mount-max".into(),
        (MountOp::CloneTree { source, recursive: false, .. }, Errno::EINVAL) => {
            format!(
                "{source} has mounts below it that a user namespace may not uncover: bind it recursively"
            )
        }
        (MountOp::MapTree { source, .. }, Errno::EINVAL) => {
            format!("the file system of {source} cannot map ids on this kernel, or does so already")
        }
        (MountOp::PivotRoot, Errno::EINVAL) => {
            "the host's root is on a ramdisk: use `no_pivot_root`".into()
        }
        (MountOp::PrepareRoot { path, .. }, Errno::EACCES) => {
            format!("a directory on the way to {path} is not searchable")
        }
        (MountOp::MakeNode { .. }, Errno::EPERM) => {
            "device nodes are refused: by the devices cgroup, or outside the first user namespace"
                .into()
        }
        _ => return None,
    })
}

fn cgroup_hint(op: &CgroupOp, errno: Errno) -> Option<String> {
    Some(match (op, errno) {
        (CgroupOp::MakeDirectory { path, fresh: true }, Errno::EEXIST) => {
            format!("{path} is in use, or was left behind: end what runs in it and remove it")
        }
        (CgroupOp::EnableControllers { directory, .. }, Errno::EBUSY) => {
            format!("{directory} has processes of its own, which forbids controllers below it")
        }
        (CgroupOp::Enter { .. } | CgroupOp::Place { .. }, Errno::ENOSPC) => {
            "the cpuset has no CPUs or memory nodes".into()
        }
        (CgroupOp::Write { file, .. }, Errno::ENOENT) => {
            format!("this kernel has no {file}")
        }
        (CgroupOp::Write { .. }, Errno::EINVAL) => "the kernel refuses the value".into(),
        _ => return None,
    })
}

fn network_hint(op: &NetworkOp, errno: Errno) -> Option<String> {
    Some(match (op, errno) {
        (NetworkOp::MakeVeth { host: InterfaceName::Fixed(name), .. }, Errno::EEXIST) => {
            format!("the host has an interface {name} already: remove it, or leave the name out")
        }
        (NetworkOp::MakeVeth { host: InterfaceName::Random { prefix, .. }, .. }, Errno::EEXIST) => {
            format!("ten names were taken: links that begin with {prefix} have been left behind")
        }
        (NetworkOp::MoveLink { host, .. }, Errno::ENODEV) => {
            format!("the host has no interface {host}")
        }
        (NetworkOp::MoveLink { inside, .. }, Errno::EEXIST) => {
            format!("the container's network has an interface {inside} already")
        }
        (NetworkOp::MoveLink { host, .. }, Errno::EINVAL | Errno::EOPNOTSUPP) => {
            format!("{host} is bound to its network: no such interface can be moved")
        }
        (NetworkOp::MakeVeth { .. }, Errno::EOPNOTSUPP) => {
            "this kernel has no veth interfaces: load the module `veth`".into()
        }
        (NetworkOp::AttachToBridge { bridge, .. }, Errno::ENODEV) => {
            format!(
                "make the bridge first: ip link add {bridge} type bridge && ip link set {bridge} up"
            )
        }
        (NetworkOp::AttachToBridge { bridge, .. }, Errno::EOPNOTSUPP) => {
            format!("{bridge} is not a bridge")
        }
        (NetworkOp::AddRoute { .. }, Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
            "the gateway is in no network that the container's interfaces reach".into()
        }
        (NetworkOp::AddRoute { source: Some(source), .. }, Errno::EINVAL) => {
            format!("a route's source must be an address of the container's own: {source} is none")
        }
        (NetworkOp::AddRoute { .. }, Errno::EEXIST) => {
            "there is a route to that place already".into()
        }
        (
            NetworkOp::AddAddress { .. } | NetworkOp::AddRoute { .. },
            Errno::EAFNOSUPPORT | Errno::EACCES,
        ) => "IPv6 is switched off in new networks: see net.ipv6.conf.default.disable_ipv6".into(),
        (_, Errno::EPERM) => {
            "the caller has no CAP_NET_ADMIN in the user namespace that owns the network it is in"
                .into()
        }
        _ => return None,
    })
}
