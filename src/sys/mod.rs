//! Kernel calls as safe functions: one system call each, errors by value with the call's name.
//!
//! The only room with `unsafe`. It knows nothing of plans. Everything but [`host`], [`heap`], [`image`], most of [`door`] and the parent's side of [`clone`]
//! is usable between clone and exec: no allocation, no lock, no errno, no thread-local storage.
#![allow(unsafe_code, reason = "system calls are made here, and nowhere else")]

pub(crate) mod abi;
pub(crate) mod bpf;
pub(crate) mod channel;
pub(crate) mod clone;
#[cfg(target_arch = "x86_64")]
pub(crate) mod copy;
pub(crate) mod door;
pub(crate) mod environment;
pub(crate) mod fd;
pub(crate) mod file;
pub(crate) mod heap;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod late;
pub(crate) mod mount;
pub(crate) mod privilege;
pub(crate) mod probe;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod seccomp;
pub(crate) mod shared;
pub(crate) mod signal;
pub(crate) mod spare;
pub(crate) mod terminal;
pub(crate) mod treatment;
pub(crate) mod tree;
pub(crate) mod words;

pub(crate) use fd::{Fd, Handle};
pub use raw::Fault;
pub(crate) use raw::{Outcome, Sysno};
