//! The table's other half: mounts, names, privileges and the program, by the process that becomes the container's first.

use nsplan::plan::{MountOp, NamespaceOp, NetworkOp, Op, PrivilegeOp, ProcessOp, Slot};
use nsplan::types::{CapSet, MountFlags, PropagationKind, RootPath};

use super::{Item, Table, below, one};

/// An empty file system that hides directories allows nothing.
const LOCKED: &str = "MOUNT_ATTR_NODEV|MOUNT_ATTR_NOEXEC|MOUNT_ATTR_NOSUID|MOUNT_ATTR_RDONLY";
const READ_ONLY: &str = "+MOUNT_ATTR_RDONLY -";

impl Table {
    pub(super) fn inside(&mut self, op: &Op) -> Vec<Item> {
        match op {
            Op::Mount(op) => self.mount(op),
            Op::Namespace(op) => self.namespace(op),
            Op::Network(NetworkOp::LoopbackUp) => {
                one("ioctl SIOCSIFFLAGS {ifr_name=\"lo\", ifr_flags=IFF_UP|IFF_LOOPBACK}")
            }
            Op::Process(op) => process(op),
            Op::Privilege(op) => privilege(op),
            op => one(format!("not in the table: {op:?}")),
        }
    }

    fn namespace(&mut self, op: &NamespaceOp) -> Vec<Item> {
        match op {
            NamespaceOp::Open { kind, path } => {
                self.slots.insert(Slot::Namespace(*kind), format!("host:{path}"));
                Vec::new()
            }
            NamespaceOp::Join { kind } => {
                let from = &self.slots[&Slot::Namespace(*kind)];
                vec![
                    // A launcher that is root is out of the reach of those inside first.
                    Item::May("prctl PR_SET_DUMPABLE SUID_DUMP_DISABLE".into()),
                    Item::Do(format!("setns {from} {}", flag(kind.clone_flag()))),
                ]
            }
            NamespaceOp::Unshare { kind } => one(format!("unshare {}", flag(kind.clone_flag()))),
            NamespaceOp::SetHostname { name } => one(format!("sethostname {name}")),
            NamespaceOp::SetDomainname { name } => one(format!("setdomainname {name}")),
            NamespaceOp::Sysctl { path, value } => {
                one(format!("write {}/sys/{path} {value:?}", self.slots[&Slot::Proc]))
            }
            op => one(format!("not in the table: {op:?}")),
        }
    }

    fn mount(&mut self, op: &MountOp) -> Vec<Item> {
        match op {
            MountOp::IsolateTree { propagation } => {
                let kind = kind(propagation.kind);
                let deep = if propagation.recursive { "MS_REC" } else { "" };
                let mut flags = [kind, deep];
                flags.sort_unstable();
                let flags = flags.join("|");
                one(format!("mount NULL \"/\" NULL {} NULL", flags.trim_matches('|')))
            }
            MountOp::PrepareRoot { path, readonly_submounts, readonly_now } => {
                let tree = format!("tree(host:{path})");
                let mut items = one(format!("open_tree {tree}"));
                if *readonly_submounts {
                    items.push(Item::Do(format!("mount_setattr {tree} recursively {READ_ONLY}")));
                    // The top is still to be filled, unless it was read-only before.
                    items.push(Item::May(format!("mount_setattr {tree} + -MOUNT_ATTR_RDONLY")));
                }
                items.push(Item::Do(format!("move_mount {tree} -> host:{path}")));
                items.extend(
                    readonly_now.then(|| Item::Do(format!("mount_setattr root {READ_ONLY}"))),
                );
                items
            }
            MountOp::EmptyRoot { path, for_mapped_root } => {
                let ids = ["fsconfig tmpfs uid=0", "fsconfig tmpfs gid=0"];
                let ids = ids.into_iter().filter(|_| *for_mapped_root);
                let opened = ["fsopen tmpfs", "fsconfig tmpfs mode=755"].into_iter().chain(ids);
                let made = ["fsconfig tmpfs FSCONFIG_CMD_CREATE", "fsmount tmpfs "];
                let calls = opened.chain(made).map(str::to_owned);
                let attached = format!("move_mount new tmpfs -> host:{path}");
                calls.chain([attached]).map(Item::Do).collect()
            }
            MountOp::Filesystem { .. } => self.filesystem(op),
            MountOp::CloneTree { source, recursive, slot } => {
                let deep = if *recursive { "tree" } else { "mount" };
                self.copy(format!("{deep}(host:{source})"), *slot)
            }
            MountOp::CloneDevice { source, slot, .. } => {
                self.copy(format!("mount(host:{source})"), *slot)
            }
            // The samples have none.
            MountOp::MapTree { .. } => one("not in the table"),
            MountOp::Attach { .. } => self.attach(op),
            MountOp::OpenTerminal { console, owner, .. } => self.open_terminal(*owner, *console),
            MountOp::PivotRoot => {
                let sealed = "move_mount mount(host:/proc/self/exe) -> host:/proc/version";
                let own = self.takes_along.then_some(sealed);
                let calls = ["pivot_root . .", "umount2 . MNT_DETACH", "chdir /"];
                let calls = ["fchdir root"].into_iter().chain(own).chain(calls);
                calls.map(|call| Item::Do(call.into())).collect()
            }
            MountOp::ReadonlyRoot => one(format!("mount_setattr root {READ_ONLY}")),
            MountOp::Remount { target, set, clear } => {
                one(format!("mount_setattr {} {}", below(target), change(*set, *clear)))
            }
            MountOp::Propagate { target, propagation } => {
                let deep = if propagation.recursive { " recursively" } else { "" };
                let kind = kind(propagation.kind);
                one(format!("mount_setattr {}{deep} + - {kind}", below(target)))
            }
            op => file(op),
        }
    }

