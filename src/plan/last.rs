//! Decides the end of the script of a process that becomes the container's program: its own, or one that joins.

use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::Refusal;
use super::idmap::IdMaps;
use super::model::Step;
use super::op::{Op, ProcessOp, SyncOp, Token};
use super::seccomp::Placed;
use super::{held, minimal_init, prepared, privileges, program};
use crate::config::Process;

/// What the end of a process's script depends on, beside the process.
pub(super) struct Last<'a> {
    pub(super) maps: &'a IdMaps,
    pub(super) filter: &'a Placed,
    /// The `startContainer` hooks.
    pub(super) hooks: &'a [Step],
}

/// From the labels to `execve`: each of these takes a right away, so their order is the order of the rights.
///
/// Programs of the container's that are run before its own are under its filter, too: an image that brings a hook's
/// program would be without it otherwise.
pub(super) fn plan(draft: &mut Draft<'_>, process: &Process, last: &Last<'_>) -> Vec<Step> {
    let &Last { maps, filter, hooks } = last;
    let user = privileges::user(draft, process);
    let mut steps = privileges::labels(draft, process);
    steps.extend(privileges::identity(draft, process, &user, maps, filter.needs_admin));
    steps.extend(process.parent_death_signal.map(privileges::death_signal));
    let mask = process.user.umask.unwrap_or(0o022);
    if mask > 0o777 {
        let expected = "a mask from 0000 to 0777";
        draft.refuse(&at("/process/user/umask"), Refusal::LimitInvalid { expected });
    }
    let everyone = at("/process");
    steps.push(step(Op::Process(ProcessOp::Umask { mask }), &at("/process/user/umask")));
    steps.push(step(Op::Process(ProcessOp::CloseDescriptors), &everyone));
    steps.extend(minimal_init::plan(draft, process));
    if draft.is_prepared() {
        steps.extend(prepared::wait());
    }
    let path = process.cwd.clone();
    steps.push(step(Op::Process(ProcessOp::ChangeDirectory { path }), &at("/process/cwd")));
    let execute = program::execute(draft, process, &user);
    if draft.is_held() {
        steps.extend(held::wait(execute.as_ref()));
    }
    steps.extend(filter.not_dumpable.clone());
    steps.push(step(Op::Sync(SyncOp::Signal(Token::Ready)), &everyone));
    steps.extend(filter.install.clone());
    steps.extend(hooks.iter().cloned());
    steps.extend(execute);
    steps
}
