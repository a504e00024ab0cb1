//! A network without the machine's links: a thread that has left the machine's namespace, and what `ip` says there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::panic::resume_unwind;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

/// Runs a test of links in namespaces of its own; says so if it cannot, and a run that may not skip fails.
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
pub(crate) fn island(test: impl FnOnce() + Send) {
    let has_ip = Command::new("ip").arg("-V").output().is_ok_and(|output| output.status.success());
    if !nix::unistd::geteuid().is_root() || !has_ip {
        assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "needs root and iproute2");
        println!("skipped: needs root and iproute2");
        return;
    }
    let on_the_island = || {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
        let network = |who: &str| fs::metadata(format!("/proc/{who}/ns/net")).unwrap().ino();
        assert_ne!(network("thread-self"), network("self"), "this would be the machine's network");
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).unwrap();
        assert_eq!(links(), ["lo"]);
        test();
    };
    let answer = std::thread::scope(|scope| scope.spawn(on_the_island).join());
    answer.unwrap_or_else(|panic| resume_unwind(panic));
}

/// `/sys` of this network.
pub(crate) fn mount_sysfs() {
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), None::<&str>).unwrap();
}

#[track_caller]
fn json(mut command: Command) -> Value {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// `ip -j -d …` on the host's side of the island.
#[track_caller]
pub(crate) fn ip(arguments: &str) -> Value {
    let mut command = Command::new("ip");
    command.args(["-j", "-d"]).args(arguments.split(' '));
    json(command)
}

/// `ip -j -d …` in the network of a process.
#[track_caller]
pub(crate) fn ip_inside(pid: u32, arguments: &str) -> Value {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/proc/{pid}/ns/net")).args(["ip", "-j", "-d"]);
    command.args(arguments.split(' '));
    json(command)
}

/// A bridge with addresses, up.
pub(crate) fn bridge(name: &str, addresses: &[&str]) {
    ip(&format!("link add {name} type bridge"));
    for address in addresses {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        ip(&format!("address add {address} dev {name}{nodad}"));
    }
    ip(&format!("link set {name} up"));
}

/// The names of all links of the island.
pub(crate) fn links() -> Vec<String> {
    let all = ip("link show");
    let mut names: Vec<_> =
        all.as_array().unwrap().iter().map(|link| text(link, "ifname")).collect();
    names.sort();
    names
}

/// A member that is a text.
#[track_caller]
pub(crate) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value:#}")).to_owned()
}
