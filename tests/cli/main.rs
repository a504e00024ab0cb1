//! The command line: words become requests, tables become texts, options become a config, and the binary from outside.

#[path = "../support/mod.rs"]
mod support;

mod binary;
mod limits;
mod parsing;
mod running;
mod sandbox;
mod seal;
mod texts;
mod units;

#[path = "../support/writable.rs"]
mod writable;
