//! The launcher's thread runs where the process that it clones shall begin, and then where it ran before; or the two of
//! them are put on different processors.

use super::lower::treatment::mask;
use crate::sys::abi::O_RDONLY;
use crate::sys::process::Pid;
use crate::sys::{Fd, Outcome, fd, treatment};

/// Has a child that waits behind its launcher begin on another processor, if both may run on all that there are.
///
/// A kernel may leave a new process where its parent is, which is about to be busy. The child may run everywhere
/// afterwards, as before: a mask of its own is kept when its cpuset changes (`user_cpus_ptr`, Linux 6.2), and one with
/// every bit set keeps it from nothing.
pub(super) fn part(child: Pid) -> Outcome {
    let own = treatment::affinity()?;
    let file = fd::openat(Fd::CWD, c"/sys/devices/system/cpu/possible", O_RDONLY, 0)?;
    let mut possible = [0; 16];
    let length = fd::read(file.fd(), &mut possible)?;
    let possible = possible.get(..length).and_then(|text| core::str::from_utf8(text).ok());
    if !possible.is_some_and(|possible| is_everywhere(&own, possible)) {
        return Ok(());
    }
    let (mut others, processor) = (own, treatment::processor()?);
    if let Some(word) = others.get_mut(processor / 64) {
        *word &= !(1 << (processor % 64));
    }
    if others.iter().all(|word| *word == 0) {
        return Ok(());
    }
    treatment::set_affinity(Some(child), &others)?;
    treatment::set_affinity(Some(child), &[u64::MAX; 128])
}

/// Whether a mask has every bit of a list `0-N`; a list with gaps is none that is known.
fn is_everywhere(mask: &[u64; 128], possible: &str) -> bool {
    let Some(last) = possible.trim().strip_prefix("0-").and_then(|last| last.parse().ok()) else {
        return false;
    };
    let has = |processor: usize| {
        mask.get(processor / 64).is_some_and(|word| word & (1 << (processor % 64)) != 0)
    };
    (0..=last).all(has)
}

/// Where the thread ran before. Dropped, it runs there again: the clone may fail.
#[derive(Debug)]
pub(super) struct Affinity {
    before: [u64; 128],
}

impl Affinity {
    /// From here on the calling thread runs on these.
    pub(super) fn narrow(cpus: &[u16]) -> Outcome<Self> {
        let before = treatment::affinity()?;
        treatment::set_affinity(None, &mask(cpus))?;
        Ok(Self { before })
    }
}

impl Drop for Affinity {
    fn drop(&mut self) {
        let _ = treatment::set_affinity(None, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_everywhere_if_it_leaves_out_no_processor_that_there_can_be() {
        let mut mask = [0; 128];
        (mask[0], mask[1]) = (u64::MAX, 1);
        assert!(is_everywhere(&mask, "0-64\n"));
        assert!(!is_everywhere(&mask, "0-65\n"));
        assert!(!is_everywhere(&mask, "0-100000\n"));
        assert!(!is_everywhere(&mask, "0,2-3\n"), "not a list that is known");
        assert!(!is_everywhere(&mask, "0\n"), "one processor is no other");
        assert!(!is_everywhere(&mask, ""));
    }
}
