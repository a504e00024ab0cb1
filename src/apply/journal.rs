//! What must be undone is written down before it is done, in memory and in the container's state directory.

use alloc::string::String;
use alloc::vec::Vec;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bus::BusError;
use super::cgroup;
use super::error::{Cause, Leftover};
use super::hold::Hold;
use super::hooks;
use super::leaf;
use super::mark;
use super::network;
use super::resctrl;
use super::running::Running;
use super::state::{Directory, Seen};
use super::state_dir::StateDir;
use super::systemd;
use crate::plan::{
    CgroupOp, HookKind, HookOp, InterfaceName, NetworkOp, Op, ResctrlOp, StateOp, StepId,
};
use crate::sys::{Fault, Outcome, Sysno};
use crate::types::{Errno, HostPath, Signal};

/// How long the first process of a container may outlive its launcher: it is told of the end by a signal.
const ORPHAN: Duration = Duration::from_millis(500);
/// How long it may take to die of `SIGKILL`.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// What was undone after a launcher that had died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The container.
    pub id: String,
    /// How many steps were undone.
    pub undone: usize,
    /// What could not be.
    pub left_behind: Vec<Leftover>,
}

/// One line of a journal's file; `O` is an [`Op`], or one that is borrowed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line<O> {
    /// About to be done; undone by this.
    Undo { step: StepId, op: O },
    /// Was found done already by others who share it: theirs to undo, unless they leave it to us.
    Found { step: StepId, op: O },
    /// Was found done already: not ours to undo.
    Not { step: StepId },
    /// The container stays until it is deleted, whatever ends.
    Kept,
}

/// A step that must be undone.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    step: StepId,
    op: Op,
    /// Whether this container did it; otherwise others did, and share it.
    own: bool,
}

/// The steps that must be undone, in order.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    directory: Option<Directory>,
    /// The container's network, held while a link of the host's is in it.
    network: Option<std::fs::File>,
}

impl Journal {
    /// Keeps the container's network until everything is undone.
    #[cfg(feature = "net")]
    pub(crate) fn hold(&mut self, network: std::fs::File) {
        self.network = Some(network);
    }

    /// Makes the state directory and locks the journal in it; what a dead launcher has left there is undone first.
    pub(crate) fn open(&mut self, step: StepId, state: Option<&StateDir>) -> Result<(), Cause> {
        if let Some(state) = state {
            let mut directory = Directory::open(&state.root, &state.id)?;
            if !directory.is_new() {
                take_over(&mut directory, &state.id)?;
            }
            self.directory = Some(directory);
        }
        self.entries.push(Entry { step, op: Op::State(StateOp::CloseJournal), own: true });
        Ok(())
    }

    /// That of a container which is there, for those who do something to it that needs no undo.
    pub(crate) fn of(directory: Directory) -> Self {
        Self { directory: Some(directory), ..Self::default() }
    }

    /// To be called before the step is done.
    pub(crate) fn record(&mut self, step: StepId, undo: &Op) -> Outcome {
        self.append(&Line::Undo { step, op: undo })?;
        put(&mut self.entries, Entry { step, op: undo.clone(), own: true });
        Ok(())
    }

    /// The step has found its work done by others, who share it.
    pub(crate) fn found(&mut self, step: StepId, undo: &Op) -> Outcome {
        self.append(&Line::Found { step, op: undo })?;
        put(&mut self.entries, Entry { step, op: undo.clone(), own: false });
        Ok(())
    }

    /// The step just recorded has found its work done by others.
    pub(crate) fn cancel(&mut self, step: StepId) -> Outcome {
        self.append(&Line::Not { step })?;
        self.entries.retain(|entry| entry.step != step);
        Ok(())
    }

    /// From here on only a deletion undoes it.
    pub(crate) fn keep(&mut self) -> Outcome {
        self.append(&Line::Kept)
    }

