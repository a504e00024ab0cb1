//! A plan for human eyes: one line a step, by actor, with the part of the config that asked for it.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use super::hook_op::HookOp;
use super::model::{Actor, MountApi, Plan, Resolver, Topology, Undo};
use super::op::{
    CgroupOp, IdKind, InterfaceName, LabelModule, Link, MountOp, NamespaceOp, NetworkOp, Op,
    PrivilegeOp, ProcessOp, PropertyValue, Slot, StateOp, SyncOp, Token, UserOp,
};
use crate::facts::LEAF;
use crate::types::{CapSet, MountFlags, Propagation};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.topology)?;
        writeln!(f, "mounts by {}, paths by {}", self.mount_api, self.resolver)?;
        for actor in Actor::ALL {
            let script = self.script(actor);
            if script.is_empty() {
                continue;
            }
            writeln!(f, "\n{actor}")?;
            for (index, step) in script.iter().enumerate() {
                let text = format!("{}", step.op);
                writeln!(f, "{index:>4}  {text:<72}  {}", step.origin)?;
                match &step.undo {
                    Undo::Op(undo) => writeln!(f, "      undo: {undo}")?,
                    Undo::Kept => writeln!(f, "      stays")?,
                    Undo::Nothing | Undo::WithDirectory => {}
                }
            }
        }
        if !self.notes.is_empty() {
            writeln!(f, "\nnotes")?;
        }
        for note in &self.notes {
            writeln!(f, "      {}: {}", note.origin, note.text)?;
        }
        Ok(())
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedMemory => "parent clones init, which shares its memory until it execs",
            Self::CopiedMemory => "parent clones init, with memory of its own",
            Self::Intermediate => "parent clones an intermediate, which clones init",
        })
    }
}

impl fmt::Display for MountApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detached => "fsopen, open_tree, move_mount, mount_setattr",
            Self::DetachedWithoutSetattr => "fsopen, open_tree, move_mount, mount",
            Self::Classic => "mount",
        })
    }
}

impl fmt::Display for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Openat2 => "openat2 in the root",
            Self::PartByPart => "openat part by part",
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(op) => op.fmt(f),
            Self::Mount(op) => op.fmt(f),
            Self::Namespace(op) => op.fmt(f),
            Self::Network(op) => op.fmt(f),
            Self::Process(op) => op.fmt(f),
            Self::Hook(op) => op.fmt(f),
            Self::Resctrl(op) => op.fmt(f),
            Self::State(StateOp::OpenJournal) => f.write_str("open the journal"),
            Self::State(StateOp::CloseJournal) => f.write_str("remove the journal"),
            Self::State(StateOp::WriteRecord { .. }) => f.write_str("write the record"),
            Self::State(StateOp::RemoveRecord) => f.write_str("remove the record"),
            Self::State(StateOp::OpenDoor) => f.write_str("listen for the word to start"),
            Self::State(StateOp::RemoveDoor) => f.write_str("remove the socket of the start"),
            Self::State(StateOp::MakeNotify) => f.write_str("make room for the socket of its word"),
            Self::State(StateOp::RemoveNotify) => f.write_str("remove the socket of its word"),
            Self::State(StateOp::Keep | StateOp::Stay) => {
                f.write_str("keep the container until it is deleted")
            }
            Self::Sync(op) => op.fmt(f),
            Self::User(op) => op.fmt(f),
            Self::Privilege(op) => op.fmt(f),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Proc => f.write_str("proc"),
            Self::Devpts => f.write_str("devpts"),
            Self::Tree(n) => write!(f, "tree {n}"),
            Self::Mapped(n) => write!(f, "mapped tree {n}"),
            Self::Tasks(n) => write!(f, "tasks {n}"),
            Self::HookState(kind) => write!(f, "state for {kind}"),
            Self::CgroupDirectory => f.write_str("cgroup directory"),
            Self::Namespace(kind) => write!(f, "{kind} namespace"),
            Self::Held => f.write_str("held process"),
            Self::Door => f.write_str("door"),
        }
    }
}

