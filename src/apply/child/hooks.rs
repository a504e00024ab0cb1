//! Init runs a hook: a process of its own, in the container's namespaces, with nothing of the launcher's.
//!
//! Init has memory of its own here (the plan's topology says so) and is not dumpable meanwhile: what a hook runs may belong
//! to the container, and finds neither the launcher's memory nor its descriptors.

use crate::apply::program::HookAct;
use crate::sys::clone::{self, Request, Stack};
use crate::sys::signal::{self, SIGCHLD};
use crate::sys::{Fault, Fd, Outcome, Sysno, fd, privilege, process};
use crate::types::{CloneFlags, Errno};

use super::Child;

/// A hook and what it is told.
struct Called<'a> {
    hook: &'a HookAct,
    state: Fd,
}

/// Exit code of a hook that could not be executed, as a shell has it.
const NOT_EXECUTED: u32 = 127;

impl Child<'_> {
    pub(super) fn hook(self, hook: &HookAct) -> Outcome {
        let Some(stack) = &self.launch.hook_stack else {
            return Err(Fault::new(Sysno::clone3, Errno::ENOSYS));
        };
        privilege::set_dumpable(0)?;
        let state = self.at(hook.state)?;
        fd::rewind(state)?;
        // A child's end is waited for as a signal that is pending, which a wait with a limit needs.
        let before = signal::set_mask(SIGCHLD)?;
        let answer = run(&Called { hook, state }, stack);
        signal::set_mask(before)?;
        answer?;
        if hook.is_last {
            drop(self.take(hook.state)?);
        }
        Ok(())
    }
}

fn run(called: &Called<'_>, stack: &Stack) -> Outcome {
    let request = Request { flags: CloneFlags::empty(), cgroup: None, newborn: None };
    let child = clone::clone_copied(&request, stack, begin, called)?;
    let end = called.hook.timeout.map(process::deadline).transpose()?;
    loop {
        match process::end_of(child.pid, false)? {
            Some(0) => return Ok(()),
            Some(_) => return Err(Fault::new(Sysno::wait4, Errno::ECANCELED)),
            None => {}
        }
        if !signal::wait_for_child(end)? {
            let _ = signal::kill(child.pid, crate::types::Signal::KILL);
            process::end_of(child.pid, true)?;
            return Err(Fault::new(Sysno::wait4, Errno::ETIMEDOUT));
        }
    }
}

/// Standard input is the state, outputs are init's, everything else is closed.
extern "C" fn begin(called: &Called<'_>) -> ! {
    let _ = signal::set_mask(0);
    let is_ready = fd::dup3(called.state, Fd(0)).is_ok() && process::close_from(3).is_ok();
    if is_ready {
        let hook = called.hook;
        let _ = process::execve(&hook.path, &hook.args, &hook.env);
    }
    process::exit(NOT_EXECUTED)
}
