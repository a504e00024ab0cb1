//! The launcher runs hooks: processes in its own namespaces, told the container's state on their standard input.

use alloc::string::{String, ToString as _};
use alloc::{format, vec::Vec};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::Serialize;

use super::error::Cause;
use super::journal::io_fault;
use super::spawn::Launcher;
use crate::plan::{HookCall, HookKind, HookOp, HookState, Op, Slot, StepId, Undo};
use crate::sys::process::Pid;
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host};
use crate::types::Errno;

impl Launcher<'_> {
    pub(super) fn hook(&mut self, id: StepId, op: &HookOp, undo: &Undo) -> Result<(), Cause> {
        match op {
            HookOp::Promise => {
                let Undo::Op(undo) = undo else { return Err(Cause::Protocol) };
                let name = self.state.as_ref().map(|state| state.id.as_str());
                Ok(self.journal.record(id, &named(undo, name))?)
            }
            HookOp::MakeState { kind } => self.hold(Slot::HookState(*kind), state_file()?),
            HookOp::WriteState { kind, state } => {
                let text = self.told(*kind, state)?;
                let slot = Slot::HookState(*kind);
                let found = self.slots.iter().find(|(other, _)| *other == slot);
                let (_, file) = found.ok_or(Cause::Protocol)?;
                Ok(write_state(file.fd(), &text)?)
            }
            HookOp::Run { kind, hooks, state } => {
                let state = state.as_ref().ok_or(Cause::Protocol)?;
                run(hooks, state, &self.told(*kind, state)?)
            }
        }
    }

    /// The container's state at that moment, with what only the launcher knows.
    fn told(&self, kind: HookKind, state: &HookState) -> Result<String, Cause> {
        let id = self.state.as_ref().map_or("", |state| &state.id);
        let pid = self.init()?;
        let number = match kind.is_inside() {
            true => innermost(pid)?,
            false => pid.number().unsigned_abs(),
        };
        Ok(told(kind, state, id, Some(number)))
    }
}

/// The number that a process has in its own pid namespace: the last of `NSpid` (Linux 4.1).
fn innermost(pid: Pid) -> Outcome<u32> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", pid.number()))
        .map_err(|error| io_fault(Sysno::openat, &error))?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let number = line.and_then(|line| line.split_whitespace().next_back()?.parse().ok());
    number.ok_or(Fault::new(Sysno::read, Errno::EINVAL))
}

/// The version of the spec that the state is written by.
const OCI_VERSION: &str = "1.3.0";

/// The state as the spec writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    oci_version: &'static str,
    id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    bundle: &'a str,
    #[serde(skip_serializing_if = "alloc::collections::BTreeMap::is_empty")]
    annotations: &'a alloc::collections::BTreeMap<String, String>,
}

/// What hooks of that kind read.
fn told(kind: HookKind, state: &HookState, id: &str, pid: Option<u32>) -> String {
    let bundle = state.bundle.as_ref().map_or("", |bundle| bundle.as_str());
    let (oci_version, status) = (OCI_VERSION, kind.status());
    let annotations = &state.annotations;
    let state = State { oci_version, id, status, pid, bundle, annotations };
    // Strings and numbers only.
    serde_json::to_string(&state).unwrap_or_default()
}

/// The undo of a promise, with the container's name: whoever carries it out may know nothing else.
fn named(undo: &Op, id: Option<&str>) -> Op {
    match undo {
        Op::Hook(HookOp::Run { kind, hooks, state: Some(state) }) => {
            let state = HookState { id: id.map(str::to_owned), ..state.clone() };
            Op::Hook(HookOp::Run { kind: *kind, hooks: hooks.clone(), state: Some(state) })
        }
        other => other.clone(),
    }
}

/// An empty file in memory.
fn state_file() -> Outcome<Handle> {
    memory_file().map(host::handle)
}

fn memory_file() -> Outcome<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    memfd_create(c"nsplan-state", flags)
        .map_err(|errno| Fault::new(Sysno::memfd_create, Errno(errno as i32)))
}

/// Fills it, once: nobody can change it afterwards.
fn write_state(file: Fd, text: &str) -> Outcome {
    fd::write(file, text.as_bytes())?;
    // A copy, since the seal is the file's and the number somebody else's.
    seal(&host::owned(fd::dup_above(file, 0)?))
}

fn seal(file: &OwnedFd) -> Outcome {
    let seals = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    let fault = |errno: nix::Error| Fault::new(Sysno::fcntl, Errno(errno as i32));
    fcntl(file, FcntlArg::F_ADD_SEALS(seals)).map(drop).map_err(fault)
}

