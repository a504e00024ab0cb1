//! nsplan starts Linux containers from a plan that can be read before it runs.
#![cfg_attr(not(any(test, feature = "apply")), no_std)]

extern crate alloc;

#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod facts;
pub mod plan;
pub mod types;

#[cfg(feature = "apply")]
pub mod apply;
#[cfg(feature = "apply")]
mod sys;
