//! A step that begins becomes a place where a tracer can stop.
//!
//! `uprobe` on the symbol `step_mark` is told the actor in the first argument (0 parent, 1 intermediate, 2 init, 3 starter), the
//! index in the second, the moment in the third: so ftrace, perf and bpftrace can say what a step costs. Untraced it is
//! a call and a return. Any program that can read ours may set such a probe only with `CAP_SYS_ADMIN` or `CAP_PERFMON`.

use crate::plan::{Actor, StepId};

/// A step is about to be done. An index after the last says that the script is at its end.
pub(crate) fn step_begins(actor: Actor, index: u16) {
    step_mark(number(actor), index.into(), BEGINS);
}

/// A step is about to be undone.
pub(crate) fn undo_begins(step: StepId) {
    step_mark(number(step.actor), step.index.into(), UNDOES);
}

/// Nothing is left to undo.
pub(crate) fn all_undone() {
    step_mark(number(Actor::Parent), u32::MAX, UNDOES);
}

const BEGINS: u32 = 0;
const UNDOES: u32 = 1;

fn number(actor: Actor) -> u32 {
    match actor {
        Actor::Parent => 0,
        Actor::Intermediate => 1,
        Actor::Init => 2,
        Actor::Starter => 3,
    }
}

/// Never inlined, and its arguments are used as far as the compiler knows, so they are in the registers of the C ABI.
#[inline(never)]
extern "C" fn step_mark(actor: u32, index: u32, moment: u32) {
    core::hint::black_box((actor, index, moment));
}
