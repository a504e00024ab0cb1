//! Walks a [`Program`] between clone and exec: one small function a step, each answers with the call that failed.
//!
//! May run in the launcher's own memory. So: raw calls, the launch and the stack, nothing else. It allocates nothing,
//! locks nothing, formats nothing but small integers, and never returns or unwinds.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use super::mark;
use super::message::Message;
use super::program::{Act, Place, Program};
use super::reexec::Reexec;
use crate::plan::{Actor, Token};
use crate::sys::channel::{self, Received};
use crate::sys::clone::{self, Request, Stack};
use crate::sys::late::Late;
use crate::sys::shared::{LastWords, Newborn};
use crate::sys::spare::Spare;
use crate::sys::words::Words;
use crate::sys::{
    Fault, Fd, Handle, Outcome, Sysno, bpf, fd, file, mount, privilege, process, signal, treatment,
};
use crate::types::Errno;

mod copy;
mod descriptors;
mod files;
mod filter;
mod held;
mod hidden;
mod hooks;
mod identity;
mod mounts;
mod network;
mod path;
mod prepared;
mod procfs;
mod root;
mod supervise;
mod terminal;

pub(super) use mounts::read_only;
pub(super) use prepared::kept_while_waiting;

/// Everything a child has, prepared by the launcher. It changes nothing in it but the table.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: Program,
    /// Descriptors kept between steps, -1 where there is none.
    pub(crate) table: Vec<AtomicI32>,
    pub(crate) init: Seat,
    pub(crate) intermediate: Option<Seat>,
    /// What become descriptors 0, 1 and 2; `None` is left as it is.
    pub(crate) stdio: [Option<Fd>; 3],
    /// What become descriptors 3, 4, 5…
    pub(crate) passed: Vec<Fd>,
    /// Whether the launcher is the host's root.
    pub(crate) is_host_root: bool,
    /// What to run, for a process that is prepared before that is known.
    pub(crate) late: Option<Arc<Late>>,
    /// Where init says why it failed, when its filter may keep it from telling.
    pub(crate) last_words: Option<Arc<LastWords>>,
    /// Where the launcher finds init's number when the intermediate has cloned it.
    pub(crate) newborn: Option<Arc<Newborn>>,
    /// The mount of the launcher's program, to be taken along with the root that init leaves.
    pub(crate) sealed: Option<Fd>,
    /// For the hooks that init runs, one after another.
    pub(crate) hook_stack: Option<Stack>,
    /// Descriptors below this may be open: for kernels without `close_range`.
    pub(crate) descriptors: u32,
    /// The signals that the launcher ignores, if that is known.
    pub(crate) ignored: Option<u64>,
    /// Descriptors below this may stay open until all are closed: 0 in a process where that never happens.
    pub(crate) room: i32,
    /// Whether descriptors are marked to be closed by `execve` instead of closed: they have owners in this program.
    pub(crate) marks: bool,
    /// The program that init becomes before it begins its script, if it is to.
    pub(crate) reexec: Option<Reexec>,
    /// What an init that waits for its program lets go of first.
    pub(crate) spare: Spare,
    /// Where the launcher's arguments and environment are, for an init that stays.
    pub(crate) words: Option<Words>,
    /// Whether init has begun, for a launcher that shares this.
    pub(crate) begun: AtomicBool,
}

/// Where one process sits.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) stack: Stack,
    /// Its end of the channel.
    pub(crate) channel: Fd,
    /// The ends of others, which it must not hold: they could not be seen to hang up.
    pub(crate) not_mine: Vec<Fd>,
}

impl Launch {
    pub(crate) fn init_stack(&self) -> &Stack {
        &self.init.stack
    }

    pub(crate) fn first_stack(&self) -> &Stack {
        self.intermediate.as_ref().map_or(&self.init.stack, |seat| &seat.stack)
    }