    /// The state directory, if one is kept.
    pub(crate) fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The links made on the host, by their real names.
    pub(crate) fn links(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match &entry.op {
            Op::Network(NetworkOp::RemoveLink { host: InterfaceName::Fixed(name) }) => {
                Some(name.as_str())
            }
            _ => None,
        })
    }

    fn append(&mut self, line: &Line<&Op>) -> Outcome {
        let Some(directory) = &mut self.directory else { return Ok(()) };
        // A line is hardly ever longer.
        let mut text = Vec::with_capacity(512);
        serde_json::to_writer(&mut text, line)
            .map_err(|_| Fault::new(Sysno::write, Errno::EINVAL))?;
        text.push(b'\n');
        directory.file().write_all(&text).map_err(|error| io_fault(Sysno::write, &error))
    }

    /// Undoes everything, the last first. The file stays if something is left behind, for the next one to try.
    pub(crate) fn undo(&mut self) -> Vec<Leftover> {
        let mut left = Vec::new();
        while let Some(entry) = self.entries.pop() {
            mark::undo_begins(entry.step);
            let removed = self.directory.as_ref().and_then(|found| remove_from(found, &entry.op));
            let answer = match (removed, &entry.op) {
                (Some(answer), _) => answer,
                (None, Op::State(_)) if !left.is_empty() => continue,
                (None, Op::State(_)) => self.directory.take().map_or(Ok(()), Directory::remove),
                (None, _) => undo(&entry, self.network.as_ref()),
            };
            if let Err(fault) = answer {
                left.push(Leftover { undo: entry.op, fault });
            }
        }
        mark::all_undone();
        left
    }
}

/// A step done again takes the place it had: the order is that of the steps.
fn put(entries: &mut Vec<Entry>, entry: Entry) {
    match entries.iter_mut().find(|known| known.step == entry.step) {
        Some(known) => *known = entry,
        None => entries.push(entry),
    }
}

/// Removes what a step has put beside the journal; `None` for the undo of any other step.
fn remove_from(directory: &Directory, op: &Op) -> Option<Outcome> {
    match op {
        Op::State(StateOp::RemoveRecord) => Some(directory.remove_record()),
        Op::State(StateOp::RemoveDoor) => Some(directory.remove_door()),
        Op::State(StateOp::RemoveNotify) => Some(directory.remove_notify()),
        _ => None,
    }
}

fn undo(entry: &Entry, held: Option<&std::fs::File>) -> Outcome {
    match &entry.op {
        Op::Cgroup(CgroupOp::RemoveDirectory { path, shared: false }) => cgroup::remove(path),
        Op::Cgroup(CgroupOp::RemoveDirectory { path, shared: true }) => {
            cgroup::leave(path, entry.own)
        }
        Op::Cgroup(CgroupOp::Kill { directory }) => cgroup::kill(directory),
        Op::Cgroup(CgroupOp::ReturnFromLeaf { directory }) => leaf::leave(directory),
        Op::Cgroup(CgroupOp::StopScope { bus, unit }) => end_scope(bus, unit),
        Op::Network(NetworkOp::RemoveLink { host }) => network::remove(host),
        Op::Resctrl(ResctrlOp::RemoveGroup { directory }) => cgroup::remove(directory),
        // A network that nobody holds is gone, and what was in it is where the kernel puts it.
        Op::Network(back @ NetworkOp::ReturnLink { .. }) => {
            held.map_or(Ok(()), |held| network::give_back(held, back))
        }
        Op::Hook(HookOp::Run { kind: HookKind::Poststop, hooks, state }) => {
            hooks::run_all(hooks, state.as_ref());
            Ok(())
        }
        _ => Err(Fault::new(Sysno::exit, Errno::ENOSYS)),
    }
}

pub(crate) fn io_fault(call: Sysno, error: &std::io::Error) -> Fault {
    Fault::new(call, Errno(error.raw_os_error().unwrap_or(Errno::EIO.0)))
}

/// A leftover has room for the kernel's words only.
fn end_scope(bus: &HostPath, unit: &str) -> Outcome {
    systemd::stop(bus, unit).map_err(|error| match error {
        BusError::Socket(errno) => Fault::new(Sysno::connect, errno),
        BusError::TimedOut => Fault::new(Sysno::recvfrom, Errno::ETIMEDOUT),
        BusError::Protocol(_) | BusError::Refused { .. } => {
            Fault::new(Sysno::recvfrom, Errno::EPROTO)
        }
    })
}

