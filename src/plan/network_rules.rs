//! What holds of the network in every plan: which links there are when, and that no other network is touched.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::beside;
use super::invariants::{Broken, Rule, first, ordered};
use super::model::{Actor, Plan, Step, StepId};
use super::network::{interface_fault, prefix_fault};
use super::op::{
    InterfaceName, Link, MountOp, NamespaceOp, NetworkOp, Op, PrivilegeOp, ProcessOp, StateOp,
    SyncOp, Token,
};
use crate::config::Interface;
use crate::types::{CloneFlags, NamespaceKind};

/// Checks [`Rule::Network`].
pub(super) fn network(plan: &Plan) -> Vec<Broken> {
    let broken = |(id, _): (StepId, &Step)| Broken { rule: Rule::Network, step: Some(id) };
    let is_stray = |id: StepId, op: &NetworkOp| match id.actor {
        // The launcher's in the network that it makes: `beside_holds`.
        Actor::Parent => *op == NetworkOp::LoopbackUp && !makes_beside(plan),
        Actor::Intermediate | Actor::Starter => true,
        Actor::Init => *op != NetworkOp::LoopbackUp,
    };
    let mut links = BTreeSet::new();
    let mut faults: Vec<_> = plan
        .steps()
        .filter(|(id, step)| match &step.op {
            Op::Network(op) => is_stray(*id, op) || !uses_what_is(&mut links, op) || has_fault(op),
            _ => false,
        })
        .map(broken)
        .collect();
    if !frame_holds(plan) || !beside_holds(plan) {
        faults.push(Broken { rule: Rule::Network, step: None });
    }
    faults
}

/// The parent's requests come when init's own network is there, and init waits for them while it has its rights.
fn frame_holds(plan: &Plan) -> bool {
    let is_link = |op: &Op| matches!(op, Op::Network(op) if *op != NetworkOp::LoopbackUp);
    if first(&plan.parent, is_link).is_none() {
        return true;
    }
    let clones = |op: &Op| {
        matches!(op, Op::Process(ProcessOp::Clone { .. }) | Op::Sync(SyncOp::Await(Token::InitPid)))
    };
    let tells = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(Token::NetworkReady)));
    let waits = |op: &Op| matches!(op, Op::Sync(SyncOp::Await(Token::NetworkReady)));
    let drops = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::DropBounding { .. }));
    let is_own = plan.steps().any(|(_, step)| {
        let Op::Process(ProcessOp::Clone { flags, starts: Actor::Init }) = step.op else {
            return false;
        };
        flags.contains(CloneFlags::CLONE_NEWNET)
    });
    is_own
        && first(&plan.parent, tells).is_some()
        && ordered(&plan.parent, clones, is_link)
        && ordered(&plan.parent, is_link, tells)
        && ordered(&plan.init, waits, drops)
}

/// A network namespace that the launcher makes is init's before anything is done in it, or anybody but init is there to see
/// that it was in another; and it is made for an init whose ids are the launcher's.
fn beside_holds(plan: &Plan) -> bool {
    if !makes_beside(plan) {
        return true;
    }
    let makes = |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Make { .. }));
    let returns = |op: &Op| *op == Op::Namespace(NamespaceOp::Return { kind: NamespaceKind::Net });
    let is_inside = |op: &Op| matches!(op, Op::Network(_));
    // Whoever is started later, hears of it or is looked for is so from where the launcher was.
    let is_outside = |op: &Op| match op {
        Op::Sync(op) => *op != SyncOp::Signal(Token::NetworkMade),
        Op::State(StateOp::WriteRecord { .. }) | Op::Cgroup(_) => true,
        _ => false,
    };
    let script = &plan.parent;
    let parts = [first(script, makes), first(script, returns)];
    let [Some(made), Some(returned)] = parts else { return false };
    let is_away = |at: usize| made < at && at < returned;
    let holds_away = script.iter().enumerate().all(|(at, step)| match is_away(at) {
        true => !is_outside(&step.op),
        false => !is_inside(&step.op),
    });
    let tells = |op: &Op| *op == Op::Sync(SyncOp::Signal(Token::NetworkMade));
    let waits = |op: &Op| *op == Op::Sync(SyncOp::Await(Token::NetworkMade));
    let joins = |op: &Op| *op == Op::Namespace(NamespaceOp::Join { kind: NamespaceKind::Net });
    let is_met = |op: &Op| match op {
        Op::Mount(MountOp::Filesystem { fstype, .. }) => !beside::is_indifferent(fstype),
        Op::Namespace(NamespaceOp::Sysctl { path, .. }) => path.starts_with("net/"),
        Op::Network(_) | Op::Privilege(_) | Op::User(_) => true,
        _ => false,
    };
    let is_seen = |op: &Op| {
        matches!(op, Op::Hook(_)) || matches!(op, Op::Network(op) if *op != NetworkOp::LoopbackUp)
    };
    let own = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    let others = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUSER;
    let clones = |op: &Op| match op {
        Op::Process(ProcessOp::Clone { flags, starts: Actor::Init }) => {
            flags.contains(own) && !flags.intersects(others)
        }
        _ => false,
    };
    let mut makers = plan.steps().filter(|(_, step)| makes(&step.op));
    holds_away
        && makers.next().is_some_and(|(id, _)| id.actor == Actor::Parent)
        && makers.next().is_none()
        && first(&plan.parent, clones).is_some()
        && ordered(&plan.parent, clones, makes)
        && ordered(&plan.parent, makes, tells)
        && first(&plan.init, joins).is_some()
        && ordered(&plan.init, waits, joins)
        && ordered(&plan.init, joins, is_met)
        && !plan.steps().any(|(_, step)| is_seen(&step.op))
}

