//! A plan becomes a running container; a host becomes facts.
pub mod probe;

mod child;
mod lower;
mod message;
mod program;

pub use lower::{LowerError, LowerReason, lower};
pub use program::Program;
