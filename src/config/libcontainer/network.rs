//! Turns `networks` and `routes` into interfaces inside and the ways out of them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Generation;
use super::door::{At, Door, Text};
use super::fields::Fields;
use crate::config::error::{Expected, Problem};
use crate::config::{Config, Interface, NamespaceSource, Network, Route, Veth};
use crate::types::{NamespaceKind, Pointer};

/// Members of a network that a loopback interface does not need.
const UNUSED_BY_LOOPBACK: [&str; 12] = [
    "bridge",
    "veth_prefix",
    "mac_address",
    "address",
    "ipv6_address",
    "gateway",
    "ipv6_gateway",
    "mtu",
    "txqueuelen",
    "hairpin_mode",
    "name",
    "host_interface_name",
];

/// The prefix of names on the host where the format has none (version 2).
const PREFIX: &str = "veth";

/// Reads both lists. A network of the old type `netns` says which network namespace is joined, so this comes before
/// anything that asks which namespaces are new.
pub(super) fn read(door: &mut Door<'_>, top: &mut Fields<'_>, config: &mut Config) {
    let networks = top.items(door, "networks");
    let mut asked = Vec::new();
    for at in networks {
        if network(door, at.clone(), config) {
            asked.push(at);
        }
    }
    let routes = top.items(door, "routes");
    for at in routes {
        let index = config.routes.len();
        door.note(Pointer::new("/routes").index(index), &at);
        config.routes.extend(route(door, at.clone()));
        asked.push(at);
    }
    for at in asked.iter().filter(|_| !config.creates(NamespaceKind::Net)) {
        door.refuse(at, Problem::NeedsNamespace(NamespaceKind::Net));
    }
}

/// One network; `true` when it is an interface, which needs a new namespace.
fn network(door: &mut Door<'_>, at: At<'_>, config: &mut Config) -> bool {
    let Some(mut fields) = door.fields_at(at.clone()) else {
        return false;
    };
    let Some(kind) = fields.required(door, "type") else {
        return false;
    };
    let mut context = match door.generation {
        Generation::Flat2014 => fields.fields(door, "context"),
        _ => None,
    };
    let index = config.networks.len();
    let has_paths = matches!(door.generation, Generation::Flat2014 | Generation::NamespaceMap);
    let network = match kind.text {
        "loopback" => {
            fields.keep(door, &Pointer::new("/networks").index(index), &UNUSED_BY_LOOPBACK);
            Some(Network::Loopback)
        }
        "veth" => veth(door, &mut fields, context.as_mut()).map(Network::Veth),
        "netns" if has_paths => {
            join(door, &mut fields, context.as_mut(), config);
            None
        }
        _ => {
            door.invalid(&kind, Expected::NetworkType);
            fields.skip_rest();
            None
        }
    };
    if let Some(context) = context {
        context.finish(door);
    }
    fields.finish(door);
    let Some(network) = network else { return false };
    door.note(Pointer::new("/networks").index(index), &at);
    config.networks.push(network);
    true
}

/// The network namespace of that path instead of a new one.
fn join(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    context: Option<&mut Fields<'_>>,
    config: &mut Config,
) {
    let path = fields.text(door, "ns_path");
    let path = path.or_else(|| context.and_then(|context| context.text(door, "nspath")));
    let Some(path) = path else {
        return door.refuse(&fields.at.clone(), Problem::Missing { key: "ns_path" });
    };
    if matches!(config.namespaces.get(&NamespaceKind::Net), Some(NamespaceSource::Join(_))) {
        door.invalid(&path, Expected::OneNetwork);
    }
    door.note(Pointer::new("/namespaces/net"), &path.at);
    if let Some(path) = door.host_path(&path) {
        config.namespaces.insert(NamespaceKind::Net, NamespaceSource::Join(path));
    }
}

fn veth(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    context: Option<&mut Fields<'_>>,
) -> Option<Veth> {
    let is_version_2 = door.generation == Generation::Version2;
    let (bridge, prefix) = match context {
        Some(context) => (context.required(door, "bridge"), context.required(door, "prefix")),
        None if is_version_2 => (fields.required(door, "bridge"), fields.text(door, "veth_prefix")),
        None => (fields.required(door, "bridge"), fields.required(door, "veth_prefix")),
    };
    let (name, host_name) = match is_version_2 {
        true => (fields.text(door, "name"), fields.text(door, "host_interface_name")),
        false => (None, None),
    };
    let prefix = prefix.and_then(|text| interface_name(door, &text, 8, Expected::Prefix));
    let mtu = fields.number(door, "mtu", 68, 65535);
    let tx_queue_length = fields.number(door, "txqueuelen", 0, i32::MAX.unsigned_abs().into());
    let word = |number: Option<super::door::Number<'_>>| {
        number.and_then(|number| u32::try_from(number.value).ok())
    };
    let mut named = |text: Option<Text<'_>>| {
        text.and_then(|text| interface_name(door, &text, 15, Expected::InterfaceName))
    };
    Some(Veth {
        bridge: named(bridge)?,
        name: named(name),
        host_name: named(host_name),
        prefix: prefix.or_else(|| is_version_2.then(|| PREFIX.to_owned())).unwrap_or_default(),
        mac: mac(door, fields),
        address: cidr(door, fields, "address", Expected::Cidr4),
        ipv6_address: cidr(door, fields, "ipv6_address", Expected::Cidr6),
        gateway: ip(door, fields, "gateway", Expected::Ip4),
        ipv6_gateway: ip(door, fields, "ipv6_gateway", Expected::Ip6),
        mtu: word(mtu),
        tx_queue_length: word(tx_queue_length),
        hairpin: fields.flag(door, "hairpin_mode").is_some(),
    })
}

