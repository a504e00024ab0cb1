//! Texts become facts, without a machine: builds with `--no-default-features`.

mod accounts;
mod fixtures;
mod kernel_texts;
mod properties;
