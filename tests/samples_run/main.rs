//! The seed's samples, whole: the command runs them as they are written, and host and container find what they say.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

mod bundle;
mod hostile;
mod leaks;

#[path = "../network/island.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod island;
#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use serde_json::Value;

use crate::bundle::Bundle;
use crate::island::{bridge, ip, island, links, text};
use crate::support::is_root;

/// What every sample says of its process, a line each.
const LOOK: &str = "hostname; echo $HOME $HOSTNAME $TERM; pwd; umask; tty";

#[test]
fn minimal_is_as_it_is_written() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("minimal");
    let said = bundle.run(&format!("{LOOK}; id; ls /sys/class/net; cat /proc/1/comm"));
    let first = "koye\n/ koye xterm\n/\n0022\n/dev/pts/0\n";
    let expected = format!("{first}uid=1(daemon) gid=1(daemon) groups=500(extra)\nlo\n");
    assert!(said.starts_with(&expected), "{said}");
    bundle.is_planned_alike();
}

#[test]
fn host_pid_is_as_it_is_written() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("host-pid");
    let said = bundle
        .run(&format!("{LOOK}; readlink /proc/self/ns/pid; test -d /proc/$PPID && echo seen"));
    let own = fs::read_link("/proc/self/ns/pid").unwrap();
    let expected = format!("koye\n/ koye xterm\n/\n0022\n/dev/pts/0\n{}\nseen\n", own.display());
    assert_eq!(said, expected);
    bundle.is_planned_alike();
}

/// What the container sees of its network, before it says a word to the host and hears one.
fn script(port: u16) -> String {
    format!(
        "{LOOK}; ip -o -4 address show dev eth0; cat /sys/class/net/eth0/mtu; ip route;
        ip route get 192.0.2.1; ls -1 /sys/class/net; cat /proc/self/uid_map /proc/self/gid_map;
        echo from inside | busybox nc 172.17.42.1 {port}"
    )
}

/// Runs a sample on the bridge that it names, and talks to it; what it said, and what was seen from here meanwhile.
fn over_the_bridge(bundle: &Bundle, script: &str, port: &TcpListener) -> (String, Value, Vec<u32>) {
    let mut running = bundle.start(script);
    port.set_nonblocking(true).unwrap();
    let (mut stream, from) = loop {
        match port.accept() {
            Ok(accepted) => break accepted,
            // It ended without a word: what it did say is in the failure.
            Err(_) if running.has_ended() => panic!("it never called: {}", running.end()),
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    };
    stream.set_nonblocking(false).unwrap();
    let mut heard = [0; 12];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"from inside\n", "{from}");
    let counted = network_stats(bundle);
    for way in ["rx_bytes", "rx_packets", "tx_bytes", "tx_packets"] {
        assert!(counted[way].as_u64().is_some_and(|count| count > 0), "{way}: {counted}");
    }
    let ports = ip("link show master docker0");
    let uids = running.uids();
    stream.write_all(b"from outside\n").unwrap();
    drop(stream);
    (running.end(), ports, uids)
}

/// What `nsinit stats` says of the network of a bundle's container, seen from this network.
fn network_stats(bundle: &Bundle) -> Value {
    let script = "mount -t sysfs none /sys && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_nsinit")]);
    command.arg("--root").arg(bundle.state()).args(["stats", "--id", "one"]);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all["network_stats"].clone()
}

/// A network as the samples want it, and where the host's side listens.
fn docker0() -> TcpListener {
    bridge("docker0", &["172.17.42.1/16"]);
    TcpListener::bind("172.17.42.1:0").unwrap()
}