impl fmt::Display for CgroupOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeDirectory { path, fresh: true } => write!(f, "make cgroup {path}"),
            Self::MakeDirectory { path, fresh: false } => {
                write!(f, "make cgroup {path} unless it exists")
            }
            Self::RemoveDirectory { path, shared: false } => write!(f, "remove cgroup {path}"),
            Self::RemoveDirectory { path, shared: true } => {
                write!(f, "remove cgroup {path} if nobody else is in it")
            }
            Self::Write { file, value } => write!(f, "write `{value}` to {file}"),
            Self::InheritCpuset { directory } => {
                write!(f, "fill cpus and mems of {directory} from its parent")
            }
            Self::EnableControllers { directory, controllers, more } => {
                let or = if more.is_empty() { "" } else { ", if possible " };
                let (controllers, more) = (controllers.join(", "), more.join(", "));
                let words = format!("{controllers}{or}{more}");
                write!(f, "enable {} below {directory}", words.trim_start_matches(", "))
            }
            Self::GiveTo { directory, files, uid } => {
                write!(f, "give {directory} and its {} to user {uid}", files.join(", "))
            }
            Self::MoveToLeaf { directory } => {
                write!(f, "move the processes of {directory} into its leaf {LEAF}")
            }
            Self::ReturnFromLeaf { directory } => {
                write!(
                    f,
                    "return the processes of {directory} from its leaf after the last container"
                )
            }
            Self::DevicePolicy { directory, program } => {
                write!(f, "attach a device policy of {} instructions to {directory}", program.len())
            }
            Self::OpenTasks { file, slot } => write!(f, "open {file} as {slot}"),
            Self::OpenDirectory { directory } => write!(f, "open {directory} as cgroup directory"),
            Self::Enter { slot } => write!(f, "enter the cgroup of {slot}"),
            Self::Place { file } => write!(f, "write init's pid to {file}"),
            Self::StartScope { unit, properties, .. } => {
                write!(f, "have systemd start {unit} around init:")?;
                for (at, property) in properties.iter().enumerate() {
                    f.write_str(if at == 0 { " " } else { ", " })?;
                    write!(f, "{}={}", property.name, property.value)?;
                }
                Ok(())
            }
            Self::StopScope { unit, .. } => write!(f, "have systemd end {unit}"),
            Self::Kill { directory } => write!(f, "kill everything in {directory}"),
        }
    }
}

impl fmt::Display for PropertyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(is_true) => f.write_str(if *is_true { "yes" } else { "no" }),
            Self::Text(text) => write!(f, "`{text}`"),
            Self::Number(u64::MAX) => f.write_str("infinity"),
            Self::Number(number) => number.fmt(f),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::InitPid => f.write_str("init's"),
        }
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::types::PropagationKind as Kind;
        if self.recursive {
            f.write_str("r")?;
        }
        f.write_str(match self.kind {
            Kind::Private => "private",
            Kind::Shared => "shared",
            Kind::Slave => "slave",
            Kind::Unbindable => "unbindable",
        })
    }
}

/// `nosuid,noexec`: the words of mount options.
fn flag_words(flags: MountFlags) -> String {
    let names = flags.iter_names().map(|(name, _)| match name {
        "MS_RDONLY" => "ro".to_string(),
        "MS_SYNCHRONOUS" => "sync".to_string(),
        other => other.trim_start_matches("MS_").to_ascii_lowercase(),
    });
    names.collect::<Vec<_>>().join(",")
}

impl fmt::Display for MountOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsolateTree { propagation } => write!(f, "make all mounts {propagation}"),
            Self::PrepareRoot { path, readonly_submounts, readonly_now } => {
                write!(f, "make {path} a mount of its own")?;
                let extra = [
                    (*readonly_now, ", read-only"),
                    (*readonly_submounts, ", submounts read-only"),
                ];
                extra
                    .iter()
                    .filter(|(is_set, _)| *is_set)
                    .try_for_each(|(_, text)| f.write_str(text))
            }
            Self::EmptyRoot { path, for_mapped_root } => {
                let whose = if *for_mapped_root { " for the user namespace's root" } else { "" };
                write!(f, "make an empty root on {path}{whose}")
            }
            Self::MakeMountPoint { target, directory } => {
                let what = if *directory { "directory" } else { "file" };
                write!(f, "make {what} {target} unless it exists")
            }
            Self::Filesystem { fstype, data, flags, target, copy_up, .. } => {
                write!(f, "mount {fstype} on {target}")?;
                write_options(f, &flag_words(*flags), data)?;
                f.write_str(if *copy_up { ", filled with what was there" } else { "" })
            }
            Self::MapTree { source, recursive, uids, gids, slot, .. } => {
                let what = if *recursive { "tree" } else { "mount" };
                let (uids, gids) = (ranges(uids), ranges(gids));
                write!(f, "copy the {what} {source} as {slot}, users {uids}, groups {gids}")
            }
            Self::CloneTree { source, recursive, slot } => {
                let what = if *recursive { "tree" } else { "mount" };
                write!(f, "copy the {what} {source} as {slot}")
            }
            Self::CloneDevice { source, kind, number, slot } => write!(
                f,
                "copy the node {source} ({} {}:{}) as {slot}",
                kind.letter(),
                number.major,
                number.minor
            ),
            Self::Attach { slot, target, set, clear, set_recursive, clear_recursive, .. } => {
                write!(f, "attach {slot} on {target}")?;
                let parts = [
                    ("", set),
                    ("without ", clear),
                    ("all of it ", set_recursive),
                    ("all of it without ", clear_recursive),
                ];
                for (word, flags) in parts.into_iter().filter(|(_, flags)| !flags.is_empty()) {
                    write!(f, ", {word}{}", flag_words(*flags))?;
                }
                Ok(())
            }
            other => other.fmt_rest(f),
        }
    }
}

