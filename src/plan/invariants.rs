//! What holds of every plan: one function, used by the planner's tests, the fuzzers and the door for foreign plans.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use super::filter_rules::filters;
use super::hook_op::HookKind;
use super::hook_rules::runs;
use super::model::{Actor, Plan, Step, StepId, Topology};
use super::op::{MountOp, NamespaceOp, Op, PrivilegeOp, ProcessOp, SyncOp, Token, UserOp};
use crate::types::{CloneFlags, FilterFlags, NamespaceKind};

/// A rule that a plan breaks, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: Rule,
    /// The step that breaks it, if it is one.
    pub step: Option<StepId>,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// A script has more steps than ids, or none where one is needed.
    Length,
    /// The last step of the parent, or the starter, waits for the program, init's last two say "ready" and execute it.
    Ending,
    /// Each process is cloned exactly once, by the actor and with the memory that the topology says.
    Topology,
    /// Every wait is answered by exactly one signal of another actor, and every signal is waited for.
    Handshake,
    /// The waits and signals can be carried out in the scripts' orders.
    Deadlock,
    /// A descriptor is used before a step made it, or one is made in a process that cannot hand it over.
    Slot,
    /// What only an undo may do stands in a script, or a directory or a link is made without its removal.
    Undo,
    /// A container cgroup is limited after init entered it, or gets its device policy when a program may run in it; or its
    /// namespace is unshared before.
    CgroupOrder,
    /// Mounts come before the tree is isolated, or after the root was changed.
    MountOrder,
    /// Rights are given up in an order that would not give them up.
    PrivilegeOrder,
    /// Descriptors are still open when the working directory is chosen.
    DescriptorOrder,
    /// A namespace is joined before it was opened, or the mount namespace before another.
    JoinOrder,
    /// A link is used before it is made, made outside of the time between the clone and the word that the network is
    /// complete, or has values that the kernel would not take; or the network is made in the host's own namespace.
    Network,
    /// A hook is run by another than the one whose it is, or at another moment, or where it could reach the launcher.
    Hook,
    /// A filter is one that the kernel would not take, or stands where it could not be installed; or its listener is not
    /// handed on.
    Filter,
    /// An init that stays does so in shared memory, with rights or descriptors that the program does not have, in a pid
    /// namespace that is not the container's own, or twice.
    MinimalInit,
    /// A container that waits for its start does so with rights or descriptors that its program does not have, or twice, or
    /// nobody is there who starts it.
    Held,
    /// An init that waits for its program does so with memory or rights that the program does not have, or twice.
    Prepared,
    /// A text cannot become a C string.
    Nul,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plan breaks the rule {:?}", self.rule)?;
        self.step.map_or(Ok(()), |step| write!(f, " at {step}"))
    }
}

impl core::error::Error for Broken {}

