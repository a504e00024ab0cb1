//! System call filters: their programs against what profiles mean, and their tables against another's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod fuzz;
mod meaning;
mod profiles;
mod properties;
mod table;
