//! What holds of the texts of every plan: each can become a C string.

use alloc::vec::Vec;

use super::hook_op::HookOp;
use super::invariants::{Broken, Rule};
use super::model::Plan;
use super::op::{MountOp, NamespaceOp, Op, ProcessOp};

/// Checks [`Rule::Nul`].
pub(super) fn nul(plan: &Plan) -> Vec<Broken> {
    // Paths cannot hold one by type; what is left are texts.
    let has_nul = |op: &Op| match op {
        Op::Mount(MountOp::Filesystem { fstype, source, data, .. }) => {
            fstype.contains('\0') || source.iter().chain(data).any(|text| text.contains('\0'))
        }
        Op::Mount(MountOp::Symlink { target, .. }) => target.contains('\0'),
        Op::Namespace(NamespaceOp::SetHostname { name } | NamespaceOp::SetDomainname { name }) => {
            name.contains('\0')
        }
        Op::Namespace(NamespaceOp::Sysctl { path, .. }) => path.contains('\0'),
        Op::Hook(HookOp::Run { hooks, .. }) => hooks.iter().any(|hook| {
            let mut texts = hook.args.iter().chain(&hook.env).chain([&hook.path]);
            texts.any(|text| text.contains('\0'))
        }),
        Op::Process(ProcessOp::Execute { candidates, args, env }) => {
            candidates.iter().chain(args).chain(env).any(|text| text.contains('\0'))
        }
        Op::Process(ProcessOp::Find { candidates }) => {
            candidates.iter().any(|text| text.contains('\0'))
        }
        _ => false,
    };
    let broken = plan.steps().filter(|(_, step)| has_nul(&step.op));
    broken.map(|(id, _)| Broken { rule: Rule::Nul, step: Some(id) }).collect()
}
