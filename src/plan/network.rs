//! Decides the network of a container: what init does inside, what the parent does outside.

use alloc::vec::Vec;

use super::draft::{Draft, at, at_index, step};
use super::error::Refusal;
use super::model::Step;
use super::op::{NetworkOp, Op};
use crate::config::Network;
use crate::types::NamespaceKind;

pub(super) fn plan(draft: &mut Draft<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, network) in draft.config.networks.iter().enumerate() {
        let origin = at_index("/networks", index);
        // Asked for in the host's own network it would change the host: refused before anything is made.
        draft.require_created(&origin, NamespaceKind::Net);
        match network {
            Network::Loopback => steps.push(step(Op::Network(NetworkOp::LoopbackUp), &origin)),
            Network::Veth(_) => {
                draft.refuse(&origin, Refusal::NotSupported { what: "a veth pair" });
            }
        }
    }
    for index in 0..draft.config.routes.len() {
        let origin = at_index("/routes", index);
        draft.require_created(&origin, NamespaceKind::Net);
        draft.refuse(&origin, Refusal::NotSupported { what: "a route" });
    }
    if !draft.config.net_devices.is_empty() {
        let what = "moving an interface into the container";
        draft.refuse(&at("/netDevices"), Refusal::NotSupported { what });
    }
    steps
}
