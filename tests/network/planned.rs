//! What is planned for a network, and what holds of every plan that has one.

use nsplan::config::{Config, Interface, Network, Route, Veth};
use nsplan::facts::HostFacts;
use nsplan::plan::{
    Actor, InterfaceName, Link, NamespaceOp, NetworkOp, Op, Plan, PrivilegeOp, ProcessOp, Rule,
    SyncOp, Token, Undo, invariants, plan,
};
use nsplan::types::{CloneFlags, HostPath};
use proptest::prelude::*;

pub(crate) fn veth() -> Veth {
    Veth {
        bridge: "br0".into(),
        name: None,
        host_name: None,
        prefix: "veth".into(),
        mac: None,
        address: Some(interface("10.1.0.2/16")),
        ipv6_address: None,
        gateway: None,
        ipv6_gateway: None,
        mtu: None,
        tx_queue_length: None,
        hairpin: false,
    }
}

pub(crate) fn interface(text: &str) -> Interface {
    let (address, prefix) = text.split_once('/').unwrap();
    Interface { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
}

pub(crate) fn route() -> Route {
    Route {
        destination: Some(interface("192.0.2.7/24")),
        source: None,
        gateway: Some("10.1.0.1".parse().unwrap()),
        interface: Some("eth0".into()),
    }
}

/// The default container with these networks beside `lo`.
pub(crate) fn with(veths: impl IntoIterator<Item = Veth>) -> Config {
    let root = HostPath::new("/srv/root").unwrap();
    let mut config = Config::sandbox(root, vec!["sh".into()], false);
    config.networks.extend(veths.into_iter().map(Network::Veth));
    config
}

fn planned(config: &Config) -> Plan {
    let plan = plan(config, &HostFacts::example()).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert_eq!(invariants(&plan), Ok(()), "{plan}");
    plan
}

fn network_ops(plan: &Plan) -> Vec<(String, String)> {
    let steps = plan.parent.iter().filter(|step| matches!(step.op, Op::Network(_)));
    steps.map(|step| (step.op.to_string(), step.origin.to_string())).collect()
}

#[test]
fn everything_a_pair_can_have_is_one_step_with_its_place_in_the_config() {
    let all = Veth {
        mac: Some([2, 0x42, 0xac, 0x11, 0, 2]),
        ipv6_address: Some(interface("2001:db8::2/64")),
        gateway: Some("10.1.0.1".parse().unwrap()),
        ipv6_gateway: Some("fe80::1".parse().unwrap()),
        mtu: Some(1400),
        tx_queue_length: Some(0),
        hairpin: true,
        ..veth()
    };
    let mut config = with([all]);
    config.routes.push(Route { source: Some("10.1.0.2".parse().unwrap()), ..route() });
    let expected = [
        ("make a veth pair: veth…0 here, eth0 inside, queues of 0", ""),
        ("attach veth…0 to bridge br0", "/bridge"),
        ("set the mtu of veth…0 to 1400", "/mtu"),
        ("set the mtu of eth0 inside to 1400", "/mtu"),
        ("have the bridge send back to veth…0", "/hairpin"),
        ("set the hardware address of eth0 inside to 02:42:ac:11:00:02", "/mac"),
        ("set interface veth…0 up", ""),
        ("set interface eth0 inside up", ""),
        ("add 10.1.0.2/16 to eth0 inside", "/address"),
        ("add 2001:db8::2/64 to eth0 inside", "/ipv6Address"),
        ("add a default route by 10.1.0.1 through eth0 inside", "/gateway"),
        ("add a default route by fe80::1 through eth0 inside", "/ipv6Gateway"),
    ];
    let mut expected: Vec<_> = expected
        .into_iter()
        .map(|(op, key)| (op.to_owned(), format!("/networks/1{key}")))
        .collect();
    // The host part of the destination is gone.
    let last = "add a route to 192.0.2.0/24 by 10.1.0.1 from 10.1.0.2 through eth0 inside";
    expected.push((last.into(), "/routes/0".into()));
    assert_eq!(network_ops(&planned(&config)), expected);
}

#[test]
fn mtu_and_address_may_be_left_out() {
    let plan = planned(&with([Veth { address: None, mtu: Some(0), ..veth() }]));
    assert_eq!(network_ops(&plan).len(), 4, "{plan}");
}

#[test]
fn pairs_are_numbered_and_their_drawn_names_told_apart() {
    let named = Veth { name: Some("wan".into()), host_name: Some("outer".into()), ..veth() };
    let plan = planned(&with([veth(), named, veth()]));
    let pair = |op: &Op| match op {
        Op::Network(NetworkOp::MakeVeth { host, inside, .. }) => {
            Some((host.clone(), inside.clone()))
        }
        _ => None,
    };
    let drawn = |number| InterfaceName::Random { prefix: "veth".into(), number };
    let pairs: Vec<_> = plan.parent.iter().filter_map(|step| pair(&step.op)).collect();
    let expected = [
        (drawn(0), "eth0".into()),
        (InterfaceName::Fixed("outer".into()), "wan".into()),
        (drawn(1), "eth2".into()),
    ];
    assert_eq!(pairs, expected);
}

#[test]
fn the_network_is_made_beside_the_mounts_and_awaited_while_there_are_rights() {
    let plan = planned(&with([veth()]));
    let at = |script: &[nsplan::plan::Step], wanted: &dyn Fn(&Op) -> bool| {
        script.iter().position(|step| wanted(&step.op)).unwrap_or_else(|| panic!("{plan}"))
    };
    let opens = |op: &Op| matches!(op, Op::State(_));
    let clones = |op: &Op| matches!(op, Op::Process(ProcessOp::Clone { .. }));
    let makes = |op: &Op| matches!(op, Op::Network(NetworkOp::MakeVeth { .. }));
    let tells = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(Token::NetworkReady)));
    let waits = |op: &Op| matches!(op, Op::Sync(SyncOp::Await(Token::NetworkReady)));
    let pivots = |op: &Op| matches!(op, Op::Mount(nsplan::plan::MountOp::PivotRoot));
    let drops = |op: &Op| matches!(op, Op::Privilege(PrivilegeOp::DropBounding { .. }));
    let order = [at(&plan.parent, &opens), at(&plan.parent, &clones), at(&plan.parent, &makes)];
    assert!(order.is_sorted() && order[2] < at(&plan.parent, &tells), "{plan}");
    let order = [at(&plan.init, &pivots), at(&plan.init, &waits), at(&plan.init, &drops)];
    assert!(order.is_sorted(), "{plan}");
}

