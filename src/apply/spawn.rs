//! Carries out a plan: the launcher's steps in order, and the whole way back if one fails.

mod launch;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use super::affinity::{self, Affinity};
use super::agent::Agent;
use super::child::{self, Launch};
use super::container::Container;
use super::dumpable::Dumpable;
use super::error::{ApplyError, Cause};
use super::hold::{Hold, Tick};
use super::io::{IgnoredSignals, Io, Sources};
use super::journal::Journal;
use super::lower::lower;
use super::made::Away;
use super::mark;
use super::network::Network;
use super::program::Program;
use super::reexec::{self, InitProgram, Letter, Reexec};
use super::script::Script;
use super::state_dir::StateDir;
use crate::plan::{Actor, Op, Plan, ProcessOp, Slot, Step, StepId, Topology, Undo};
use crate::sys::clone::{Gone, Nursery, Request};
use crate::sys::late::Late;
use crate::sys::process::Pid;
use crate::sys::shared::{LastWords, Newborn};
use crate::sys::spare::Spare;
use crate::sys::{Handle, Outcome, Sysno, host, signal};
use crate::types::{CloneFlags, HostPath, Signal};

/// Starts the container of a plan; returns when its program runs.
///
/// Safe from a program with many threads. A parent-death signal in the plan is tied to the *thread* that calls this.
///
/// # Errors
/// The step that failed. Everything done before is undone, and no process is left.
///
/// ```no_run
/// use nsplan::{apply, config::Config, facts::HostFacts, plan::plan, types::HostPath};
///
/// let facts = HostFacts::example();
/// let root = HostPath::new("/srv/rootfs").expect("absolute");
/// let config = Config::sandbox(root, vec!["sh".into()], false);
/// let plan = plan(&config, &facts).expect("root may do this");
/// let mut container = apply::spawn(&plan, apply::Io::default())?;
/// std::process::exit(container.wait().map_or(125, |status| status.code().into()));
/// # #[allow(unreachable_code)]
/// # Ok::<(), apply::ApplyError>(())
/// ```
pub fn spawn(plan: &Plan, io: Io) -> Result<Container, ApplyError> {
    launch(plan, io, None)
}

/// Starts the container of a plan by way of a program of the embedder's own, which carries out init's steps: it is to
/// hand the pipe it has as descriptor 3 to [`Stage::receive`](super::Stage::receive).
///
/// # Errors
/// As [`spawn`]; also when that program cannot be opened, sealed or executed, or gives up.
pub fn spawn_through(plan: &Plan, io: Io, init: &InitProgram) -> Result<Container, ApplyError> {
    launch(plan, io, Some(init))
}

fn launch(plan: &Plan, io: Io, through: Option<&InitProgram>) -> Result<Container, ApplyError> {
    let program =
        lower(plan).map_err(|error| ApplyError::new(plan, Some(error.step), Cause::Plan(error)))?;
    // What init's own program has beside is kept out of the way only where there is one.
    let more = through.map_or(0, |_| reexec::room(&program));
    let mut launcher = Launcher::new(Script::Lent(plan), io, Some(program), more)?;
    if let Some(through) = through {
        launcher.go_through(through).map_err(|fault| ApplyError::new(plan, None, fault.into()))?;
    }
    match launcher.carry_out(0, plan.parent.len()) {
        Ok(()) => launcher.hand_over(),
        Err((step, cause)) => Err(launcher.take_back(step, cause)),
    }
}

/// A step that failed: by name, which is not always the one at hand.
pub(super) type Failure = (StepId, Cause);

/// Between making a channel and the clone that gives its end away, no other child may be cloned: it would hold the
/// end too, and the end of file that proves an exec would wait for it.
static CLONING: Mutex<()> = Mutex::new(());

/// The launcher's ends.
#[derive(Debug, Default)]
pub(super) struct Channels {
    pub(super) init: Option<OwnedFd>,
    pub(super) intermediate: Option<OwnedFd>,
    /// Closed when init may become a program of the embedder's, if that waits for something.
    pub(super) gate: Option<OwnedFd>,
}

/// A process that was started and not waited for.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: Pid,
    pub(super) pidfd: Option<Handle>,
    /// When it was started, where that is known without asking: see [`Tick`].
    pub(super) tick: Option<Tick>,
}

