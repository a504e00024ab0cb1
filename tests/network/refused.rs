//! What cannot be made is refused while planning, with its place in the config.

use nsplan::config::{Config, Interface, NamespaceSource, Route, Veth};
use nsplan::facts::HostFacts;
use nsplan::plan::{NetworkOp, Op, Refusal, plan, plan_hint};
use nsplan::types::{CapSet, Capability, HostPath, NamespaceKind};

use crate::planned::{interface, route, veth, with};

/// The places and words of the refusals.
fn refusals(config: &Config, facts: &HostFacts) -> Vec<String> {
    plan(config, facts).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(config: &Config, expected: &str) {
    let found = refusals(config, &HostFacts::example());
    assert!(found.iter().any(|text| text == expected), "{expected}\nis not in\n{found:#?}");
}

#[track_caller]
fn check_veth(change: impl FnOnce(&mut Veth), expected: &str) {
    let mut veth = veth();
    change(&mut veth);
    check(&with([veth]), &format!("/networks/1{expected}"));
}

#[test]
fn bad_names() {
    let length = "expected a name of 1 to 15 bytes";
    let bytes = "expected a name without spaces, control characters, `/`, `:` and `%`";
    let words = "expected a name other than `.`, `..`, `all` and `default`";
    check_veth(|veth| veth.bridge.clear(), &format!("/bridge: {length}"));
    check_veth(|veth| veth.bridge = "a bridge".into(), &format!("/bridge: {bytes}"));
    check_veth(|veth| veth.name = Some("sixteen-bytes-xx".into()), &format!("/name: {length}"));
    check_veth(|veth| veth.name = Some("eth%d".into()), &format!("/name: {bytes}"));
    check_veth(|veth| veth.host_name = Some("default".into()), &format!("/hostName: {words}"));
    check_veth(|veth| veth.prefix.clear(), "/prefix: expected a prefix of 1 to 8 bytes");
    check_veth(
        |veth| veth.prefix = "ninebytes".into(),
        "/prefix: expected a prefix of 1 to 8 bytes",
    );
    check_veth(
        |veth| veth.name = Some("lo".into()),
        "/name: every network has an interface `lo` already",
    );
}

#[test]
fn two_of_one_name() {
    let named = Veth { name: Some("eth1".into()), ..veth() };
    check(&with([named, veth()]), "/networks/2/name: two interfaces inside with one name");
    let fixed =
        |name: &str| Veth { name: Some(name.into()), host_name: Some("outer".into()), ..veth() };
    let config = with([fixed("a"), fixed("b")]);
    check(&config, "/networks/2/hostName: two interfaces on the host with one name");
    check_veth(
        |veth| veth.host_name = Some("br0".into()),
        "/hostName: the interface has the name of its bridge",
    );
}

#[test]
fn bad_values() {
    let mac = "/mac: expected a hardware address of one interface: neither a group's nor all zero";
    check_veth(|veth| veth.mac = Some([1, 0, 0x5e, 0, 0, 1]), mac);
    check_veth(|veth| veth.mac = Some([0; 6]), mac);
    check_veth(|veth| veth.mtu = Some(67), "/mtu: expected from 68 to 65535 bytes");
    check_veth(|veth| veth.mtu = Some(65_536), "/mtu: expected from 68 to 65535 bytes");
    check_veth(
        |veth| {
            veth.mtu = Some(1279);
            veth.ipv6_address = Some(interface("2001:db8::1/64"));
        },
        "/mtu: expected from 1280 to 65535 bytes, as there is an IPv6 address",
    );
}

#[test]
fn bad_addresses() {
    let v4 = "/address: expected an IPv4 address of one host with a prefix of at most 32 bits";
    for wrong in ["10.0.0.1/33", "::1/64", "0.0.0.0/0", "224.0.0.1/8", "255.255.255.255/8"] {
        check_veth(|veth| veth.address = Some(interface(wrong)), v4);
    }
    let v6 = "/ipv6Address: expected an IPv6 address of one host with a prefix of at most 128 bits";
    for wrong in ["2001:db8::1/129", "10.0.0.1/8", "::/0", "ff02::1/64"] {
        check_veth(|veth| veth.ipv6_address = Some(interface(wrong)), v6);
    }
    let gateway = |text: &str| Some(text.parse().unwrap());
    check_veth(
        |veth| veth.gateway = gateway("fe80::1"),
        "/gateway: expected the IPv4 address of a host",
    );
    check_veth(
        |veth| veth.gateway = gateway("10.2.0.1"),
        "/gateway: the gateway is not in the network of the interface's address",
    );
    check_veth(
        |veth| veth.ipv6_gateway = gateway("2001:db8::1"),
        "/ipv6Gateway: the gateway is not in the network of the interface's address",
    );
}

#[test]
fn bad_routes() {
    let check_route = |change: &dyn Fn(&mut Route), expected: &str| {
        let mut config = with([veth()]);
        let mut route = route();
        change(&mut route);
        config.routes.push(route);
        check(&config, &format!("/routes/0{expected}"));
    };
    check_route(
        &|route| route.gateway = Some("2001:db8::1".parse().unwrap()),
        ": IPv4 and IPv6 in one route",
    );
    check_route(
        &|route| (route.destination, route.gateway) = (None, None),
        ": a route needs a destination, a source or a gateway",
    );
    check_route(
        &|route| (route.gateway, route.interface) = (None, None),
        ": a route without a gateway needs an interface",
    );
    check_route(
        &|route| route.interface = Some("eth1".into()),
        "/interface: no network of the container has this interface",
    );
    check_route(
        &|route| route.destination = Some(Interface { prefix: 33, ..interface("10.0.0.0/8") }),
        "/destination: expected a prefix of at most 32 bits, or 128 for IPv6",
    );
}

#[test]
fn two_routes_to_one_place_but_the_same_one_said_twice_is_made_once() {
    let gateway = Some("10.1.0.1".parse().unwrap());
    let mut config = with([Veth { gateway, ..veth() }]);
    let everywhere = Route { destination: Some(interface("0.0.0.0/0")), ..route() };
    config.routes.push(everywhere.clone());
    let twice = plan(&config, &HostFacts::example()).unwrap();
    let routes = |op: &Op| matches!(op, Op::Network(NetworkOp::AddRoute { .. }));
    assert_eq!(twice.parent.iter().filter(|step| routes(&step.op)).count(), 1);
    assert_eq!(twice.notes.last().map(|note| note.origin.as_str()), Some("/routes/0"));
    config.routes[0].gateway = Some("10.1.0.9".parse().unwrap());
    check(&config, "/routes/0: two routes to one destination");
}

#[test]
fn lo_is_always_there() {
    let mut config = with([veth()]);
    config.routes.push(Route { interface: Some("lo".into()), gateway: None, ..route() });
    assert_eq!(refusals(&config, &HostFacts::example()), [""; 0]);
}

#[test]
fn no_network_of_its_own() {
    let mut config = with([veth()]);
    config.routes.push(route());
    let needs = "needs a net namespace of the container's own";
    config.namespaces.remove(&NamespaceKind::Net);
    check(&config, &format!("/networks/1: {needs}"));
    check(&config, &format!("/routes/0: {needs}"));
    let joined = NamespaceSource::Join(HostPath::new("/proc/1/ns/net").unwrap());
    config.namespaces.insert(NamespaceKind::Net, joined);
    check(&config, &format!("/networks/1: {needs}"));
}

#[test]
fn an_ordinary_user_has_no_right_over_the_hosts_network() {
    let mut facts = HostFacts::example();
    (facts.caller.uid, facts.caller.gid) = (1000, 1000);
    (facts.caller.effective, facts.caller.permitted) = (CapSet::EMPTY, CapSet::EMPTY);
    let mut config = with([veth()]);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    let errors = plan(&config, &facts).expect_err("no right");
    let missing = [Capability::NET_ADMIN, Capability::SYS_ADMIN].into_iter().collect();
    let purpose = "a network beyond `lo`";
    let error = errors
        .iter()
        .find(|error| error.refusal == Refusal::CapabilityMissing { missing, purpose })
        .unwrap_or_else(|| panic!("{errors:#?}"));
    let hint = plan_hint(&error.refusal).unwrap();
    assert!(hint.contains("a user namespace gives no right over the host's network"), "{hint}");
}
