//! What containers run while they are measured: programs of a few instructions.

use crate::machine::Machine;

/// Ends at once: `mov eax, exit_group; xor edi, edi; syscall`.
pub(crate) fn exits() -> Vec<u8> {
    let mut machine = Machine::default();
    machine.attempt(libc::SYS_exit_group, &[0.into()]);
    machine.finish()
}

/// Writes the monotonic clock, a `struct timespec`, to standard output and ends: when its first instruction ran.
pub(crate) fn stamps() -> Vec<u8> {
    let mut machine = Machine::default();
    let time = machine.words(&[0, 0]);
    machine.attempt(libc::SYS_clock_gettime, &[libc::CLOCK_MONOTONIC.into(), time]);
    machine.attempt(libc::SYS_write, &[1.into(), time, 16.into()]);
    machine.attempt(libc::SYS_exit_group, &[0.into()]);
    machine.finish()
}

/// Stays until it is killed.
pub(crate) fn stays() -> Vec<u8> {
    let mut machine = Machine::default();
    let mark = machine.mark();
    machine.attempt(libc::SYS_pause, &[]);
    machine.attempt(libc::SYS_pause, &[]);
    let never = machine.keep(2);
    machine.again(never, mark);
    machine.finish()
}
