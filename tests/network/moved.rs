//! Interfaces of the host's that a container has for as long as it lives.

use nsplan::config::{Config, NetDevice};
use nsplan::types::Signal;

use crate::island::{ip, ip_inside, island, links, text};
use crate::stage::{Rootfs, plan, start};

fn with_device(rootfs: &Rootfs, host: &str, inside: Option<&str>) -> Config {
    let mut config = rootfs.config(&["sleep", "1000"]);
    let name = inside.map(String::from);
    config.net_devices.insert(host.into(), NetDevice { name });
    config
}

/// A link with addresses, a hardware address and an MTU of its own: one end of a pair, whose other end is `far-` and its
/// name.
fn device(name: &str) {
    ip(&format!("link add {name} type veth peer name far-{name}"));
    ip(&format!("link set far-{name} up"));
    ip(&format!("link set {name} address 02:00:00:00:00:07 mtu 1401 up"));
    ip(&format!("address add 10.7.0.7/24 dev {name}"));
    ip(&format!("address add fd00:7::7/64 dev {name} nodad"));
}

/// Global addresses in what `ip address show` says.
fn addresses(shown: &serde_json::Value) -> Vec<String> {
    let infos = shown[0]["addr_info"].as_array().cloned().unwrap_or_default();
    let global = infos.iter().filter(|info| info["scope"] == "global");
    global.map(|info| format!("{}/{}", text(info, "local"), info["prefixlen"])).collect()
}

const ALL: [&str; 2] = ["10.7.0.7/24", "fd00:7::7/64"];

#[test]
fn an_interface_moves_in_with_all_it_has_and_comes_back_with_it() {
    island(|| {
        let rootfs = Rootfs::new();
        device("card");
        let plan = plan(&with_device(&rootfs, "card", Some("port0")));
        let (mut container, _output) =
            start(&plan).unwrap_or_else(|error| panic!("{error}\n{plan}"));
        assert_eq!(links(), ["far-card", "lo"]);
        let inside = ip_inside(container.pid(), "address show dev port0");
        assert_eq!(addresses(&inside), ALL);
        assert_eq!(text(&inside[0], "address"), "02:00:00:00:00:07");
        assert_eq!(inside[0]["mtu"], 1401);
        assert!(inside[0]["flags"].as_array().unwrap().contains(&"UP".into()), "{inside:#}");
        container.kill(Signal::KILL).unwrap();
        container.wait().unwrap();
        assert_eq!(links(), ["card", "far-card", "lo"]);
        let back = ip("address show dev card");
        assert_eq!(addresses(&back), ALL);
        assert!(back[0]["flags"].as_array().unwrap().contains(&"UP".into()), "{back:#}");
    });
}

#[test]
fn an_interface_comes_back_when_the_start_fails() {
    island(|| {
        let rootfs = Rootfs::new();
        device("card");
        let mut config = with_device(&rootfs, "card", None);
        config.process.as_mut().unwrap().args = vec!["/nothing".into()];
        let error = start(&plan(&config)).err().unwrap();
        assert_eq!(error.left_behind, [], "{error}");
        assert_eq!(links(), ["card", "far-card", "lo"]);
        assert_eq!(addresses(&ip("address show dev card")), ALL);
    });
}

#[test]
fn an_interface_that_is_not_there_or_whose_name_is_taken_is_an_error() {
    island(|| {
        let rootfs = Rootfs::new();
        let error = start(&plan(&with_device(&rootfs, "card", None))).err().unwrap();
        assert!(error.to_string().contains("RTM_GETLINK: ENODEV"), "{error}");
        device("card");
        device("other");
        let mut config = with_device(&rootfs, "card", Some("port"));
        config.net_devices.insert("other".into(), NetDevice { name: Some("port".into()) });
        let facts = nsplan::apply::probe::probe(&nsplan::plan::needs(&config)).unwrap();
        let errors = nsplan::plan::plan(&config, &facts).unwrap_err();
        let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["/netDevices/other: two interfaces inside with one name"]);
        assert_eq!(links(), ["card", "far-card", "far-other", "lo", "other"]);
    });
}
