//! nsplan starts Linux containers from a plan that can be read before it runs.
//!
//! Three nouns and three verbs:
//!
//! - a [`Config`](config::Config) says what a container shall be; a front door
//!   ([`config::from_libcontainer`]) or [`Config::sandbox`](config::Config::sandbox) makes one;
//! - [`HostFacts`](facts::HostFacts) say what is true of a host; **`apply::probe`** makes them, or a file;
//! - a [`Plan`](plan::Plan) says everything that will be done; **[`plan::plan`]** makes it, without a system call;
//! - **`apply::spawn`** carries a plan out and gives a container to wait for.
//!
//! ```
//! use nsplan::config::Config;
//! use nsplan::facts::HostFacts;
//! use nsplan::plan::{invariants, plan};
//! use nsplan::types::HostPath;
//!
//! let root = HostPath::new("/srv/rootfs").expect("absolute");
//! let config = Config::sandbox(root, vec!["sh".into()], false);
//! let facts = HostFacts::example(); // on a machine: apply::probe::probe(&plan::needs(&config))
//! let plan = plan(&config, &facts).expect("root may do this");
//! assert_eq!(invariants(&plan), Ok(()));
//! assert!(plan.to_string().contains("mount proc on /proc nosuid,nodev,noexec"));
//! ```
//!
//! The original's own functions, from `Exec` to `SetupUser`, are in [`namespaces`].
//!
//! # Features
//!
//! - `cli` (default): the `nsplan` command; turns `apply` on.
//! - `net`: links, addresses and routes by netlink, on by `cli`; without it a plan that has them is refused before
//!   anything is made.
//! - `apply`: the effecting half. Without it the crate is `no_std` + `alloc`, forbids unsafe code and makes no system
//!   call.
//!
//! # Requirements
//!
//! Linux 4.18 or newer on x86-64 or aarch64. Root, or a kernel that lets users make user namespaces. What is missing is
//! refused by the planner with a reason; see [`facts::Feature`] for what is done without each feature.
#![cfg_attr(not(any(test, feature = "apply")), no_std)]

extern crate alloc;

#[cfg(feature = "apply")]
pub mod apply;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod facts;
pub mod namespaces;
pub mod plan;
#[cfg(feature = "apply")]
mod sys;
pub mod types;

/// The README's example is a test too.
#[cfg(all(doctest, feature = "apply"))]
#[doc = include_str!("../README.md")]
struct Readme;
