//! A plan becomes the least that can be done for it: a program of its bare system calls, with every answer known.
//!
//! It does what the plan does and nothing for safety's sake: no path is resolved, no number verified, nothing journaled,
//! nothing probed, no channel kept; a child shares memory and its parent sleeps. A step it does not know is refused, so
//! that it never does less than the plan unnoticed; a test compares what containers of both see.

use std::fs;
use std::path::Path;

use nsplan::plan::{
    Actor, CgroupOp, IdKind, MountApi, NamespaceOp, NetworkOp, Op, Plan, ProcessOp, Slot, Step,
    SyncOp, Token, Topology, Undo, UserOp,
};
use nsplan::types::{CloneFlags, NamespaceKind};

use crate::machine::{Kept, Machine, Word, low, number};
use crate::mounts::Mounts;

/// How often the program does it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    /// Once; the exit code is the program's own.
    Once,
    /// So often; then the times of beginning and end of each, as `struct timespec`, go to standard output.
    Loop(u32),
}

/// Why there is no floor for a plan.
pub(crate) type Unknown = String;

/// The program for a plan.
///
/// # Errors
/// The step that it has no calls for.
pub(crate) fn floor(plan: &Plan, times: Times) -> Result<Vec<u8>, Unknown> {
    if plan.mount_api != MountApi::Detached || plan.topology != Topology::SharedMemory {
        return Err("a kernel before 5.12, or namespaces that are joined".into());
    }
    let mut floor = Floor::new(plan);
    match times {
        Times::Once => floor.once()?,
        Times::Loop(count) => floor.many(count)?,
    }
    Ok(floor.machine.finish())
}

pub(crate) struct Floor<'a> {
    pub(crate) machine: Machine,
    plan: &'a Plan,
    pub(crate) mounts: Mounts,
    kept: Vec<(Slot, Kept)>,
    pipe: Option<(Kept, Kept)>,
    /// Descriptors of the parent, to be closed before it goes round again.
    open: Vec<Kept>,
    ended: Word,
}

pub(crate) const HERE: i32 = libc::AT_FDCWD;