/// Checks every rule.
///
/// # Errors
/// All rules that are broken, in a fixed order.
pub fn invariants(plan: &Plan) -> Result<(), Vec<Broken>> {
    let checks: [fn(&Plan) -> Vec<Broken>; 18] = [
        length,
        ending,
        topology,
        handshake,
        deadlock,
        super::slot_rules::slots,
        super::undo_rules::undo,
        super::cgroup_rules::order,
        mount_order,
        privilege_order,
        join_order,
        super::network_rules::network,
        super::hook_rules::hooks,
        super::filter_rules::filter,
        super::minimal_init::rule,
        super::held::rule,
        super::prepared::rule,
        super::text_rules::nul,
    ];
    let broken: Vec<_> = checks.iter().flat_map(|check| check(plan)).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

pub(super) fn fault(rule: Rule, is_broken: bool) -> Option<Broken> {
    is_broken.then_some(Broken { rule, step: None })
}

/// Position of the first step of init that `wanted` picks.
pub(super) fn first(script: &[Step], wanted: impl Fn(&Op) -> bool) -> Option<usize> {
    script.iter().position(|step| wanted(&step.op))
}

pub(super) fn last(script: &[Step], wanted: impl Fn(&Op) -> bool) -> Option<usize> {
    script.iter().rposition(|step| wanted(&step.op))
}

/// Whether everything `early` picks comes before everything `late` picks.
pub(super) fn ordered(
    script: &[Step],
    early: impl Fn(&Op) -> bool,
    late: impl Fn(&Op) -> bool,
) -> bool {
    match (last(script, early), first(script, late)) {
        (Some(early), Some(late)) => early < late,
        _ => true,
    }
}

fn length(plan: &Plan) -> Vec<Broken> {
    let is_long =
        Actor::ALL.into_iter().any(|actor| u16::try_from(plan.script(actor).len()).is_err());
    let is_empty = plan.parent.is_empty() || plan.init.is_empty();
    fault(Rule::Length, is_long || is_empty).into_iter().collect()
}

fn ending(plan: &Plan) -> Vec<Broken> {
    let script = if plan.start.is_empty() { &plan.parent } else { &plan.start };
    // What is run once the program runs comes after that.
    let mut last_ones = script.iter().rev();
    let last = last_ones.find(|step| !runs(&step.op, HookKind::Poststart));
    let waits = matches!(last.map(|s| &s.op), Some(Op::Sync(SyncOp::AwaitExec)));
    let executes = |op: &Op| matches!(op, Op::Process(ProcessOp::Execute { .. }));
    let is_last = plan.init.last().is_some_and(|step| executes(&step.op));
    let is_only = plan.steps().filter(|(_, step)| executes(&step.op)).count() == 1;
    // A filter may come in between, since it may forbid telling, and what is to be under it.
    let between = |op: &Op| filters(op) || runs(op, HookKind::StartContainer);
    let mut before = plan.init.iter().rev().skip(1).skip_while(|step| between(&step.op));
    let says_ready =
        before.next().is_some_and(|step| matches!(step.op, Op::Sync(SyncOp::Signal(Token::Ready))));
    fault(Rule::Ending, !(waits && is_last && is_only && says_ready)).into_iter().collect()
}

fn clones(script: &[Step]) -> Vec<(CloneFlags, Actor)> {
    let clone = |step: &Step| match step.op {
        Op::Process(ProcessOp::Clone { flags, starts }) => Some((flags, starts)),
        _ => None,
    };
    script.iter().filter_map(clone).collect()
}

fn topology(plan: &Plan) -> Vec<Broken> {
    let (parent, middle) = (clones(&plan.parent), clones(&plan.intermediate));
    let shares = |flags: CloneFlags| flags.contains(CloneFlags::CLONE_VM);
    let holds = match (plan.topology, &parent[..], &middle[..]) {
        (Topology::SharedMemory, [(flags, Actor::Init)], []) => shares(*flags),
        (Topology::CopiedMemory, [(flags, Actor::Init)], []) => !shares(*flags),
        (Topology::Intermediate, [(flags, Actor::Intermediate)], [(inner, Actor::Init)]) => {
            !shares(*flags) && !shares(*inner) && inner.contains(CloneFlags::CLONE_PARENT)
        }
        _ => false,
    };
    let never = CloneFlags::CLONE_VFORK | CloneFlags::CLONE_NEWCGROUP | CloneFlags::CLONE_NEWTIME;
    let is_odd = parent.iter().chain(&middle).any(|(flags, _)| flags.intersects(never));
    let is_stray = !clones(&plan.init).is_empty()
        || plan.topology != Topology::Intermediate && !plan.intermediate.is_empty();
    fault(Rule::Topology, !holds || is_odd || is_stray).into_iter().collect()
}

/// What a step tells others: a signal, or the terminal or a listener, which go with their own messages.
fn signals(op: &Op) -> Option<Token> {
    match op {
        Op::Sync(SyncOp::Signal(token)) => Some(*token),
        Op::Sync(SyncOp::Knock) => Some(Token::Start),
        Op::Mount(MountOp::OpenTerminal { .. }) => Some(Token::Terminal),
        Op::Privilege(PrivilegeOp::Seccomp { flags, .. })
            if flags.contains(FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER) =>
        {
            Some(Token::Listener)
        }
        _ => None,
    }
}

/// Picks a token out of an operation.
type TokenOf = fn(&Op) -> Option<Token>;

fn awaits(op: &Op) -> Option<Token> {
    match op {
        Op::Sync(SyncOp::Await(token)) => Some(*token),
        Op::Sync(SyncOp::AwaitKnock) => Some(Token::Start),
        _ => None,
    }
}

fn handshake(plan: &Plan) -> Vec<Broken> {
    let mut broken = Vec::new();
    let sides: [(TokenOf, TokenOf); 2] = [(signals, awaits), (awaits, signals)];
    for (own, other) in sides {
        for (id, step) in plan.steps() {
            let Some(token) = own(&step.op) else { continue };
            let answers = plan.steps().filter(|(_, step)| other(&step.op) == Some(token));
            let actors: Vec<_> = answers.map(|(id, _)| id.actor).collect();
            if !matches!(actors[..], [actor] if actor != id.actor) {
                broken.push(Broken { rule: Rule::Handshake, step: Some(id) });
            }
        }
    }
    let order = |script: &[Step], of: TokenOf, other: (&[Step], TokenOf)| -> Vec<Token> {
        let is_answered =
            |token: &Token| other.0.iter().any(|step| other.1(&step.op) == Some(*token));
        script.iter().filter_map(|step| of(&step.op)).filter(is_answered).collect()
    };
    // What the parent tells comes in the order in which it tells it.
    let (parent, init) = (&plan.parent[..], &plan.init[..]);
    let (told, heard) =
        (order(parent, signals, (init, awaits)), order(init, awaits, (parent, signals)));
    broken.extend(fault(Rule::Handshake, told != heard));
    broken
}

/// Runs the scripts against each other: a process starts when it is cloned, the starter when the parent is done, a wait
/// passes when its signal was given.
fn deadlock(plan: &Plan) -> Vec<Broken> {
    let actors = Actor::ALL;
    let mut started = BTreeSet::from([Actor::Parent]);
    let mut given = BTreeSet::new();
    let mut at = [0usize; 4];
    let mut moved = true;
    while moved {
        moved = false;
        for (n, actor) in actors.into_iter().enumerate() {
            let Some(step) = plan.script(actor).get(at[n]).filter(|_| started.contains(&actor))
            else {
                continue;
            };
            if awaits(&step.op).is_some_and(|token| !given.contains(&token)) {
                continue;
            }
            given.extend(signals(&step.op));
            if let Op::Process(ProcessOp::Clone { starts, .. }) = step.op {
                started.insert(starts);
            }
            at[n] += 1;
            moved = true;
            if at[0] == plan.parent.len() {
                started.insert(Actor::Starter);
            }
        }
    }
    let stuck = actors.into_iter().enumerate().find_map(|(n, actor)| {
        let is_over = at[n] == plan.script(actor).len();
        let index = u16::try_from(at[n]).unwrap_or(u16::MAX);
        (!is_over).then_some(StepId { actor, index })
    });
    stuck.map(|step| Broken { rule: Rule::Deadlock, step: Some(step) }).into_iter().collect()
}

fn mount_order(plan: &Plan) -> Vec<Broken> {
    let isolates = |op: &Op| matches!(op, Op::Mount(MountOp::IsolateTree { .. }));
    let switches = |op: &Op| matches!(op, Op::Mount(MountOp::PivotRoot | MountOp::MoveRoot));
    let after =
        |op: &Op| matches!(op, Op::Mount(MountOp::ReadonlyRoot | MountOp::Propagate { .. }));
    let inner =
        |op: &Op| matches!(op, Op::Mount(_)) && !isolates(op) && !switches(op) && !after(op);
    // A terminal that is bound nowhere changes no mount.
    let looks = |op: &Op| {
        matches!(op, Op::Mount(MountOp::FindDevpts | MountOp::OpenTerminal { console: false, .. }))
    };
    let mounts = |op: &Op| matches!(op, Op::Mount(_)) && !isolates(op) && !looks(op);
    let script = &plan.init;
    let has_mounts = first(script, mounts).is_some();
    let count = |wanted: &dyn Fn(&Op) -> bool| script.iter().filter(|s| wanted(&s.op)).count();
    let one_each = count(&isolates) == 1 && count(&switches) == 1;
    let holds = !has_mounts
        || one_each && ordered(script, isolates, mounts) && ordered(script, inner, switches);
    // A mapped copy is the parent's to make, in no tree yet.
    let maps = |op: &Op| matches!(op, Op::Mount(MountOp::MapTree { .. }));
    let mut outside = plan.parent.iter().chain(&plan.intermediate);
    let is_stray = outside.any(|s| matches!(s.op, Op::Mount(_)) && !maps(&s.op))
        || plan.intermediate.iter().chain(script).any(|s| maps(&s.op));
    fault(Rule::MountOrder, !holds || is_stray).into_iter().collect()
}

fn privilege_order(plan: &Plan) -> Vec<Broken> {
    let script = &plan.init;
    let bounds = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::DropBounding { .. }));
    let ids = |op: &Op| matches!(op, Op::User(UserOp::SetGroups { .. } | UserOp::SetIds { .. }));
    let sets = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::SetCapabilities { .. }));
    let ambient = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::SetAmbient { .. }));
    let closes = |op: &Op| matches!(op, Op::Process(ProcessOp::CloseDescriptors));
    let moves = |op: &Op| matches!(op, Op::Process(ProcessOp::ChangeDirectory { .. }));
    let needs_rights =
        |op: &Op| matches!(op, Op::Mount(_) | Op::Namespace(_) | Op::Network(_) | Op::Cgroup(_));
    let is_complete = [first(script, bounds), first(script, sets), first(script, closes)];
    let holds = is_complete.iter().all(Option::is_some)
        && ordered(script, needs_rights, bounds)
        && ordered(script, bounds, ids)
        && ordered(script, ids, sets)
        && ordered(script, sets, ambient);
    let closed = ordered(script, closes, moves) && ordered(script, sets, moves);
    let mut broken: Vec<_> = fault(Rule::PrivilegeOrder, !holds).into_iter().collect();
    broken.extend(fault(Rule::DescriptorOrder, !closed));
    broken
}

fn join_order(plan: &Plan) -> Vec<Broken> {
    let joins = |op: &Op| {
        matches!(op, Op::Namespace(NamespaceOp::Join { .. } | NamespaceOp::JoinHeld { .. }))
    };
    let opens = |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Open { .. }));
    let of = |kind| move |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Join { kind: k }) if *k == kind);
    let others = |op: &Op| joins(op) && !of(NamespaceKind::User)(op);
    let before_mnt = |op: &Op| joins(op) && !of(NamespaceKind::Mnt)(op);
    let holds = [&plan.intermediate, &plan.init].into_iter().all(|script| {
        ordered(script, opens, joins)
            && ordered(script, of(NamespaceKind::User), others)
            && ordered(script, before_mnt, of(NamespaceKind::Mnt))
    });
    fault(Rule::JoinOrder, !holds).into_iter().collect()
}
