//! Decides how the kernel treats the process: session keyring, execution domain, I/O priority, scheduling, memory policy.

use alloc::string::String;
use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::Refusal;
use super::model::Step;
use super::op::{Op, ProcessOp};
use crate::config::{MemoryPolicy, Process, Scheduler};
use crate::facts::KernelVersion;
use crate::types::{
    CapSet, Capability, IoClass, MemoryPolicyFlag, MemoryPolicyMode, Pointer, Resource,
    SchedulerFlag, SchedulerPolicy,
};

pub(super) fn plan(draft: &mut Draft<'_>, process: &Process) -> Vec<Step> {
    let mut steps = Vec::new();
    if draft.config.new_keyring {
        steps.push(step(Op::Process(ProcessOp::NewKeyring), &at("/newKeyring")));
    }
    if let Some(domain) = draft.config.personality {
        let op = ProcessOp::SetPersonality { domain };
        steps.push(step(Op::Process(op), &at("/personality")));
    }
    steps.extend(io_priority(draft, process));
    if let Some(scheduler) = &process.scheduler {
        steps.push(schedule(draft, scheduler));
    }
    if let Some(policy) = &draft.config.memory_policy {
        steps.push(memory(draft, policy));
    }
    steps
}

/// These rights count in the first user namespace only.
fn require_real(
    draft: &mut Draft<'_>,
    origin: &Pointer,
    any_of: &[Capability],
    purpose: &'static str,
) {
    let caller = &draft.facts.caller;
    let is_real = caller.in_initial_userns && !draft.changes_userns();
    if is_real && any_of.iter().any(|capability| caller.effective.contains(*capability)) {
        return;
    }
    let missing: CapSet = any_of.iter().copied().take(1).collect();
    draft.refuse(origin, Refusal::CapabilityMissing { missing, purpose });
}

fn io_priority(draft: &mut Draft<'_>, process: &Process) -> Option<Step> {
    let wish = process.io_priority?;
    let origin = at("/process/ioPriority");
    if wish.priority > 7 {
        draft.refuse(&origin, Refusal::LimitInvalid { expected: "a priority from 0 to 7" });
    }
    if wish.class == IoClass::RealTime {
        let any_of = [Capability::SYS_NICE, Capability::SYS_ADMIN];
        require_real(draft, &origin, &any_of, "a real-time I/O priority");
    }
    let op = ProcessOp::SetIoPriority { class: wish.class, priority: wish.priority };
    Some(step(Op::Process(op), &origin))
}

fn schedule(draft: &mut Draft<'_>, wish: &Scheduler) -> Step {
    let origin = at("/process/scheduler");
    check_values(draft, wish, &origin);
    check_rights(draft, wish, &origin);
    let op = ProcessOp::SetScheduler {
        policy: wish.policy,
        nice: wish.nice,
        priority: wish.priority,
        flags: wish.flags.clone(),
        runtime: wish.runtime,
        deadline: wish.deadline,
        period: wish.period,
    };
    step(Op::Process(op), &origin)
}

fn is_real_time(policy: SchedulerPolicy) -> bool {
    matches!(policy, SchedulerPolicy::Fifo | SchedulerPolicy::Rr)
}

/// What `sched_setattr(2)` answers with `EINVAL`.
fn check_values(draft: &mut Draft<'_>, wish: &Scheduler, origin: &Pointer) {
    let clamps = [SchedulerFlag::UtilClampMin, SchedulerFlag::UtilClampMax];
    let is_deadline = wish.policy == SchedulerPolicy::Deadline;
    let is_ordered = 1024 <= wish.runtime
        && wish.runtime <= wish.deadline
        && (wish.period == 0 || wish.deadline <= wish.period);
    let rules = [
        (wish.policy == SchedulerPolicy::Iso, "another policy: no kernel implements SCHED_ISO"),
        (!(-20..=19).contains(&wish.nice), "a nice value from -20 to 19"),
        (
            is_real_time(wish.policy) && !(1..=99).contains(&wish.priority),
            "a priority from 1 to 99 for SCHED_FIFO and SCHED_RR",
        ),
        (
            !is_real_time(wish.policy) && wish.priority != 0,
            "no priority but for SCHED_FIFO and SCHED_RR",
        ),
        (
            is_deadline && !is_ordered,
            "1024 ns of runtime at least, no more than the deadline, which is no more than the period",
        ),
        (
            wish.flags.iter().any(|flag| clamps.contains(flag)),
            "no clamp of utilisation: there is no place for its value",
        ),
    ];
    for (_, expected) in rules.into_iter().filter(|(is_broken, _)| *is_broken) {
        draft.refuse(origin, Refusal::LimitInvalid { expected });
    }
}

fn check_rights(draft: &mut Draft<'_>, wish: &Scheduler, origin: &Pointer) {
    let limit = |resource| draft.facts.caller.rlimits.get(&resource).map_or(u64::MAX, |l| l.soft);
    let lowest = 20_i64 - i64::try_from(limit(Resource::Nice)).unwrap_or(i64::MAX);
    let is_limited = match wish.policy {
        SchedulerPolicy::Fifo | SchedulerPolicy::Rr => {
            u64::from(wish.priority) > limit(Resource::Rtprio)
        }
        SchedulerPolicy::Deadline => true,
        _ => wish.nice < 0 && i64::from(wish.nice) < lowest,
    };
    if is_limited {
        require_real(draft, origin, &[Capability::SYS_NICE], "this scheduling");
    }
}

