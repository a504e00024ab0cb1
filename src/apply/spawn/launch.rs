//! What a child is given: its program, its ends of the channels, memory to run in.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32};
use std::os::fd::OwnedFd;

use super::{IgnoredSignals, Launcher};
use crate::apply::child::{Launch, Seat};
use crate::apply::message::Message;
use crate::apply::program::{Act, Program};
use crate::apply::reexec::{self, Reexec};
use crate::apply::state::Directory;
use crate::plan::{Actor, MountOp, Op, Plan, ProcessOp, Slot, SyncOp, Token, Topology};
use crate::sys::clone::Stack;
use crate::sys::late::Late;
use crate::sys::shared::{LastWords, Newborn};
use crate::sys::spare::Spare;
use crate::sys::words::Words;
use crate::sys::{Fd, Handle, Outcome, channel, host, process};
use crate::types::{CloneFlags, PropagationKind, Resource};

impl Launcher<'_> {
    /// Everything a child works with, and the ends of the channels that are its alone after the clone.
    pub(super) fn prepare(&mut self, program: Program) -> Outcome<(Launch, Vec<Handle>)> {
        let mut theirs = Vec::new();
        let (mine, end) = self.channel(&mut theirs)?;
        let mut init =
            Seat { stack: Stack::new()?, channel: end, not_mine: [host::number(&mine)].into() };
        let gate = self.gate(&program, &mut theirs)?;
        let has_filter = program.init.iter().any(|act| matches!(act, Act::Seccomp { .. }));
        let reexec = self.post(&mine, gate, has_filter)?;
        self.channels.init = Some(mine);
        let mut intermediate = if self.plan.topology == Topology::Intermediate {
            let (mine_too, end) = self.channel(&mut theirs)?;
            let not_mine = [init.not_mine[0], host::number(&mine_too)].into();
            // The intermediate has closed the launcher's ends by the time it clones init.
            init.not_mine = [end].into();
            self.channels.intermediate = Some(mine_too);
            self.newborn = Some(Arc::new(Newborn::new()?));
            Some(Seat { stack: Stack::new()?, channel: end, not_mine })
        } else {
            None
        };
        if let Some(gate) = &self.channels.gate {
            let first = intermediate.as_mut().unwrap_or(&mut init);
            first.not_mine.push(host::number(gate));
        }
        if program.init.iter().any(|act| matches!(act, Act::Await(Token::Payload))) {
            self.late = Some(Arc::new(Late::new()?));
        }
        // What nobody takes along is unmounted now.
        let is_through = reexec.is_some();
        self.sealed.take_if(|_| is_through || !leaves_the_old_root(&self.plan));
        let descriptors = process::descriptor_limit()?;
        let launch = Launch {
            late: self.late.clone(),
            table: (0..program.places).map(|_| AtomicI32::new(-1)).collect(),
            init,
            intermediate,
            stdio: self.sources.stdio.each_ref().map(|fd| fd.as_ref().map(Handle::fd)),
            passed: self.sources.passed.iter().map(Handle::fd).collect(),
            is_host_root: host::effective_uid() == 0,
            sealed: self.sealed.as_ref().map(Handle::fd),
            last_words: self.last_words.clone(),
            newborn: self.newborn.clone(),
            hook_stack: program.has_hooks().then(Stack::new).transpose()?,
            room: room(&program, descriptors),
            descriptors,
            reexec,
            ignored: self.ignored.map(|IgnoredSignals(ignored)| ignored),
            marks: false,
            spare: Spare::default(),
            begun: AtomicBool::new(false),
            words: if program.has_supervisor() { Some(Words::own()?) } else { None },
            program,
        };
        self.give(&launch);
        Ok((launch, theirs))
    }

    /// What an init that shall become another program first waits at: until its id maps are written. For the time of an
    /// `execve` Linux 7 shows the files of a process as root's, those maps too, and its launcher may be nobody's root.
    fn gate(&mut self, program: &Program, theirs: &mut Vec<Handle>) -> Outcome<Option<Fd>> {
        let waits = program.init.iter().any(|act| matches!(act, Act::Await(Token::MapsWritten)));
        if self.reexec.is_none() || !waits {
            return Ok(None);
        }
        let (mine, end) = self.channel(theirs)?;
        self.channels.gate = Some(mine);
        Ok(Some(end))
    }

    /// The program that init shall become first, if any, to which its letter is sent. With a filter there is room for what
    /// init can say below it.
    fn post(
        &mut self,
        mine: &OwnedFd,
        gate: Option<Fd>,
        has_filter: bool,
    ) -> Outcome<Option<Reexec>> {
        let Some((program, letter)) = self.reexec.take() else {
            if has_filter {
                self.last_words = Some(Arc::new(self.words_of_child()?));
            }
            return Ok(None);
        };
        channel::send(host::number(mine), &Message::Letter.encode(), Some(letter.fd()))?;
        if has_filter {
            self.last_words = Some(Arc::new(reexec::post_words(mine)?));
        }
        Ok(Some(program.behind(gate)))
    }

    /// The descriptors that the launcher has opened for the child.
    fn give(&self, launch: &Launch) {
        for (slot, place) in &launch.program.given {
            if let Some((_, handle)) = self.slots.iter().find(|(other, _)| other == slot) {
                launch.set(*place, handle.fd());
            }
        }
    }

    /// Memory for what init can say below its filter. Who starts it later reads that from a file.
    fn words_of_child(&self) -> Outcome<LastWords> {
        let is_held = self.slots.iter().any(|(slot, _)| *slot == Slot::Door);
        match self.journal.directory().filter(|_| is_held).map(Directory::last_file).transpose()? {
            Some(file) => LastWords::in_file(&file),
            None => LastWords::new(),
        }
    }

    fn channel(&self, theirs: &mut Vec<Handle>) -> Outcome<(OwnedFd, Fd)> {
        let (mine, end) = host::channel()?;
        let end = self.sources.above(host::handle(end))?;
        let fd = end.fd();
        theirs.push(end);
        Ok((mine, fd))
    }
}