/// The launcher at work on one plan.
#[derive(Debug)]
pub(super) struct Launcher<'a> {
    pub(super) plan: Script<'a>,
    pub(super) state: Option<StateDir>,
    pub(super) bundle: Option<HostPath>,
    ignored: Option<IgnoredSignals>,
    pub(super) sources: Sources,
    /// The mount of the launcher's own program, until init has it.
    sealed: Option<Handle>,
    program: Option<Program>,
    reexec: Option<(Reexec, Handle)>,
    pub(super) slots: Vec<(Slot, Handle)>,
    /// The file that the step before has written to.
    pub(super) written: Option<(HostPath, Handle)>,
    pub(super) journal: Journal,
    pub(super) held: Option<Hold>,
    pub(super) network: Option<Network>,
    /// Held while the caller's leaf must stay: from the move into it until init is cloned.
    pub(super) leaf: Option<Handle>,
    /// Where the thread runs when it has cloned.
    pub(super) affinity: Option<Affinity>,
    /// Where the thread was before it made a network for init, which it is in.
    pub(super) away: Option<Away>,
    nursery: Option<Nursery<Launch>>,
    dumpable: Option<Dumpable>,
    pub(super) intermediate: Option<Started>,
    pub(super) init: Option<Started>,
    pub(super) channels: Channels,
    pub(super) terminal: Option<OwnedFd>,
    /// Where init's program says that it is ready.
    pub(super) notify: Option<std::os::unix::net::UnixDatagram>,
    pub(super) agent: Agent,
    pub(super) last_words: Option<Arc<LastWords>>,
    /// Where init finds what to run, if it is prepared before that is known.
    pub(super) late: Option<Arc<Late>>,
    /// Where init's number is as soon as an intermediate has cloned it.
    pub(super) newborn: Option<Arc<Newborn>>,
    pub(super) ready: bool,
    /// Whether init was created by another process.
    pub(super) is_starter: bool,
    pub(super) gone: Option<Gone>,
}

impl<'a> Launcher<'a> {
    pub(super) fn new(
        plan: Script<'a>,
        io: Io,
        program: Option<Program>,
        more: usize,
    ) -> Result<Self, ApplyError> {
        let Io { stdio, passed, state, bundle, ignored, sealed } = io;
        let failed = |fault| ApplyError::new(&plan, None, Cause::Kernel(fault));
        let sources = Sources::new(stdio, passed, more).map_err(failed)?;
        let sealed = sealed.and_then(|sealed| sealed.mount);
        let sealed = sealed.map(|mount| sources.above(mount)).transpose().map_err(failed)?;
        Ok(Self {
            plan,
            state,
            bundle,
            ignored,
            sources,
            sealed,
            program,
            reexec: None,
            slots: Vec::new(),
            written: None,
            journal: Journal::default(),
            held: None,
            network: None,
            leaf: None,
            affinity: None,
            away: None,
            nursery: None,
            dumpable: None,
            intermediate: None,
            init: None,
            channels: Channels::default(),
            terminal: None,
            notify: None,
            agent: Agent::default(),
            last_words: None,
            late: None,
            newborn: None,
            ready: false,
            is_starter: false,
            gone: None,
        })
    }

    /// Init shall become that program first, which is opened now.
    fn go_through(&mut self, through: &InitProgram) -> Outcome {
        let given = self.program.as_ref().map(|program| program.given.clone()).unwrap_or_default();
        let passed = self.sources.passed.len();
        let slots: Vec<_> = given.iter().map(|(slot, _)| *slot).collect();
        let is_host_root = host::effective_uid() == 0;
        let letter = Letter::new(&self.plan, &slots, passed, is_host_root).post()?;
        let places = given.into_iter().map(|(_, place)| place).collect();
        let program = Reexec::prepare(through, places, self.sources.least)?;
        self.reexec = Some((program, letter));
        Ok(())
    }
}