    fn copy(&mut self, label: String, slot: Slot) -> Vec<Item> {
        self.slots.insert(slot, label.clone());
        one(format!("open_tree {label}"))
    }

    fn filesystem(&mut self, op: &MountOp) -> Vec<Item> {
        let MountOp::Filesystem { fstype, source, data, flags, target, keep, .. } = op else {
            return Vec::new();
        };
        let mut calls = vec![format!("fsopen {fstype}")];
        calls.extend(source.as_ref().map(|source| format!("fsconfig {fstype} source={source}")));
        calls.extend(data.iter().map(|option| format!("fsconfig {fstype} {option}")));
        calls.push(format!("fsconfig {fstype} FSCONFIG_CMD_CREATE"));
        calls.push(format!("fsmount {fstype} {}", attributes(*flags).join("|")));
        calls.push(format!("move_mount new {fstype} -> {}", below(target)));
        self.slots.extend(keep.map(|slot| (slot, format!("new {fstype}"))));
        calls.into_iter().map(Item::Do).collect()
    }

    fn attach(&self, op: &MountOp) -> Vec<Item> {
        let MountOp::Attach { slot, target, set, clear, set_recursive, clear_recursive, .. } = op
        else {
            return Vec::new();
        };
        let tree = &self.slots[slot];
        let mut calls = Vec::new();
        let changes = [(" recursively", *set_recursive, *clear_recursive), ("", *set, *clear)];
        for (deep, set, clear) in changes {
            if !set.union(clear).is_empty() {
                calls.push(format!("mount_setattr {tree}{deep} {}", change(set, clear)));
            }
        }
        calls.push(format!("move_mount {tree} -> {}", below(target)));
        calls.into_iter().map(Item::Do).collect()
    }

    fn open_terminal(&self, owner: Option<u32>, console: bool) -> Vec<Item> {
        let devpts = &self.slots[&Slot::Devpts];
        let mut items = one(format!("ioctl {devpts}/ptmx TIOCSPTLCK [0]"));
        // As large as the caller's, if that is a terminal: it is none in these tests.
        items.extend(owner.map(|uid| Item::Do(format!("chown peer {uid} -1"))));
        items.push(Item::Do("tell 3 with a descriptor".into()));
        if console {
            items.push(Item::Try("create root:dev/console 0600".into(), &["EEXIST"]));
            items.push(Item::Do("open_tree mount(peer)".into()));
            items.push(Item::Do("move_mount mount(peer) -> root:dev/console".into()));
        }
        items.push(Item::Do("ioctl peer TIOCSCTTY 0".into()));
        items
    }
}

fn kind(kind: PropagationKind) -> &'static str {
    match kind {
        PropagationKind::Private => "MS_PRIVATE",
        PropagationKind::Shared => "MS_SHARED",
        PropagationKind::Slave => "MS_SLAVE",
        PropagationKind::Unbindable => "MS_UNBINDABLE",
    }
}

fn flag(flag: nsplan::types::CloneFlags) -> String {
    flag.iter_names().map(|(name, _)| name).collect()
}

/// Every missing directory down to and with `path`.
fn directories(path: &RootPath) -> Vec<Item> {
    let mut down = String::new();
    let mut items = Vec::new();
    for part in path.parts() {
        down = if down.is_empty() { part.to_owned() } else { format!("{down}/{part}") };
        let make = Item::Try(format!("mkdir root:{down} 0755"), &["EEXIST"]);
        items.push(Item::IfMissing(format!("root:{down}"), vec![make]));
    }
    items
}

fn above(path: &RootPath) -> Vec<Item> {
    path.parent().map(|parent| directories(&parent)).unwrap_or_default()
}