/// A name as the kernel takes it for an interface, at most `max` bytes.
fn interface_name(
    door: &mut Door<'_>,
    text: &Text<'_>,
    max: usize,
    expected: Expected,
) -> Option<String> {
    let name = text.text;
    let is_name = name.len() <= max && !matches!(name, "." | "..");
    let is_clean = !name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace());
    if is_name && is_clean {
        return Some(name.to_owned());
    }
    door.invalid(text, expected);
    None
}

fn mac(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<[u8; 6]> {
    let text = fields.text(door, "mac_address")?;
    let mac = parse_mac(text.text);
    if mac.is_none() {
        door.invalid(&text, Expected::Mac);
    }
    mac
}

/// Six bytes in hexadecimal; not a group's address (lowest bit of the first byte), not all zero.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2 && !part.starts_with('+'))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    let is_unicast = mac[0] & 1 == 0 && mac != [0; 6];
    (parts.next().is_none() && is_unicast).then_some(mac)
}

fn cidr(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    expected: Expected,
) -> Option<Interface> {
    let text = fields.text(door, key)?;
    let interface =
        parse_cidr(text.text).filter(|interface| is_family(interface.address, expected));
    if interface.is_none() {
        door.invalid(&text, expected);
    }
    interface
}

fn ip(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    expected: Expected,
) -> Option<IpAddr> {
    let text = fields.text(door, key)?;
    let address = text.text.parse().ok().filter(|&address| is_family(address, expected));
    if address.is_none() {
        door.invalid(&text, expected);
    }
    address
}

fn is_family(address: IpAddr, expected: Expected) -> bool {
    match expected {
        Expected::Cidr4 | Expected::Ip4 => address.is_ipv4(),
        Expected::Cidr6 | Expected::Ip6 => address.is_ipv6(),
        _ => true,
    }
}

fn parse_cidr(text: &str) -> Option<Interface> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let is_plain = prefix.bytes().all(|byte| byte.is_ascii_digit());
    let prefix: u8 = prefix.parse().ok().filter(|_| is_plain)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    (prefix <= longest).then_some(Interface { address, prefix })
}

fn route(door: &mut Door<'_>, at: At<'_>) -> Option<Route> {
    let mut fields = door.fields_at(at.clone())?;
    let before = door.problems.len();
    let source = fields.text(door, "source").and_then(|text| source(door, &text));
    let route = Route {
        destination: cidr(door, &mut fields, "destination", Expected::Cidr).map(network_of),
        source,
        gateway: ip(door, &mut fields, "gateway", Expected::Ip),
        interface: fields
            .text(door, "interface_name")
            .and_then(|name| interface_name(door, &name, 15, Expected::InterfaceName)),
    };
    let destination = route.destination.map(|destination| destination.address);
    let ways = [destination, route.source, route.gateway];
    let mut families = ways.into_iter().flatten().map(|address| address.is_ipv4());
    match families.next() {
        // An address that was refused has been said to be wrong, not to be missing.
        None if door.problems.len() == before => door.refuse(&at, Problem::RouteToNowhere),
        Some(first) if families.any(|family| family != first) => {
            door.refuse(&at, Problem::MixedFamilies);
        }
        _ => {}
    }
    fields.finish(door);
    Some(route)
}

/// The address packets come from. The original's words promise a prefix length, its code took none; either will do.
fn source(door: &mut Door<'_>, text: &Text<'_>) -> Option<IpAddr> {
    let plain = text.text.parse().ok();
    let address = plain.or_else(|| parse_cidr(text.text).map(|interface| interface.address));
    if address.is_none() {
        door.invalid(text, Expected::Source);
    }
    address
}

/// The network an address is in: the host part is zero, as the kernel wants it in a route.
fn network_of(interface: Interface) -> Interface {
    let kept = |bits: u32| bits.saturating_sub(u32::from(interface.prefix));
    let address = match interface.address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(kept(32)).unwrap_or_default();
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(kept(128)).unwrap_or_default();
            IpAddr::V6((address.to_bits() & mask).into())
        }
    };
    Interface { address, ..interface }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_part_of_a_route_is_cleared() {
        let network = |text| network_of(parse_cidr(text).expect("an address"));
        assert_eq!(Some(network("192.168.7.9/20")), parse_cidr("192.168.0.0/20"));
        assert_eq!(Some(network("1.2.3.4/0")), parse_cidr("0.0.0.0/0"));
        assert_eq!(Some(network("1.2.3.4/32")), parse_cidr("1.2.3.4/32"));
        assert_eq!(Some(network("2001:db8::9/64")), parse_cidr("2001:db8::/64"));
        assert_eq!(Some(network("::1/0")), parse_cidr("::/0"));
    }

    #[test]
    fn only_addresses_of_one_interface_are_hardware_addresses() {
        assert_eq!(parse_mac("02:42:ac:11:00:02"), Some([2, 0x42, 0xac, 0x11, 0, 2]));
        for wrong in ["01:00:5e:00:00:01", "00:00:00:00:00:00", "2:4:a:1:0:2", "02:42:ac:11:00"] {
            assert_eq!(parse_mac(wrong), None, "{wrong}");
        }
        assert_eq!(parse_mac("02:42:ac:11:00:02:03"), None);
        assert_eq!(parse_mac("+2:42:ac:11:00:02"), None);
    }
}
