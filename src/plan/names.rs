//! Decides what the container calls its machine.

use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::Refusal;
use super::model::Step;
use super::op::{NamespaceOp, Op};
use crate::types::NamespaceKind;

/// Host and domain name.
pub(super) fn plan(draft: &mut Draft<'_>) -> Vec<Step> {
    let asked = [
        ("/hostname", &draft.config.hostname, true),
        ("/domainname", &draft.config.domainname, false),
    ];
    let mut steps = Vec::new();
    for (pointer, name, is_host) in asked {
        let Some(name) = name.clone() else { continue };
        // A joined one is somebody's whose wish it is too: containers of a pod share it, and each names it.
        draft.require_own(&at(pointer), NamespaceKind::Uts);
        draft.check_nul(&at(pointer), &name);
        if name.len() > 64 {
            draft.refuse(&at(pointer), Refusal::LimitInvalid { expected: "at most 64 bytes" });
        }
        let op = if is_host {
            NamespaceOp::SetHostname { name }
        } else {
            NamespaceOp::SetDomainname { name }
        };
        steps.push(step(Op::Namespace(op), &at(pointer)));
    }
    steps
}
