//! The launcher's thread runs where the process that it clones shall begin, and then where it ran before.

use super::lower::treatment::mask;
use crate::sys::{Outcome, treatment};

/// Where the thread ran before. Dropped, it runs there again: the clone may fail.
#[derive(Debug)]
pub(super) struct Affinity {
    before: [u64; 128],
}

impl Affinity {
    /// From here on the calling thread runs on these.
    pub(super) fn narrow(cpus: &[u16]) -> Outcome<Self> {
        let before = treatment::affinity()?;
        treatment::set_affinity(&mask(cpus))?;
        Ok(Self { before })
    }
}

impl Drop for Affinity {
    fn drop(&mut self) {
        let _ = treatment::set_affinity(&self.before);
    }
}