#[test]
fn a_kernel_parameter_of_a_network_waits_for_the_network() {
    let mut config = with([veth()]);
    config.sysctl.insert("kernel.shm_rmid_forced".into(), "1".into());
    config.sysctl.insert("net.ipv4.conf.eth0.forwarding".into(), "1".into());
    let plan = planned(&config);
    let wait = plan
        .init
        .iter()
        .position(|step| matches!(step.op, Op::Sync(SyncOp::Await(Token::NetworkReady))))
        .unwrap();
    let next = &plan.init[wait + 1].op;
    let is_forwarding = |op: &Op| matches!(op, Op::Namespace(NamespaceOp::Sysctl { path, .. }) if path.ends_with("forwarding"));
    assert!(is_forwarding(next), "{plan}");
}

#[test]
fn without_a_link_nothing_is_awaited() {
    let plan = planned(&with([]));
    let talks = |op: &Op| matches!(op, Op::Sync(SyncOp::Signal(token) | SyncOp::Await(token)) if *token == Token::NetworkReady);
    assert!(!plan.steps().any(|(_, step)| talks(&step.op)), "{plan}");
}

/// Breaks a sound plan and expects `rule` among the broken ones.
#[track_caller]
fn check(rule: Rule, break_it: impl FnOnce(&mut Plan)) {
    let mut config = with([veth()]);
    config.routes.push(route());
    let mut plan = planned(&config);
    break_it(&mut plan);
    let broken = invariants(&plan).expect_err("a broken plan");
    assert!(broken.iter().any(|found| found.rule == rule), "{broken:?}");
}

fn change(plan: &mut Plan, change: impl Fn(&mut NetworkOp)) {
    for step in &mut plan.parent {
        if let Op::Network(op) = &mut step.op {
            change(op);
        }
    }
}

#[test]
fn every_rule_about_networks_can_be_broken() {
    let is_make = |op: &Op| matches!(op, Op::Network(NetworkOp::MakeVeth { .. }));
    let of_network = |op: &Op| matches!(op, Op::Network(_));
    check(Rule::Undo, |plan| {
        let step = plan.parent.iter_mut().find(|step| is_make(&step.op)).unwrap();
        step.undo = Undo::Nothing;
    });
    check(Rule::Undo, |plan| {
        let step = plan.parent.iter_mut().find(|step| is_make(&step.op)).unwrap();
        let host = InterfaceName::Fixed("eth0".into());
        step.undo = Undo::by(Op::Network(NetworkOp::RemoveLink { host }));
    });
    // Used before it is made; made before the clone; made in the host's own network; init's work.
    check(Rule::Network, |plan| plan.parent.retain(|step| !is_make(&step.op)));
    check(Rule::Network, |plan| {
        let at = plan.parent.iter().position(|step| is_make(&step.op)).unwrap();
        let step = plan.parent.remove(at);
        plan.parent.insert(0, step);
    });
    check(Rule::Network, |plan| {
        for step in &mut plan.parent {
            if let Op::Process(ProcessOp::Clone { flags, .. }) = &mut step.op {
                flags.remove(CloneFlags::CLONE_NEWNET);
            }
        }
    });
    check(Rule::Network, |plan| {
        let at = plan.parent.iter().rposition(|step| of_network(&step.op)).unwrap();
        let step = plan.parent.remove(at);
        plan.init.insert(0, step);
    });
    // Told before it is true; awaited without rights.
    check(Rule::Network, |plan| {
        let at = plan.parent.iter().rposition(|step| of_network(&step.op)).unwrap();
        plan.parent.swap(at, at + 1);
    });
    check(Rule::Network, |plan| {
        let wait = |op: &Op| matches!(op, Op::Sync(SyncOp::Await(Token::NetworkReady)));
        let at = plan.init.iter().position(|step| wait(&step.op)).unwrap();
        let step = plan.init.remove(at);
        let end = plan.init.len() - 2;
        plan.init.insert(end, step);
    });
}

