//! The duty of `InitializeNetworking` alone, and the original's faults about networks, each by its number.

use std::process::{Child, Command};

use nsplan::apply::Outside;
use nsplan::config::{Config, Network, Route, Veth, from_libcontainer};
use nsplan::namespaces::{Start, exec, initialize_networking};
use nsplan::plan::{NetworkOp, Op};
use nsplan::types::{HostPath, NamespaceKind};

use crate::island::{bridge, ip_inside, island, links, text};
use crate::links::linked;
use crate::planned::{interface, veth};
use crate::stage::{Rootfs, plan, run};

/// A process with a network of its own, or in the caller's.
pub(crate) struct Sleeper(Child);

impl Sleeper {
    pub(crate) fn new(has_own: bool) -> Self {
        let mut command = Command::new(if has_own { "unshare" } else { "env" });
        command.args(if has_own { &["--net", "sleep", "1000"][..] } else { &["sleep", "1000"] });
        let sleeper = Self(command.spawn().unwrap());
        let network = |who: u32| std::fs::read_link(format!("/proc/{who}/ns/net")).ok();
        while has_own
            && network(sleeper.pid()) == network(nix::unistd::gettid().as_raw().cast_unsigned())
        {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        sleeper
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn config(rootfs: &Rootfs) -> Config {
    rootfs.config(&["true"])
}

#[test]
fn links_are_made_for_a_process_that_is_there_already() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &["10.1.0.1/24"]);
        let plan = plan(&linked(config(&rootfs), [veth()]));
        let sleeper = Sleeper::new(true);
        let mut outside = Outside::new(&plan, sleeper.pid(), None).unwrap();
        let made = initialize_networking(&mut outside).unwrap();
        assert_eq!(made.len(), 1);
        assert!(links().contains(&made[0]), "{made:?}");
        let inside = &ip_inside(sleeper.pid(), "link show eth0")[0];
        assert_eq!(text(inside, "operstate"), "UP");
        assert!(outside.undo().is_empty());
        assert_eq!(links(), ["br0", "lo"]);
    });
}

#[test]
fn nothing_is_made_for_a_process_in_the_callers_own_network() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let plan = plan(&linked(config(&rootfs), [veth()]));
        let sleeper = Sleeper::new(false);
        let mut outside = Outside::new(&plan, sleeper.pid(), None).unwrap();
        let error = initialize_networking(&mut outside).unwrap_err();
        assert_eq!(error.call(), Some("setns"), "{error}");
        assert_eq!(links(), ["br0", "lo"]);
    });
}

#[test]
fn trap_12_a_network_without_a_namespace_makes_nothing_and_two_pairs_are_two() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &["10.1.0.1/24"]);
        let mut alone = linked(config(&rootfs), [veth()]);
        alone.namespaces.remove(&NamespaceKind::Net);
        let error = exec(&alone, &["true"], Start::default()).unwrap_err();
        assert!(error.to_string().contains("network"), "{error}");
        assert_eq!(links(), ["br0", "lo"], "a pair was left behind");
        // The second of two fails half-way: the first is not left behind.
        let missing = Veth { bridge: "none".into(), address: None, ..veth() };
        let both = linked(config(&rootfs), [veth(), missing]);
        assert!(exec(&both, &["true"], Start::default()).is_err());
        assert_eq!(links(), ["br0", "lo"], "a pair was left behind");
        let second = Veth { address: Some(interface("10.1.0.3/24")), ..veth() };
        let both = linked(rootfs.config(&["sh", "-c", "ip -o link"]), [veth(), second]);
        let seen = run(&plan(&both)).1;
        assert!(seen.contains("eth0") && seen.contains("eth1"), "{seen}");
    });
}

#[test]
fn trap_29_a_routes_source_is_read_with_or_without_a_prefix_and_its_destination_is_masked() {
    let read = |source: &str| {
        let text = format!(
            r#"{{"namespaces":[{{"type":"NEWNET"}}],"mount_config":null,
            "routes":[{{"destination":"192.168.7.9/24","source":"{source}","interface_name":"lo"}}]}}"#
        );
        let base = HostPath::new("/srv").unwrap();
        from_libcontainer(text.as_bytes(), &base).unwrap().config.routes
    };
    let expected = vec![Route {
        destination: Some(interface("192.168.7.0/24")),
        source: Some("127.1.1.1".parse().unwrap()),
        gateway: None,
        interface: Some("lo".into()),
    }];
    assert_eq!(read("127.1.1.1"), expected);
    assert_eq!(read("127.1.1.1/32"), expected);
    // The kernel takes no destination with bits beyond its mask.
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &["10.1.0.1/24"]);
        let mut config = linked(rootfs.config(&["sh", "-c", "ip route"]), [veth()]);
        config.routes = vec![Route {
            destination: Some(interface("192.168.7.9/24")),
            source: None,
            gateway: None,
            interface: Some("eth0".into()),
        }];
        let plan = plan(&config);
        assert!(plan.parent.iter().any(|step| matches!(
            &step.op,
            Op::Network(NetworkOp::AddRoute { destination: Some(to), .. })
                if *to == interface("192.168.7.0/24")
        )));
        let seen = run(&plan).1;
        assert!(seen.contains("192.168.7.0/24 dev eth0"), "{seen}");
    });
}

#[test]
fn trap_31_a_pair_needs_neither_mtu_nor_address() {
    let text = r#"{"namespaces":[{"type":"NEWNET"}],
        "networks":[{"type":"veth","bridge":"br0","veth_prefix":"veth"}]}"#;
    let base = HostPath::new("/srv").unwrap();
    let read = from_libcontainer(text.as_bytes(), &base).unwrap().config;
    let Some(Network::Veth(pair)) = read.networks.last() else { panic!("{:?}", read.networks) };
    let pair = pair.clone();
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let config = linked(rootfs.config(&["sh", "-c", "ip -o link show eth0"]), [pair]);
        let seen = run(&plan(&config)).1;
        assert!(seen.contains("mtu 1500") && seen.contains("UP"), "{seen}");
    });
}