/// What an undo that is read from a file may be.
fn is_allowed(op: &Op) -> bool {
    match op {
        Op::Cgroup(CgroupOp::RemoveDirectory { path, .. }) => cgroup::is_below_cgroup_root(path),
        Op::Cgroup(CgroupOp::Kill { directory } | CgroupOp::ReturnFromLeaf { directory }) => {
            cgroup::is_below_cgroup_root(directory)
        }
        // Scopes only, and who may end one is for systemd to say.
        Op::Cgroup(CgroupOp::StopScope { unit, .. }) => {
            unit.ends_with(".scope") && !unit.contains('/')
        }
        Op::Resctrl(_) => resctrl::may_remove(op),
        // Carried out on veths only.
        Op::Network(NetworkOp::RemoveLink { .. } | NetworkOp::ReturnLink { .. }) => true,
        // Only the owner of the state can have written it, and it is his config that asked for it.
        Op::Hook(HookOp::Run { kind: HookKind::Poststop, .. }) => true,
        // A fixed name in the directory that the journal is in.
        Op::State(StateOp::RemoveRecord | StateOp::RemoveDoor | StateOp::RemoveNotify) => true,
        _ => false,
    }
}

/// The undo that a journal's file still asks for, in the order of the steps. A last line cut short was never done.
fn pending(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        match serde_json::from_str(line) {
            Ok(Line::Undo { step, op }) => put(&mut entries, Entry { step, op, own: true }),
            Ok(Line::Found { step, op }) => put(&mut entries, Entry { step, op, own: false }),
            Ok(Line::Not { step }) => entries.retain(|entry| entry.step != step),
            Ok(Line::Kept) => {}
            Err(_) => {}
        }
    }
    entries
}

/// Whether a journal says that the container stays until it is deleted.
pub(super) fn is_kept(text: &str) -> bool {
    let is_kept = |line: &str| matches!(serde_json::from_str(line), Ok(Line::<Op>::Kept));
    text.split_inclusive('\n').any(|line| line.ends_with('\n') && is_kept(line))
}

/// Makes room in a directory whose launcher is dead: what it has left is undone.
fn take_over(directory: &mut Directory, id: &str) -> Result<(), Cause> {
    let text = directory.text()?;
    if is_kept(&text) {
        return Err(Cause::InUse { id: id.into() });
    }
    if let Some(alive) = left_alive(directory, id)
        && !alive.wait_for_end(ORPHAN)?
    {
        return Err(Cause::InUse { id: id.into() });
    }
    let (_, left) = finish(directory, id, &text);
    if !left.is_empty() {
        return Err(Cause::State { reason: "what an earlier container left cannot be undone" });
    }
    Ok(directory.empty()?)
}

/// Carries out what is left in a journal whose launcher is dead, or whose container is to be deleted: first everything in
/// its own cgroups is killed.
pub(super) fn finish(directory: &Directory, id: &str, text: &str) -> (usize, Vec<Leftover>) {
    if let Some(alive) = left_alive(directory, id) {
        // What it leaves undone shows in what cannot be undone.
        let _ = alive.signal(Signal::KILL).and_then(|()| alive.wait_for_end(LAST_WAIT));
    }
    let (mut undone, mut left) = (0, Vec::new());
    for entry in pending(text).into_iter().rev() {
        let op = &entry.op;
        let killed = match op {
            Op::Cgroup(CgroupOp::RemoveDirectory { path, shared: false }) if is_allowed(op) => {
                cgroup::kill(path)
            }
            _ => Ok(()),
        };
        let answer = if is_gone(op) {
            Ok(())
        } else if let Some(answer) = remove_from(directory, op) {
            answer
        } else if is_allowed(op) {
            killed.and_then(|()| undo(&entry, None))
        } else {
            Err(Fault::new(Sysno::unlinkat, Errno::EPERM))
        };
        match answer {
            Ok(()) => undone += 1,
            Err(fault) => left.push(Leftover { undo: entry.op, fault }),
        }
    }
    (undone, left)
}

