//! Vocabulary of networks: interfaces and routes.

use alloc::string::String;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A network interface inside the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Network {
    /// `lo`, set up. The kernel gives it its addresses.
    Loopback,
    /// A pair of virtual Ethernet interfaces, one end in a bridge of the host.
    Veth(Veth),
}

/// A veth pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Veth {
    /// The bridge on the host.
    pub bridge: String,
    /// Name inside; absent: `eth` and the number of the pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name on the host; absent: the prefix and seven random digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Prefix of random names.
    pub prefix: String,
    /// Hardware address inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<[u8; 6]>,
    /// IPv4 address inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Interface>,
    /// IPv6 address inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_address: Option<Interface>,
    /// IPv4 default gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// IPv6 default gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6_gateway: Option<IpAddr>,
    /// Largest packet in bytes; absent: the kernel's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Length of the transmit queue in packets; absent: the kernel's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_queue_length: Option<u32>,
    /// The bridge sends packets back out of the port they came in by.
    pub hairpin: bool,
}

/// An address with the length of its network prefix, `192.0.2.5/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// The address, host part included.
    pub address: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Where to; absent: everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<Interface>,
    /// Preferred source address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Next hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Interface by its name inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
}

impl Interface {
    /// How many bits an address of this family has.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The network it is in: the same with a host part of zeros. `None` for a prefix longer than the address.
    #[must_use]
    pub fn network(&self) -> Option<Self> {
        let host = u32::from(self.bits().checked_sub(self.prefix)?);
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(host).unwrap_or_default();
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(host).unwrap_or_default();
                IpAddr::V6((address.to_bits() & mask).into())
            }
        };
        Some(Self { address, prefix: self.prefix })
    }

    /// Whether `address` is in its network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let is_family = self.address.is_ipv4() == address.is_ipv4();
        let other = Self { address, prefix: self.prefix };
        is_family && self.network().is_some() && self.network() == other.network()
    }
}

impl core::fmt::Display for Interface {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_no_host_part() {
        let interface = |address: &str, prefix| Interface {
            address: address.parse().expect("an address"),
            prefix,
        };
        let network = |address, prefix| interface(address, prefix).network();
        assert_eq!(network("192.168.7.9", 20), Some(interface("192.168.0.0", 20)));
        assert_eq!(network("1.2.3.4", 0), Some(interface("0.0.0.0", 0)));
        assert_eq!(network("1.2.3.4", 32), Some(interface("1.2.3.4", 32)));
        assert_eq!(network("2001:db8::9", 64), Some(interface("2001:db8::", 64)));
        assert_eq!(network("::1", 0), Some(interface("::", 0)));
        assert_eq!(network("1.2.3.4", 33), None);
        assert!(interface("10.0.0.1", 8).contains([10, 9, 8, 7].into()));
        assert!(!interface("10.0.0.1", 8).contains([11, 9, 8, 7].into()));
        assert!(!interface("::", 0).contains([11, 9, 8, 7].into()));
    }
}
