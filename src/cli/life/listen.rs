//! Sockets that a service manager has opened for this command become those of the container's program.
//!
//! # References
//! `sd_listen_fds(3)`.

use std::env;
use std::process;

use crate::config::{Config, EnvVar};
use crate::types::NamespaceKind;

/// Names the descriptors from 3 on that are meant for this process to the container's program; how many there are.
pub(super) fn inherit(config: &mut Config) -> u16 {
    let own = process::id().to_string();
    let is_mine = env::var("LISTEN_PID").is_ok_and(|pid| pid == own);
    let count = env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok());
    let Some(count) = count.filter(|count| is_mine && *count > 0) else { return 0 };
    let names = env::var("LISTEN_FDNAMES").ok();
    pass(config, count, names);
    count
}

/// The number of the program is known where it is the first of its pid namespace.
fn pass(config: &mut Config, count: u16, names: Option<String>) {
    let is_first = config.creates(NamespaceKind::Pid);
    let Some(process) = &mut config.process else { return };
    let variables = [
        ("LISTEN_FDS", Some(count.to_string())),
        ("LISTEN_PID", is_first.then(|| "1".to_owned())),
        ("LISTEN_FDNAMES", names),
    ];
    for (name, value) in variables {
        let name = name.to_owned();
        process.env.extend(value.map(|value| EnvVar { name, value }));
    }
}