impl MountOp {
    /// The shorter half of the sentences.
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remount { target, set, clear } => {
                write!(f, "remount {target} {}", flag_words(*set))?;
                if clear.is_empty() { Ok(()) } else { write!(f, " not {}", flag_words(*clear)) }
            }
            Self::Propagate { target, propagation } => write!(f, "make {target} {propagation}"),
            Self::MakeNode { path, kind, number, mode, uid, gid } => write!(
                f,
                "make node {path} {} {}:{} mode {mode:04o} owner {uid}:{gid}",
                kind.letter(),
                number.major,
                number.minor
            ),
            Self::Symlink { path, target, replace, only_if } => {
                let verb = if *replace { "replace" } else { "link" };
                write!(f, "{verb} {path} -> {target}")?;
                only_if.as_ref().map_or(Ok(()), |path| write!(f, " if {path} exists"))
            }
            Self::Mask { path } => write!(f, "mask {path}"),
            Self::MakeReadonly { path } => write!(f, "make {path} read-only"),
            Self::PivotRoot => f.write_str("pivot the root, detach the old one"),
            Self::MoveRoot => f.write_str("move the root over /, chroot"),
            Self::ReadonlyRoot => f.write_str("make / read-only"),
            Self::FindDevpts => f.write_str("find the container's devpts"),
            Self::OpenTerminal { console, owner, .. } => {
                f.write_str("open a terminal as stdin, stdout, stderr")?;
                f.write_str(if *console { " and /dev/console" } else { "" })?;
                owner.map_or(Ok(()), |uid| write!(f, ", of user {uid}"))
            }
            // The longer half is `Display` itself.
            _ => Ok(()),
        }
    }
}

fn write_options(f: &mut fmt::Formatter<'_>, flags: &str, data: &[String]) -> fmt::Result {
    let mut separator = " ";
    for part in core::iter::once(flags).chain(data.iter().map(String::as_str)) {
        if !part.is_empty() {
            write!(f, "{separator}{part}")?;
            separator = ",";
        }
    }
    Ok(())
}

impl fmt::Display for NamespaceOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { kind, path } => write!(f, "open {path} as {kind} namespace"),
            Self::Hold { pid, start_time, .. } => {
                write!(f, "take hold of process {pid}, started {start_time} ticks after boot")
            }
            Self::OpenHeld { kind } => write!(f, "open its {kind} namespace"),
            Self::JoinHeld { kinds } => {
                f.write_str("join its namespaces")?;
                kinds.iter().try_for_each(|kind| write!(f, " {kind}"))
            }
            Self::Join { kind } => write!(f, "join the {kind} namespace"),
            Self::Make { kind } => write!(f, "make a {kind} namespace for init"),
            Self::Return { kind } => write!(f, "return to the launcher's {kind} namespace"),
            Self::Unshare { kind } => write!(f, "unshare the {kind} namespace"),
            Self::SetTimeOffset { clock, secs, nanosecs } => {
                write!(f, "shift {clock:?} by {secs}.{nanosecs:09} s")
            }
            Self::SetHostname { name } => write!(f, "set the host name {name}"),
            Self::SetDomainname { name } => write!(f, "set the domain name {name}"),
            Self::Sysctl { path, value } => write!(f, "write `{value}` to /proc/sys/{path}"),
        }
    }
}

/// A name that is drawn shows how it begins and which one it is: `veth…0`.
impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(name) => f.write_str(name),
            Self::Random { prefix, number } => write!(f, "{prefix}…{number}"),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => name.fmt(f),
            Self::Inside(name) => write!(f, "{name} inside"),
        }
    }
}

