//! Decides the network of a container: what init does inside, what the parent makes from outside, and when they meet.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::draft::{Draft, at, at_index, step, step_undone};
use super::error::Refusal;
use super::model::{Step, Undo};
use super::op::{InterfaceName, Link, NamespaceOp, NetworkOp, Op, RANDOM_DIGITS, SyncOp, Token};
use crate::config::{Interface, Network, Route, Veth};
use crate::types::{CapSet, Capability, NamespaceKind, Pointer};

/// The longest name: `IFNAMSIZ` without its NUL.
const LONGEST: usize = 15;
/// The smallest packet every IPv4 host takes, and the smallest every IPv6 link carries (RFC 791, RFC 8200).
const LEAST_MTU: [u32; 2] = [68, 1280];

/// What this room decided.
#[derive(Default)]
pub(super) struct Networks {
    /// Init's own steps.
    pub(super) init: Vec<Step>,
    /// The parent's, once init is there.
    pub(super) parent: Vec<Step>,
    /// How many names are drawn when the links are made.
    drawn: u16,
    /// Names inside.
    inside: BTreeSet<String>,
    /// Names on the host.
    host: BTreeSet<String>,
    /// Destinations of routes; `None` is everywhere, once for each family.
    routes: BTreeSet<(bool, Option<(IpAddr, u8)>)>,
}

pub(super) fn plan(draft: &mut Draft<'_>) -> Networks {
    let mut networks = Networks::default();
    let config = draft.config;
    let mut pairs = 0;
    for (index, network) in config.networks.iter().enumerate() {
        let origin = at_index("/networks", index);
        // Asked for in the host's own network it would change the host: refused before anything is made.
        draft.require_created(&origin, NamespaceKind::Net);
        match network {
            Network::Loopback => {
                networks.init.push(step(Op::Network(NetworkOp::LoopbackUp), &origin));
            }
            Network::Veth(veth) => {
                check_rights(draft, &origin);
                networks.veth(draft, veth, pairs, &origin);
                pairs += 1;
            }
        }
    }
    moved(draft, &mut networks);
    for (index, route) in config.routes.iter().enumerate() {
        let origin = at_index("/routes", index);
        draft.require_created(&origin, NamespaceKind::Net);
        check_rights(draft, &origin);
        networks.route(draft, route, &origin);
    }
    networks
}

/// Interfaces of the host's, moved with their addresses.
fn moved(draft: &mut Draft<'_>, networks: &mut Networks) {
    for (host, wish) in &draft.config.net_devices {
        let origin = at("/netDevices").key(host);
        draft.require_created(&origin, NamespaceKind::Net);
        check_rights(draft, &origin);
        let inside = wish.name.as_ref().unwrap_or(host);
        refuse(draft, &origin, interface_fault(host));
        refuse(draft, &origin.key("name"), interface_fault(inside));
        if host == "lo" || inside == "lo" {
            contradict(draft, &origin, "every network has an interface `lo` of its own");
        }
        if !networks.inside.insert(inside.clone()) {
            contradict(draft, &origin, "two interfaces inside with one name");
        }
        let (host, inside) = (host.clone(), inside.clone());
        let back = NetworkOp::ReturnLink {
            host: host.clone(),
            inside: inside.clone(),
            addresses: Vec::new(),
            up: false,
        };
        let op = Op::Network(NetworkOp::MoveLink { host, inside });
        networks.parent.push(step_undone(op, &origin, Undo::by(Op::Network(back))));
        let text = "it comes back when the container ends; if the launcher is killed, only a physical one does";
        draft.note(&origin, text);
    }
}

/// A user namespace gives no right over the network of the host: links take `CAP_NET_ADMIN` there, the way inside
/// `CAP_SYS_ADMIN`.
fn check_rights(draft: &mut Draft<'_>, origin: &Pointer) {
    let needed: CapSet = [Capability::NET_ADMIN, Capability::SYS_ADMIN].into_iter().collect();
    let missing = needed.difference(draft.facts.caller.effective);
    if !missing.is_empty() {
        let purpose = "a network beyond `lo`";
        draft.refuse(origin, Refusal::CapabilityMissing { missing, purpose });
    }
}

