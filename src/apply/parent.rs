//! The launcher's steps, one arm each, and its side of the channels.

mod shared;

use alloc::boxed::Box;
use alloc::format;

use super::affinity::Affinity;
use super::error::Cause;
use super::hold::Hold;
use super::network::Network;
use super::spawn::{Failure, Launcher, Started};
use super::{cgroup, hold, idmap, leaf, made, mapped, reexec, relabel, systemd};
use crate::apply::message::Message;
use crate::plan::{
    Actor, CgroupOp, HookOp, MountOp, NamespaceOp, NetworkOp, Op, PrivilegeOp, ProcessOp,
    ResctrlOp, Slot, StateOp, Step, StepId, SyncOp, Token, Undo, UserOp,
};
use crate::sys::channel::{self, Received};
use crate::sys::clone::Gone;
use crate::sys::process::{self, Pid};
use crate::sys::{Fault, Handle, Sysno, fd, host};
use crate::types::{Errno, HostPath, NamespaceKind};

impl Launcher<'_> {
    /// One step: what undoes it is recorded first.
    pub(super) fn step(&mut self, id: StepId, step: &Step) -> Result<(), Failed> {
        if let (Undo::Op(undo), false) = (&step.undo, decides_itself(&step.op)) {
            self.journal.record(id, undo)?;
        }
        if !matches!(step.op, Op::Cgroup(CgroupOp::Write { .. })) {
            self.written = None;
        }
        match &step.op {
            Op::Cgroup(op) => Ok(self.cgroup(id, op, &step.undo)?),
            Op::State(StateOp::OpenJournal) => Ok(self.journal.open(id, self.state.as_ref())?),
            Op::State(op) => Ok(self.state(op)?),
            &Op::Process(ProcessOp::Clone { flags, starts }) => {
                self.record_children()?;
                Ok(self.clone(flags, starts)?)
            }
            Op::Mount(MountOp::MapTree { slot, .. }) => {
                Ok(self.hold(*slot, mapped::tree(&step.op)?)?)
            }
            Op::Hook(op) => Ok(self.hook(id, op, &step.undo)?),
            Op::Resctrl(op) => Ok(self.resctrl(id, op, &step.undo)?),
            Op::Namespace(op) => Ok(self.namespace(op)?),
            Op::Process(ProcessOp::SetAffinity { cpus }) => {
                self.affinity = Some(Affinity::narrow(cpus)?);
                Ok(())
            }
            Op::Process(ProcessOp::RestoreAffinity) => {
                self.affinity = None;
                Ok(())
            }
            Op::Process(ProcessOp::HoldProc) => Ok(self.hold(Slot::Proc, hold::proc_root()?)?),
            Op::Network(NetworkOp::LoopbackUp) if self.away.is_some() => {
                Ok(process::loopback_up()?)
            }
            Op::Network(op) => Ok(self.network(id, op)?),
            Op::Privilege(PrivilegeOp::Relabel { path, label }) => Ok(relabel::tree(path, label)?),
            Op::Sync(op) => self.sync(*op),
            Op::User(op) => Ok(self.user(op)?),
            Op::Privilege(PrivilegeOp::ConnectAgent { path }) => Ok(self.agent.connect(path)?),
            Op::Privilege(PrivilegeOp::SendListener { metadata }) => {
                let id = self.state.as_ref().map_or("", |state| &state.id);
                let pid = self.init.as_ref().map(|init| init.pid).ok_or(Cause::Protocol)?;
                Ok(self.agent.send(id, pid, metadata.as_deref())?)
            }
            _ => Err(Cause::Protocol.into()),
        }
    }

    fn cgroup_once(&mut self, id: StepId, op: &CgroupOp, undo: &Undo) -> Result<(), Cause> {
        match op {
            CgroupOp::MakeDirectory { path, fresh } => self.make_cgroup(id, path, *fresh, undo),
            CgroupOp::Write { file, value } => self.write(file, value),
            CgroupOp::InheritCpuset { directory } => Ok(cgroup::inherit_cpuset(directory)?),
            CgroupOp::EnableControllers { directory, controllers, more } => {
                Ok(cgroup::enable(directory, controllers, more)?)
            }
            CgroupOp::GiveTo { directory, files, uid } => Ok(cgroup::give(directory, files, *uid)?),
            CgroupOp::DevicePolicy { directory, program } => {
                Ok(cgroup::device_policy(directory, program)?)
            }
            CgroupOp::OpenTasks { file, slot } => self.hold(*slot, cgroup::open_to_write(file)?),
            CgroupOp::OpenDirectory { directory } => {
                self.hold(Slot::CgroupDirectory, cgroup::open_directory(directory)?)
            }
            CgroupOp::Place { file } => {
                let pid = format!("{}", self.init()?.number());
                Ok(cgroup::write(file, pid.as_bytes())?)
            }
            CgroupOp::MoveToLeaf { directory } => {
                self.leaf = Some(leaf::enter(directory)?);
                Ok(())
            }
            CgroupOp::StartScope { bus, unit, properties, .. } => {
                let pid = self.init()?;
                Ok(systemd::start(bus, unit, properties, pid).map_err(Box::new)?)
            }
            CgroupOp::RemoveDirectory { .. }
            | CgroupOp::StopScope { .. }
            | CgroupOp::Kill { .. }
            | CgroupOp::ReturnFromLeaf { .. }
            | CgroupOp::Enter { .. } => Err(Cause::Protocol),
        }
    }

    /// Rules for devices come in dozens, each a write of its own to the same file, which takes longer to open.
    fn write(&mut self, path: &HostPath, value: &str) -> Result<(), Cause> {
        let file = match self.written.take() {
            Some((last, file)) if last == *path => file,
            _ => cgroup::open_to_write(path)?,
        };
        fd::write(file.fd(), value.as_bytes())?;
        self.written = Some((path.clone(), file));
        Ok(())
    }

    pub(super) fn hold(&mut self, slot: Slot, handle: Handle) -> Result<(), Cause> {
        let above = self.sources.above(handle)?;
        self.slots.push((slot, above));
        Ok(())
    }

    /// What is in a slot, which is empty then.
    fn take(&mut self, slot: Slot) -> Option<Handle> {
        let at = self.slots.iter().position(|(other, _)| *other == slot)?;
        Some(self.slots.remove(at).1)
    }

    /// On a container that runs and is to be joined, and on one of init's that is made meanwhile.
    fn namespace(&mut self, op: &NamespaceOp) -> Result<(), Cause> {
        match op {
            &NamespaceOp::Hold { pid, start_time, keep } => {
                let pid = i32::try_from(pid).ok().and_then(Pid::new).ok_or(Cause::Protocol)?;
                let gone = || Fault::new(Sysno::pidfd_open, Errno::ESRCH);
                let held = Hold::of(pid, start_time)?.ok_or_else(gone)?;
                if keep {
                    let absent = || Fault::new(Sysno::pidfd_open, Errno::ENOSYS);
                    self.hold(Slot::Held, held.pidfd_copy()?.ok_or_else(absent)?)?;
                }
                self.held = Some(held);
                Ok(())
            }
            NamespaceOp::Make { kind: NamespaceKind::Net } => {
                self.part();
                let (made, away) = made::network()?;
                self.away = Some(away);
                self.hold(Slot::Namespace(NamespaceKind::Net), made)
            }
            NamespaceOp::Return { kind: NamespaceKind::Net } => {
                Ok(self.away.take().ok_or(Cause::Protocol)?.come_back()?)
            }
            NamespaceOp::OpenHeld { kind } => {
                let held = self.held.as_ref().ok_or(Cause::Protocol)?;
                self.hold(Slot::Namespace(*kind), held.namespace(*kind)?)
            }
            _ => Err(Cause::Protocol),
        }
    }

    fn user(&self, op: &UserOp) -> Result<(), Cause> {
        let pid = self.init()?;
        match op {
            UserOp::DenySetgroups => Ok(idmap::deny_setgroups(pid)?),
            UserOp::WriteIdMap { kind, map } => Ok(idmap::write_map(pid, *kind, map)?),
            UserOp::RunMapHelper { program, map, .. } => idmap::run_helper(pid, program, map),
            _ => Err(Cause::Protocol),
        }
    }

    fn network(&mut self, id: StepId, op: &NetworkOp) -> Result<(), Cause> {
        let mut network = match self.network.take() {
            Some(network) => network,
            None => Network::open(self.init()?)?,
        };
        network.step(id, op, &mut self.journal)?;
        self.network = Some(network);
        Ok(())
    }

    pub(super) fn init(&self) -> Result<Pid, Cause> {
        self.init.as_ref().map(|init| init.pid).ok_or(Cause::Protocol)
    }

    fn sync(&mut self, op: SyncOp) -> Result<(), Failed> {
        match op {
            SyncOp::Signal(token) => {
                match token {
                    Token::NetworkReady => self.network = None,
                    Token::MapsWritten => self.channels.gate = None,
                    _ => {}
                }
                self.tell(token)
            }
            SyncOp::Await(Token::InitPid) => self.await_init(),
            SyncOp::Await(token) => self.await_token(token),
            SyncOp::Knock => Ok(self.knock()?),
            SyncOp::AwaitKnock => Err(Cause::Protocol.into()),
            SyncOp::AwaitExec => match self.receive(Actor::Init, true)? {
                None if self.ready => Ok(()),
                None => Err(Cause::ENDED.into()),
                Some(_) => Err(Cause::Protocol.into()),
            },
        }
    }

    /// One that is gone has said why, or was ended.
    fn tell(&mut self, token: Token) -> Result<(), Failed> {
        let along = match token {
            Token::NetworkMade => self.take(Slot::Namespace(NamespaceKind::Net)),
            _ => None,
        };
        let channel = self.channels.init.as_ref().ok_or(Cause::Protocol)?;
        let along = along.as_ref().map(Handle::fd);
        match channel::send(host::number(channel), &Message::Token(token).encode(), along) {
            // Reset: it is gone, and something it was told is unread.
            Err(fault) if fault.is(Errno::EPIPE) || fault.is(Errno::ECONNRESET) => {
                match self.receive(Actor::Init, true)? {
                    None => Err(Cause::ENDED.into()),
                    Some(_) => Err(Cause::Protocol.into()),
                }
            }
            answer => Ok(answer?),
        }
    }

    fn await_token(&mut self, token: Token) -> Result<(), Failed> {
        loop {
            if token == Token::Terminal && self.terminal.is_some() {
                return Ok(());
            }
            match self.receive(Actor::Init, true)? {
                Some(Message::Token(got)) if got == token => {
                    self.ready |= token == Token::Ready;
                    return Ok(());
                }
                Some(Message::Token(Token::Terminal)) => {}
                Some(_) => return Err(Cause::Protocol.into()),
                None => return Err(Cause::ENDED.into()),
            }
        }
    }

    /// The intermediate has cloned init, has nothing more to do, and is waited for.
    fn await_init(&mut self) -> Result<(), Failed> {
        let Some(Message::Token(Token::InitPid)) = self.receive(Actor::Intermediate, true)? else {
            return Err(Cause::ENDED.into());
        };
        self.learn_init();
        if let Some(intermediate) = self.intermediate.take() {
            host::wait(intermediate.pid, true)?;
        }
        // Silence, unless it failed after it had told.
        self.receive(Actor::Intermediate, false).map(drop).or_else(|failed| match failed.at {
            Some(_) => Err(failed),
            None => Ok(()),
        })
    }

    /// Who init is, if the intermediate has cloned it. To be asked when that has told so, or is gone: then the number is
    /// there, whatever has become of it since.
    pub(super) fn learn_init(&mut self) {
        let pid = self.newborn.as_ref().and_then(|newborn| newborn.pid());
        if let (None, Some(pid)) = (&self.init, pid) {
            self.init = Some(Started { pid, pidfd: host::pidfd_open(pid).ok(), tick: None });
        }
    }

    /// The next message of a process, `None` at end of file.
    fn receive(&mut self, from: Actor, wait: bool) -> Result<Option<Message>, Failed> {
        let channel = match from {
            Actor::Intermediate => self.channels.intermediate.as_ref(),
            _ => self.channels.init.as_ref(),
        };
        let received = channel::receive(host::number(channel.ok_or(Cause::Protocol)?), wait)?;
        if from == Actor::Init {
            self.gone = Gone::by_end_of_file(&received);
        }
        let (message, fd) = match received {
            Received::Message(bytes, fd) => (Message::decode(bytes), fd),
            Received::End => match self.last_words(from) {
                Some(bytes) => (Message::decode(bytes), None),
                None => return Ok(None),
            },
        };
        if message == Some(Message::GivenUp) {
            return Err(Cause::GivenUp { words: reexec::words_of(fd) }.into());
        }
        if let Some(fd) = fd.map(host::owned) {
            match message {
                Some(Message::Token(Token::Listener)) => self.agent.listener = Some(fd),
                _ => self.terminal = Some(fd),
            }
        }
        match message.ok_or(Cause::Protocol)? {
            Message::Failed { step, fault } => {
                let at = Some(StepId { actor: from, index: step });
                Err(Failed { at, cause: fault.into() })
            }
            Message::NotBegun(fault) => Err(Cause::NotBegun(fault).into()),
            message => Ok(Some(message)),
        }
    }

    /// What init has left in memory since its filter kept it from telling.
    fn last_words(&self, from: Actor) -> Option<[u8; 8]> {
        if from != Actor::Init {
            return None;
        }
        match &self.last_words {
            Some(words) => words.read(),
            // Of a container that another process has created.
            None if self.is_starter => self.journal.directory()?.last_words(),
            None => None,
        }
    }

    /// Who is to blame for a failure at step `id`: a process that has reported its own, or is gone without a word, or the
    /// step. Files of a process that is gone belong to nobody, so what cannot be written to them is not the reason.
    pub(super) fn blame(&mut self, id: StepId, failed: Failed) -> Failure {
        if let Some(at) = failed.at {
            return (at, failed.cause);
        }
        let mut is_gone = false;
        for from in [Actor::Intermediate, Actor::Init] {
            loop {
                match self.receive(from, false) {
                    Err(Failed { at: Some(at), cause }) => return (at, cause),
                    Err(Failed { cause, .. }) if cause.is_told() => return (id, cause),
                    Ok(Some(_)) => {}
                    Ok(None) => {
                        // One that was never there has not gone.
                        is_gone = from == Actor::Init && self.init.is_some() && !self.ready;
                        break;
                    }
                    Err(_) => break,
                }
            }
        }
        (id, if is_gone && !failed.cause.is_told() { Cause::ENDED } else { failed.cause })
    }
}

/// Why a step was not done, and whose step it was if not the one at hand.
#[derive(Debug)]
pub(super) struct Failed {
    at: Option<StepId>,
    cause: Cause,
}

impl Failed {
    /// Why, whoever's step it was.
    pub(super) fn into_cause(self) -> Cause {
        self.cause
    }
}

impl<C: Into<Cause>> From<C> for Failed {
    fn from(cause: C) -> Self {
        Self { at: None, cause: cause.into() }
    }
}

/// Steps that know only when they are done whether there is something to undo.
fn decides_itself(op: &Op) -> bool {
    matches!(
        op,
        Op::Cgroup(CgroupOp::MakeDirectory { .. })
            | Op::Network(NetworkOp::MakeVeth { .. } | NetworkOp::MoveLink { .. })
            | Op::State(StateOp::OpenJournal)
            | Op::Hook(HookOp::Promise)
            | Op::Resctrl(ResctrlOp::MakeGroup { .. })
    )
}
