//! The `nsplan` command: words in, exit code out.
//!
//! `args` understands the words by the tables in `options` and `verbs`; `sandbox` makes a config of `do`'s options;
//! `run` carries a request out, `attend` stays with the container; `report` says what went wrong in the user's words,
//! and `log` where engines read it.

pub mod args;
pub mod attend;
mod bundle;
pub mod clock;
pub mod completions;
pub mod delete;
pub mod events;
pub mod exec;
mod foreign;
pub mod help;
pub mod life;
mod listing;
pub mod log;
mod lookup;
pub mod man;
pub mod nsinit;
pub mod options;
pub mod report;
mod run;
pub mod running;
pub mod sandbox;
mod seal;
pub mod signals;
pub mod spec;
pub mod state;
mod surroundings;
pub mod template;
pub mod terminal;
pub mod units;
pub mod update;
pub mod verbs;
mod words;

pub use run::main;