fn makes_beside(plan: &Plan) -> bool {
    plan.steps().any(|(_, step)| matches!(step.op, Op::Namespace(NamespaceOp::Make { .. })))
}

/// Whether the step finds its link, and makes none twice.
fn uses_what_is(links: &mut BTreeSet<Link>, op: &NetworkOp) -> bool {
    let host = |name: &InterfaceName| Link::Host(name.clone());
    match op {
        NetworkOp::LoopbackUp | NetworkOp::RemoveLink { .. } | NetworkOp::ReturnLink { .. } => true,
        NetworkOp::MoveLink { host, inside } => {
            let is_new = links.insert(Link::Host(InterfaceName::Fixed(host.clone())));
            links.insert(Link::Inside(inside.clone())) && is_new
        }
        NetworkOp::MakeVeth { host: name, inside, .. } => {
            let is_new = links.insert(host(name));
            links.insert(Link::Inside(inside.clone())) && is_new
        }
        NetworkOp::AttachToBridge { host: name, .. } | NetworkOp::SetHairpin { host: name } => {
            links.contains(&host(name))
        }
        NetworkOp::SetMtu { link, .. }
        | NetworkOp::SetMac { link, .. }
        | NetworkOp::LinkUp { link }
        | NetworkOp::AddAddress { link, .. } => links.contains(link),
        NetworkOp::AddRoute { interface, .. } => interface
            .as_ref()
            .is_none_or(|name| name == "lo" || links.contains(&Link::Inside(name.clone()))),
    }
}

/// Whether the kernel would refuse a value, or take it for something else.
fn has_fault(op: &NetworkOp) -> bool {
    let is_odd = |name: &InterfaceName| match name {
        InterfaceName::Fixed(name) => interface_fault(name).is_some(),
        InterfaceName::Random { prefix, .. } => prefix_fault(prefix).is_some(),
    };
    let is_network = |to: &Interface| to.network() == Some(*to);
    match op {
        NetworkOp::MakeVeth { host, inside, .. } => {
            is_odd(host) || interface_fault(inside).is_some() || inside == "lo"
        }
        NetworkOp::MoveLink { host, inside } => {
            let is_odd = |name: &str| interface_fault(name).is_some() || name == "lo";
            is_odd(host) || is_odd(inside)
        }
        NetworkOp::AttachToBridge { bridge, .. } => interface_fault(bridge).is_some(),
        NetworkOp::SetMac { mac, .. } => mac[0] & 1 != 0 || *mac == [0; 6],
        NetworkOp::SetMtu { mtu, .. } => *mtu == 0,
        NetworkOp::AddAddress { address, .. } => address.network().is_none(),
        NetworkOp::AddRoute { destination, gateway, source, interface } => {
            let addresses = [destination.map(|to| to.address), *gateway, *source];
            let families = addresses.into_iter().flatten().map(|address| address.is_ipv4());
            let families: BTreeSet<_> = families.collect();
            families.len() > 1
                || !destination.as_ref().is_none_or(is_network)
                || gateway.is_none() && interface.is_none()
        }
        NetworkOp::LoopbackUp
        | NetworkOp::RemoveLink { .. }
        | NetworkOp::ReturnLink { .. }
        | NetworkOp::SetHairpin { .. }
        | NetworkOp::LinkUp { .. } => false,
    }
}
