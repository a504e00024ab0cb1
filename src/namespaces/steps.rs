//! Single duties of a start, for an embedder that goes step by step: each carries out its slice of a plan.
//!
//! The parent's take an [`Outside`], init's a [`Stage`]. A step is done once: a later slice that it belongs to as well
//! passes over it.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use std::os::fd::OwnedFd;

use crate::apply::{
    ApplyError, CgroupHandle, DeathSignal, Fault, Outside, Stage, StageError, enter_cgroup,
    init_pipe, replace_environment,
};
use crate::config::Config;
use crate::plan::{CgroupOp, MountOp, Op, PrivilegeOp, ProcessOp, UserOp};

/// Becomes the container's program, in a process that [`exec`](super::exec) has started with a
/// [`CreateCommand`](super::CreateCommand): takes the plan out of the pipe and carries out all of init's steps. On success
/// it never returns.
///
/// The caller has one thread, and returns from `main` with what it gets: the parent has been told already.
///
/// Where it differs from the original:
/// - Config, root and arguments come over the pipe, decided and checked; no file is read, and nothing is looked up by a
///   path relative to this process.
/// - The word that everything has worked is sent before `execve`. An end of file without it is an error to the parent,
///   also when this process is killed.
/// - An error travels as step, call and number, and the parent writes the sentence; one of the embedder's own is sent by
///   [`Stage::give_up`].
///
/// # Errors
/// The step that failed, or why there was none.
#[doc(alias = "Init")]
#[must_use = "what comes back is why the container's program does not run"]
pub fn init(pipe: OwnedFd) -> StageError {
    match Stage::receive(pipe) {
        Ok(stage) => stage.finish(),
        Err(error) => error,
    }
}

/// The pipe of an init: the descriptor that the variable `pipe` names.
///
/// # Errors
/// When there is no such variable, it names no socket, or the pipe was taken before: this program was not started by
/// [`exec`](super::exec) with a [`CreateCommand`](super::CreateCommand).
pub fn pipe() -> Result<OwnedFd, StageError> {
    init_pipe()
}

/// Makes the cgroups of a plan, limits them, and puts the process into them: create, limit, join, in the plan's order.
/// Answers the directories; `None` where the config asks for no cgroup.
///
/// Where it differs from the original: the order is fixed and the limits are there before the process is; a controller that
/// is missing and asked for was refused by the planner; a failure removes what was made. A plan's own init needs no such
/// call: it moves itself, some milliseconds faster.
///
/// # Errors
/// The step that failed; everything that `outside` had done is undone. When only the process could not be moved, that is
/// [`Fault`]'s place: what was made is still there then, for [`Outside::undo`].
#[doc(alias = "SetupCgroups")]
pub fn setup_cgroups(outside: &mut Outside<'_>) -> Result<Option<CgroupHandle>, ApplyError> {
    outside.carry_out(|_, op| match op {
        Op::Cgroup(
            CgroupOp::OpenTasks { .. } | CgroupOp::OpenDirectory { .. } | CgroupOp::Place { .. },
        ) => false,
        Op::Cgroup(_) => true,
        _ => false,
    })?;
    let Some(cgroup) = CgroupHandle::of(outside.plan()) else { return Ok(None) };
    match enter_cgroup(&cgroup, outside.pid()) {
        Ok(()) => Ok(Some(cgroup)),
        Err(fault) => Err(outside.fail(fault)),
    }
}

/// Puts a process into the cgroups of a running container, in the order of their directories.
///
/// Where it differs from the original: a directory that is missing is an error rather than a limit less, and the order does
/// not change from call to call.
///
/// # Errors
/// The first write that was refused.
#[doc(alias = "EnterCgroups")]
pub fn enter_cgroups(cgroup: &CgroupHandle, pid: u32) -> Result<(), Fault> {
    enter_cgroup(cgroup, pid)
}

/// Makes a plan's links, addresses and routes between the host and the network namespace of the process. Answers the names
/// of the links on the host.
///
/// Where it differs from the original: also what is inside is made from here, so init has nothing to do for it; a process
/// in the caller's own network namespace is refused before anything is made; a failure removes the links that were made;
/// there may be several pairs.
///
/// # Errors
/// The step that failed; everything that `outside` had done is undone.
#[doc(alias = "InitializeNetworking")]
pub fn initialize_networking(outside: &mut Outside<'_>) -> Result<Vec<String>, ApplyError> {
    outside.carry_out(|_, op| matches!(op, Op::Network(_)))?;
    Ok(outside.links().map(str::to_owned).collect())
}

