//! The planner: configs × hosts become plans, without a privilege.
#![allow(clippy::unwrap_used, reason = "tests: helpers may fail")]

#[path = "../support/mod.rs"]
mod support;

mod beside;
mod cgroup_fields;
mod cgroup_owner;
mod criu;
mod fuzz_regressions;
mod held;
mod invariants;
mod labels;
mod mounts;
mod properties;
mod resctrl;
mod snapshots;
mod strategies;
mod systemd;
mod update;
