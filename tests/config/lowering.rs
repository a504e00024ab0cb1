//! What single members become.

use nsplan::config::{
    BindSource, CgroupBase, Kept, Limit, MountKind, NamespaceSource, Origin, Relabel, RootSwitch,
    UserSpec,
};
use nsplan::types::{MountFlags, NamespaceKind, Pointer, PropagationKind, Signal};

use crate::support::read;

fn user(text: &str) -> UserSpec {
    let parsed = read(&format!(r#"{{"user": "{text}"}}"#));
    parsed.config.process.expect("a process").user.spec
}

fn named(user: Option<&str>, group: Option<&str>) -> UserSpec {
    UserSpec::Named { user: user.map(Into::into), group: group.map(Into::into) }
}

#[test]
fn only_two_numbers_are_ids_as_they_stand() {
    assert_eq!(user("42:1234"), UserSpec::Ids { uid: 42, gid: 1234 });
    assert_eq!(user("42"), named(Some("42"), None));
    assert_eq!(user("adm:1234"), named(Some("adm"), Some("1234")));
    assert_eq!(user("42:adm"), named(Some("42"), Some("adm")));
    assert_eq!(user(":adm"), named(None, Some("adm")));
    assert_eq!(user(""), named(None, None));
}

#[test]
fn nothing_given_is_an_empty_container_of_the_caller() {
    let parsed = read("{}");
    let process = parsed.config.process.expect("a process");
    assert!(parsed.config.namespaces.is_empty());
    assert!(parsed.config.mounts.is_empty());
    assert!(process.args.is_empty());
    assert_eq!(process.cwd.as_str(), "/");
    assert_eq!(process.parent_death_signal, Some(Signal::KILL));
    let sets = process.capabilities.expect("sets");
    assert!(sets.bounding.is_empty(), "no list drops everything");
}

#[test]
fn capabilities_are_neither_inheritable_nor_ambient() {
    let parsed = read(r#"{"capabilities": ["MKNOD", "AUDIT_READ"]}"#);
    let sets = parsed.config.process.and_then(|process| process.capabilities).expect("sets");
    assert_eq!(sets.bounding.iter().count(), 2);
    assert_eq!((sets.effective, sets.permitted), (sets.bounding, sets.bounding));
    assert!(sets.inheritable.is_empty() && sets.ambient.is_empty());
}

#[test]
fn a_new_mount_namespace_without_mount_config_gets_the_system_mounts() {
    let parsed = read(r#"{"namespaces": [{"type": "NEWNS"}]}"#);
    let places: Vec<_> = parsed.config.mounts.iter().map(|m| m.destination.as_str()).collect();
    assert_eq!(places, ["/proc", "/dev", "/dev/shm", "/dev/mqueue", "/dev/pts", "/sys"]);
    assert!(!parsed.config.mounts[5].set.contains(MountFlags::MS_RDONLY));
    assert_eq!(parsed.config.device_links.len(), 6);
}

#[test]
fn the_root_is_beside_the_document_unless_it_is_absolute() {
    let path = |text: &str| read(text).config.root.path.to_string();
    assert_eq!(path("{}"), "/bundle");
    assert_eq!(path(r#"{"root_fs": "rootfs/busybox"}"#), "/bundle/rootfs/busybox");
    assert_eq!(path(r#"{"root_fs": "/srv/rootfs/"}"#), "/srv/rootfs");
}

#[test]
fn keys_match_without_regard_to_case_and_null_is_absence() {
    let parsed = read(r#"{"HostName": "a", "NAMESPACES": [{"Type": "NEWUTS"}], "routes": null}"#);
    assert_eq!(parsed.config.hostname.as_deref(), Some("a"));
    assert!(parsed.config.creates(NamespaceKind::Uts));
}

#[test]
fn bind_mounts_are_recursive_and_read_only_to_the_bottom() {
    let parsed = read(
        r#"{"namespaces": [{"type": "NEWNS"}], "mount_config": {"mounts": [
            {"type": "bind", "source": "/srv", "destination": "data/../x", "relabel": "z",
             "slave": true, "private": true},
            {"type": "bind", "source": "/srv", "destination": "/y", "writable": true, "relabel": "Z"}
        ]}}"#,
    );
    let [first, second] = &parsed.config.mounts[6..] else { panic!("two mounts") };
    assert_eq!(first.destination.as_str(), "/x");
    let MountKind::Bind(BindSource { source, recursive }) = &first.kind else { panic!("a bind") };
    assert_eq!((source.as_str(), *recursive), ("/srv", true));
    assert_eq!(first.set_recursive, MountFlags::MS_RDONLY);
    let propagation: Vec<_> = first.propagation.iter().map(|p| (p.kind, p.recursive)).collect();
    assert_eq!(propagation, [(PropagationKind::Slave, true), (PropagationKind::Private, false)]);
    assert_eq!(first.relabel, Some(Relabel::Shared));
    assert!(second.set_recursive.is_empty());
    assert_eq!(second.relabel, Some(Relabel::Private));
}

#[test]
fn a_root_without_pivot_is_moved_and_a_slave_of_the_host() {
    let parsed =
        read(r#"{"namespaces": [{"type": "NEWNS"}], "mount_config": {"no_pivot_root": true}}"#);
    assert_eq!(parsed.config.root.switch, RootSwitch::MoveMount);
    let propagation = parsed.config.root.propagation.expect("a propagation");
    assert_eq!((propagation.kind, propagation.recursive), (PropagationKind::Slave, true));
}

#[test]
fn terminals_lose_their_group_where_it_is_not_mapped() {
    let ids = r#"[{"container_id": 0, "host_id": 1000, "size": 5}]"#;
    let parsed = read(&format!(
        r#"{{"namespaces": [{{"type": "NEWNS"}}, {{"type": "NEWUSER"}}],
            "uid_mappings": {ids}, "gid_mappings": {ids}}}"#
    ));
    assert!(!parsed.config.to_json_pretty().contains("gid=5"));
}

#[test]
fn old_ways_to_join_become_namespaces_joined_by_path() {
    let parsed = read(
        r#"{"mount_config": {}, "ipc": "/proc/7/ns/ipc",
            "namespaces": {"NEWNS": true, "NEWNET": true, "NEWIPC": true, "NEWPID": false},
            "networks": [{"type": "netns", "ns_path": "/run/netns/a"}]}"#,
    );
    let join = |kind| match parsed.config.namespaces.get(&kind) {
        Some(NamespaceSource::Join(path)) => path.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(join(NamespaceKind::Net), "/run/netns/a");
    assert_eq!(join(NamespaceKind::Ipc), "/proc/7/ns/ipc");
    assert!(!parsed.config.namespaces.contains_key(&NamespaceKind::Pid));
    assert!(parsed.config.networks.is_empty());
}

#[test]
fn cgroups_are_below_the_first_process_unless_the_parent_is_absolute() {
    let cgroup = |text: &str| {
        let cgroup = read(&format!(r#"{{"cgroups": {text}}}"#)).config.cgroup.expect("a cgroup");
        let parts: Vec<_> = cgroup.path.parts.iter().map(|part| part.as_str().to_owned()).collect();
        (cgroup.path.base, parts.join(" "), cgroup.resources)
    };
    let (base, parts, _) = cgroup(r#"{"name": "c", "parent": "a/b"}"#);
    assert_eq!((base, parts.as_str()), (CgroupBase::Init, "a b c"));
    let (base, parts, _) = cgroup(r#"{"name": "c", "parent": "/a"}"#);
    assert_eq!((base, parts.as_str()), (CgroupBase::Root, "a c"));
    let (_, _, resources) = cgroup(r#"{"name": "c", "memory": 1024, "memory_swap": -1}"#);
    assert_eq!(resources.memory.limit, Some(Limit::At(1024)));
    assert_eq!(resources.memory.swap, Some(Limit::Unlimited));
    let (_, _, resources) = cgroup(r#"{"name": "c", "memory": 1024}"#);
    assert_eq!(resources.memory.swap, None, "never doubled");
    let (_, _, resources) = cgroup(r#"{"name": "c", "allow_all_devices": true}"#);
    assert_eq!(resources.devices, None);
}

#[test]
fn values_without_effect_are_kept() {
    let parsed = read(
        r#"{"namespaces": [{"type": "NEWNET"}],
            "networks": [{"type": "loopback", "gateway": "localhost", "mtu": 1500}],
            "cgroups": {"name": "c", "scope_prefix": "docker"}}"#,
    );
    let kept = |at: &str| parsed.extra.without_effect.get(&Pointer::new(at)).cloned();
    assert_eq!(kept("/networks/0/gateway"), Some(Kept::Text("localhost".into())));
    assert_eq!(kept("/networks/0/mtu"), Some(Kept::Number(1500)));
    assert_eq!(kept("/cgroups/scope_prefix"), Some(Kept::Text("docker".into())));
}

#[test]
fn routes_take_a_source_with_or_without_prefix_and_mask_their_destination() {
    let parsed = read(
        r#"{"namespaces": [{"type": "NEWNET"}], "routes": [
            {"destination": "10.1.2.3/8", "source": "192.0.2.7/24", "interface_name": "eth0"}]}"#,
    );
    let route = &parsed.config.routes[0];
    assert_eq!(route.source.expect("a source").to_string(), "192.0.2.7");
    assert_eq!(route.destination.expect("a destination").address.to_string(), "10.0.0.0");
}

#[test]
fn version_2_is_taken_at_its_word() {
    let parsed = read(
        r#"{"rootfs": "/r", "namespaces": [{"type": "NEWNS"}], "privatefs": true,
            "parent_death_signal": 15, "additional_groups": ["10", "audio", "20"],
            "system_properties": {"net.ipv4.ip_forward": "1"},
            "mounts": [
              {"device": "proc", "source": "proc", "destination": "/proc", "flags": 14},
              {"device": "bind", "source": "/srv", "destination": "/srv", "flags": 20481},
              {"device": "cgroup", "destination": "/sys/fs/cgroup", "flags": 15}],
            "cgroups": {"name": "c", "blkio_weight_device": "8:0 500\n8:16 10",
              "net_cls_classid": "0x100001", "kernel_memory": 4096,
              "hugetlb_limit": [{"page_size": "2MB", "limit": 0}],
              "allow_all_devices": true,
              "denied_devices": [{"type": 99, "major": 1, "minor": 3, "permissions": "rwm"}]}}"#,
    );
    let config = parsed.config;
    assert_eq!(config.root.propagation.map(|p| p.kind), Some(PropagationKind::Private));
    let process = config.process.expect("a process");
    assert_eq!(process.parent_death_signal, Some(Signal::TERM));
    assert_eq!(process.user.additional_gids, [10, 20]);
    assert_eq!(process.user.additional_groups, ["audio"]);
    assert_eq!(config.sysctl["net.ipv4.ip_forward"], "1");
    assert_eq!(config.mounts[1].set, MountFlags::MS_RDONLY);
    assert_eq!(config.mounts[2].kind, MountKind::Cgroup);
    let resources = config.cgroup.expect("a cgroup").resources;
    assert_eq!(resources.block_io.weight_device.len(), 2);
    assert_eq!(resources.network_class, Some(0x10_0001));
    assert_eq!(resources.memory.kernel, Some(Limit::At(4096)));
    let rules = resources.devices.expect("rules");
    assert_eq!(rules.iter().map(|rule| rule.allow).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn every_place_leads_back_to_the_words_that_asked_for_it() {
    let parsed = read("{\"namespaces\": [{\"type\": \"NEWNS\"}],\n  \"restrict_sys\": true}");
    let find = |at: &str| parsed.source.find(&Pointer::new(at)).expect("an origin").to_string();
    assert_eq!(find("/mounts/0"), "libcontainer system mount (default)");
    assert_eq!(find("/mounts/5"), "2:19: /restrict_sys");
    assert_eq!(find("/readonlyPaths/3"), "2:19: /restrict_sys");
    assert_eq!(find("/namespaces/mnt"), "1:17: /namespaces/0");
    assert!(matches!(parsed.source.find(&Pointer::new("/root/path")), Some(Origin::Default(_))));
}
