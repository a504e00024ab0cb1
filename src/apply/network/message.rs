//! One network step becomes one message of rtnetlink.
//!
//! Every text in a message is a name that was checked while planning, at most 15 bytes long: no attribute comes near the
//! 16 bits of its length (runc's CVE-2021-43784).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fs::File;
use std::os::fd::AsRawFd as _;

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkMessage};
use rtnetlink::packet_route::route::RouteProtocol;
use rtnetlink::{
    AddressMessageBuilder, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth,
    RouteMessageBuilder,
};

use crate::config::Interface;

/// A message, what it is called, and its flags beside `NLM_F_REQUEST` and `NLM_F_ACK`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(super) name: &'static str,
    pub(super) message: RouteNetlinkMessage,
    pub(super) flags: u16,
}

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

fn named(name: &str) -> LinkMessageBuilder<LinkUnspec> {
    LinkUnspec::new_with_name(name)
}

fn set(message: LinkMessage) -> Request {
    Request { name: "RTM_SETLINK", message: RouteNetlinkMessage::SetLink(message), flags: 0 }
}

/// A pair: `host` here, `inside` in that namespace.
pub(super) fn veth(
    host: &str,
    inside: &str,
    namespace: &File,
    tx_queue_length: Option<u32>,
) -> Request {
    let mut peer = named(inside).setns_by_fd(namespace.as_raw_fd());
    let mut own = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth).name(host);
    if let Some(length) = tx_queue_length {
        peer = peer.txqueuelen(length);
        own = own.txqueuelen(length);
    }
    let message = own.set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build()))).build();
    Request { name: "RTM_NEWLINK", message: RouteNetlinkMessage::NewLink(message), flags: NEW }
}

/// Into that namespace, where it has that name.
pub(super) fn move_to(index: u32, name: &str, namespace: &File) -> Request {
    let moved = LinkUnspec::new_with_index(index).name(name).setns_by_fd(namespace.as_raw_fd());
    set(moved.build())
}

/// All addresses of the namespace.
pub(super) fn addresses() -> Request {
    let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    Request { name: "RTM_GETADDR", message, flags: NLM_F_DUMP }
}

/// What a moved link keeps: a permanent address of global scope.
pub(super) fn kept(message: &AddressMessage) -> Option<Interface> {
    let header = &message.header;
    let is_global = header.scope == AddressScope::Universe;
    if !is_global || !header.flags.contains(AddressHeaderFlags::Permanent) {
        return None;
    }
    let local = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    Some(Interface { address: address?, prefix: header.prefix_len })
}

pub(super) fn remove(index: u32) -> Request {
    let message = LinkUnspec::new_with_index(index).build();
    Request { name: "RTM_DELLINK", message: RouteNetlinkMessage::DelLink(message), flags: 0 }
}

pub(super) fn attach(name: &str, bridge: u32) -> Request {
    set(named(name).controller(bridge).build())
}

/// What a port is to its bridge is only taken from a request that could have made it.
pub(super) fn hairpin(port: u32) -> Request {
    let message = LinkBridgePort::new(port).hairpin(true).build();
    Request { name: "RTM_NEWLINK", message: RouteNetlinkMessage::NewLink(message), flags: 0 }
}

pub(super) fn mtu(name: &str, mtu: u32) -> Request {
    set(named(name).mtu(mtu).build())
}

pub(super) fn mac(name: &str, mac: [u8; 6]) -> Request {
    set(named(name).address(mac.into()).build())
}

pub(super) fn up(name: &str) -> Request {
    set(named(name).up().build())
}

pub(super) fn address(index: u32, interface: &Interface) -> Request {
    let prefix = interface.prefix;
    let message = match interface.address {
        IpAddr::V4(address) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, prefix).build()
        }
        IpAddr::V6(address) => {
            let mut message = AddressMessageBuilder::<Ipv6Addr>::new()
                .index(index)
                .address(address, prefix)
                .build();
            message.header.flags |= AddressHeaderFlags::Nodad;
            message
        }
    };
    Request { name: "RTM_NEWADDR", message: RouteNetlinkMessage::NewAddress(message), flags: NEW }
}

