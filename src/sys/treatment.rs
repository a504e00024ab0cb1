//! How the kernel treats the calling thread: session keyring, personality, I/O priority, scheduling, memory policy.

use super::abi::{NodeMask, SchedAttr};
use super::process::Pid;
use super::raw::{Outcome, call};
use crate::types::Errno;

/// `personality(2)`.
pub(crate) fn personality(word: u32) -> Outcome {
    // SAFETY: takes a number; the domain is the calling task's own and moves no memory that is mapped.
    unsafe { call!(personality, word) }.map(drop)
}

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING)` without a name.
pub(crate) fn new_keyring() -> Outcome {
    const KEYCTL_JOIN_SESSION_KEYRING: u32 = 1;
    // SAFETY: takes a number and, as a name, a null pointer, which stands for none; the keyring is the calling task's own.
    match unsafe { call!(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0_usize) } {
        Err(fault) if fault.is(Errno::ENOSYS) => Ok(()),
        answer => answer.map(drop),
    }
}

/// `ioprio_set(IOPRIO_WHO_PROCESS)` of the calling thread.
pub(crate) fn set_io_priority(value: u32) -> Outcome {
    const IOPRIO_WHO_PROCESS: u32 = 1;
    // SAFETY: takes numbers; zero is the calling thread.
    unsafe { call!(ioprio_set, IOPRIO_WHO_PROCESS, 0_u32, value) }.map(drop)
}

/// `sched_setattr(2)` of the calling thread (Linux 3.14).
pub(crate) fn set_scheduler(attr: &SchedAttr) -> Outcome {
    let attr = core::ptr::from_ref(attr);
    // SAFETY: `attr` is a whole structure of the first version, says so in its size, and is borrowed for the call; the
    // kernel only reads it, since the size is one that it knows.
    unsafe { call!(sched_setattr, 0_u32, attr, 0_u32) }.map(drop)
}

/// `sched_setaffinity(2)` of the first thread of a process, or of the calling thread.
pub(crate) fn set_affinity(of: Option<Pid>, mask: &[u64]) -> Outcome {
    let (number, length) = (of.map_or(0, Pid::number), size_of_val(mask));
    // SAFETY: the mask is readable for the length that is told, borrowed for the call and only read; 0 is the calling
    // thread.
    unsafe { call!(sched_setaffinity, number, length, mask.as_ptr()) }.map(drop)
}

/// `getcpu(2)`: the processor that the calling thread runs on.
pub(crate) fn processor() -> Outcome<usize> {
    let mut processor = 0_u32;
    // SAFETY: the first address is of a number of ours that the kernel writes; nothing is asked of the others.
    unsafe { call!(getcpu, &raw mut processor, 0_usize, 0_usize) }?;
    Ok(usize::try_from(processor).unwrap_or(usize::MAX))
}

/// `sched_getaffinity(2)` of the calling thread, as many words as any kernel has.
pub(crate) fn affinity() -> Outcome<[u64; 128]> {
    let mut mask = [0; 128];
    let length = size_of_val(&mask);
    // SAFETY: the mask is writable for the length that is told and is ours; 0 is the calling thread. What the kernel does
    // not write stays zero.
    unsafe { call!(sched_getaffinity, 0_u32, length, mask.as_mut_ptr()) }?;
    Ok(mask)
}

/// `set_mempolicy(2)` of the calling thread; an empty mask is given as none.
pub(crate) fn set_memory_policy(mode: u32, nodes: &NodeMask) -> Outcome {
    if nodes.words.iter().all(|word| *word == 0) {
        // SAFETY: takes numbers; no mask is given and none announced.
        return unsafe { call!(set_mempolicy, mode, 0_usize, 0_usize) }.map(drop);
    }
    // One more than the bits there are: the kernel counts from one.
    let bits = size_of::<NodeMask>() * 8 + 1;
    // SAFETY: the mask is readable for the bits that are announced and borrowed for the call; it is only read.
    unsafe { call!(set_mempolicy, mode, nodes.words.as_ptr(), bits) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_as_large_as_it_says() {
        assert_eq!(size_of::<SchedAttr>(), 48);
        assert_eq!(SchedAttr::default().size, 48);
    }
}
