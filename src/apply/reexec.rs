//! A program of the embedder's becomes what init runs until the container's own: sealed, with the plan behind a pipe.
//!
//! The child that is cloned does four things only: it puts descriptors where the [`Letter`] says they are, keeps its
//! capabilities over the exec, waits until its ids are mapped, and executes the program, by a descriptor that was opened
//! before anything was done. All steps of init's script are carried out by that program, in a [`Stage`](super::Stage).

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec::Vec;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;

use serde::{Deserialize, Serialize};

use super::child::Launch;
use super::journal::io_fault;
use super::message::Message;
use super::program::{Place, Program};
use super::seal;
use crate::plan::{Plan, Slot};
use crate::sys::channel::{self, MESSAGE};
use crate::sys::process::StringTable;
use crate::sys::shared::LastWords;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host, privilege, process};
use crate::types::{Errno, HostPath};

/// The program that init runs until it becomes the container's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitProgram {
    /// Its file on the host; absent: the calling program's own. It is opened before anything is done, and executed by
    /// that descriptor, from a read-only copy of its mount or a sealed copy in memory: what the container can reach of
    /// it as `/proc/self/exe` cannot be written to (CVE-2019-5736).
    pub program: Option<HostPath>,
    /// Its arguments, its name first.
    pub args: Vec<OsString>,
    /// Its environment, `NAME=value`. Nothing of it reaches the container's program.
    pub env: Vec<OsString>,
    /// Its working directory; absent: the launcher's.
    pub dir: Option<HostPath>,
}

/// Where the pipe is in the program that init runs.
pub(crate) const PIPE: Fd = Fd(3);

/// Where the first of the other descriptors is.
const FIRST: i32 = PIPE.0 + 1;

/// What a child needs to become the program.
#[derive(Debug)]
pub(crate) struct Reexec {
    file: Handle,
    dir: Option<CString>,
    args: StringTable,
    env: StringTable,
    /// Where it waits for the launcher to close the other end, if it is to.
    gate: Option<Fd>,
    /// Places of the launcher's slots, in the order of their numbers from `FIRST` and the passed ones on.
    given: Vec<Place>,
}

/// What init is told first, in a file in memory that comes over the pipe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Letter {
    pub(crate) plan: Plan,
    /// Descriptors for the container's program: where they are now.
    pub(crate) passed: Vec<i32>,
    /// Slots that the launcher has filled: where they are now.
    pub(crate) given: Vec<(Slot, i32)>,
    /// Whether the launcher is the host's root.
    pub(crate) is_host_root: bool,
}

/// How many descriptors init's own program has beside those that are passed on: the pipe and the slots.
pub(crate) fn room(program: &Program) -> usize {
    1 + program.given.len()
}

impl Reexec {
    /// Opens and seals the program.
    pub(crate) fn prepare(program: &InitProgram, given: Vec<Place>, least: i32) -> Outcome<Self> {
        let file = seal::sealed(program.program.as_ref())?;
        let text = |text: &OsString| {
            CString::new(text.clone().into_vec())
                .map_err(|_| Fault::new(Sysno::execveat, Errno::EINVAL))
        };
        let table = |list: &[OsString]| {
            Ok(StringTable::new(list.iter().map(text).collect::<Outcome<Vec<_>>>()?))
        };
        let dir = program.dir.as_ref().map(super::cgroup::c_path).transpose()?;
        let file = if file.fd().0 < least { fd::dup_above(file.fd(), least)? } else { file };
        Ok(Self {
            file,
            dir,
            args: table(&program.args)?,
            env: table(&program.env)?,
            gate: None,
            given,
        })
    }

    /// The same, executed when the launcher has closed the other end of `gate`.
    pub(crate) fn behind(self, gate: Option<Fd>) -> Self {
        Self { gate, ..self }
    }

    /// Becomes the program: in the child, which may share the launcher's memory. Only returns when that failed.
    pub(crate) fn begin(&self, launch: &Launch) -> Fault {
        let placed = launch
            .passed
            .iter()
            .copied()
            .map(Some)
            .chain(self.given.iter().map(|place| launch.at(*place)));
        let place = |(number, source): (i32, Option<Fd>)| match source {
            Some(source) => fd::dup3(source, Fd(number)),
            None => Ok(()),
        };
        let answer = (FIRST..)
            .zip(placed)
            .try_for_each(place)
            .and_then(|()| fd::dup3(launch.init.channel, PIPE))
            .and_then(|()| self.dir.as_ref().map_or(Ok(()), |dir| crate::sys::file::chdir(dir)))
            .and_then(|()| keep_over_exec());
        let opened = |gate| channel::receive(gate, true).map(drop);
        match answer.and_then(|()| self.gate.map_or(Ok(()), opened)) {
            Ok(()) => process::execve_fd(self.file.fd(), &self.args, &self.env),
            Err(fault) => fault,
        }
    }
}

/// In a new user namespace whose map is not written yet nobody is root, and an exec takes all capabilities away but
/// the ambient ones (`capabilities(7)`). The script sets every set anew before the container's program runs.
fn keep_over_exec() -> Outcome {
    let held = privilege::permitted()?;
    privilege::capset(held, held, held)?;
    held.iter().try_for_each(|capability| privilege::raise_ambient(capability.number()))
}

impl Letter {
    pub(crate) fn new(plan: &Plan, given: &[Slot], passed: usize, is_host_root: bool) -> Self {
        let passed: Vec<i32> = (FIRST..).take(passed).collect();
        let after = passed.last().map_or(FIRST, |last| last + 1);
        let given = given.iter().copied().zip(after..).collect();
        Self { plan: plan.clone(), passed, given, is_host_root }
    }

    /// A sealed file in memory that holds it.
    pub(crate) fn post(&self) -> Outcome<Handle> {
        let text = serde_json::to_vec(self).map_err(|_| Fault::new(Sysno::write, Errno::EINVAL))?;
        in_memory(&text)
    }
}

/// A word of memory for what init can say when its filter lets it make no call: sent behind the letter, in a file.
pub(crate) fn post_words(channel: &OwnedFd) -> Outcome<LastWords> {
    let file = seal::memory_file()?;
    file.set_len(MESSAGE as u64).map_err(|error| io_fault(Sysno::ftruncate, &error))?;
    let words = LastWords::in_file(&file)?;
    let file = host::handle(file.into());
    channel::send(host::number(channel), &Message::Words.encode(), Some(file.fd()))?;
    Ok(words)
}

/// How much of a text from init is read.
const LONGEST: u64 = 4096;

/// A sealed file in memory with `bytes` in it.
pub(crate) fn in_memory(bytes: &[u8]) -> Outcome<Handle> {
    let mut file = seal::memory_file()?;
    file.write_all(bytes).map_err(|error| io_fault(Sysno::write, &error))?;
    seal::seal(&file)?;
    Ok(host::handle(file.into()))
}

/// The text in a file in memory; of anything else, nothing.
pub(crate) fn text_in(file: Option<Handle>, longest: Option<u64>) -> String {
    use std::os::unix::fs::FileExt as _;
    let Some(file) = file.map(|file| File::from(host::owned(file))) else { return String::new() };
    let length = file.metadata().ok().filter(std::fs::Metadata::is_file).map_or(0, |m| m.len());
    let wanted = usize::try_from(length.min(longest.unwrap_or(u64::MAX))).unwrap_or(0);
    let mut bytes = alloc::vec![0; wanted];
    // The offset is that of whoever wrote it: at the end.
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

/// What init could not do, in its own words.
pub(crate) fn words_of(file: Option<Handle>) -> String {
    text_in(file, Some(LONGEST))
}