impl<'a> Floor<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut machine = Machine::default();
        // A siginfo_t, and the pipe's two descriptors.
        let ended = machine.words(&[0; 17]);
        let mounts = Mounts::new(plan);
        Self { machine, plan, mounts, kept: vec![], pipe: None, open: vec![], ended }
    }

    fn once(&mut self) -> Result<(), Unknown> {
        self.parent()?;
        self.machine.exit_with(self.ended, STATUS);
        Ok(())
    }

    fn many(&mut self, count: u32) -> Result<(), Unknown> {
        let size = 32 * usize::try_from(count).unwrap_or(0);
        let times = self.machine.bytes(&vec![0; size]);
        let next = self.machine.keep(low(times));
        let counter = self.machine.keep(count);
        let mark = self.machine.mark();
        self.stamp(next);
        self.parent()?;
        self.stamp(next);
        for fd in std::mem::take(&mut self.open) {
            self.machine.call(libc::SYS_close, &[Word::Of(fd)]);
        }
        self.machine.again(counter, mark);
        self.machine.call(libc::SYS_write, &[1.into(), times, size.into()]);
        self.machine.call(libc::SYS_exit_group, &[0.into()]);
        Ok(())
    }

    fn stamp(&mut self, next: Kept) {
        let clock = libc::CLOCK_MONOTONIC.into();
        self.machine.call(libc::SYS_clock_gettime, &[clock, Word::Of(next)]);
        self.machine.add(next, 16);
    }

    fn parent(&mut self) -> Result<(), Unknown> {
        let plan = self.plan;
        let mut child = None;
        for step in &plan.parent {
            match &step.op {
                Op::State(_) => {}
                Op::Cgroup(op) => self.cgroup(op)?,
                Op::Process(ProcessOp::Clone { flags, starts: Actor::Init }) => {
                    // One after the other: what nsplan makes while init is at work is made with it, or before.
                    for step in &plan.init {
                        if let Op::Cgroup(op @ CgroupOp::DevicePolicy { .. }) = &step.op {
                            self.cgroup(op)?;
                        }
                    }
                    let made = plan.parent.iter().filter_map(|step| match &step.op {
                        Op::Namespace(NamespaceOp::Make { kind }) => Some(kind.clone_flag()),
                        _ => None,
                    });
                    child = Some(self.clone(made.fold(*flags, CloneFlags::union))?);
                }
                Op::Namespace(NamespaceOp::Make { .. } | NamespaceOp::Return { .. })
                | Op::Network(NetworkOp::LoopbackUp) => {}
                Op::User(UserOp::DenySetgroups) => self.proc_of(child, "/setgroups", "deny"),
                Op::User(UserOp::WriteIdMap { kind, map }) => {
                    let file = if *kind == IdKind::Uid { "/uid_map" } else { "/gid_map" };
                    self.proc_of(child, file, &map.to_proc_text());
                }
                Op::Sync(SyncOp::Signal(Token::MapsWritten)) => {
                    let (_, write) = self.pipe.ok_or("nobody waits")?;
                    let byte = self.machine.text("");
                    self.machine.call(libc::SYS_write, &[Word::Of(write), byte, 1.into()]);
                }
                // Init's end tells the same.
                // A floor keeps no state, so nobody waits for it.
                Op::Sync(
                    SyncOp::Await(Token::Ready)
                    | SyncOp::AwaitExec
                    | SyncOp::Signal(Token::NetworkMade | Token::Recorded),
                ) => {}
                _ => return Err(unknown(step)),
            }
        }
        let pid = Word::Of(child.ok_or("nothing is cloned")?);
        let wait = [libc::P_PID.into(), pid, self.ended, libc::WEXITED.into(), 0.into()];
        self.machine.call(libc::SYS_waitid, &wait);
        for step in plan.parent.iter().rev() {
            let Undo::Op(op) = &step.undo else { continue };
            match &**op {
                Op::Cgroup(CgroupOp::RemoveDirectory { path, .. }) => {
                    let path = self.machine.text(path.as_str());
                    self.machine.attempt(libc::SYS_rmdir, &[path]);
                }
                // Nothing is left to be killed where a pid namespace has ended.
                Op::State(_) | Op::Cgroup(CgroupOp::Kill { .. }) => {}
                _ => return Err(unknown(step)),
            }
        }
        Ok(())
    }

    fn cgroup(&mut self, op: &CgroupOp) -> Result<(), Unknown> {
        match op {
            CgroupOp::MakeDirectory { path, fresh } => {
                let path = self.machine.text(path.as_str());
                let args = [path, 0o755.into()];
                if *fresh {
                    self.machine.call(libc::SYS_mkdir, &args);
                } else {
                    self.machine.attempt(libc::SYS_mkdir, &args);
                }
            }
            CgroupOp::Write { file, value } => self.write(file.as_str(), value),
            CgroupOp::InheritCpuset { directory } => {
                let (above, _) = directory.as_str().rsplit_once('/').unwrap_or_default();
                for name in ["cpuset.cpus", "cpuset.mems"] {
                    let value = fs::read_to_string(format!("{above}/{name}"));
                    let value = value.map_err(|error| format!("{above}/{name}: {error}"))?;
                    self.write(&format!("{directory}/{name}"), value.trim());
                }
            }
            CgroupOp::EnableControllers { directory, controllers, more } => {
                let file = format!("{directory}/cgroup.subtree_control");
                let on = fs::read_to_string(&file).unwrap_or_default();
                let is_off = |name: &&String| !on.split_whitespace().any(|word| word == **name);
                let off: Vec<_> = controllers
                    .iter()
                    .chain(more)
                    .filter(is_off)
                    .map(|name| format!("+{name}"))
                    .collect();
                if !off.is_empty() {
                    self.write(&file, &off.join(" "));
                }
            }
            CgroupOp::OpenTasks { file, slot } => {
                let fd = self.open(file.as_str(), libc::O_WRONLY);
                self.keep(*slot, fd);
            }
            CgroupOp::OpenDirectory { directory } => {
                let fd = self.open(directory.as_str(), libc::O_DIRECTORY);
                self.keep(Slot::CgroupDirectory, fd);
            }
            CgroupOp::DevicePolicy { directory, program } => {
                let words: Vec<u64> =
                    program.iter().map(|i| u64::from_ne_bytes(i.to_bytes())).collect();
                self.device_policy(directory.as_str(), &words);
            }
            _ => return Err(format!("{op:?}")),
        }
        Ok(())
    }

    fn device_policy(&mut self, directory: &str, program: &[u64]) {
        const PROGRAM_LOAD: i32 = 5;
        const PROGRAM_ATTACH: i32 = 8;
        const CGROUP_DEVICE: u64 = 15;
        const ATTACH_DEVICE: u64 = 6;
        const ALLOW_MULTI: u64 = 2;
        let count = u64::try_from(program.len()).unwrap_or(0);
        let instructions = number(self.machine.words(program));
        let licence = number(self.machine.text("GPL"));
        let load = [CGROUP_DEVICE | count << 32, instructions, licence, 0, 0, 0];
        let load = self.machine.words(&load);
        let program = self.machine.make(libc::SYS_bpf, &[PROGRAM_LOAD.into(), load, 48.into()]);
        let directory = self.open(directory, libc::O_DIRECTORY);
        let attach = self.machine.words(&[0, ATTACH_DEVICE | ALLOW_MULTI << 32]);
        self.machine.put(directory, attach, 0);
        self.machine.put(program, attach, 4);
        self.machine.call(libc::SYS_bpf, &[PROGRAM_ATTACH.into(), attach, 16.into()]);
        self.open.push(program);
    }

    /// The parent sleeps until init has begun its program, unless it is needed before.
    fn clone(&mut self, flags: CloneFlags) -> Result<Kept, Unknown> {
        let awaits = |step: &Step| step.op == Op::Sync(SyncOp::Await(Token::MapsWritten));
        let mut flags = flags;
        if self.plan.init.iter().any(awaits) {
            let ends = self.machine.words(&[0]);
            self.machine.call(libc::SYS_pipe2, &[ends, libc::O_CLOEXEC.into()]);
            let pair = (self.machine.load(ends, 0), self.machine.load(ends, 4));
            self.open.extend([pair.0, pair.1]);
            self.pipe = Some(pair);
        } else {
            flags |= CloneFlags::CLONE_VFORK;
        }
        let child_signal = u64::from(libc::SIGCHLD.cast_unsigned());
        let request = [flags.bits(), 0, 0, 0, child_signal, 0, 0, 0, 0, 0, 0];
        let size = 8 * request.len();
        let request = self.machine.words(&request);
        if let Some(directory) = self.slot(Slot::CgroupDirectory) {
            self.machine.put(directory, request, 80);
        }
        let jump = self.machine.fork(libc::SYS_clone3, &[request, size.into()]);
        self.init()?;
        Ok(self.machine.join(jump))
    }

    fn init(&mut self) -> Result<(), Unknown> {
        let plan = self.plan;
        for step in &plan.init {
            match &step.op {
                Op::Cgroup(CgroupOp::Enter { slot }) => {
                    let tasks = Word::Of(self.slot(*slot).ok_or("a file that is not open")?);
                    let zero = self.machine.text("0");
                    self.machine.call(libc::SYS_write, &[tasks, zero, 1.into()]);
                }
                Op::Cgroup(CgroupOp::DevicePolicy { .. }) => {}
                Op::Mount(op) => self.mount(op)?,
                // It is born in it, and alone to set it up.
                Op::Namespace(NamespaceOp::Join { kind: NamespaceKind::Net }) => {
                    let sets_up = |step: &Step| step.op == Op::Network(NetworkOp::LoopbackUp);
                    if plan.parent.iter().any(sets_up) {
                        self.loopback_up();
                    }
                }
                Op::Sync(SyncOp::Await(Token::NetworkMade)) => {}
                Op::Namespace(op) => self.namespace(op).ok_or_else(|| unknown(step))?,
                Op::Network(NetworkOp::LoopbackUp) => self.loopback_up(),
                Op::Process(op) => self.process(op).ok_or_else(|| unknown(step))?,
                Op::Privilege(op) => self.privilege(op).ok_or_else(|| unknown(step))?,
                Op::Sync(SyncOp::Await(Token::MapsWritten)) => {
                    let (read, write) = self.pipe.ok_or("nobody writes")?;
                    // With an end of its own it would wait for ever for a parent that has failed.
                    self.machine.call(libc::SYS_close, &[Word::Of(write)]);
                    let byte = self.machine.text("");
                    self.machine.call(libc::SYS_read, &[Word::Of(read), byte, 1.into()]);
                }
                Op::Sync(SyncOp::Signal(Token::Ready) | SyncOp::Await(Token::Recorded)) => {}
                Op::User(op) => self.user(op).ok_or_else(|| unknown(step))?,
                _ => return Err(unknown(step)),
            }
        }
        Ok(())
    }

    fn proc_of(&mut self, child: Option<Kept>, file: &str, value: &str) {
        let Some(child) = child else { return };
        let directory = self.machine.text("/proc");
        let flags = libc::O_PATH | libc::O_CLOEXEC;
        let proc = self.machine.make(libc::SYS_openat, &[HERE.into(), directory, flags.into()]);
        let path = self.machine.decimal(child, file);
        let flags = (libc::O_WRONLY | libc::O_CLOEXEC).into();
        let file = self.machine.make(libc::SYS_openat, &[Word::Of(proc), Word::Of(path), flags]);
        self.write_to(file, value);
        self.machine.call(libc::SYS_close, &[Word::Of(proc)]);
    }

    fn open(&mut self, path: &str, flags: i32) -> Kept {
        let path = self.machine.text(path);
        let flags = (flags | libc::O_CLOEXEC).into();
        let fd = self.machine.make(libc::SYS_openat, &[HERE.into(), path, flags]);
        self.open.push(fd);
        fd
    }

    pub(crate) fn write(&mut self, path: &str, value: &str) {
        let path = self.machine.text(path);
        let flags = (libc::O_WRONLY | libc::O_CLOEXEC).into();
        let file = self.machine.make(libc::SYS_openat, &[HERE.into(), path, flags]);
        self.write_to(file, value);
    }

    pub(crate) fn write_to(&mut self, file: Kept, value: &str) {
        let text = self.machine.text(value);
        self.machine.call(libc::SYS_write, &[Word::Of(file), text, value.len().into()]);
        self.machine.call(libc::SYS_close, &[Word::Of(file)]);
    }

    pub(crate) fn keep(&mut self, slot: Slot, fd: Kept) {
        self.kept.retain(|(other, _)| *other != slot);
        self.kept.push((slot, fd));
    }

    pub(crate) fn slot(&self, slot: Slot) -> Option<Kept> {
        self.kept.iter().find(|(other, _)| *other == slot).map(|(_, fd)| *fd)
    }
}

/// Where `si_status` is in a `siginfo_t`.
const STATUS: u32 = 24;

pub(crate) fn unknown(step: &Step) -> Unknown {
    format!("the floor has no calls for {:?}", step.op)
}

pub(crate) fn exists(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}