/// Files, links and nodes, and what hides them.
fn file(op: &MountOp) -> Vec<Item> {
    match op {
        MountOp::MakeMountPoint { target, directory: true } => directories(target),
        MountOp::MakeMountPoint { target, directory: false } => {
            let mut items = above(target);
            items.extend(one(format!("create {} 0644", below(target))));
            vec![Item::IfMissing(below(target), items)]
        }
        MountOp::MakeNode { path, kind, number, mode, uid, gid } => {
            let kind = match kind.letter() {
                'c' => "S_IFCHR",
                'b' => "S_IFBLK",
                _ => "S_IFIFO",
            };
            let hex = |n: u32| if n == 0 { "0".to_owned() } else { format!("{n:#x}") };
            let number = format!("makedev({}, {})", hex(number.major), hex(number.minor));
            let path_inside = below(path);
            let mut items = above(path);
            items.push(Item::Do(format!("mknod {path_inside} {kind}|0{mode:o} {number}")));
            items.push(Item::Do(format!("chown {path_inside} {uid} {gid}")));
            items
        }
        MountOp::Symlink { path, target, replace, only_if } => {
            let make = Item::Try(format!("symlink {target} {}", below(path)), &["EEXIST"]);
            let remove = replace.then(|| Item::Try(format!("unlink {}", below(path)), &["ENOENT"]));
            let items: Vec<_> = remove.into_iter().chain([make]).collect();
            match only_if {
                Some(condition) => vec![Item::IfThere(below(condition), items.clone(), items)],
                None => items,
            }
        }
        MountOp::Mask { path } => mask(&below(path)),
        MountOp::MakeReadonly { path } => {
            let label = below(path);
            let items: Vec<_> = [
                format!("open_tree tree({label})"),
                format!("mount_setattr tree({label}) recursively {READ_ONLY}"),
                format!("move_mount tree({label}) -> {label}"),
            ]
            .map(Item::Do)
            .into();
            vec![Item::IfThere(label, items.clone(), items)]
        }
        op => one(format!("not in the table: {op:?}")),
    }
}

/// Directories under one empty file system, everything else under the null device: the container's or the host's.
fn mask(label: &str) -> Vec<Item> {
    let mounted = format!("fsmount tmpfs {LOCKED}");
    let first = [
        "fsopen tmpfs".to_owned(),
        "fsconfig tmpfs FSCONFIG_CMD_CREATE".into(),
        mounted.clone(),
        format!("move_mount new tmpfs -> {label}"),
    ];
    let again = [
        "open_tree mount(new tmpfs)".to_owned(),
        format!("move_mount mount(new tmpfs) -> {label}"),
    ];
    let directory = Item::IfDone(mounted, again.map(Item::Do).into(), first.map(Item::Do).into());
    let null = |text: &str| {
        let devices = ["root:dev/null", "host:/dev/null"];
        Item::Any(devices.map(|device| text.replace("NULL", device)).into())
    };
    let file =
        vec![null("open_tree mount(NULL)"), null(&format!("move_mount mount(NULL) -> {label}"))];
    vec![Item::IfThere(label.into(), vec![directory], file)]
}

/// Words of one mount; the access time is one field that is cleared whenever it is set.
fn attributes(flags: MountFlags) -> Vec<&'static str> {
    const WORDS: [(MountFlags, &str); 8] = [
        (MountFlags::MS_NOATIME, "MOUNT_ATTR_NOATIME"),
        (MountFlags::MS_NODEV, "MOUNT_ATTR_NODEV"),
        (MountFlags::MS_NODIRATIME, "MOUNT_ATTR_NODIRATIME"),
        (MountFlags::MS_NOEXEC, "MOUNT_ATTR_NOEXEC"),
        (MountFlags::MS_NOSUID, "MOUNT_ATTR_NOSUID"),
        (MountFlags::MS_NOSYMFOLLOW, "MOUNT_ATTR_NOSYMFOLLOW"),
        (MountFlags::MS_RDONLY, "MOUNT_ATTR_RDONLY"),
        (MountFlags::MS_STRICTATIME, "MOUNT_ATTR_STRICTATIME"),
    ];
    WORDS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, word)| *word).collect()
}

fn change(set: MountFlags, clear: MountFlags) -> String {
    let atime = set.union(clear).intersects(MountFlags::ATIME);
    let mut cleared = attributes(clear.difference(MountFlags::ATIME));
    cleared.extend(atime.then_some("MOUNT_ATTR__ATIME"));
    cleared.sort_unstable();
    format!("+{} -{}", attributes(set).join("|"), cleared.join("|"))
}

