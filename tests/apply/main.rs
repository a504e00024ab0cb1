//! Containers, started for real: the kernel is asked what became of them, not the code.
#![allow(unsafe_code, reason = "an allocator of the tests' own, to catch a child that allocates")]
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod allocator;
mod cgroups;
mod child_memory;
mod exit_codes;
mod failure;
mod hostile;
mod kernel_view;
mod kernels;
mod lowering;
mod measure;
#[path = "../support/rounds.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod rounds;
mod stage;
mod terminal;

#[global_allocator]
static ALLOCATOR: allocator::Guarded = allocator::Guarded;
