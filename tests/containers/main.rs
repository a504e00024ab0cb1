//! Real containers: a config becomes a process, and the kernel is asked what it made.

mod exit_codes;
mod failures;
mod leaks;
mod privileges;
mod samples;
mod sandbox;
mod support;
mod traps;