/// `None` for families that disagree.
pub(super) fn route(
    destination: Option<&Interface>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
    interface: Option<u32>,
) -> Option<Request> {
    let mut route = RouteMessageBuilder::<IpAddr>::new().protocol(RouteProtocol::Boot);
    // The first of these says which family it is.
    if let Some(destination) = destination {
        route = route.destination_prefix(destination.address, destination.prefix).ok()?;
    }
    if let Some(source) = source {
        route = route.pref_source(source).ok()?;
    }
    if let Some(gateway) = gateway {
        let family = route.get_mut();
        if destination.is_none() && source.is_none() {
            family.header.address_family = family_of(gateway);
        } else if family.header.address_family != family_of(gateway) {
            return None;
        }
        route = route.gateway(gateway).ok()?;
    }
    if let Some(index) = interface {
        route = route.output_interface(index);
    }
    let message = RouteNetlinkMessage::NewRoute(route.build());
    Some(Request { name: "RTM_NEWROUTE", message, flags: NEW })
}

fn family_of(address: IpAddr) -> rtnetlink::packet_route::AddressFamily {
    use rtnetlink::packet_route::AddressFamily;
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::{NetlinkBuffer, NetlinkMessage};

    use super::*;

    fn interface(address: &str, prefix: u8) -> Interface {
        Interface { address: address.parse().expect("an address"), prefix }
    }

    /// Each kind of message with the longest names there are.
    fn all() -> [Request; 14] {
        let name = "fifteen-bytes-x";
        let namespace = File::open("/dev/null").expect("a descriptor");
        let address = |text: &str| Some(text.parse().expect("an address"));
        let four = interface("192.0.2.0", 24);
        let six = interface("2001:db8::", 32);
        [
            veth(name, name, &namespace, Some(u32::MAX)),
            veth(name, "eth0", &namespace, None),
            remove(7),
            move_to(7, name, &namespace),
            addresses(),
            attach(name, 3),
            hairpin(4),
            mtu(name, 65_535),
            mac(name, [2, 1, 2, 3, 4, 5]),
            up(name),
            super::address(5, &interface("192.0.2.7", 24)),
            super::address(5, &interface("2001:db8::7", 64)),
            route(Some(&four), address("192.0.2.1"), address("192.0.2.7"), Some(2))
                .expect("one family"),
            route(Some(&six), None, address("2001:db8::7"), Some(2)).expect("one family"),
        ]
    }

    #[test]
    fn every_message_says_on_the_wire_what_was_meant() {
        for request in all() {
            let mut message = NetlinkMessage::from(request.message);
            message.finalize();
            let mut bytes = vec![0; message.buffer_len()];
            message.serialize(&mut bytes);
            // An attribute's length is 16 bits: none comes near.
            assert!(bytes.len() < 512, "{}: {}", request.name, bytes.len());
            let length = NetlinkBuffer::new(&bytes).length();
            assert_eq!(usize::try_from(length), Ok(bytes.len()));
            let back = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes);
            let back = back.unwrap_or_else(|error| panic!("{}: {error}", request.name));
            assert_eq!(back, message, "{}", request.name);
        }
    }

    #[test]
    fn a_route_is_of_one_family() {
        let address = |text: &str| Some(text.parse().expect("an address"));
        let four = interface("192.0.2.0", 24);
        assert_eq!(route(Some(&four), address("2001:db8::1"), None, None), None);
        assert_eq!(route(None, address("192.0.2.1"), address("2001:db8::1"), None), None);
        assert!(route(None, address("192.0.2.1"), None, Some(1)).is_some());
        assert!(route(None, None, address("2001:db8::1"), Some(1)).is_some());
    }
}
