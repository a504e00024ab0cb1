//! A plan becomes a running container; a host becomes facts.
pub mod probe;
