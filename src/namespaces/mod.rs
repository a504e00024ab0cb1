//! libcontainer's package `namespaces` of 2015, item by item: a config becomes a container and its exit code.
//!
//! Every exported item of the original is here, and found by its old name in the search of these pages. They are thin
//! callers of [`plan`](crate::plan) and `apply`: what is done is always a [`Plan`](crate::plan::Plan), of which the
//! step-wise ones carry out a slice. `docs/seed.md` maps everything the original had to what is here.
//!
//! # Two styles
//!
//! **Straight from the library**: [`exec`] starts a container from a program with any number of threads, and nothing of
//! that program is executed again.
//!
//! ```no_run
//! # #[cfg(feature = "apply")] fn example() -> Result<(), Box<dyn core::error::Error>> {
//! use nsplan::config::from_libcontainer;
//! use nsplan::namespaces::{Start, exec};
//! use nsplan::types::HostPath;
//!
//! let text = std::fs::read("/srv/bundle/container.json")?;
//! let config = from_libcontainer(&text, &HostPath::new("/srv/bundle")?)?.config;
//! let code = exec(&config, &["sh", "-c", "exit 7"], Start::default())?;
//! assert_eq!(code, 7);
//! # Ok(())
//! # }
//! ```
//!
//! **By re-executing**: an init binary of the embedder's own, by default the calling program, runs inside until the
//! container's program does. A [`CreateCommand`] builds the command that starts it; it calls [`init`] with the pipe that
//! it has as descriptor 3. `examples/reexec.rs` is a whole program.
//!
//! ```no_run
//! # #[cfg(not(feature = "apply"))]
//! # fn main() {}
//! # #[cfg(feature = "apply")]
//! use nsplan::namespaces::{self, Start, default_create_command, exec, init};
//! # fn config() -> Result<nsplan::config::Config, Box<dyn core::error::Error>> { unimplemented!() }
//!
//! # #[cfg(feature = "apply")]
//! fn main() -> Result<(), Box<dyn core::error::Error>> {
//!     if std::env::args().nth(1).as_deref() == Some("init") {
//!         // Inside: this becomes the container's program, or says why not.
//!         return Err(init(namespaces::pipe()?).into());
//!     }
//!     let start = Start { create: Some(Box::new(default_create_command)), ..Start::default() };
//!     let code = exec(&config()?, &["id"], start)?;
//!     std::process::exit(code.into());
//! }
//! ```
//!
//! # What is different, and why
//!
//! - Everything that can be refused is refused before anything is made; all of it at once, with its place in the config.
//! - Nothing is said by −1: an error is an error, and a signal is 128 and its number everywhere.
//! - An error while the container is made undoes all of it; nothing stays, also after a `SIGKILL` of the launcher
//!   ([`sweep`](crate::apply::sweep)).
//! - There is no setup process: init makes mounts with the rights it has in its own user namespace, as the original came
//!   to do within weeks. [`setup_container`] is callable inside init.
//!
//! The first five items are pure and there without the feature `apply` too.

#[cfg(feature = "apply")]
mod command;
#[cfg(feature = "apply")]
mod join;
mod pure;
#[cfg(feature = "apply")]
mod start;
#[cfg(feature = "apply")]
mod steps;

pub use pure::{
    EXIT_SIGNAL_OFFSET, NoHostRoot, ProcessAttributes, add_uid_gid_mappings, get_host_root_gid,
    get_host_root_uid, get_namespace_flags,
};

#[cfg(feature = "apply")]
pub use command::{
    Command, CreateCommand, SetupCommand, default_create_command, default_setup_command,
};
#[cfg(feature = "apply")]
pub use join::exec_in;
#[cfg(feature = "apply")]
pub use start::{ExecError, Start, Started, exec};
#[cfg(feature = "apply")]
pub use steps::{
    enter_cgroups, finalize_namespace, finalize_setns, init, initialize_networking,
    load_container_environment, pipe, restore_parent_death_signal, setup_cgroups, setup_container,
    setup_user,
};
