//! Config × HostFacts → Plan: every decision of starting a container, taken before anything happens.
//!
//! [`plan`] is total and deterministic and makes no system call. It returns every refusal, not the first.
//!
//! Pure: may use `types`, `config` and `facts`; does not know that `apply` exists.
#![forbid(unsafe_code)]

mod bpf;
mod error;
mod model;
mod op;

pub use bpf::Instruction;
pub use error::{Note, PlanError, Refusal, UsernsBar};
pub use model::{Actor, MountApi, Plan, Resolver, Step, StepId, Topology, Undo};
pub use op::{
    CgroupOp, IdKind, LabelModule, MountOp, NamespaceOp, NetworkOp, Op, PrivilegeOp, ProcessOp,
    Slot, StateOp, SyncOp, Token, UserOp,
};
