//! Networks: planned as data, and made for real in network namespaces that the tests make themselves.
//!
//! The machine's own links are never touched: every test of real links runs in a thread that has left them.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod planned;
mod refused;

#[cfg(all(feature = "apply", not(feature = "net")))]
mod absent;
#[cfg(feature = "net")]
mod duties;
#[cfg(feature = "net")]
mod failures;
#[cfg(feature = "net")]
mod island;
#[cfg(feature = "net")]
mod joined;
#[cfg(feature = "net")]
mod links;
#[cfg(feature = "net")]
mod moved;
#[cfg(feature = "net")]
#[path = "../apply/stage.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod stage;
