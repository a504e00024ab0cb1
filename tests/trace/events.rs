//! Calls become what each process changed and looked at, descriptors replaced by what they are descriptors of.

use std::collections::HashMap;

use crate::rtnl;
use crate::strace::{Answer, Call, member, text, words};

/// What one call was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It changed something.
    Did(String),
    /// It was refused, and changed nothing.
    Refused(String, String),
    /// It looked at something.
    Saw(String, Seen),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Missing,
    Exists,
    Directory,
    NoDirectory,
    Text(String),
}

/// What each process did, in the order in which they were started: the launcher, the intermediate, init.
pub(crate) type Actors = Vec<Vec<Event>>;

/// Calls that change nothing but what the process that makes them knows, remembers and holds open.
///
/// What is in no list here and in no arm of `Process::change` counts as a change.
const NOISE: &[(&[&str], &str)] = &[
    (&["read", "pread64", "readlink", "readlinkat", "getdents64", "lseek"], "reading"),
    (&["access", "faccessat", "faccessat2", "statx", "stat", "lstat"], "looking"),
    (&["newfstatat", "fstatfs", "statfs", "getcwd", "getxattr", "uname", "sysinfo"], "looking"),
    (&["geteuid", "getuid", "getegid", "getgid", "getpid", "getppid", "gettid"], "who one is"),
    (&["capget", "getcpu", "sched_getaffinity", "getrandom", "clock_gettime"], "asking the kernel"),
    (&["brk", "mmap", "munmap", "mprotect", "mremap", "madvise"], "own memory"),
    (&["futex", "rseq", "set_robust_list", "set_tid_address", "arch_prctl"], "own threads"),
    (&["sched_yield", "membarrier", "restart_syscall"], "own threads"),
    (
        &["rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "signalfd4"],
        "own signals",
    ),
    (&["close", "dup", "dup2", "dup3", "pipe2", "pidfd_open"], "own descriptors"),
    (&["socket", "socketpair", "bind", "getsockname", "setsockopt", "getsockopt"], "own sockets"),
    (&["recvmsg", "recvfrom", "shutdown"], "hearing"),
    (&["eventfd2", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait"], "waiting"),
    (&["poll", "ppoll", "clock_nanosleep", "nanosleep", "rt_sigtimedwait"], "waiting"),
    (&["waitid", "wait4"], "a zombie goes, which its process has become by itself"),
    (&["exit", "exit_group"], "the end of the process"),
];

/// Calls of a library that asks the terminal or the kernel.
const QUESTIONS: &[&str] =
    &["TCGETS", "TIOCGWINSZ", "TIOCGPTN", "TIOCGPGRP", "SIOCGIFFLAGS", "FIONBIO", "TIOCGPTPEER"];

/// Files of cgroups whose content decides what a step writes.
fn is_asked_for(label: &str) -> bool {
    label.contains("/cpuset.") || label.ends_with("/cgroup.subtree_control")
}

#[derive(Default)]
struct Reader {
    actors: Actors,
    /// Of each pid: whose it is, and its table of descriptors.
    threads: HashMap<u32, (usize, usize)>,
    tables: Vec<HashMap<i64, String>>,
    children: Vec<i64>,
    /// Processes whose parent has another number for them: it is in a pid namespace of its own.
    strangers: Vec<u32>,
    /// Those that have become another program.
    gone: Vec<u32>,
}

/// What the processes did up to the program that init becomes.
pub(crate) fn events(calls: &[Call]) -> Actors {
    let mut reader = Reader { actors: vec![Vec::new()], ..Reader::default() };
    reader.tables.push([(-1, "none".into())].into());
    if let Some(first) = calls.first() {
        reader.threads.insert(first.pid, (0, 0));
    }
    // A child's first calls may be written before its parent's call has ended.
    let is_clone = |call: &&Call| matches!(&*call.name, "clone3" | "clone" | "vfork" | "fork");
    for child in calls.iter().filter(is_clone).filter_map(Call::number) {
        reader.children.push(child);
    }
    let is_known = |pid: &u32| {
        Some(pid) == calls.first().map(|call| &call.pid)
            || reader.children.contains(&i64::from(*pid))
    };
    let mut strangers: Vec<u32> = Vec::new();
    for pid in calls.iter().map(|call| call.pid).filter(|pid| !is_known(pid)) {
        if !strangers.contains(&pid) {
            strangers.push(pid);
        }
    }
    reader.strangers = strangers;
    for call in calls {
        reader.take(call);
    }
    reader.actors
}

impl Reader {
    fn take(&mut self, call: &Call) {
        let Some(&(actor, table)) = self.threads.get(&call.pid) else { return };
        if self.gone.contains(&call.pid) {
            return;
        }
        if let Some(child) = call.number().filter(|_| call.name.starts_with("clone")) {
            self.start(call, child, (actor, table));
        }
        let mut process = Process { table: &mut self.tables[table], children: &self.children };
        if let Some(event) = process.event(call) {
            self.actors[actor].push(event);
        }
        if matches!(&*call.name, "execve" | "execveat") && call.is_done() {
            // Everything is close-on-exec.
            self.tables[table].clear();
            if actor > 0 {
                self.gone.push(call.pid);
            }
        }
    }

    fn start(&mut self, call: &Call, child: i64, (actor, table): (usize, usize)) {
        let Ok(pid) = u32::try_from(child) else { return };
        let flags = call.args.join(",");
        // Init's first child.
        let pid =
            if pid == 2 && !self.strangers.is_empty() { self.strangers.remove(0) } else { pid };
        if flags.contains("CLONE_THREAD") {
            self.threads.insert(pid, (actor, table));
            return;
        }
        self.actors.push(Vec::new());
        self.tables.push(self.tables[table].clone());
        self.threads.insert(pid, (self.actors.len() - 1, self.tables.len() - 1));
    }
}

/// A process at one call.
struct Process<'a> {
    table: &'a mut HashMap<i64, String>,
    children: &'a [i64],
}

impl Process<'_> {
    fn event(&mut self, call: &Call) -> Option<Event> {
        self.remember(call);
        if let Some(saw) = self.look(call) {
            return Some(saw);
        }
        let change = self.change(call)?;
        match &call.answer {
            Answer::Failed(errno) => Some(Event::Refused(change, errno.clone())),
            _ => Some(Event::Did(change)),
        }
    }

    /// What a descriptor is of.
    fn of(&self, fd: &str) -> String {
        if fd == "AT_FDCWD" {
            return "host:".into();
        }
        let number = fd.parse().unwrap_or(-2);
        self.table.get(&number).cloned().unwrap_or_else(|| format!("fd {fd}"))
    }

    /// What a name below a descriptor is of: `root:a/b`, `host:/a`.
    fn at(&self, directory: &str, name: &str) -> String {
        let name = text(name).unwrap_or_default();
        let directory = self.of(directory);
        let joined = match (&*directory, &*name) {
            (of, "" | ".") => of.to_owned(),
            ("root", name) => format!("root:{name}"),
            (_, name) if name.starts_with('/') => format!("host:{name}"),
            ("host:", name) => format!("host:{name}"),
            (of, name) => format!("{of}/{name}"),
        };
        self.children.iter().fold(joined, |joined, child| {
            joined.replace(&format!("host:/proc/{child}/"), "host:/proc/child/")
        })
    }

    fn copy_of(&self, call: &Call) -> String {
        let deep = if call.arg(2).contains("AT_RECURSIVE") { "tree" } else { "mount" };
        format!("{deep}({})", self.at(call.arg(0), call.arg(1)))
    }

    /// New descriptors.
    fn remember(&mut self, call: &Call) {
        let Some(number) = call.number() else { return };
        if call.name == "close" {
            self.table.remove(&call.arg(0).parse().unwrap_or(-2));
        }
        let label = match &*call.name {
            "openat" | "openat2" => self.at(call.arg(0), call.arg(1)),
            "open_tree" => self.copy_of(call),
            "fsopen" => text(call.arg(0)).unwrap_or_default(),
            "fsmount" => format!("new {}", self.of(call.arg(0))),
            "dup" => self.of(call.arg(0)),
            "dup2" | "dup3" => self.of(call.arg(0)),
            "fcntl" if call.arg(1).starts_with("F_DUPFD") => self.of(call.arg(0)),
            "eventfd2" => "eventfd".into(),
            "socket" if self.table.contains_key(&mark(call)) => "socket inside".into(),
            "socket" => "socket host".into(),
            "ioctl" if call.arg(1).starts_with("TIOCGPTPEER") => "peer".into(),
            "recvmsg" => return self.receive(call),
            "setns" => return drop(self.table.insert(mark(call), "moved".into())),
            _ => return,
        };
        self.table.insert(number, label);
    }

    fn receive(&mut self, call: &Call) {
        let Some((_, rest)) = call.arg(1).split_once("cmsg_data=[") else { return };
        let number = rest.split(']').next().and_then(|number| number.parse().ok());
        // By the kind of the message: a network namespace, or a terminal.
        let label = if call.arg(1).contains(r#"iov_base="\17\0"#) { "made" } else { "master" };
        self.table.extend(number.map(|number| (number, label.to_owned())));
    }

    fn look(&self, call: &Call) -> Option<Event> {
        let saw = |label, seen| Some(Event::Saw(label, seen));
        match (&*call.name, &call.answer) {
            ("openat" | "openat2", answer) if !call.args.join(" ").contains("O_CREAT") => {
                let label = self.at(call.arg(0), call.arg(1));
                match answer {
                    Answer::Failed(errno) if errno == "ENOENT" => saw(label, Seen::Missing),
                    Answer::Done(_) => saw(label, Seen::Exists),
                    _ => None,
                }
            }
            ("fstat", Answer::Done(_)) => {
                let is_directory = call.arg(1).contains("st_mode=S_IFDIR");
                let seen = if is_directory { Seen::Directory } else { Seen::NoDirectory };
                saw(self.of(call.arg(0)), seen)
            }
            ("read", Answer::Done(1..)) => {
                let label = self.of(call.arg(0));
                // Only what a step's value depends on.
                let content = text(call.arg(1)).filter(|_| is_asked_for(&label))?;
                saw(label, Seen::Text(content))
            }
            _ => None,
        }
    }

    /// What the call changes, if it changes anything.
    fn change(&mut self, call: &Call) -> Option<String> {
        let arg = |index| call.arg(index);
        let said = |index| text(call.arg(index)).unwrap_or_default();
        let name = &*call.name;
        if NOISE.iter().any(|(names, _)| names.contains(&name)) {
            return None;
        }
        Some(match name {
            "openat" | "openat2" => return self.open(call),
            "fstat" => return None,
            "write" => return self.write(call),
            "fcntl" => return self.fcntl(call),
            "ioctl" => return self.ioctl(call),
            "prctl" => return prctl(call),
            // Questions of the prober's have no filter.
            "seccomp" if arg(2) == "NULL" => return None,
            "seccomp" => format!("seccomp {} {}", arg(0), arg(1)),
            "prlimit64" if arg(2) == "NULL" => return None,
            "prlimit64" => format!("prlimit64 {} {}", arg(1), arg(2)),
            // The other commands of the prober's are no calls that could succeed.
            "close_range" if arg(2) == "CLOSE_RANGE_CLOEXEC" => return None,
            "close_range" => "close_range".into(),
            "clone3" | "clone" if call.args.iter().any(|arg| arg.contains("CLONE_THREAD")) => {
                return None;
            }
            "clone3" | "clone" => clone(call),
            "sendmsg" => tell(call),
            "sendto" => {
                let message = rtnl::message(&self.of(arg(0)), arg(1));
                return (!message.starts_with("RTM_GETLINK")).then_some(message);
            }
            "mkdir" => format!("mkdir host:{} {}", said(0), arg(1)),
            "mkdirat" => format!("mkdir {} {}", self.at(arg(0), arg(1)), arg(2)),
            "unlinkat" if arg(2) == "AT_REMOVEDIR" => format!("rmdir {}", self.at(arg(0), arg(1))),
            "unlinkat" => format!("unlink {}", self.at(arg(0), arg(1))),
            "renameat2" => {
                format!("rename {} to {}", self.at(arg(0), arg(1)), self.at(arg(2), arg(3)))
            }
            "ftruncate" => format!("ftruncate {} {}", self.of(arg(0)), arg(1)),
            "flock" => format!("flock {} {}", self.of(arg(0)), arg(1)),
            "symlinkat" => format!("symlink {} {}", said(0), self.at(arg(1), arg(2))),
            "mknodat" => format!("mknod {} {} {}", self.at(arg(0), arg(1)), arg(2), arg(3)),
            "fchownat" => format!("chown {} {} {}", self.at(arg(0), arg(1)), arg(2), arg(3)),
            "fchown" => format!("chown {} {} {}", self.of(arg(0)), arg(1), arg(2)),
            "open_tree" => format!("open_tree {}", self.copy_of(call)),
            "execveat" => format!("execveat {}", self.at(arg(0), arg(1))),
            "execve" => format!("execve {}", said(0)),
            _ => return Some(self.change_mounts_or_itself(call)),
        })
    }

    fn change_mounts_or_itself(&mut self, call: &Call) -> String {
        let arg = |index| call.arg(index);
        let said = |index| text(call.arg(index)).unwrap_or_default();
        match &*call.name {
            "fsopen" => format!("fsopen {}", said(0)),
            "fsconfig" => {
                let pair = match arg(1) {
                    "FSCONFIG_SET_STRING" => format!("{}={}", said(2), said(3)),
                    "FSCONFIG_SET_FLAG" => said(2),
                    command => command.to_owned(),
                };
                format!("fsconfig {} {pair}", self.of(arg(0)))
            }
            "bpf" if arg(0) == "BPF_PROG_ATTACH" => {
                let of = |key| member(arg(1), key).unwrap_or("?");
                format!("bpf attach {} {}", self.of(of("target_fd")), of("attach_flags"))
            }
            "bpf" => {
                let of = |key| member(arg(1), key).unwrap_or("?");
                format!("bpf {} {} of {} instructions", arg(0), of("prog_type"), of("insn_cnt"))
            }
            "fsmount" => format!("fsmount {} {}", self.of(arg(0)), words(arg(2)).join("|")),
            "move_mount" => {
                let (from, to) = (self.of(arg(0)), self.at(arg(2), arg(3)));
                // What covers the root before the change of roots is the root from then on.
                if to.starts_with("host:/") && said(3).is_empty() {
                    let number = arg(0).parse().unwrap_or(-2);
                    self.table.insert(number, "root".into());
                }
                format!("move_mount {from} -> {to}")
            }
            "mount_setattr" => {
                let deep = if arg(2).contains("AT_RECURSIVE") { " recursively" } else { "" };
                let of = |key| words(member(arg(3), key).unwrap_or("?")).join("|");
                // The field of the access time, by its name or, where strace has none, by its parts.
                let parts = "0x40|MOUNT_ATTR_NOATIME|MOUNT_ATTR_STRICTATIME";
                let of = |key| of(key).replace(parts, "MOUNT_ATTR__ATIME");
                let (set, clear, propagation) = (of("attr_set"), of("attr_clr"), of("propagation"));
                format!("mount_setattr {}{deep} +{set} -{clear} {propagation}", self.of(arg(0)))
                    .trim_end()
                    .to_owned()
            }
            "mount" => {
                let flags = words(arg(3)).join("|");
                format!("mount {} {} {} {flags} {}", arg(0), arg(1), arg(2), arg(4))
            }
            "fchdir" => format!("fchdir {}", self.of(arg(0))),
            "setns" => format!("setns {} {}", self.of(arg(0)), arg(1)),
            // Who is not the caller is its child; where that may run is whoever's choice that looks.
            "sched_setaffinity" if arg(0) != "0" => "sched_setaffinity child".into(),
            "sethostname" | "setdomainname" => format!("{} {}", call.name, said(0)),
            "chdir" | "chroot" => format!("{} {}", call.name, said(0)),
            "pivot_root" => format!("pivot_root {} {}", said(0), said(1)),
            "umount2" => format!("umount2 {} {}", said(0), arg(1)),
            "capset" => format!("capset {}", arg(1)),
            "umask" => format!("umask {}", arg(0)),
            "setgroups" => format!("setgroups {}", arg(1)),
            name => format!("{name} {}", call.args.join(" ")).trim_end().to_owned(),
        }
    }

    /// To open is no change, but with `O_CREAT` or `O_TRUNC`.
    fn open(&self, call: &Call) -> Option<String> {
        let flags = call.arg(2);
        let label = || self.at(call.arg(0), call.arg(1));
        if flags.contains("O_CREAT") {
            return Some(format!("create {} {}", label(), call.arg(3)));
        }
        flags.contains("O_TRUNC").then(|| format!("truncate {}", label()))
    }

    /// A write wakes the other thread, is a word on standard error, or changes something.
    fn write(&self, call: &Call) -> Option<String> {
        let label = self.of(call.arg(0));
        let content = text(call.arg(1)).unwrap_or_default();
        if label.ends_with("/state.json.new") {
            let record: serde_json::Value = serde_json::from_str(&content).unwrap_or_default();
            return Some(format!("write {label} a record of {}", record["planned"]));
        }
        let is_own = label == "eventfd" || matches!(call.arg(0), "1" | "2");
        (!is_own).then(|| format!("write {label} {:?}", rtnl::without_drawn_names(&content)))
    }

    /// Flags of a description may be others' too, but for the terminal's that only the launcher has.
    fn fcntl(&self, call: &Call) -> Option<String> {
        let label = self.of(call.arg(0));
        let is_change = matches!(call.arg(1), "F_SETFL" | "F_ADD_SEALS") && label != "master";
        is_change.then(|| format!("fcntl {label} {} {}", call.arg(1), call.arg(2)))
    }

    fn ioctl(&self, call: &Call) -> Option<String> {
        let request = call.arg(1);
        let is_question = QUESTIONS.iter().any(|question| request.starts_with(question));
        let label = match request {
            // On any socket.
            "SIOCSIFFLAGS" => String::new(),
            _ => format!(" {}", self.of(call.arg(0))),
        };
        (!is_question).then(|| format!("ioctl{label} {request} {}", call.arg(2)))
    }
}

/// Where a table notes that a thread has moved: its sockets are of the other network. No descriptor is negative.
fn mark(call: &Call) -> i64 {
    -i64::from(call.pid) - 10
}

/// Switches of the process; the others only read.
fn prctl(call: &Call) -> Option<String> {
    let is_question = call.arg(0).starts_with("PR_GET_") || call.arg(0) == "PR_CAPBSET_READ";
    // The name of a thread is for people.
    if is_question || call.arg(0) == "PR_SET_NAME" {
        return None;
    }
    // Where things are in memory is the process's own affair; which program is its own is not.
    if call.arg(0) == "PR_SET_MM" {
        return Some(format!("prctl PR_SET_MM {}", call.arg(1)));
    }
    let mut args: Vec<_> = call.args.iter().map(String::as_str).collect();
    while args.last() == Some(&"0") && args.len() > 2 {
        args.pop();
    }
    Some(format!("prctl {}", args.join(" ")))
}

/// Without what the applier adds: a pidfd, the child's number, and signal handlers of the launcher's taken off.
fn clone(call: &Call) -> String {
    let named = |index, key| member(call.arg(index), key);
    let flags = named(0, "{flags").or_else(|| named(0, "flags")).or_else(|| named(1, "flags"));
    let flags = words(flags.unwrap_or("?"));
    let added = ["CLONE_PIDFD", "CLONE_PARENT_SETTID", "CLONE_CLEAR_SIGHAND"];
    let flags: Vec<_> = flags.into_iter().filter(|flag| !added.contains(flag)).collect();
    format!("clone {}", flags.join("|"))
}

/// The first byte of a message is its kind; with a descriptor or without.
fn tell(call: &Call) -> String {
    let said = call.arg(1).split_once("iov_base=").map_or("", |(_, rest)| rest);
    let said = said.split(", iov_len").next().and_then(crate::strace::bytes).unwrap_or_default();
    let with = if call.arg(1).contains("SCM_RIGHTS") { " with a descriptor" } else { "" };
    format!("tell {}{with}", said.first().copied().unwrap_or(0))
}
