//! Counters that the host keeps of its end of a veth pair become what the container has received and sent.

use alloc::format;
use std::io::ErrorKind;

use super::journal::io_fault;
use crate::sys::{Fault, Outcome, Sysno};
use crate::types::Errno;

/// What has gone one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes, with their Ethernet headers.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errors: u64,
    /// Packets dropped.
    pub dropped: u64,
}

/// What has gone through a link of a container, as the container sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// What came in.
    pub received: Traffic,
    /// What went out.
    pub sent: Traffic,
}

/// Reads `/sys/class/net/HOST/statistics`: what the host's end sends is what the container receives. Needs no privilege.
///
/// # Errors
/// `ENODEV` if there is no such interface, or `/sys` is one of another network namespace.
pub fn link_statistics(host: &str) -> Result<LinkStatistics, Fault> {
    if host.is_empty() || host.contains(['/', '\0']) || matches!(host, "." | "..") {
        return Err(Fault::new(Sysno::openat, Errno::EINVAL));
    }
    Ok(LinkStatistics { received: traffic(host, "tx")?, sent: traffic(host, "rx")? })
}

fn traffic(host: &str, way: &str) -> Outcome<Traffic> {
    let read = |counter: &str| {
        let path = format!("/sys/class/net/{host}/statistics/{way}_{counter}");
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Fault::new(Sysno::openat, Errno::ENODEV),
            _ => io_fault(Sysno::openat, &error),
        })?;
        text.trim().parse().map_err(|_| Fault::new(Sysno::read, Errno::EIO))
    };
    Ok(Traffic {
        bytes: read("bytes")?,
        packets: read("packets")?,
        errors: read("errors")?,
        dropped: read("dropped")?,
    })
}
