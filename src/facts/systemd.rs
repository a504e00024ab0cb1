//! systemd as the caller may use it: the bus it listens on, its version, its own cgroup.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::types::HostPath;

/// The manager that makes scopes for the caller: the system's for root, the user's own otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SystemdFacts {
    /// Socket of the bus.
    pub bus: HostPath,
    /// Version, `252`.
    pub version: u32,
    /// The manager's own cgroup from the root of the tree; its slices are below.
    pub cgroup: String,
    /// Controllers that the manager has to give on v2 (`cgroup.controllers` of its cgroup).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub controllers: BTreeSet<String>,
}

/// The number at the beginning of systemd's `Version`: `252 (252.38-1~deb12u1)`, `v255.4`, `systemd 208`.
#[must_use]
pub fn parse_systemd_version(text: &str) -> Option<u32> {
    let text = text.trim_start_matches("systemd ").trim_start_matches('v');
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// The first socket with a path of a D-Bus address: `unix:path=/run/user/1000/bus,guid=…;…`.
///
/// # References
/// D-Bus specification, "Server Addresses".
#[must_use]
pub fn parse_bus_address(text: &str) -> Option<HostPath> {
    let sockets = text.split(';').filter_map(|address| address.strip_prefix("unix:"));
    let keys = sockets.flat_map(|keys| keys.split(','));
    let path = keys.filter_map(|key| key.strip_prefix("path=")).next()?;
    HostPath::new(&unescape(path)?).ok()
}

/// `%2f` and the like become bytes.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_were_ever_written() {
        let versions = ["252 (252.38-1~deb12u1)", "v255.4-1", "systemd 208", "219", "257.7"];
        let numbers = versions.map(parse_systemd_version);
        assert_eq!(numbers, [252, 255, 208, 219, 257].map(Some));
        assert_eq!(["", "x", "99999999999"].map(parse_systemd_version), [None; 3]);
    }

    #[test]
    fn a_bus_is_found_by_its_path() {
        let path = |text| parse_bus_address(text).map(|path| String::from(path.as_str()));
        assert_eq!(path("unix:path=/run/bus").as_deref(), Some("/run/bus"));
        assert_eq!(path("tcp:host=a;unix:guid=1,path=/run/a%2cb,x=1").as_deref(), Some("/run/a,b"));
        for none in ["", "unix:abstract=/x", "unix:path=x", "unix:path=/%zz", "unix:path=/%2"] {
            assert_eq!(path(none), None, "{none}");
        }
    }
}