#[track_caller]
fn is_the_samples_network(said: &str, ports: &Value, address: &str) {
    let first = "koye\n/ koye xterm\n/\n0022\n/dev/pts/0\n";
    assert!(said.starts_with(first), "{said}");
    assert!(said.contains(&format!(" inet {address}/16 ")), "{said}");
    assert!(said.contains("\n1500\n") && said.contains("\neth0\nlo\n"), "{said}");
    assert!(said.contains("default via 172.17.42.1 dev eth0"), "{said}");
    assert!(said.contains("172.17.0.0/16 dev eth0 "), "{said}");
    assert!(said.ends_with("from outside\n"), "{said}");
    assert_eq!(ports.as_array().unwrap().len(), 1, "{ports:#}");
    assert!(text(&ports[0], "ifname").starts_with("veth"), "{ports:#}");
    assert_eq!((&ports[0]["mtu"], &ports[0]["operstate"]), (&1500.into(), &"UP".into()));
    // With the container its pair goes.
    assert_eq!(links(), ["docker0", "lo"]);
}

#[test]
fn attach_to_bridge_is_as_it_is_written() {
    island(|| {
        let listener = docker0();
        let bundle = Bundle::new("attach_to_bridge");
        let script = script(listener.local_addr().unwrap().port());
        let (said, ports, uids) = over_the_bridge(&bundle, &script, &listener);
        is_the_samples_network(&said, &ports, "172.17.0.101");
        assert_eq!(uids, [0]);
        bundle.is_planned_alike();
    });
}

#[test]
fn route_source_address_selection_is_as_it_is_written() {
    island(|| {
        let listener = docker0();
        let bundle = Bundle::new("route_source_address_selection");
        let script = script(listener.local_addr().unwrap().port());
        let (said, ports, _) = over_the_bridge(&bundle, &script, &listener);
        is_the_samples_network(&said, &ports, "172.17.0.101");
        assert!(said.contains("default via 172.17.42.1 dev eth0  src 172.17.0.101"), "{said}");
        bundle.is_planned_alike();
    });
}

#[test]
fn userns_is_as_it_is_written() {
    island(|| {
        let listener = docker0();
        let bundle = Bundle::new("userns");
        bundle.give_to(1000);
        let network = script(listener.local_addr().unwrap().port());
        let script = format!(
            "ulimit -n; ulimit -H -n; id -u; id -g; stat -c %u:%g /bin/busybox /;
            (echo x >/proc/sys/kernel/hostname) 2>/dev/null && echo writable;
            grep ' /proc/sys ' /proc/self/mountinfo | cut -d' ' -f6; {network}"
        );
        let (said, ports, uids) = over_the_bridge(&bundle, &script, &listener);
        let own = "999\n999\n0\n0\n0:0\n0:0\n";
        let rest = said.strip_prefix(own).unwrap_or_else(|| panic!("{said}"));
        let (flags, rest) = rest.split_once('\n').unwrap();
        assert!(flags.split(',').any(|flag| flag == "ro"), "/proc/sys is {flags}: {said}");
        is_the_samples_network(rest, &ports, "172.17.0.9");
        // Both maps, as the sample has them.
        let words: Vec<_> = rest.split_whitespace().collect();
        let map = ["0", "1000", "1", "1", "1", "999", "1001", "1001", "9000"];
        let maps = [map, map].concat();
        assert!(words.windows(maps.len()).any(|found| found == maps), "{rest}");
        // Outside, root inside is user 1000, and what it has is that user's.
        assert_eq!(uids, [1000]);
        let top = fs::metadata(bundle.path()).unwrap();
        assert_eq!((top.uid(), top.gid()), (1000, 1000));
        bundle.is_planned_alike();
    });
}

#[test]
fn labels_that_nobody_would_enforce_are_refused_by_name() {
    if !is_root() {
        return;
    }
    for (name, module, key) in
        [("apparmor", "AppArmor", "apparmor_profile"), ("selinux", "SELinux", "process_label")]
    {
        let active = match name {
            "apparmor" => "/sys/module/apparmor/parameters/enabled",
            _ => "/sys/fs/selinux/enforce",
        };
        if std::path::Path::new(active).exists() {
            continue;
        }
        let bundle = Bundle::new(name);
        let before = hostile::listing(&bundle);
        let (code, error) = bundle.refusal("true");
        assert_eq!(code, 125, "{error}");
        assert!(error.contains(module) && error.contains("container.json:"), "{key}: {error}");
        assert_eq!(hostile::listing(&bundle), before);
    }
}