/// The first process of a container whose launcher is dead, if it is still there. A record that cannot be read names none.
fn left_alive(directory: &Directory, id: &str) -> Option<Hold> {
    let record = directory.record(id).ok().flatten()?;
    Running::hold(record).ok().map(Running::into_hold)
}

fn is_gone(op: &Op) -> bool {
    match op {
        Op::Cgroup(CgroupOp::RemoveDirectory { path, .. })
        | Op::Cgroup(
            CgroupOp::Kill { directory: path } | CgroupOp::ReturnFromLeaf { directory: path },
        ) => cgroup::exists(path) == Ok(false),
        _ => false,
    }
}

/// Finishes the undo of every container below `root` whose launcher is dead, and kills what is left of it.
///
/// A launcher lives as long as it holds the lock on its journal; containers of living ones are not touched, nor those
/// that stay until they are deleted.
#[must_use]
pub fn sweep(root: &Path) -> Vec<Swept> {
    let mut swept = Vec::new();
    let Ok(entries) = std::fs::read_dir(root) else { return swept };
    for entry in entries.flatten() {
        let Ok(id) = entry.file_name().into_string() else { continue };
        let is_container = entry.path().join(super::state::JOURNAL).exists();
        if !is_container {
            // A launcher that was killed before it had a journal has done nothing but this. Whoever makes it anew meanwhile
            // looks whether it is still there; one that others keep files in is not empty.
            let _ = std::fs::remove_dir(entry.path());
        }
        let is_kept = |seen: Seen| seen.is_kept().unwrap_or(true);
        if !is_container || Seen::open(root, &id).ok().flatten().is_none_or(is_kept) {
            continue;
        }
        let Ok(Some(mut directory)) = Directory::existing(root, &id) else { continue };
        let Ok(text) = directory.text() else { continue };
        if self::is_kept(&text) {
            continue;
        }
        let (undone, left_behind) = finish(&directory, &id, &text);
        if left_behind.is_empty() {
            // A directory that others keep files in stays; the journal in it is gone.
            let _ = directory.remove();
        }
        swept.push(Swept { id, undone, left_behind });
    }
    swept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_short_counts_for_nothing() {
        let step = |index| StepId { actor: crate::plan::Actor::Parent, index };
        let path = HostPath::new("/sys/fs/cgroup/x").expect("absolute");
        let op = Op::Cgroup(CgroupOp::RemoveDirectory { path, shared: false });
        let line = |line| serde_json::to_string(&line).expect("JSON") + "\n";
        let first = line(Line::Undo { step: step(1), op: op.clone() });
        let second = line(Line::Undo { step: step(2), op: op.clone() });
        let not = line(Line::Not { step: step(2) });
        let alone = [Entry { step: step(1), op, own: true }];
        assert_eq!(pending(&format!("{first}{second}{not}")), alone);
        assert_eq!(pending(&format!("{first}{}", &second[..20])), alone);
    }

    #[test]
    fn a_step_done_again_keeps_its_place_in_the_order() {
        let step = |index| StepId { actor: crate::plan::Actor::Parent, index };
        let entry = |index, name: &str, own| {
            let path = HostPath::new(&format!("/sys/fs/cgroup/{name}")).expect("absolute");
            let op = Op::Cgroup(CgroupOp::RemoveDirectory { path, shared: true });
            Entry { step: step(index), op, own }
        };
        let mut entries = Vec::new();
        for one in [entry(1, "a", false), entry(2, "a/b", true), entry(1, "a", true)] {
            put(&mut entries, one);
        }
        assert_eq!(entries, [entry(1, "a", true), entry(2, "a/b", true)]);
    }

    #[test]
    fn only_a_cgroup_is_removed_on_the_word_of_a_file() {
        for path in ["/etc", "/tmp/x", "/sys/fs/cgroup/../../tmp/x", "/"] {
            let path = HostPath::new(path).expect("absolute");
            assert!(!is_allowed(&Op::Cgroup(CgroupOp::RemoveDirectory { path, shared: false })));
        }
        assert!(!is_allowed(&Op::State(StateOp::CloseJournal)));
    }
}
