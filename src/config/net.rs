//! Vocabulary of networks: interfaces and routes.

use alloc::string::String;
use core::net::IpAddr;

use serde::Serialize;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
