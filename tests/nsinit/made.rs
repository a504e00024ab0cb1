//! Options → container.json → `Config`.

use std::ffi::OsString;

use nsplan::cli::args::ContainerId;
use nsplan::cli::nsinit::args::{Action, parse};
use nsplan::cli::nsinit::template::{Template, template};
use nsplan::cli::report::Failure;
use nsplan::config::{Config, Network};
use nsplan::facts::HostFacts;
use nsplan::plan::{invariants, plan};
use nsplan::types::{Capability, HostPath, NamespaceKind};

use crate::support::snapshot;

fn cwd() -> HostPath {
    HostPath::new("/srv/root").unwrap()
}

fn made(line: &str) -> Result<Template, Failure> {
    let words = ["config"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
    match parse(words.map(OsString::from).collect())?.action {
        Action::Config { template: options, .. } => {
            template(&options, &ContainerId::new("web").unwrap(), &cwd())
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn config(line: &str) -> Config {
    let read = made(line).and_then(|made| made.read(&cwd()));
    read.unwrap_or_else(|failure| panic!("{line}: {failure}")).0
}

#[test]
fn nothing_asked_for_is_the_usual_configuration() {
    let text = made("").unwrap().to_json();
    snapshot("nsinit", "config", "nsinit --id web config", &text);
    let mut config = config("");
    config.process.as_mut().unwrap().args = vec!["sh".into()];
    let plan = plan(&config, &HostFacts::example()).expect("root can");
    assert_eq!(invariants(&plan), Ok(()));
}

#[test]
fn every_option_changes_what_it_names() {
    let options = "--rootfs alpine --read-only --hostname h --bind ./in:/in:ro --bind /srv:/data \
        --tmpfs /scratch --cgroup --sysctl net.ipv4.ip_forward=1 --parent-death-signal TERM --ipc /proc/7/ns/ipc \
        --veth-bridge br0 --veth-address 10.0.0.2/24 --veth-gateway 10.0.0.1 --veth-mtu 1400 \
        --security medium --apparmor-profile p --process-label u:r:t:s0 --mount-label u:o:f:s0 \
        --groups 7,8 --groups 9 --cpushares 512 --cpuset-cpus 0-1 --cpuset-mems 0 \
        --memory-limit 64m --memory-swap -1 --userns-root-uid 1000";
    let (plain, changed) = (made("").unwrap().to_json(), made(options).unwrap().to_json());
    let diff = similar::TextDiff::from_lines(&plain, &changed);
    let unified = diff.unified_diff().context_radius(1).to_string();
    let lines = unified.lines().filter(|line| !line.starts_with("@@"));
    let text: String = lines.map(|line| format!("{}\n", line.trim_end())).collect();
    snapshot("nsinit", "config-options", "every option at once", &text);
    // And it is a configuration.
    config(options);
}

#[test]
fn a_namespace_is_new_shared_or_joined() {
    let kinds = |line: &str| config(line).namespaces.into_keys().collect::<Vec<_>>();
    let all = kinds("");
    assert!(!all.contains(&NamespaceKind::User) && all.contains(&NamespaceKind::Net));
    assert_eq!(kinds("--pid private"), all);
    assert_eq!(kinds("--pid="), all, "empty is a new one");
    for (line, kind) in [
        ("--pid host", NamespaceKind::Pid),
        ("--net host", NamespaceKind::Net),
        ("--ipc host", NamespaceKind::Ipc),
        ("--uts host", NamespaceKind::Uts),
        ("--mnt host", NamespaceKind::Mnt),
    ] {
        assert!(!kinds(line).contains(&kind), "{line}");
    }
    assert_eq!(config("--net host").networks, []);
    assert_eq!(config("--uts host").hostname, None);
    let joined = config("--net /run/netns/x");
    let source = &joined.namespaces[&NamespaceKind::Net];
    assert!(format!("{source:?}").contains("/run/netns/x"), "{source:?}");
}

#[test]
fn a_user_namespace_s_root_is_one_user_and_others_are_themselves() {
    let config = config("--userns-root-uid 1000");
    for (inside, outside) in [(0, 1000), (1, 1), (999, 999), (1001, 1001), (65534, 65534)] {
        assert_eq!(config.uid_mappings.to_host(inside), Some(outside), "{inside}");
        assert_eq!(config.gid_mappings.to_host(inside), Some(outside), "{inside}");
    }
    assert_eq!(config.uid_mappings.to_host(1000), None);
    assert!(config.creates(NamespaceKind::User));
    assert_eq!(self::config("--userns-root-uid 1").uid_mappings.to_host(2), Some(2));
}

#[test]
fn higher_security_has_fewer_capabilities() {
    let set = |level: &str| {
        let config = config(&format!("--security {level}"));
        config.process.unwrap().capabilities.unwrap().bounding
    };
    let (low, medium, high) = (set("low"), set("medium"), set("high"));
    assert!(medium.is_subset(low) && high.is_subset(medium));
    assert_eq!((low.iter().count(), high.iter().count()), (14, 3));
    assert!(medium.contains(Capability::CHOWN) && !medium.contains(Capability::MKNOD));
    assert_eq!(config("").process.unwrap().capabilities.unwrap().bounding, low);
}

#[test]
fn an_interface_is_made_for_a_bridge() {
    let config = config("--veth-bridge br0 --veth-address 10.0.0.2/24");
    let [Network::Loopback, Network::Veth(veth)] = &config.networks[..] else {
        panic!("{:?}", config.networks)
    };
    assert_eq!((veth.bridge.as_str(), veth.name.as_deref()), ("br0", Some("eth0")));
}

#[test]
fn what_means_nothing_is_refused_in_the_user_s_words() {
    let mut text = String::new();
    for line in [
        "--memory-limit x",
        "--memory-limit 0",
        "--memory-swap -2",
        "--cpushares 1",
        "--cpuset-cpus 0-",
        "--pid foo",
        "--pid foo --security max --groups 1,",
        "--bind /a",
        "--bind /a:/b:rx",
        "--bind a:b",
        "--bind /a:/",
        "--tmpfs /proc/x",
        "--sysctl x",
        "--sysctl =1",
        "--parent-death-signal 65",
        "--parent-death-signal NONE",
        "--userns-root-uid 0",
        "--veth-address 10.0.0.2/24",
        "--veth-bridge br0 --veth-address 10.0.0.2",
        "--veth-bridge br0 --veth-mtu x",
        "--veth-bridge a-name-too-long-for-linux",
        "--net host --veth-bridge br0",
        "--uts host --hostname x",
        "--mnt host --read-only",
        "--mnt host --bind /a:/b",
        "--mnt host --tmpfs /b",
        "--hostname 0123456789012345678901234567890123456789012345678901234567890123456789",
        "--groups -1",
    ] {
        let answer = made(line).and_then(|made| {
            let (mut config, sources) = made.read(&cwd())?;
            config.process.as_mut().unwrap().args = vec!["sh".into()];
            plan(&config, &HostFacts::example())
                .map_err(|errors| sources.refusals(&errors, |_| None))
        });
        let said = answer.map_or_else(|failure| failure.to_string(), |_| "taken\n".into());
        assert_ne!(said, "taken\n", "{line}");
        text.push_str(&format!("{line}\n{said}\n"));
    }
    snapshot("nsinit", "wrong-options", "nsinit config …", &text);
}