    /// The descriptor kept at `place`, if there is one.
    pub(crate) fn at(&self, place: Place) -> Option<Fd> {
        let number = self.table.get(place.0)?.load(Ordering::Relaxed);
        (number >= 0).then_some(Fd(number))
    }

    pub(crate) fn set(&self, place: Place, fd: Fd) {
        if let Some(entry) = self.table.get(place.0) {
            entry.store(fd.0, Ordering::Relaxed);
        }
    }
}

/// Init begins.
pub(crate) extern "C" fn begin_init(launch: &Launch) -> ! {
    let child =
        Child { launch, program: &launch.program, channel: launch.init.channel, is_started: false };
    launch.begun.store(true, Ordering::Relaxed);
    child.settle(&launch.init);
    if let Err(fault) = child.place_stdio().and_then(|()| child.place_descriptors()) {
        child.fail(0, fault);
    }
    if let Some(reexec) = &launch.reexec {
        let fault = reexec.begin(launch);
        child.report(&Message::NotBegun(fault))
    }
    child.walk(Actor::Init)
}

/// One step of init's in the calling process, which has become init already.
pub(super) fn step(launch: &Launch, step: u16) -> Outcome {
    let child =
        Child { launch, program: &launch.program, channel: launch.init.channel, is_started: false };
    match launch.program.script(Actor::Init).get(usize::from(step)) {
        Some(act) => child.act(act),
        None => Ok(()),
    }
}

/// Puts what is passed on to the program in its place, in a process that has become init already.
pub(super) fn place_passed(launch: &Launch) -> Outcome {
    let child =
        Child { launch, program: &launch.program, channel: launch.init.channel, is_started: false };
    child.place_descriptors()
}

/// The intermediate begins.
pub(crate) extern "C" fn begin_intermediate(launch: &Launch) -> ! {
    let Some(seat) = &launch.intermediate else { process::exit(FAILED) };
    let child =
        Child { launch, program: &launch.program, channel: seat.channel, is_started: false };
    child.settle(seat);
    child.walk(Actor::Intermediate)
}

/// Exit code of a child that could not do its part; nobody but the launcher ever sees it.
const FAILED: u32 = 125;

/// A process at work.
#[derive(Clone, Copy)]
struct Child<'a> {
    launch: &'a Launch,
    program: &'a Program,
    channel: Fd,
    /// Whether the channel is that to a starter.
    is_started: bool,
}

