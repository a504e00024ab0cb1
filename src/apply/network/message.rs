//! One network step becomes one message of rtnetlink.
//!
//! Every text in a message is a name that was checked while planning, at most 15 bytes long: no attribute comes near the
//! 16 bits of its length (runc's CVE-2021-43784).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::fs::File;
use std::os::fd::AsRawFd as _;

use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressHeaderFlags;
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