/// Makes the container's environment that of the calling process, for a program that executes something of its own. Of
/// two variables of one name the later one counts.
///
/// [`init`] does without: the container's program is given its environment by `execve`.
///
/// # Errors
/// In a program with several threads; for a name that is empty. Nothing is changed then.
#[doc(alias = "LoadContainerEnvironment")]
pub fn load_container_environment(config: &Config) -> Result<(), StageError> {
    let environment = config.process.as_ref().map(|process| &process.env[..]);
    replace_environment(environment.unwrap_or_default())
}

/// Carries out init's steps as long as it has its rights: cgroups, namespaces that are joined, the loopback interface,
/// mounts, devices, the root, names, limits.
///
/// For a program that does something of its own between that and the rest, which [`finalize_namespace`] and
/// [`Stage::finish`] carry out.
///
/// Where it differs from the original: that was the duty of a process of its own with the host's rights, which made
/// mounts that init had no part in (its working directory stayed on the host, its umask was the caller's, without
/// `pivot_root` it kept the host's root). Init does it all, with the rights it has in its own user namespace; what those
/// cannot make, device nodes, is bound from the host.
///
/// # Errors
/// The step that failed; the parent has been told.
#[doc(alias = "SetupContainer")]
pub fn setup_container(stage: &mut Stage) -> Result<(), StageError> {
    let end = end_of_rights(stage);
    stage.carry_out(|id, _| usize::from(id.index) < end)
}

/// Becomes the user that the plan's program runs as: supplementary groups, group, user. Of the calling thread.
///
/// Who that is was decided by the container's own `/etc/passwd` and `/etc/group` when the plan was made. A number is a
/// number, and an unknown one keeps group 0, as `docs/seed.md` says; `HOME` is in the environment of the plan's program.
///
/// # Errors
/// The step that failed: `EPERM` without `CAP_SETUID` and `CAP_SETGID`.
#[doc(alias = "SetupUser")]
pub fn setup_user(stage: &mut Stage) -> Result<(), StageError> {
    stage.carry_out(|_, op| is_user(op))
}

/// Gives up, in the order in which it can be given up, what the container's program must not have: the bounding set, ids
/// and groups, the other capability sets, descriptors, and then goes to the working directory.
///
/// Where it differs from the original: the bounding set is dropped up to the kernel's last capability; the inheritable set
/// is empty unless asked for; a working directory that leads out of the root is refused. As there, descriptors are marked
/// to be closed by `execve`, so that their owners in the calling program stay sound.
///
/// # Errors
/// The step that failed; the parent has been told.
#[doc(alias = "FinalizeNamespace")]
pub fn finalize_namespace(stage: &mut Stage) -> Result<(), StageError> {
    let end = end_of_rights(stage);
    stage.carry_out(|id, op| match op {
        // For the program's own `execve`, and the last thing before it.
        Op::Privilege(PrivilegeOp::ExecLabel { .. } | PrivilegeOp::Seccomp { .. }) => false,
        Op::Privilege(_) => true,
        // The one before is for mounts.
        Op::Process(ProcessOp::Umask { .. }) => usize::from(id.index) > end,
        Op::Process(ProcessOp::CloseDescriptors | ProcessOp::ChangeDirectory { .. }) => true,
        op => is_user(op),
    })
}

/// Becomes the program of a plan, in a process that is in the container's namespaces already: limits, labels, and all
/// that [`finalize_namespace`] does. Only returns when that failed.
///
/// For an embedder that joins by itself, with a [`Stage::alone`] of a [`join`](crate::plan::join): [`exec_in`](super::exec_in)
/// needs none of that.
///
/// # Errors
/// The step that failed.
#[doc(alias = "FinalizeSetns")]
#[must_use = "what comes back is why the program does not run"]
pub fn finalize_setns(mut stage: Stage) -> StageError {
    let is_over = |op: &Op| matches!(op, Op::Namespace(_) | Op::Mount(MountOp::IsolateTree { .. }));
    match stage.carry_out(|_, op| !is_over(op)) {
        Ok(()) => stage.finish(),
        Err(error) => error,
    }
}

/// Sets the parent-death signal again that was there when it was remembered: a change of ids clears it.
///
/// Where it differs from the original: a parent that has died meanwhile is known by another number than it had, not by 1,
/// so a supervisor that is pid 1 itself is no cause to die; and what is sent then is that signal.
///
/// # Errors
/// None that the kernel documents.
#[doc(alias = "RestoreParentDeathSignal")]
pub fn restore_parent_death_signal(old: &DeathSignal) -> Result<(), Fault> {
    old.restore()
}

/// The first step that takes something away.
fn end_of_rights(stage: &Stage) -> usize {
    let init = &stage.plan().init;
    init.iter().position(|step| matches!(step.op, Op::Privilege(_))).unwrap_or(init.len())
}

fn is_user(op: &Op) -> bool {
    matches!(op, Op::User(UserOp::SetGroups { .. } | UserOp::SetIds { .. }))
}
