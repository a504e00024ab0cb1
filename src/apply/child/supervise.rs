//! The init that stays: the program is its child, and it does nothing but pass on, reap and end.
//!
//! It has memory of its own by the plan's topology, and no more rights than the program.

use super::{Child, FAILED};
use crate::sys::process::{self, Pid};
use crate::sys::{Fd, Outcome, abi, fd, privilege, signal, terminal};
use crate::types::{Errno, Signal};

impl Child<'_> {
    /// Returns in the child, which goes on with the script.
    pub(super) fn supervise(self, has_terminal: bool) -> Outcome {
        // Before there is anybody who could trace this process: its memory is a copy of the launcher's.
        privilege::set_dumpable(0)?;
        // What comes from here on waits until it is asked for. A first process gets what it blocks, without a handler.
        // Ignored it is only for others to see: while it is waited for, the kernel shows nothing as blocked, and whoever
        // looked would take init for one that a signal cannot reach.
        signal::ignore_all_but(abi::SIGCHLD);
        signal::set_mask(u64::MAX)?;
        // Before there is a program that could look: the arguments of any process are for all to read.
        self.be_nobody();
        if let Some(program) = process::fork()? {
            self.stay(program)
        }
        signal::reset_dispositions(u64::MAX);
        // Or `^C` would reach the program twice: from the terminal and from init. `SIGTTOU` is still blocked.
        process::begin_group()?;
        if has_terminal {
            terminal::to_foreground(Fd(0))?;
        }
        signal::set_mask(0).map(drop)
    }

    fn stay(self, program: Pid) -> ! {
        self.close_all();
        loop {
            match signal::await_any() {
                Ok(CHILD) => reap(program),
                Ok(number) => pass_on(program, number),
                // Stopped and continued, or traced.
                Err(fault) if fault.is(Errno::EINTR) => {}
                Err(_) => process::exit(FAILED),
            }
        }
    }

    /// By the name `init`, and without the launcher's arguments and environment; the program gets its own of all that.
    fn be_nobody(&self) {
        if let Some(words) = &self.launch.words {
            words.overwrite();
        }
        let _ = privilege::set_name(c"init");
    }

    /// The channel too: the program's own copy of it tells when it has been executed.
    fn close_all(self) {
        if fd::close_range(0, abi::LAST_FD).is_err() {
            for number in 0..self.launch.descriptors {
                let _ = fd::close(Fd(number.cast_signed()));
            }
        }
    }
}

const CHILD: u32 = abi::SIGCHLD.cast_unsigned();

/// Several ends may come with one signal.
fn reap(program: Pid) {
    while let Ok(Some((pid, ended))) = process::reap() {
        if pid == program {
            process::exit(ended.code());
        }
    }
}

/// The program was not waited for yet, so the number is its own.
fn pass_on(program: Pid, number: u32) {
    if let Some(signal) = u8::try_from(number).ok().and_then(Signal::from_number) {
        let _ = signal::kill(program, signal);
    }
}
