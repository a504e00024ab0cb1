//! A filter's program × a call → the answer, as the kernel would have it: for tests, fuzzing and the planner's own doubts.

use super::instruction::{self as bpf, FilterInstruction};

/// A call as a filter sees it: `struct seccomp_data` in words of 32 bits, in memory's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call([u32; 16]);

impl Call {
    /// The call `number` of the architecture `audit` (`AUDIT_ARCH_*`), which says the order of an argument's halves too.
    #[must_use]
    pub fn new(audit: u32, number: u32, arguments: [u64; 6]) -> Self {
        const LITTLE: u32 = 0x4000_0000;
        let mut words = [0; 16];
        words[0] = number;
        words[1] = audit;
        for (at, argument) in arguments.into_iter().enumerate() {
            let (low, high) = if audit & LITTLE == 0 { (1, 0) } else { (0, 1) };
            words[4 + 2 * at + low] = bpf::half(argument, 0);
            words[4 + 2 * at + high] = bpf::half(argument, 32);
        }
        Self(words)
    }
}

/// Whether the kernel would take the program: it is not empty and not too long, loads words of `seccomp_data`, jumps
/// forward to instructions of its own, and ends in a return (`bpf_check_classic`, `seccomp_check_filter`).
///
/// # Errors
/// The position of what it would not take; the program's length where that is at fault.
pub fn check(program: &[FilterInstruction]) -> Result<(), usize> {
    let length = program.len();
    if length == 0 || length > bpf::MAX_LENGTH {
        return Err(length);
    }
    for (at, i) in program.iter().enumerate() {
        let is_inside = |skip: usize| at + 1 + skip < length;
        let holds = match i.code {
            bpf::LOAD => i.value < bpf::DATA_SIZE && i.value % 4 == 0,
            bpf::AND => true,
            bpf::JUMP => usize::try_from(i.value).is_ok_and(is_inside),
            bpf::JUMP_EQUAL | bpf::JUMP_ABOVE | bpf::JUMP_NOT_BELOW => {
                is_inside(i.if_true.into()) && is_inside(i.if_false.into())
            }
            bpf::RETURN => true,
            _ => false,
        };
        if !holds {
            return Err(at);
        }
    }
    if program[length - 1].code == bpf::RETURN { Ok(()) } else { Err(length - 1) }
}

/// The answer to `call`, as a `SECCOMP_RET_*` word; `None` if the program leaves the road that [`check`] vouches for.
#[must_use]
pub fn interpret(program: &[FilterInstruction], call: &Call) -> Option<u32> {
    let (mut at, mut accumulator) = (0_usize, 0_u32);
    loop {
        let i = program.get(at)?;
        let skip = match i.code {
            bpf::LOAD => {
                accumulator = *call.0.get(usize::try_from(i.value / 4).ok()?)?;
                0
            }
            bpf::AND => {
                accumulator &= i.value;
                0
            }
            bpf::JUMP => usize::try_from(i.value).ok()?,
            bpf::RETURN => return Some(i.value),
            code => {
                let holds = match code {
                    bpf::JUMP_EQUAL => accumulator == i.value,
                    bpf::JUMP_ABOVE => accumulator > i.value,
                    bpf::JUMP_NOT_BELOW => accumulator >= i.value,
                    _ => return None,
                };
                usize::from(if holds { i.if_true } else { i.if_false })
            }
        };
        at = at.checked_add(skip)?.checked_add(1)?;
    }
}