/// Runs hooks in order; the first that fails ends it.
fn run(hooks: &[HookCall], state: &HookState, text: &str) -> Result<(), Cause> {
    for hook in hooks {
        one(hook, state, text).map_err(|message| Cause::Helper { message })?;
    }
    Ok(())
}

/// Runs `poststop` hooks: one that fails is told on standard error, and the rest is run.
pub(super) fn run_all(hooks: &[HookCall], state: Option<&HookState>) {
    let empty = HookState::default();
    let state = state.unwrap_or(&empty);
    let text = told(HookKind::Poststop, state, state.id.as_deref().unwrap_or_default(), None);
    for hook in hooks {
        if let Err(message) = one(hook, state, &text) {
            let _ = writeln!(std::io::stderr().lock(), "nsplan: warning: poststop: {message}");
        }
    }
}

/// One process: its whole environment is the hook's, its directory the bundle's.
fn one(hook: &HookCall, state: &HookState, text: &str) -> Result<(), String> {
    let fail = |error: &dyn core::fmt::Display| format!("{}: {error}", hook.path);
    let mut told = File::from(memory_file().map_err(|error| fail(&error))?);
    told.write_all(text.as_bytes())
        .and_then(|()| told.seek(SeekFrom::Start(0)))
        .map_err(|error| fail(&error))?;
    // A file and no pipe: what a hook leaves running may hold it for as long as it likes.
    let mut said = File::from(memory_file().map_err(|error| fail(&error))?);
    let copy = || said.try_clone().map(Stdio::from);
    let (out, err) = copy().and_then(|out| Ok((out, copy()?))).map_err(|error| fail(&error))?;
    let mut command = Command::new(&hook.path);
    let (name, rest) =
        hook.args.split_first().map_or((&hook.path, &[][..]), |(name, rest)| (name, rest));
    command.arg0(name).args(rest).env_clear().stdin(told).stdout(out).stderr(err);
    command.envs(hook.env.iter().filter_map(|variable| variable.split_once('=')));
    if let Some(bundle) = &state.bundle {
        command.current_dir(bundle.as_str());
    }
    let mut child = command.spawn().map_err(|error| fail(&error))?;
    let limit = hook.timeout.map(|seconds| Duration::from_secs(seconds.into()));
    match wait(&mut child, limit).map_err(|error| fail(&error))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{}: {status}{}", hook.path, words(&mut said))),
        None => Err(format!("{}: killed at its timeout{}", hook.path, words(&mut said))),
    }
}

/// How it ended; `None` when the limit came first and it was killed.
fn wait(child: &mut Child, limit: Option<Duration>) -> std::io::Result<Option<ExitStatus>> {
    let Some(limit) = limit else { return child.wait().map(Some) };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::new);
    let pidfd = pid.and_then(|pid| host::pidfd_open(pid).ok()).map(host::owned);
    let end = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        match &pidfd {
            Some(pidfd) => {
                let mut polled = [PollFd::new(std::os::fd::AsFd::as_fd(pidfd), PollFlags::POLLIN)];
                let left = PollTimeout::try_from(left + Duration::from_millis(1));
                let _ = poll(&mut polled, left.unwrap_or(PollTimeout::MAX));
            }
            // Before Linux 5.3.
            None => std::thread::sleep(left.min(Duration::from_millis(5))),
        }
    }
}

/// The last words of a hook that failed, on one line.
fn words(said: &mut File) -> String {
    const MOST: u64 = 1024;
    let mut bytes = Vec::new();
    let length = said.metadata().map_or(0, |metadata| metadata.len());
    let from = SeekFrom::Start(length.saturating_sub(MOST));
    if said.seek(from).and_then(|_| said.read_to_end(&mut bytes)).is_err() {
        return String::new();
    }
    match String::from_utf8_lossy(&bytes).trim() {
        "" => String::new(),
        text => format!(": {}", text.to_string().replace('\n', "; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_written_as_the_spec_has_it() {
        let state = HookState {
            id: None,
            bundle: crate::types::HostPath::new("/b").ok(),
            annotations: [("a".to_owned(), "b".to_owned())].into(),
        };
        assert_eq!(
            told(HookKind::Prestart, &state, "web", Some(7)),
            r#"{"ociVersion":"1.3.0","id":"web","status":"creating","pid":7,"bundle":"/b","annotations":{"a":"b"}}"#
        );
        let stopped = told(HookKind::Poststop, &HookState::default(), "web", None);
        assert_eq!(stopped, r#"{"ociVersion":"1.3.0","id":"web","status":"stopped","bundle":""}"#);
    }
}