/// What is wrong with a name of an interface, if anything: the rules of `dev_valid_name` in the kernel, and what it takes
/// for a pattern (`%`) or for a name of its own below `/proc/sys/net` (`all`, `default`).
pub(super) fn interface_fault(name: &str) -> Option<&'static str> {
    // 0xa0 is a space for the kernel, in whatever character it occurs.
    let is_odd = |byte: u8| matches!(byte, 0..=b' ' | b'/' | b':' | b'%' | 0x7f | 0xa0);
    if name.is_empty() || name.len() > LONGEST {
        Some("a name of 1 to 15 bytes")
    } else if name.bytes().any(is_odd) {
        Some("a name without spaces, control characters, `/`, `:` and `%`")
    } else if matches!(name, "." | ".." | "all" | "default") {
        Some("a name other than `.`, `..`, `all` and `default`")
    } else {
        None
    }
}

/// What is wrong with the beginning of a drawn name, if anything.
pub(super) fn prefix_fault(prefix: &str) -> Option<&'static str> {
    match interface_fault(prefix) {
        _ if prefix.is_empty() || prefix.len() > LONGEST - RANDOM_DIGITS => {
            Some("a prefix of 1 to 8 bytes")
        }
        // With digits behind it, it is none of these.
        Some(_) if matches!(prefix, "." | ".." | "all" | "default") => None,
        fault => fault,
    }
}

/// Refuses a value, if there is something wrong with it.
fn refuse(draft: &mut Draft<'_>, origin: &Pointer, fault: Option<&'static str>) {
    if let Some(expected) = fault {
        draft.refuse(origin, Refusal::LimitInvalid { expected });
    }
}

fn contradict(draft: &mut Draft<'_>, origin: &Pointer, reason: &'static str) {
    draft.refuse(origin, Refusal::Contradiction { reason });
}

/// Whether one interface may have this address.
fn is_unicast(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || is_broadcast)
}

impl Networks {
    /// What tells init that its network is complete. Late: the parent works on it while init mounts. Before the first
    /// kernel parameter of a network, which may be one of a link's.
    pub(super) fn wait_in(&self, script: &mut Vec<Step>) {
        let Some(last) = self.parent.last() else { return };
        let is_sysctl = |step: &Step| matches!(&step.op, Op::Namespace(NamespaceOp::Sysctl { path, .. }) if path.starts_with("net/"));
        let place = script.iter().position(is_sysctl).unwrap_or(script.len());
        let op = SyncOp::Await(Token::NetworkReady);
        script.insert(place, step(Op::Sync(op), &last.origin));
    }

    /// The parent's steps and what it says at their end.
    pub(super) fn of_parent(mut self) -> Vec<Step> {
        if let Some(last) = self.parent.last() {
            let op = SyncOp::Signal(Token::NetworkReady);
            self.parent.push(step(Op::Sync(op), &last.origin.clone()));
        }
        self.parent
    }

    fn push(&mut self, op: NetworkOp, origin: &Pointer) {
        self.parent.push(step(Op::Network(op), origin));
    }