impl Launcher<'_> {
    /// The launcher's steps from `first` to before `end`.
    pub(super) fn carry_out(&mut self, first: usize, end: usize) -> Result<(), Failure> {
        let plan = self.plan.clone();
        for (index, step) in (0..).zip(&plan.parent).take(end).skip(first) {
            let id = StepId { actor: Actor::Parent, index };
            mark::step_begins(id.actor, id.index);
            self.step(id, step).map_err(|failed| self.blame(id, failed))?;
        }
        mark::step_begins(Actor::Parent, u16::try_from(end).unwrap_or(u16::MAX));
        Ok(())
    }

    /// What an earlier step asks to be undone is known by now; the children's steps are begun by the clone.
    pub(super) fn record_children(&mut self) -> Outcome {
        let plan = self.plan.clone();
        for (id, step) in plan.steps().filter(|(id, _)| id.actor != Actor::Parent) {
            if let Undo::Op(undo) = &step.undo {
                self.journal.record(id, undo)?;
            }
        }
        Ok(())
    }

    /// Clones the first process of the plan.
    pub(super) fn clone(&mut self, flags: CloneFlags, starts: Actor) -> Outcome {
        let Some(program) = self.program.take() else {
            return Err(crate::sys::Fault::new(Sysno::clone3, crate::types::Errno::EEXIST));
        };
        let guard = CLONING.lock().unwrap_or_else(PoisonError::into_inner);
        let (launch, their_ends) = self.prepare(program)?;
        let nursery = self.nursery.insert(Nursery::new(launch));
        if let Some(kept) = child::kept_while_waiting(nursery.content()) {
            nursery.content().spare = Spare::beside(&kept);
        }
        if flags.contains(CloneFlags::CLONE_VM) {
            self.dumpable = Some(Dumpable::keep());
        }
        let asked = flags.difference(CloneFlags::CLONE_VFORK)
            | CloneFlags::CLONE_PIDFD
            | CloneFlags::CLONE_CLEAR_SIGHAND;
        let cgroup = self.slots.iter().find(|(slot, _)| *slot == Slot::CgroupDirectory);
        let cgroup = cgroup.filter(|_| flags.contains(CloneFlags::CLONE_INTO_CGROUP));
        let cgroup = cgroup.map(|(_, handle)| handle.fd());
        let request = Request { flags: asked, cgroup, newborn: None };
        let run = if starts == Actor::Init { child::begin_init } else { child::begin_intermediate };
        // The launcher's handlers must not run in the child, which may share its memory.
        let mask = signal::set_mask(u64::MAX)?;
        let before = Tick::now();
        let answer = nursery.start(&request, Launch::first_stack, run);
        let tick = Tick::same(before, Tick::now());
        signal::set_mask(mask)?;
        drop(their_ends);
        // Init has its own by now, if it takes it along; before it may run anything it waits for a word of the launcher's.
        self.sealed = None;
        drop(guard);
        let child = match answer {
            Ok(child) => child,
            Err(fault) => {
                if let Some(nursery) = self.nursery.take() {
                    nursery.release_unused();
                }
                return Err(fault);
            }
        };
        self.leaf = None;
        let started = Some(Started { pid: child.pid, pidfd: child.pidfd, tick });
        if starts == Actor::Init {
            self.init = started
        } else {
            self.intermediate = started
        }
        Ok(())
    }

    /// What the launcher is about to do takes a while: init is not to wait for it.
    pub(super) fn part(&self) {
        let is_shared = self.plan.topology == Topology::SharedMemory;
        let waits = |nursery: &Nursery<Launch>| !nursery.shared().begun.load(Ordering::Relaxed);
        let narrows = |step: &Step| matches!(step.op, Op::Process(ProcessOp::SetAffinity { .. }));
        let is_placed = self.plan.parent.iter().any(narrows);
        if let (Some(init), true) = (&self.init, is_shared && !is_placed)
            && self.nursery.as_ref().is_some_and(waits)
        {
            // It begins later where this does not work.
            let _ = affinity::part(init.pid);
        }
    }

    /// The program runs: what it was started with is not needed any more.
    pub(super) fn hand_over(mut self) -> Result<Container, ApplyError> {
        self.settle();
        match self.init.take() {
            Some(init) => {
                let mut container = Container::new(init, self.terminal, self.journal);
                container.notify = self.notify;
                Ok(container)
            }
            None => Err(ApplyError::new(&self.plan, None, Cause::Protocol)),
        }
    }

    /// The intermediate may have cloned init without a chance to tell.
    fn reap_intermediate(&mut self) {
        let Some(started) = self.intermediate.take() else { return };
        let _ = signal::kill(started.pid, Signal::KILL);
        let _ = host::wait(started.pid, true);
        self.learn_init();
    }

    /// Kills what was started, waits for it, undoes what was done.
    pub(super) fn take_back(mut self, step: StepId, mut cause: Cause) -> ApplyError {
        self.away = None;
        self.network = None;
        self.leaf = None;
        self.reap_intermediate();
        if let Some(started) = self.init.take() {
            let _ = signal::kill(started.pid, Signal::KILL);
            if let Ok(Some((ended, gone))) = host::wait(started.pid, true) {
                self.gone = Some(gone);
                cause.ended_so(ended.into());
            }
        }
        self.settle();
        let mut error = ApplyError::new(&self.plan, Some(step), cause);
        error.left_behind = self.journal.undo();
        error
    }

    /// Memory is given back against proof only; without it, it stays for good, and so does the dumpable flag.
    fn settle(&mut self) {
        let Some(gone) = self.gone.take() else { return };
        if let Some(nursery) = self.nursery.take() {
            nursery.release(&gone);
        }
        if let Some(dumpable) = self.dumpable.take() {
            dumpable.restore();
        }
    }
}
