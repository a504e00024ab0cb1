//! Steps about how the kernel treats the process, in its numbers and structures.

use alloc::boxed::Box;

use super::{LowerReason, Lowered};
use crate::apply::program::Act;
use crate::plan::ProcessOp;
use crate::sys::abi::{NodeMask, SchedAttr};

pub(super) fn lower(op: &ProcessOp) -> Lowered<Act> {
    Ok(match op {
        ProcessOp::NewKeyring => Act::NewKeyring,
        ProcessOp::SetPersonality { domain } => Act::Personality(domain.number()),
        // `IOPRIO_PRIO_VALUE`: the class above 13 bits of priority.
        ProcessOp::SetIoPriority { class, priority } => {
            Act::IoPriority(class.number() << 13 | u32::from(*priority))
        }
        ProcessOp::SetScheduler { policy, nice, priority, flags, runtime, deadline, period } => {
            Act::Scheduler(SchedAttr {
                policy: policy.number(),
                flags: flags.iter().fold(0, |word, flag| word | u64::from(flag.number())),
                nice: *nice,
                priority: *priority,
                runtime: *runtime,
                deadline: *deadline,
                period: *period,
                ..SchedAttr::default()
            })
        }
        ProcessOp::SetMemoryPolicy { mode, flags, nodes } => {
            let mut mask = Box::new(NodeMask::default());
            for node in nodes {
                let word = mask.words.get_mut(usize::from(node / 64)).ok_or(LowerReason::Length)?;
                *word |= 1 << (node % 64);
            }
            let flags = flags.iter().fold(0, |word, flag| word | flag.number());
            Act::MemoryPolicy { mode: mode.number() | flags, nodes: mask }
        }
        ProcessOp::SetAffinity { cpus } => Act::Affinity(mask(cpus)),
        _ => return Err(LowerReason::WrongActor),
    })
}

/// A bit for each; no number is every bit.
pub(in crate::apply) fn mask(cpus: &[u16]) -> Box<[u64]> {
    const WORDS: usize = 8192 / 64;
    if cpus.is_empty() {
        return [u64::MAX; WORDS].into();
    }
    let mut words: Box<[u64]> = [0; WORDS].into();
    for cpu in cpus {
        if let Some(word) = words.get_mut(usize::from(cpu / 64)) {
            *word |= 1 << (cpu % 64);
        }
    }
    words
}
