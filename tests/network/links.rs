//! Links of running containers: `ip` and real sockets are asked what became of the plan.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use nsplan::apply::{Container, link_statistics};
use nsplan::config::{Config, Network, Veth, from_libcontainer};
use nsplan::plan::Plan;
use nsplan::types::Signal;

use crate::island::{bridge, ip, ip_inside, island, links, mount_sysfs, text};
use crate::planned::{interface, veth};
use crate::stage::{Rootfs, plan, run, start, with_userns};

/// A config with these pairs.
pub(crate) fn linked(mut config: Config, veths: impl IntoIterator<Item = Veth>) -> Config {
    config.networks.extend(veths.into_iter().map(Network::Veth));
    config
}

/// Starts a plan, looks at the container, ends it.
#[track_caller]
fn look(plan: &Plan, look: impl FnOnce(&Container)) {
    let (mut container, _output) = start(plan).unwrap_or_else(|error| panic!("{error}\n{plan}"));
    look(&container);
    container.kill(Signal::KILL).unwrap();
    container.wait().unwrap();
    assert_eq!(container.links().count(), 0);
}

fn sleeper(rootfs: &Rootfs) -> Config {
    rootfs.config(&["sleep", "1000"])
}

fn everything() -> Veth {
    Veth {
        mac: Some([2, 0x42, 0xac, 0x11, 0, 2]),
        ipv6_address: Some(interface("fd00:1::2/64")),
        gateway: Some("10.1.0.1".parse().unwrap()),
        ipv6_gateway: Some("fd00:1::1".parse().unwrap()),
        mtu: Some(1400),
        tx_queue_length: Some(77),
        hairpin: true,
        ..veth()
    }
}

/// Addresses of an interface inside, `address/prefix`, and that none of them is tentative.
fn addresses(pid: u32, name: &str) -> Vec<String> {
    let shown = ip_inside(pid, &format!("address show dev {name} scope global"));
    let infos = shown[0]["addr_info"].as_array().cloned().unwrap_or_default();
    // What is left out by its scope is an empty object.
    infos
        .iter()
        .filter(|info| info["local"].is_string())
        .map(|info| {
            assert_ne!(info["tentative"], true, "{info:#}");
            format!("{}/{}", text(info, "local"), info["prefixlen"])
        })
        .collect()
}

#[test]
fn two_pairs_are_all_that_was_asked_for() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &["10.1.0.1/16", "fd00:1::1/64"]);
        bridge("br1", &["10.2.0.1/16"]);
        let second = Veth {
            bridge: "br1".into(),
            name: Some("wan".into()),
            host_name: Some("outer".into()),
            address: Some(interface("10.2.0.2/16")),
            ..veth()
        };
        let plan = plan(&linked(sleeper(&rootfs), [everything(), second]));
        look(&plan, |container| {
            let names: Vec<_> = container.links().map(String::from).collect();
            assert!(names[0].starts_with("veth") && names[0].len() == 11, "{names:?}");
            assert_eq!(names[1], "outer");
            let host = &ip(&format!("link show {}", names[0]))[0];
            assert_eq!(
                (text(host, "master"), text(host, "operstate")),
                ("br0".into(), "UP".into())
            );
            assert_eq!((&host["mtu"], &host["txqlen"]), (&1400.into(), &77.into()));
            assert_eq!(host["linkinfo"]["info_slave_data"]["hairpin"], true);
            let other = &ip("link show outer")[0];
            assert_eq!(text(other, "master"), "br1");
            assert_eq!(other["linkinfo"]["info_slave_data"]["hairpin"], false);
            let pid = container.pid();
            let inside = &ip_inside(pid, "link show eth0")[0];
            assert_eq!(text(inside, "address"), "02:42:ac:11:00:02");
            assert_eq!(text(inside, "operstate"), "UP");
            assert_eq!((&inside["mtu"], &inside["txqlen"]), (&1400.into(), &77.into()));
            assert_eq!(addresses(pid, "eth0"), ["10.1.0.2/16", "fd00:1::2/64"]);
            assert_eq!(addresses(pid, "wan"), ["10.2.0.2/16"]);
            let route = &ip_inside(pid, "route show default")[0];
            assert_eq!(
                (text(route, "gateway"), text(route, "dev")),
                ("10.1.0.1".into(), "eth0".into())
            );
            let route = &ip_inside(pid, "-6 route show default")[0];
            assert_eq!(
                (text(route, "gateway"), text(route, "dev")),
                ("fd00:1::1".into(), "eth0".into())
            );
        });
        assert_eq!(links(), ["br0", "br1", "lo"]);
    });
}

