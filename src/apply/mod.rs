//! A plan becomes a running container; a host becomes facts.
//!
//! Everything that changes the machine is a step of the plan: nothing is added here, nothing left out. What serves the
//! carrying out and changes nothing is the applier's own: channels, pidfds, stacks, signal masks.
pub mod probe;

mod affinity;
mod agent;
mod bus;
mod cgroup;
mod child;
mod container;
mod control;
mod criu;
mod death_signal;
mod dumpable;
mod environment;
mod error;
mod fuzz;
mod hold;
mod hooks;
mod idmap;
mod io;
mod journal;
mod kept;
mod leaf;
mod lower;
mod made;
mod mapped;
mod mark;
mod message;
#[cfg(feature = "net")]
mod network;
#[cfg(not(feature = "net"))]
#[path = "network_absent.rs"]
mod network;
mod outside;
mod parent;
mod pool;
mod prepared;
mod program;
mod reexec;
mod relabel;
mod remove;
mod resctrl;
mod root_entries;
mod running;
mod script;
mod seal;
mod spawn;
mod stage;
mod start;
mod state;
mod state_dir;
mod statistics;
mod systemd;
mod update;
mod window;

pub use bus::BusError;
pub use container::{Container, ExitStatus, WaitError};
pub use control::{CgroupHandle, CgroupVersion, ControlError, OomEvent, OomEvents};
pub use criu::{CriuError, checkpoint, criu_outside, criu_view, find_criu, restore};
pub use death_signal::DeathSignal;
pub use environment::replace_environment;
pub use error::{ApplyError, Cause, Leftover};
#[doc(hidden)]
pub use fuzz::fuzz_lower;
pub use io::{IgnoredSignals, Io, Stdio, inherited};
pub use journal::{Swept, sweep};
pub use lower::{LowerError, LowerReason, lower};
pub use outside::{Outside, enter_cgroup};
pub use pool::{Payload, Pool, PoolError, PoolOptions};
pub use program::Program;
pub use reexec::InitProgram;
pub use remove::{is_created, remove};
pub use root_entries::root_entries;
pub use running::{Listed, Running, StateError, Status, record, records};
pub use seal::{Sealed, seal_program, seal_program_to_start};
pub use spawn::{spawn, spawn_through};
pub use stage::{Stage, StageError, init_pipe};
pub use start::{StartError, start};
pub use state::{WORD_DIRECTORY, WORD_SOCKET, listen_to_word};
pub use state_dir::StateDir;
pub use statistics::{LinkStatistics, Traffic, link_statistics};
pub use update::{UpdateCause, UpdateError, cgroup_values};
pub use window::{set_window_size, window_size};

pub use crate::sys::Fault;
#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub use crate::sys::copy::copy;
#[doc(hidden)]
pub use crate::sys::heap::Heap;