impl Child<'_> {
    /// Signals are as in a new process: handlers of the launcher's must not run here, so they go before the mask.
    fn settle(self, seat: &Seat) {
        signal::reset_dispositions(self.launch.ignored.unwrap_or(u64::MAX));
        let _ = signal::set_mask(0);
        for &other in &seat.not_mine {
            let _ = fd::close(other);
        }
    }

    /// The launcher has put all sources above the places they go to, so none is overwritten.
    fn place_stdio(self) -> Outcome {
        for (number, &source) in (0..).zip(&self.launch.stdio) {
            if let Some(source) = source {
                fd::dup3(source, Fd(number))?;
            }
        }
        Ok(())
    }

    /// What the program is given beside; on the way through another program it goes elsewhere.
    fn place_descriptors(self) -> Outcome {
        if self.launch.reexec.is_some() {
            return Ok(());
        }
        for (number, &source) in (3..).zip(&self.launch.passed) {
            fd::dup3(source, Fd(number))?;
        }
        Ok(())
    }

    fn walk(mut self, actor: Actor) -> ! {
        for (step, act) in (0..).zip(self.program.script(actor)) {
            mark::step_begins(actor, step);
            let answer = match act {
                Act::AwaitKnock { door } => self.await_knock(*door),
                _ => self.act(act),
            };
            if let Err(fault) = answer {
                self.fail(step, fault);
            }
        }
        process::exit(0)
    }

    fn fail(self, step: u16, fault: Fault) -> ! {
        self.report(&Message::Failed { step, fault })
    }

    /// A filter may keep the message from being sent, or this process from ending by a call.
    fn report(self, message: &Message) -> ! {
        let message = message.encode();
        if let Some(words) = &self.launch.last_words {
            words.leave(message);
        }
        let _ = channel::send(self.channel, &message, None);
        process::exit(FAILED)
    }

    fn act(self, act: &Act) -> Outcome {
        match act {
            Act::Enter(place) => fd::write(self.at(*place)?, b"0"),
            Act::DevicePolicy { directory, program } => bpf::police(self.at(*directory)?, program),
            Act::OpenNamespace { path, place } => {
                let opened = fd::openat(Fd::CWD, path, crate::sys::abi::O_RDONLY, 0)?;
                self.keep(*place, opened);
                Ok(())
            }
            Act::Join { place, flag } => self.join(*place, *flag),
            Act::Unshare { flag } => process::unshare(*flag),
            Act::WriteProc { path, value } => self.write_host_proc(path, value),
            Act::Sysctl { proc, path, value } => self.sysctl(*proc, path, value),
            Act::ExecLabel { proc, path, value } => self.exec_label(*proc, path, value),
            Act::SetHostname(name) => process::sethostname(name),
            Act::SetDomainname(name) => process::setdomainname(name),
            Act::LoopbackUp => process::loopback_up(),
            Act::Clone { flags } => self.clone_init(*flags),
            Act::DieWithParent { signal } => self.die_with_parent(*signal),
            Act::NewSession => process::setsid(),
            Act::Umask(mask) => file::umask(*mask),
            Act::SetRlimit { resource, limit } => process::set_rlimit(*resource, *limit),
            Act::CloseDescriptors { keep } => self.close_descriptors(*keep),
            Act::Hook(hook) => self.hook(hook),
            Act::Supervise { terminal } => self.supervise(*terminal),
            Act::ChangeDirectory(path) => self.enter_directory(path),
            Act::Find(candidates) => held::find(candidates),
            Act::Execute(execute) => Err(self.execute(execute)),
            Act::Signal(Token::Prepared) => self.tell_prepared(),
            Act::Signal(token) => self.signal(*token),
            Act::Await(Token::Payload) => self.wait_for_payload(),
            Act::Await(token) => self.wait_for(*token).map(drop),
            Act::ReceiveNetwork(place) => self.receive_network(*place),
            Act::BecomeRoot { .. }
            | Act::SetGroups(_)
            | Act::SetIds { .. }
            | Act::DropBounding { .. }
            | Act::KeepCapabilities
            | Act::SetCapabilities { .. }
            | Act::SetAmbient(_)
            | Act::NoNewPrivileges
            | Act::NotDumpable => identity::act(act),
            Act::NewKeyring => treatment::new_keyring(),
            Act::Personality(word) => treatment::personality(*word),
            Act::Affinity(mask) => treatment::set_affinity(None, mask),
            Act::IoPriority(value) => treatment::set_io_priority(*value),
            Act::Scheduler(attr) => treatment::set_scheduler(attr),
            Act::MemoryPolicy { mode, nodes } => treatment::set_memory_policy(*mode, nodes),
            Act::Seccomp { flags, program } => self.filter(*flags, program),
            _ => self.mount(act),
        }
    }

    fn mount(self, act: &Act) -> Outcome {
        match act {
            Act::IsolateTree { flags } => mount::mount(None, c"/", None, *flags, None),
            Act::PrepareRoot(root) => self.prepare_root(root),
            Act::EmptyRoot { path, for_mapped_root } => self.empty_root(path, *for_mapped_root),
            Act::MakeMountPoint { target, directory, known } => {
                self.make_mount_point(target, *directory, *known)
            }
            Act::Filesystem(filesystem) => self.filesystem(filesystem),
            Act::CloneTree { source, recursive, place } => {
                self.clone_tree(source, *recursive, *place)
            }
            Act::CloneDevice { source, file_type, number, place } => {
                self.clone_device(source, *file_type, *number, *place)
            }
            Act::Attach(attach) => self.attach(attach),
            Act::Remount { target, attr, set, clear } => self.remount(target, attr, *set, *clear),
            Act::Propagate { target, kind, recursive } => self.propagate(target, *kind, *recursive),
            Act::MakeNode { .. } => self.make_node(act),
            Act::Symlink { .. } => self.symlink(act),
            Act::Mask(target) => self.mask(target),
            Act::MakeReadonly(target) => self.make_readonly(target),
            Act::PivotRoot => self.pivot_root(),
            Act::MoveRoot => self.move_root(),
            Act::ReadonlyRoot => self.readonly_root(),
            Act::FindDevpts { place } => self.find_devpts(*place),
            Act::OpenTerminal { devpts, size, owner, console } => {
                self.open_terminal(*devpts, (*size, *owner), *console)
            }
            _ => Err(Fault::new(Sysno::exit, Errno::ENOSYS)),
        }
    }

    /// The descriptor kept at `place`.
    fn at(self, place: Place) -> Outcome<Fd> {
        self.launch.at(place).ok_or(Fault::new(Sysno::fcntl, Errno::EBADF))
    }

    /// The same, to be closed after its last use.
    fn take(self, place: Place) -> Outcome<Handle> {
        let fd = self.at(place)?;
        self.launch.set(place, Fd(-1));
        Ok(Handle::taken(fd))
    }

    fn keep(self, place: Place, handle: Handle) {
        self.launch.set(place, handle.keep());
    }

    /// What is not needed any more is closed with everything else later: one call for all of them.
    fn leave(self, handle: Handle) {
        if handle.fd().0 < self.launch.room {
            handle.keep();
        }
    }

    fn signal(self, token: Token) -> Outcome {
        match channel::send(self.channel, &Message::Token(token).encode(), None) {
            // The word counts once it is given: a starter that was killed has started the program.
            Err(fault) if self.is_started && is_gone(fault) => Ok(()),
            answer => answer,
        }
    }

    /// End of file is an error: the launcher has died, and what it was to do will never be done.
    /// What came with it, if anything did.
    fn wait_for(self, token: Token) -> Outcome<Option<Handle>> {
        match channel::receive(self.channel, true)? {
            Received::Message(bytes, handle)
                if Message::decode(bytes) == Some(Message::Token(token)) =>
            {
                Ok(handle)
            }
            Received::Message(..) => Err(Fault::new(Sysno::recvmsg, EPROTO)),
            Received::End => Err(Fault::new(Sysno::recvmsg, Errno::ESRCH)),
        }
    }

    /// In a copy of this process's memory, as a child of the launcher's.
    fn clone_init(self, flags: crate::types::CloneFlags) -> Outcome {
        let request = Request { flags, cgroup: None, newborn: self.launch.newborn.as_deref() };
        let stack = self.launch.init_stack();
        clone::clone_copied(&request, stack, begin_init, self.launch).map(drop)
    }

    /// The signal comes only from an end that is still to come, so look whether it has come already. `getppid(2)`
    /// does not tell: it is 0 in a new pid namespace.
    fn die_with_parent(self, signal: u8) -> Outcome {
        privilege::set_death_signal(signal)?;
        if fd::is_hung_up(self.channel)? {
            return Err(Fault::new(Sysno::ppoll, Errno::ESRCH));
        }
        Ok(())
    }

    /// Processes of the namespace that is joined must not trace this one and find the launcher's memory and
    /// descriptors (CVE-2016-9962). `execve` lifts that again. A launcher that is not root does without: its id maps
    /// could not be written.
    fn join(self, place: Place, flag: u64) -> Outcome {
        if self.launch.is_host_root || !self.program.maps_are_written {
            privilege::set_dumpable(0)?;
        }
        process::setns(self.take(place)?.fd(), flag)
    }
}

/// The other end has been closed.
fn is_gone(fault: Fault) -> bool {
    fault.is(Errno::EPIPE) || fault.is(Errno::ECONNRESET)
}

/// Protocol error.
const EPROTO: Errno = Errno(71);