    /// One pair. The end inside is set up after the one outside, and its addresses come when it is up: then their
    /// networks can be reached at once.
    fn veth(&mut self, draft: &mut Draft<'_>, veth: &Veth, number: usize, origin: &Pointer) {
        let host = self.host_name(draft, veth, origin);
        let inside = self.inside_name(draft, veth, number, origin);
        let bridge = veth.bridge.clone();
        refuse(draft, &origin.key("bridge"), interface_fault(&bridge));
        let mtu = mtu(draft, veth, origin);
        let undo = Undo::by(Op::Network(NetworkOp::RemoveLink { host: host.clone() }));
        let tx_queue_length = veth.tx_queue_length;
        let make =
            NetworkOp::MakeVeth { host: host.clone(), inside: inside.clone(), tx_queue_length };
        self.parent.push(step_undone(Op::Network(make), origin, undo));
        let attach = NetworkOp::AttachToBridge { host: host.clone(), bridge };
        self.push(attach, &origin.key("bridge"));
        let (outer, inner) = (Link::Host(host.clone()), Link::Inside(inside.clone()));
        for link in [&outer, &inner] {
            if let Some(mtu) = mtu {
                self.push(NetworkOp::SetMtu { link: link.clone(), mtu }, &origin.key("mtu"));
            }
        }
        if veth.hairpin {
            self.push(NetworkOp::SetHairpin { host }, &origin.key("hairpin"));
        }
        if let Some(mac) = veth.mac {
            let is_one_card = mac[0] & 1 == 0 && mac != [0; 6];
            let expected = "a hardware address of one interface: neither a group's nor all zero";
            refuse(draft, &origin.key("mac"), (!is_one_card).then_some(expected));
            self.push(NetworkOp::SetMac { link: inner.clone(), mac }, &origin.key("mac"));
        }
        self.push(NetworkOp::LinkUp { link: outer }, origin);
        self.push(NetworkOp::LinkUp { link: inner.clone() }, origin);
        let families = [
            (true, "address", veth.address, "gateway", veth.gateway),
            (false, "ipv6Address", veth.ipv6_address, "ipv6Gateway", veth.ipv6_gateway),
        ];
        for (is_v4, key, address, _, _) in families {
            if let Some(address) = address {
                check_address(draft, is_v4, &address, &origin.key(key));
                let op = NetworkOp::AddAddress { link: inner.clone(), address };
                self.push(op, &origin.key(key));
            }
        }
        for (is_v4, _, address, key, gateway) in families {
            if let Some(gateway) = gateway {
                let origin = origin.key(key);
                check_gateway(draft, is_v4, address, gateway, &origin);
                self.add_route(draft, None, Some(gateway), None, Some(inside.clone()), &origin);
            }
        }
    }

    fn host_name(&mut self, draft: &mut Draft<'_>, veth: &Veth, origin: &Pointer) -> InterfaceName {
        let Some(name) = veth.host_name.clone() else {
            refuse(draft, &origin.key("prefix"), prefix_fault(&veth.prefix));
            let number = self.drawn;
            self.drawn = number.saturating_add(1);
            return InterfaceName::Random { prefix: veth.prefix.clone(), number };
        };
        let origin = origin.key("hostName");
        refuse(draft, &origin, interface_fault(&name));
        if name == veth.bridge {
            contradict(draft, &origin, "the interface has the name of its bridge");
        }
        if !self.host.insert(name.clone()) {
            contradict(draft, &origin, "two interfaces on the host with one name");
        }
        InterfaceName::Fixed(name)
    }

    fn inside_name(
        &mut self,
        draft: &mut Draft<'_>,
        veth: &Veth,
        number: usize,
        origin: &Pointer,
    ) -> String {
        let name = veth.name.clone().unwrap_or_else(|| format!("eth{number}"));
        let origin = origin.key("name");
        refuse(draft, &origin, interface_fault(&name));
        if name == "lo" {
            contradict(draft, &origin, "every network has an interface `lo` already");
        } else if !self.inside.insert(name.clone()) {
            contradict(draft, &origin, "two interfaces inside with one name");
        }
        name
    }

