//! Facts of hosts.
