//! A plan becomes a running container; a host becomes facts.
//!
//! Everything that changes the machine is a step of the plan: nothing is added here, nothing left out. What serves the
//! carrying out and changes nothing is the applier's own: channels, pidfds, stacks, signal masks.
pub mod probe;

mod cgroup;
mod child;
mod container;
mod dumpable;
mod error;
mod idmap;
mod io;
mod journal;
mod lower;
mod message;
mod parent;
mod program;
mod spawn;
mod state;

pub use container::{Container, ExitStatus, WaitError};
pub use error::{ApplyError, Cause, Leftover};
pub use io::{Io, Stdio};
pub use journal::{StateDir, Swept, sweep};
pub use lower::{LowerError, LowerReason, lower};
pub use program::Program;
pub use spawn::spawn;

pub use crate::sys::Fault;