#[test]
fn a_foreign_plan_cannot_smuggle_what_the_kernel_takes_for_something_else() {
    for wrong in ["", "a/b", "a b", "x%d", "all", "sixteen-bytes-xx", "a:1", "\u{a0}", "new\nline"]
    {
        check(Rule::Network, |plan| {
            change(plan, |op| {
                if let NetworkOp::AttachToBridge { bridge, .. } = op {
                    *bridge = wrong.into();
                }
            });
        });
    }
    check(Rule::Network, |plan| {
        change(plan, |op| {
            if let NetworkOp::AddRoute { destination, .. } = op {
                *destination = Some(interface("192.0.2.7/24"));
            }
        });
    });
    check(Rule::Network, |plan| {
        change(plan, |op| {
            if let NetworkOp::AddAddress { address, .. } = op {
                address.prefix = 200;
            }
        });
    });
    check(Rule::Network, |plan| {
        change(plan, |op| {
            if let NetworkOp::LinkUp { link: link @ Link::Inside(_) } = op {
                *link = Link::Host(InterfaceName::Fixed("eth0".into()));
            }
        });
    });
}

fn some_veth() -> impl Strategy<Value = Veth> {
    let name = || proptest::option::of("[a-z]{1,3}|.{0,17}");
    let v4 = any::<u32>().prop_map(|bits| std::net::IpAddr::V4(bits.into()));
    let v6 = any::<u128>().prop_map(|bits| std::net::IpAddr::V6(bits.into()));
    let any_interface = (prop_oneof![v4.clone(), v6.clone()], 0u8..140)
        .prop_map(|(address, prefix)| Interface { address, prefix });
    let parts = (
        "[a-z]{1,4}|.{0,17}",
        name(),
        name(),
        "[a-z]{1,8}|.{0,10}",
        proptest::option::of(any::<[u8; 6]>()),
        proptest::option::of(any_interface.clone()),
        proptest::option::of(any_interface),
        proptest::option::of(prop_oneof![v4, v6]),
        proptest::option::of(0u32..70_000),
        any::<bool>(),
    );
    parts.prop_map(|(bridge, name, host_name, prefix, mac, address, six, gateway, mtu, hairpin)| {
        Veth {
            bridge,
            name,
            host_name,
            prefix,
            mac,
            address,
            ipv6_address: six,
            gateway,
            ipv6_gateway: None,
            mtu,
            tx_queue_length: mtu,
            hairpin,
        }
    })
}

/// Pairs that can be planned, many of them.
fn sane_veth() -> impl Strategy<Value = Veth> {
    let name = proptest::option::of("[a-z]{1,12}");
    (name, 1u8..=254, 8u8..=30, any::<bool>(), proptest::option::of(1280u32..9000)).prop_map(
        |(name, host, prefix, hairpin, mtu)| Veth {
            name,
            address: Some(Interface { address: [10, 0, 0, host].into(), prefix }),
            hairpin,
            mtu,
            ..veth()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_network_is_planned_or_refused_and_what_is_planned_holds(
        veths in proptest::collection::vec(prop_oneof![some_veth(), sane_veth()], 0..4),
    ) {
        let config = with(veths);
        let first = plan(&config, &HostFacts::example());
        prop_assert_eq!(&first, &plan(&config, &HostFacts::example()));
        if let Ok(plan) = first {
            prop_assert_eq!(invariants(&plan), Ok(()), "{}", plan);
            let back: Plan = serde_json::from_str(&plan.to_json()).expect("our own text");
            prop_assert_eq!(back, plan);
        }
    }

    #[test]
    fn names_are_unique_and_every_pair_has_its_undo(
        veths in proptest::collection::vec(sane_veth(), 1..5),
    ) {
        let count = veths.len();
        let Ok(plan) = plan(&with(veths), &HostFacts::example()) else { return Ok(()) };
        let mut names = std::collections::BTreeSet::new();
        for (id, step) in plan.steps() {
            if let Op::Network(NetworkOp::MakeVeth { host, inside, .. }) = &step.op {
                prop_assert_eq!(id.actor, Actor::Parent);
                prop_assert!(names.insert(Link::Host(host.clone())));
                prop_assert!(names.insert(Link::Inside(inside.clone())));
                let undo = NetworkOp::RemoveLink { host: host.clone() };
                prop_assert_eq!(&step.undo, &Undo::by(Op::Network(undo)));
            }
        }
        prop_assert_eq!(names.len(), 2 * count);
    }
}