fn memory(draft: &mut Draft<'_>, wish: &MemoryPolicy) -> Step {
    let origin = at("/memoryPolicy");
    let nodes = numbers(&wish.nodes, MOST_NODES).unwrap_or_else(|| {
        let expected = "a list of memory nodes below 1024, like 0-1";
        draft.refuse(&origin.key("nodes"), Refusal::LimitInvalid { expected });
        Vec::new()
    });
    check_nodes(draft, wish, !nodes.is_empty(), &origin);
    let newest = [
        (wish.mode == MemoryPolicyMode::PreferredMany, KernelVersion::new(5, 15)),
        (wish.mode == MemoryPolicyMode::WeightedInterleave, KernelVersion::new(6, 9)),
        (wish.flags.contains(&MemoryPolicyFlag::NumaBalancing), KernelVersion::new(5, 12)),
    ];
    if newest.iter().any(|(is_asked, since)| *is_asked && draft.facts.kernel.version < *since) {
        let what = "this memory policy is newer than the kernel";
        draft.refuse(&origin.key("mode"), Refusal::LimitUnsupported { what });
    }
    let op = ProcessOp::SetMemoryPolicy { mode: wish.mode, flags: wish.flags.clone(), nodes };
    step(Op::Process(op), &origin)
}

fn check_nodes(draft: &mut Draft<'_>, wish: &MemoryPolicy, has_nodes: bool, origin: &Pointer) {
    let takes_none = matches!(wish.mode, MemoryPolicyMode::Default | MemoryPolicyMode::Local);
    if takes_none && has_nodes {
        let expected = "no nodes: this mode takes none";
        draft.refuse(&origin.key("nodes"), Refusal::LimitInvalid { expected });
    }
    if !takes_none && !has_nodes && wish.mode != MemoryPolicyMode::Preferred {
        let expected = "at least one node";
        draft.refuse(&origin.key("nodes"), Refusal::LimitInvalid { expected });
    }
    let both = [MemoryPolicyFlag::StaticNodes, MemoryPolicyFlag::RelativeNodes];
    if both.iter().all(|flag| wish.flags.contains(flag)) {
        let reason = "nodes are either static or relative";
        draft.refuse(&origin.key("flags"), Refusal::Contradiction { reason });
    }
}

/// Where a process that joins begins, and where it ends up: without a word about the latter, on all that its cgroup has.
#[derive(Default)]
pub(super) struct Affinity {
    /// Of the parent, around the clone.
    pub(super) around: Option<[Step; 2]>,
    /// Of the process, in its cgroup.
    pub(super) inside: Option<Step>,
}

/// Decides the CPUs of a process that joins a container.
pub(super) fn affinity(draft: &mut Draft<'_>, process: &Process) -> Affinity {
    let Some(wish) = &process.exec_cpu_affinity else { return Affinity::default() };
    let place = at("/process/execCPUAffinity");
    let mut set = |text: &Option<String>, key: &str| {
        let text = text.as_deref().filter(|text| !text.trim().is_empty())?;
        let cpus = numbers(text, MOST_CPUS).unwrap_or_else(|| {
            let expected = "a list of CPUs below 8192, like 0-3,7";
            draft.refuse(&place.key(key), Refusal::LimitInvalid { expected });
            Vec::new()
        });
        Some(step(Op::Process(ProcessOp::SetAffinity { cpus }), &place.key(key)))
    };
    let (first, last) = (set(&wish.initial, "initial"), set(&wish.last, "final"));
    let back = |_: &Step| step(Op::Process(ProcessOp::RestoreAffinity), &place.key("initial"));
    let all = |_: &Step| {
        let op = ProcessOp::SetAffinity { cpus: Vec::new() };
        step(Op::Process(op), &place.key("final"))
    };
    let inside = last.or_else(|| first.as_ref().map(all));
    Affinity { around: first.map(|first| [first.clone(), back(&first)]), inside }
}

/// What the masks have room for.
const MOST_NODES: u16 = 1024;
const MOST_CPUS: u16 = 8192;

/// `0-2,5` → 0, 1, 2, 5; nothing for an empty text, `None` for what is no such list of numbers below `most`.
fn numbers(text: &str, most: u16) -> Option<Vec<u16>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| *number < most);
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (number(from)?, number(to)?);
        if from > to {
            return None;
        }
        numbers.extend(from..=to);
    }
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_list_is_numbers_and_ranges() {
        assert_eq!(numbers("0-2, 5,1", 1024), Some(vec![0, 1, 2, 5]));
        assert_eq!(numbers("", 1024), Some(vec![]));
        for wrong in ["1024", "2-1", "a", "1,,2", "-1"] {
            assert_eq!(numbers(wrong, 1024), None, "{wrong}");
        }
    }
}
