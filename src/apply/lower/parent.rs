//! The launcher's script is carried out as it stands: only whether it can be is looked at.

use super::{LowerError, LowerReason, named};
use crate::plan::{
    Actor, CgroupOp, HookOp, MountOp, NamespaceOp, NetworkOp, Op, Plan, PrivilegeOp, ProcessOp,
    UserOp,
};
use crate::types::NamespaceKind;

/// The first step that is none of the launcher's.
pub(super) fn check(plan: &Plan) -> Result<(), LowerError> {
    for (index, step) in plan.parent.iter().enumerate() {
        let is_parents = match &step.op {
            Op::Cgroup(op) => !matches!(op, CgroupOp::Enter { .. }),
            Op::Process(ProcessOp::Clone { starts, .. }) => *starts != Actor::Parent,
            Op::Process(
                ProcessOp::HoldProc | ProcessOp::SetAffinity { .. } | ProcessOp::RestoreAffinity,
            )
            | Op::Namespace(
                NamespaceOp::Hold { .. }
                | NamespaceOp::OpenHeld { .. }
                | NamespaceOp::Make { kind: NamespaceKind::Net }
                | NamespaceOp::Return { kind: NamespaceKind::Net },
            ) => true,
            // In a network that it makes, which is init's.
            Op::Network(NetworkOp::LoopbackUp) => true,
            Op::Network(NetworkOp::RemoveLink { .. } | NetworkOp::ReturnLink { .. }) => false,
            Op::Network(_) if cfg!(not(feature = "net")) => {
                return Err(named(Actor::Parent, index, LowerReason::NoNetwork));
            }
            Op::Hook(HookOp::Run { kind, .. }) => !kind.is_inside(),
            Op::Mount(MountOp::MapTree { .. }) | Op::Hook(_) | Op::Resctrl(_) => true,
            Op::Network(_) | Op::State(_) | Op::Sync(_) => true,
            Op::Privilege(op) => matches!(
                op,
                PrivilegeOp::ConnectAgent { .. }
                    | PrivilegeOp::Relabel { .. }
                    | PrivilegeOp::SendListener { .. }
            ),
            Op::User(op) => matches!(
                op,
                UserOp::DenySetgroups | UserOp::WriteIdMap { .. } | UserOp::RunMapHelper { .. }
            ),
            _ => false,
        };
        if !is_parents || u16::try_from(index).is_err() {
            return Err(named(Actor::Parent, index, LowerReason::WrongActor));
        }
    }
    Ok(())
}