    fn route(&mut self, draft: &mut Draft<'_>, route: &Route, origin: &Pointer) {
        let network = route.destination.and_then(|destination| destination.network());
        if route.destination.is_some() && network.is_none() {
            let expected = "a prefix of at most 32 bits, or 128 for IPv6";
            draft.refuse(&origin.key("destination"), Refusal::LimitInvalid { expected });
        }
        // The whole is no destination of its own for the kernel: it comes without one.
        let destination = network.filter(|network| network.prefix > 0);
        if route.gateway.is_none() && route.interface.is_none() {
            contradict(draft, origin, "a route without a gateway needs an interface");
        }
        for (key, address) in [("gateway", route.gateway), ("source", route.source)] {
            let is_odd = address.is_some_and(|address| !is_unicast(address));
            let expected = "the address of one host";
            refuse(draft, &origin.key(key), is_odd.then_some(expected));
        }
        let addresses = [route.destination.map(|to| to.address), route.gateway, route.source];
        let mut families = addresses.into_iter().flatten().map(|address| address.is_ipv4());
        match families.next() {
            None => {
                contradict(draft, origin, "a route needs a destination, a source or a gateway");
            }
            Some(first) if families.any(|family| family != first) => {
                contradict(draft, origin, "IPv4 and IPv6 in one route");
            }
            Some(_) => {}
        }
        if let Some(name) = &route.interface {
            let is_moved = draft.config.net_devices.contains_key(name)
                || draft.config.net_devices.values().any(|to| to.name.as_ref() == Some(name));
            if name != "lo" && !self.inside.contains(name) && !is_moved {
                let reason = "no network of the container has this interface";
                contradict(draft, &origin.key("interface"), reason);
            }
        }
        let interface = route.interface.clone();
        self.add_route(draft, destination, route.gateway, route.source, interface, origin);
    }

    /// A second route to the same place is an error of the kernel's, also by another interface.
    fn add_route(
        &mut self,
        draft: &mut Draft<'_>,
        destination: Option<Interface>,
        gateway: Option<IpAddr>,
        source: Option<IpAddr>,
        interface: Option<String>,
        origin: &Pointer,
    ) {
        let known = [destination.map(|to| to.address), gateway, source];
        let is_v4 = known.into_iter().flatten().next().is_none_or(|address| address.is_ipv4());
        let op = NetworkOp::AddRoute { destination, gateway, source, interface };
        if !self.routes.insert((is_v4, destination.map(|to| (to.address, to.prefix)))) {
            // A gateway and the route by it, both written down: a sample of the original does so.
            if self.parent.iter().any(|step| step.op == Op::Network(op.clone())) {
                return draft.note(origin, "the same route is made already");
            }
            contradict(draft, origin, "two routes to one destination");
        }
        self.push(op, origin);
    }
}

/// Zero is the original's way to say nothing.
fn mtu(draft: &mut Draft<'_>, veth: &Veth, origin: &Pointer) -> Option<u32> {
    let mtu = veth.mtu.filter(|mtu| *mtu != 0)?;
    let (least, expected) = match veth.ipv6_address {
        None => (LEAST_MTU[0], "from 68 to 65535 bytes"),
        Some(_) => (LEAST_MTU[1], "from 1280 to 65535 bytes, as there is an IPv6 address"),
    };
    let is_odd = !(least..=65_535).contains(&mtu);
    refuse(draft, &origin.key("mtu"), is_odd.then_some(expected));
    Some(mtu)
}

fn check_address(draft: &mut Draft<'_>, is_v4: bool, address: &Interface, origin: &Pointer) {
    let expected = match is_v4 {
        true => "an IPv4 address of one host with a prefix of at most 32 bits",
        false => "an IPv6 address of one host with a prefix of at most 128 bits",
    };
    let is_right = address.address.is_ipv4() == is_v4
        && is_unicast(address.address)
        && address.network().is_some();
    refuse(draft, origin, (!is_right).then_some(expected));
}

/// The kernel takes a gateway only where it knows the way: in a network of the interface itself.
fn check_gateway(
    draft: &mut Draft<'_>,
    is_v4: bool,
    address: Option<Interface>,
    gateway: IpAddr,
    origin: &Pointer,
) {
    let is_link_local = matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local());
    let is_near = is_link_local || address.is_some_and(|address| address.contains(gateway));
    if gateway.is_ipv4() != is_v4 || !is_unicast(gateway) {
        let expected =
            if is_v4 { "the IPv4 address of a host" } else { "the IPv6 address of a host" };
        draft.refuse(origin, Refusal::LimitInvalid { expected });
    } else if !is_near {
        contradict(draft, origin, "the gateway is not in the network of the interface's address");
    }
}
