//! Texts become facts, without a machine: builds with `--no-default-features`.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod accounts;
mod fixtures;
mod kernel_texts;
mod properties;