impl fmt::Display for NetworkOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoopbackUp => f.write_str("set interface lo up"),
            Self::MakeVeth { host, inside, tx_queue_length } => {
                write!(f, "make a veth pair: {host} here, {inside} inside")?;
                tx_queue_length.map_or(Ok(()), |length| write!(f, ", queues of {length}"))
            }
            Self::MoveLink { host, inside } => write!(f, "move {host} inside as {inside}"),
            Self::ReturnLink { host, inside, .. } => write!(f, "take {inside} back as {host}"),
            Self::RemoveLink { host } => write!(f, "remove interface {host}"),
            Self::AttachToBridge { host, bridge } => write!(f, "attach {host} to bridge {bridge}"),
            Self::SetHairpin { host } => write!(f, "have the bridge send back to {host}"),
            Self::SetMtu { link, mtu } => write!(f, "set the mtu of {link} to {mtu}"),
            Self::SetMac { link, mac: [a, b, c, d, e, g] } => write!(
                f,
                "set the hardware address of {link} to {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"
            ),
            Self::LinkUp { link } => write!(f, "set interface {link} up"),
            Self::AddAddress { link, address } => write!(f, "add {address} to {link}"),
            Self::AddRoute { destination, gateway, source, interface } => {
                match destination {
                    Some(destination) => write!(f, "add a route to {destination}")?,
                    None => f.write_str("add a default route")?,
                }
                gateway.map_or(Ok(()), |gateway| write!(f, " by {gateway}"))?;
                source.map_or(Ok(()), |source| write!(f, " from {source}"))?;
                interface.as_ref().map_or(Ok(()), |name| write!(f, " through {name} inside"))
            }
        }
    }
}

impl fmt::Display for ProcessOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clone { flags, starts } => {
                write!(f, "clone {starts}")?;
                let mut separator = " with ";
                for (name, _) in flags.iter_names() {
                    write!(f, "{separator}{}", name.trim_start_matches("CLONE_"))?;
                    separator = " ";
                }
                Ok(())
            }
            Self::DieWithParent { signal } => write!(f, "get {signal} when the parent dies"),
            Self::HoldProc => f.write_str("keep the host's /proc open"),
            Self::NewSession => f.write_str("begin a new session"),
            Self::Umask { mask } => write!(f, "set the umask {mask:04o}"),
            Self::SetRlimit { resource, limit } => {
                write!(f, "limit {resource} to {} of {}", limit.soft, limit.hard)
            }
            Self::NewKeyring => f.write_str("begin a new session keyring"),
            Self::SetPersonality { domain } => write!(f, "set the personality {domain}"),
            Self::SetIoPriority { class, priority } => {
                write!(f, "set the I/O priority {class} {priority}")
            }
            Self::SetScheduler { policy, nice, priority, runtime, deadline, period, .. } => {
                write!(f, "schedule by {policy}, nice {nice}, priority {priority}")?;
                if *period == 0 {
                    return Ok(());
                }
                write!(f, ", {runtime} of {period} ns before {deadline}")
            }
            Self::SetMemoryPolicy { mode, nodes, .. } => {
                write!(f, "take memory by {mode} from nodes {nodes:?}")
            }
            Self::SetAffinity { cpus } if cpus.is_empty() => {
                f.write_str("run on every CPU of the cgroup's")
            }
            Self::SetAffinity { cpus } => write!(f, "run on the CPUs {cpus:?}"),
            Self::RestoreAffinity => f.write_str("run where it ran before"),
            Self::SetOomScore { value } => write!(f, "set oom_score_adj {value}"),
            Self::CloseDescriptors => f.write_str("close all other descriptors"),
            Self::Supervise { .. } => f.write_str("stay as init, a child goes on"),
            Self::ChangeDirectory { path } => write!(f, "change directory to {path}"),
            Self::Find { candidates } => write!(f, "look for {}", candidates.join(", ")),
            Self::Execute { candidates, args, env } => {
                let program = candidates.first().map_or("", String::as_str);
                let more = candidates.len().saturating_sub(1);
                write!(f, "execute {program}")?;
                if more > 0 {
                    write!(f, " (or {more} other places)")?;
                }
                write!(f, " {args:?}, {} variables", env.len())
            }
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MapsWritten => "the id maps are written",
            Self::Placed => "init is in its cgroup",
            Self::NetworkMade => "init's network namespace",
            Self::NetworkReady => "the network is complete",
            Self::Recorded => "the record is written",
            Self::Mounted => "everything is mounted",
            Self::HooksRun => "the hooks outside have been run",
            Self::InitPid => "init's pid",
            Self::Terminal => "the terminal",
            Self::Ready => "everything is ready to execute",
            Self::Listener => "the filter's listener",
            Self::Created => "the container is created",
            Self::Start => "run the program",
            Self::Prepared => "all is prepared but the program",
            Self::Payload => "the program to run",
        })
    }
}