#[test]
fn mtu_address_and_all_the_rest_may_be_absent() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let plan = plan(&linked(sleeper(&rootfs), [Veth { address: None, ..veth() }]));
        look(&plan, |container| {
            let inside = &ip_inside(container.pid(), "link show eth0")[0];
            assert_eq!(text(inside, "operstate"), "UP");
            assert!(addresses(container.pid(), "eth0").is_empty());
        });
    });
}

#[test]
fn the_sample_with_a_route_has_its_source_address() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("docker0", &["172.17.42.1/16"]);
        let sample = "tests/configs/libcontainer/seed-2015-02/route_source_address_selection.json";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(sample);
        let json = std::fs::read_to_string(path).unwrap();
        let root = rootfs.host_path();
        let sample = from_libcontainer(json.as_bytes(), &root).unwrap().config;
        let mut config = sleeper(&rootfs);
        (config.networks, config.routes) = (sample.networks, sample.routes);
        look(&plan(&config), |container| {
            let route = &ip_inside(container.pid(), "route get 192.0.2.1")[0];
            assert_eq!(text(route, "prefsrc"), "172.17.0.101");
            assert_eq!(text(route, "gateway"), "172.17.42.1");
            assert_eq!(text(route, "dev"), "eth0");
            let route = &ip_inside(container.pid(), "route show default")[0];
            assert_eq!(text(route, "protocol"), "boot");
        });
    });
}

