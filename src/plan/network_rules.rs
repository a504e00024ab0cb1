//! What holds of the network in every plan: which links there are when, and that no other network is touched.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::invariants::{Broken, Rule, first, ordered};
use super::model::{Actor, Plan, Step, StepId};
use super::network::{interface_fault, prefix_fault};
use super::op::{InterfaceName, Link, NetworkOp, Op, PrivilegeOp, ProcessOp, SyncOp, Token};
use crate::config::Interface;
use crate::types::CloneFlags;

/// Checks [`Rule::Network`].
pub(super) fn network(plan: &Plan) -> Vec<Broken> {
    let broken = |(id, _): (StepId, &Step)| Broken { rule: Rule::Network, step: Some(id) };
    let is_stray = |id: StepId, op: &NetworkOp| match id.actor {
        Actor::Parent => *op == NetworkOp::LoopbackUp,
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
    if !frame_holds(plan) {
        faults.push(Broken { rule: Rule::Network, step: None });
    }
    faults
}

/// The parent's requests come when init's own network is there, and init waits for them while it has its rights.
fn frame_holds(plan: &Plan) -> bool {
    let is_link = |op: &Op| matches!(op, Op::Network(_));
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