impl fmt::Display for HookOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promise => f.write_str("promise to run the poststop hooks"),
            Self::MakeState { kind } => write!(f, "make a file in memory for {kind} hooks"),
            Self::WriteState { kind, .. } => write!(f, "write the state for {kind} hooks"),
            Self::Run { kind, hooks, .. } => {
                write!(f, "run {kind}")?;
                for hook in hooks {
                    write!(f, " {} {:?}", hook.path, hook.args)?;
                    hook.timeout.map_or(Ok(()), |seconds| write!(f, " for {seconds} s at most"))?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for SyncOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(token) => write!(f, "tell: {token}"),
            Self::Await(token) => write!(f, "wait: {token}"),
            Self::AwaitExec => f.write_str("wait: the program runs"),
            Self::Knock => f.write_str("connect to init: run the program"),
            Self::AwaitKnock => f.write_str("wait: somebody connects to start the program"),
        }
    }
}

impl fmt::Display for IdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uid => "uid",
            Self::Gid => "gid",
        })
    }
}

/// `0→1000×1`: inside, outside, how many.
fn ranges(map: &crate::types::IdMap) -> String {
    let range =
        |r: &crate::types::IdMapping| format!("{}→{}×{}", r.container_id, r.host_id, r.size);
    map.ranges().iter().map(range).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for UserOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DenySetgroups => f.write_str("deny setgroups"),
            Self::WriteIdMap { kind, map } => write!(f, "write the {kind} map {}", ranges(map)),
            Self::RunMapHelper { kind, program, map } => {
                write!(f, "have {program} write the {kind} map {}", ranges(map))
            }
            Self::BecomeRoot { clear_groups } => {
                f.write_str("become the user namespace's root")?;
                f.write_str(if *clear_groups { ", without groups" } else { "" })
            }
            Self::SetGroups { gids } => write!(f, "set the groups {gids:?}"),
            Self::SetIds { uid, gid } => write!(f, "become user {uid}, group {gid}"),
        }
    }
}

fn cap_words(set: CapSet) -> String {
    if set.is_empty() {
        return "none".to_string();
    }
    let words = set.iter().map(|c| c.to_string().trim_start_matches("CAP_").to_ascii_lowercase());
    words.collect::<Vec<_>>().join(",")
}

impl fmt::Display for PrivilegeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DropBounding { keep, last } => {
                write!(f, "bound capabilities 0..{last} to {}", cap_words(*keep))
            }
            Self::KeepCapabilities => f.write_str("keep capabilities over the change of user"),
            Self::SetCapabilities { effective, permitted, inheritable } => {
                write!(f, "set capabilities: effective {}", cap_words(*effective))?;
                if permitted != effective {
                    write!(f, "; permitted {}", cap_words(*permitted))?;
                }
                write!(f, "; inheritable {}", cap_words(*inheritable))
            }
            Self::SetAmbient { set } => write!(f, "set ambient capabilities: {}", cap_words(*set)),
            Self::NoNewPrivileges => f.write_str("forbid new privileges"),
            Self::NotDumpable => f.write_str("let a death under the filter dump no core"),
            Self::Seccomp { flags, program } => {
                write!(f, "filter system calls by {} instructions", program.len())?;
                let words = flags.iter_names().map(|(name, _)| {
                    name.trim_start_matches("SECCOMP_FILTER_FLAG_").to_ascii_lowercase()
                });
                words.into_iter().try_for_each(|word| write!(f, ", {word}"))
            }
            Self::ConnectAgent { path } => write!(f, "connect to the seccomp agent at {path}"),
            Self::SendListener { metadata } => {
                f.write_str("send the agent the filter's listener")?;
                metadata.as_ref().map_or(Ok(()), |text| write!(f, " and `{}`", text.escape_debug()))
            }
            Self::Relabel { path, label } => {
                write!(f, "give {path} and all below it the SELinux label {label}")
            }
            Self::ExecLabel { module, label, .. } => {
                let module = match module {
                    LabelModule::Apparmor => "AppArmor",
                    LabelModule::Selinux => "SELinux",
                };
                write!(f, "set the {module} label {label} for the program")
            }
        }
    }
}
