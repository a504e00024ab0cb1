//! The words every room shares: ids, paths, flags, names and numbers of the kernel, as plain values.
//!
//! Pure: nothing here touches a machine, and nothing here knows of any other room.
#![forbid(unsafe_code)]

mod capability;
mod device;
mod errno;
mod flags;
mod ids;
mod namespace;
mod path;
mod pointer;
mod process;
mod scheduling;

pub use capability::{CapSet, Capability, UnknownCapability};
pub use device::{DeviceAccess, DeviceKind, DeviceNumber};
pub use errno::Errno;
pub use flags::{CloneFlags, FilterFlags, MountFlags, Propagation, PropagationKind};
pub use ids::{IdMap, IdMapError, IdMapping};
pub use namespace::NamespaceKind;
pub use path::{HostPath, PathError, RootPath};
pub use pointer::Pointer;
pub use process::{Resource, Rlimit, Signal};
pub use scheduling::{
    IoClass, MemoryPolicyFlag, MemoryPolicyMode, PersonalityDomain, SchedulerFlag, SchedulerPolicy,
};