fn process(op: &ProcessOp) -> Vec<Item> {
    match op {
        ProcessOp::Clone { flags, .. } => {
            let flags: Vec<_> = flags.iter_names().map(|(name, _)| name).collect();
            let flags = flags.join("|");
            one(format!("clone {}", crate::strace::words(&flags).join("|")))
        }
        // To open is no change.
        ProcessOp::HoldProc => Vec::new(),
        ProcessOp::DieWithParent { .. } => one("prctl PR_SET_PDEATHSIG SIGKILL"),
        // No arguments, no blank.
        ProcessOp::NewSession => one("setsid"),
        ProcessOp::Umask { mask } => one(format!("umask {mask:03o}")),
        ProcessOp::SetRlimit { resource, limit } => {
            let (soft, hard) = (amount(limit.soft), amount(limit.hard));
            one(format!("prlimit64 {resource} {{rlim_cur={soft}, rlim_max={hard}}}"))
        }
        ProcessOp::NewKeyring => one("keyctl KEYCTL_JOIN_SESSION_KEYRING NULL"),
        // The samples have none.
        ProcessOp::SetPersonality { .. }
        | ProcessOp::SetIoPriority { .. }
        | ProcessOp::SetScheduler { .. }
        | ProcessOp::SetMemoryPolicy { .. }
        | ProcessOp::SetAffinity { .. }
        | ProcessOp::RestoreAffinity => one("not in the table"),
        ProcessOp::SetOomScore { value } => {
            one(super::write("/proc/self/oom_score_adj", &format!("{value}\n")))
        }
        // Below the channel and above it.
        ProcessOp::CloseDescriptors => {
            vec![Item::May("close_range".into()), Item::Do("close_range".into())]
        }
        ProcessOp::Supervise { .. } => {
            ["prctl PR_SET_DUMPABLE SUID_DUMP_DISABLE", "clone SIGCHLD", "close_range"]
                .map(|call| Item::Do(call.into()))
                .into()
        }
        ProcessOp::ChangeDirectory { path } => one(format!("chdir {path}")),
        ProcessOp::Find { .. } => Vec::new(),
        ProcessOp::Execute { candidates, .. } => {
            vec![Item::Any(candidates.iter().map(|path| format!("execve {path}")).collect())]
        }
    }
}

/// As strace writes it.
fn amount(bytes: u64) -> String {
    match bytes {
        u64::MAX => "RLIM64_INFINITY".into(),
        bytes if bytes > 1024 && bytes % 1024 == 0 => format!("{}*1024", bytes / 1024),
        bytes => bytes.to_string(),
    }
}

fn privilege(op: &PrivilegeOp) -> Vec<Item> {
    let named = |set: CapSet| {
        let words: Vec<_> = set.iter().map(|capability| format!("1<<{capability}")).collect();
        if words.is_empty() { "0".to_owned() } else { words.join("|") }
    };
    match op {
        PrivilegeOp::DropBounding { keep, last } => {
            let dropped = CapSet::up_to(*last).difference(*keep);
            let drop = |capability| Item::Do(format!("prctl PR_CAPBSET_DROP {capability}"));
            dropped.iter().map(drop).collect()
        }
        PrivilegeOp::KeepCapabilities => one("prctl PR_SET_KEEPCAPS 1"),
        PrivilegeOp::SetCapabilities { effective, permitted, inheritable } => {
            let [effective, permitted, inheritable] =
                [*effective, *permitted, *inheritable].map(named);
            one(format!(
                "capset {{effective={effective}, permitted={permitted}, inheritable={inheritable}}}"
            ))
        }
        PrivilegeOp::SetAmbient { set } => {
            let clear = one("prctl PR_CAP_AMBIENT PR_CAP_AMBIENT_CLEAR_ALL").into_iter();
            let raise = |capability| {
                Item::Do(format!("prctl PR_CAP_AMBIENT PR_CAP_AMBIENT_RAISE {capability}"))
            };
            clear.chain(set.iter().map(raise)).collect()
        }
        PrivilegeOp::NoNewPrivileges => one("prctl PR_SET_NO_NEW_PRIVS 1"),
        PrivilegeOp::NotDumpable => one("prctl PR_SET_DUMPABLE SUID_DUMP_DISABLE"),
        PrivilegeOp::Seccomp { flags, .. } if flags.is_empty() => {
            one("seccomp SECCOMP_SET_MODE_FILTER 0")
        }
        op @ (PrivilegeOp::ExecLabel { .. }
        | PrivilegeOp::Relabel { .. }
        | PrivilegeOp::Seccomp { .. }
        | PrivilegeOp::ConnectAgent { .. }
        | PrivilegeOp::SendListener { .. }) => one(format!("not in the table: {op:?}")),
    }
}