#[test]
fn host_and_container_talk_over_the_bridge() {
    island(|| {
        let rootfs = Rootfs::new();
        mount_sysfs();
        bridge("br0", &["10.1.0.1/16", "fd00:1::1/64"]);
        let listeners =
            ["10.1.0.1:0", "[fd00:1::1]:0"].map(|address| TcpListener::bind(address).unwrap());
        let [four, six] =
            listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let script = format!(
            "echo four | busybox nc 10.1.0.1 {four} && echo six | busybox nc fd00:1::1 {six} && echo three | busybox nc -l -p 7000"
        );
        let plan = plan(&linked(rootfs.shell(&script), [everything()]));
        let (mut container, mut output) = start(&plan).unwrap();
        // The network is complete when the program begins: nothing has to be tried twice.
        for (listener, word) in listeners.iter().zip(["four\n", "six\n"]) {
            let (mut stream, from) = listener.accept().unwrap();
            let mut heard = String::new();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, word, "{from}");
            stream.write_all(b"heard\n").unwrap();
        }
        let mut heard = String::new();
        let begin = Instant::now();
        let mut stream = loop {
            match TcpStream::connect("10.1.0.2:7000") {
                Ok(stream) => break stream,
                Err(error) => assert!(begin.elapsed() < Duration::from_secs(10), "{error}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        // Not to its end: the container is to be there still when its link is looked at.
        BufReader::new(&mut stream).read_line(&mut heard).unwrap();
        assert_eq!(heard, "three\n");
        if let Some(name) = container.links().next() {
            // What the container has received is what the host's end has sent, never the other way round.
            let counted = link_statistics(name).unwrap();
            let host = &ip(&format!("-s link show {name}"))[0]["stats64"];
            assert!(counted.received.packets > 0 && counted.sent.bytes > 0, "{counted:?}");
            assert!(counted.received.bytes <= host["tx"]["bytes"].as_u64().unwrap());
            assert!(counted.sent.packets <= host["rx"]["packets"].as_u64().unwrap());
        }
        drop(stream);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert_eq!(container.wait().unwrap().code(), 0, "{text}");
        assert_eq!(text, "heard\nheard\n");
        assert!(link_statistics("br7").is_err() && link_statistics("../lo").is_err());
    });
}

#[test]
fn counters_are_swapped() {
    island(|| {
        mount_sysfs();
        // One way only: what this end sends, with nobody to answer.
        ip("link add here type veth peer name there");
        ip("link set here up");
        ip("link set there up");
        ip("address add 10.9.0.1/24 dev here");
        let socket = std::net::UdpSocket::bind("10.9.0.1:0").unwrap();
        socket.set_broadcast(true).unwrap();
        ip("neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev here");
        for _ in 0..50 {
            socket.send_to(b"x", "10.9.0.9:9").unwrap();
        }
        let (here, there) = (link_statistics("here").unwrap(), link_statistics("there").unwrap());
        assert!(here.received.packets >= 50 && here.sent.packets < 50, "{here:?}");
        assert!(there.sent.packets >= 50 && there.received.packets < 50, "{there:?}");
    });
}

#[test]
fn it_works_in_a_user_namespace_and_through_an_intermediate() {
    use nsplan::config::{Clock, NamespaceSource, TimeOffset};
    use nsplan::types::NamespaceKind;
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &["10.1.0.1/16"]);
        let script = "busybox ip -o -4 address show dev eth0; id -u";
        let inside_user = with_userns(linked(rootfs.shell(script), [veth()]));
        let mut later = linked(rootfs.shell(script), [veth()]);
        later.namespaces.insert(NamespaceKind::Time, NamespaceSource::Create);
        later.time_offsets.insert(Clock::Monotonic, TimeOffset { secs: 5, nanosecs: 0 });
        for config in [inside_user, later] {
            let plan = plan(&config);
            let (status, text) = run(&plan);
            assert_eq!(status.code(), 0, "{text}");
            assert!(text.contains("10.1.0.2/16") && text.ends_with("0\n"), "{text}\n{plan}");
        }
        assert_eq!(links(), ["br0", "lo"]);
    });
}

#[test]
fn a_kernel_parameter_of_a_link_finds_it() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let mut config =
            linked(rootfs.shell("cat /proc/sys/net/ipv4/conf/eth0/forwarding"), [veth()]);
        config.sysctl.insert("net.ipv4.conf.eth0.forwarding".into(), "1".into());
        for _ in 0..5 {
            assert_eq!(run(&plan(&config)).1, "1\n");
        }
    });
}

#[test]
fn a_caller_that_is_a_task_of_a_runtime_is_no_worse_off() {
    island(|| {
        let rootfs = Rootfs::new();
        bridge("br0", &[]);
        let plan = plan(&linked(sleeper(&rootfs), [veth()]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { look(&plan, |_| {}) });
    });
}

#[test]
fn no_thread_stays_and_the_caller_is_where_it_was() {
    island(|| {
        let rootfs = Rootfs::alone();
        bridge("br0", &[]);
        let plan = plan(&linked(sleeper(&rootfs), [veth()]));
        let own = || std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let before = own();
        look(&plan, |_| {
            assert_eq!(own(), before);
            let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
            // Other tests have islands of their own, and threads.
            let here = tasks.filter(|task| {
                let found = std::fs::read_link(task.path().join("ns/net"));
                found.is_ok_and(|found| found == before)
            });
            let names: Vec<_> = here
                .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
                .collect();
            assert!(!names.iter().any(|name| name.contains("nsplan-net")), "{names:?}");
        });
    });
}