/// Whether init detaches the host's root, in a tree of its own that nothing spreads from, and waits for the launcher before it
/// runs anything: then what is mounted there goes with it, and the launcher has let go of it in time. Until then nobody but
/// the host may look at it: there is nobody yet in its pid namespace.
fn leaves_the_old_root(plan: &Plan) -> bool {
    let is_own = |op: &Op| match op {
        Op::Mount(MountOp::IsolateTree { propagation }) => {
            propagation.recursive && propagation.kind != PropagationKind::Shared
        }
        _ => false,
    };
    let is_alone = plan.parent.iter().any(|step| match &step.op {
        Op::Process(ProcessOp::Clone { flags, starts: Actor::Init }) => {
            flags.contains(CloneFlags::CLONE_NEWPID)
        }
        _ => false,
    });
    let waits = plan.init.iter().any(|step| matches!(step.op, Op::Sync(SyncOp::Await(_))));
    let isolates = plan.init.iter().position(|step| is_own(&step.op));
    let pivots = plan.init.iter().position(|step| step.op == Op::Mount(MountOp::PivotRoot));
    let is_in_order = isolates.zip(pivots).is_some_and(|(isolates, pivots)| isolates < pivots);
    is_alone && waits && is_in_order
}

/// Below which number init may leave descriptors open until it closes all: neither its own limit nor that of its program is
/// met, with room for all trees that are held at once and for what a step needs.
fn room(program: &Program, limit: u32) -> i32 {
    const MOST: u64 = 256;
    const OF_A_STEP: u64 = 32;
    let nofile = Resource::Nofile.number();
    let (mut lowest, mut trees) = (MOST.min(limit.into()), 0);
    for act in &program.init {
        match act {
            Act::SetRlimit { resource, limit } if *resource == nofile => {
                lowest = lowest.min(limit.soft).min(limit.hard);
            }
            Act::CloneTree { .. } | Act::CloneDevice { .. } => trees += 1,
            _ => {}
        }
    }
    i32::try_from(lowest.saturating_sub(OF_A_STEP + trees)).unwrap_or(0)
}
