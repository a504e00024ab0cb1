//! The `nsplan` command: words in, exit code out.
//!
//! `args` understands the words by the tables in `options` and `verbs`; `sandbox` makes a config of `do`'s options;
//! `run` carries a request out; `report` says what went wrong in the user's words.

pub mod args;
pub mod completions;
pub mod help;
mod lookup;
pub mod man;
pub mod options;
pub mod report;
pub mod sandbox;
pub mod spec;
pub mod units;
pub mod verbs;
