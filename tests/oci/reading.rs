//! What documents mean: defaults, nulls, unknown properties, mounts, devices, the cgroup.

use nsplan::config::{
    CgroupBase, IgnoredReason, Limit, MountKind, NamespaceSource, Network, UserSpec,
};
use nsplan::facts::{HostFacts, PathFact};
use nsplan::plan::plan;
use nsplan::types::{
    HostPath, MountFlags, NamespaceKind, Propagation, PropagationKind, Resource, RootPath,
};

use crate::{config, document, read};

fn process(members: &str) -> String {
    format!(r#""process": {{"cwd": "/", "args": ["sh"]{members}}}"#)
}

#[test]
fn a_relative_root_is_in_the_bundle_and_an_absolute_one_is_not() {
    assert_eq!(config("").root.path.as_str(), "/bundle/rootfs");
    let text = r#"{"ociVersion": "1.0.0", "root": {"path": "/srv/root", "readonly": true}}"#;
    let root = read(text).config.root;
    assert_eq!((root.path.as_str(), root.readonly), ("/srv/root", true));
}

#[test]
fn null_says_as_much_as_nothing() {
    let nothing = config(&process(""));
    let null = |key: &str| format!(r#""{key}": null"#);
    let top =
        ["hostname", "domainname", "mounts", "hooks", "annotations", "linux", "windows", "vm"];
    let of_process = [
        "terminal",
        "consoleSize",
        "env",
        "user",
        "capabilities",
        "rlimits",
        "apparmorProfile",
        "noNewPrivileges",
        "oomScoreAdj",
        "selinuxLabel",
        "scheduler",
        "ioPriority",
        "execCPUAffinity",
        "commandLine",
    ];
    let of_linux = [
        "uidMappings",
        "gidMappings",
        "namespaces",
        "timeOffsets",
        "devices",
        "netDevices",
        "cgroupsPath",
        "resources",
        "rootfsPropagation",
        "seccomp",
        "sysctl",
        "maskedPaths",
        "readonlyPaths",
        "mountLabel",
        "personality",
        "intelRdt",
        "memoryPolicy",
    ];
    for key in top {
        assert_eq!(config(&format!("{}, {}", process(""), null(key))), nothing, "{key}");
    }
    for key in of_process {
        assert_eq!(config(&process(&format!(", {}", null(key)))), nothing, "{key}");
    }
    for key in of_linux {
        let text = format!(r#"{}, "linux": {{{}}}"#, process(""), null(key));
        assert_eq!(config(&text), nothing, "{key}");
    }
}

#[test]
fn an_unknown_property_is_passed_over_and_named_in_the_plan() {
    let text = document(&format!(
        r#"{}, "future": {{"a": 1}}, "linux": {{"namespaces": [{{"type": "mount", "new": 7}}]}}"#,
        process(r#", "shiny": true"#)
    ));
    let parsed = read(&text);
    let places: Vec<_> = parsed.config.ignored.iter().map(|it| it.place.as_str()).collect();
    assert_eq!(places, ["/process/shiny", "/linux/namespaces/0/new", "/future"]);
    let mut facts = HostFacts::example();
    facts.paths.insert(parsed.config.root.path.clone(), PathFact::Directory);
    let plan = plan(&parsed.config, &facts).unwrap();
    let notes = plan.to_string();
    for place in places {
        let note = format!("{place} is no property of the format: it has no effect");
        assert!(notes.contains(&note), "{notes}");
    }
    let origin = parsed.source.find(&nsplan::types::Pointer::new("/ignored/0")).unwrap();
    assert!(origin.to_string().starts_with("2:41: /process/shiny"), "{origin}");
}

#[test]
fn capabilities_that_cannot_be_had_are_noted_and_left_out() {
    let caps = r#", "capabilities": {"bounding": ["CAP_KILL", "CAP_FLY"], "permitted": ["CAP_KILL", "CAP_MKNOD"],
        "effective": ["CAP_CHOWN"], "ambient": ["CAP_KILL"]}"#;
    let config = config(&process(caps));
    let reasons: Vec<_> = config.ignored.iter().map(|it| (it.place.as_str(), it.reason)).collect();
    use IgnoredReason::{UngrantableCapability, UnknownCapability};
    assert_eq!(
        reasons,
        [
            ("/process/capabilities/bounding/1", UnknownCapability),
            ("/process/capabilities/effective/0", UngrantableCapability),
            ("/process/capabilities/ambient/0", UngrantableCapability),
        ]
    );
    let sets = config.process.unwrap().capabilities.unwrap();
    assert_eq!(sets.permitted.iter().count(), 2);
    assert!(sets.effective.is_empty() && sets.ambient.is_empty());
}

#[test]
fn namespaces_are_created_without_a_path_and_joined_with_one() {
    let config = config(
        r#""linux": {"namespaces": [{"type": "network", "path": "/run/netns/a"}, {"type": "mount"}, {"type": "pid", "path": ""}]}"#,
    );
    let path = HostPath::new("/run/netns/a").unwrap();
    assert_eq!(config.namespaces[&NamespaceKind::Net], NamespaceSource::Join(path));
    assert!(config.creates(NamespaceKind::Mnt) && config.creates(NamespaceKind::Pid));
    assert_eq!(config.namespaces.len(), 3);
    // Loopback belongs to a new network only.
    assert_eq!(config.networks, []);
}

#[test]
fn a_container_with_its_own_mounts_gets_the_default_nodes_and_links() {
    let mounted = r#""linux": {"namespaces": [{"type": "mount"}, {"type": "network"}],
        "devices": [{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 8576}]}"#;
    let config = config(mounted);
    let nodes: Vec<_> = config.devices.iter().map(|node| node.path.as_str()).collect();
    let all = ["/dev/null", "/dev/full", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];
    assert_eq!(nodes, all);
    // What the document says of a node counts; the file type in its mode is its own.
    assert_eq!(config.devices[0].mode, 0o600);
    let links: Vec<_> = config.device_links.iter().map(|link| link.path.as_str()).collect();
    assert_eq!(links, ["/dev/ptmx", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"]);
    assert_eq!(config.networks, [Network::Loopback]);
}

#[test]
fn a_dev_of_the_hosts_is_left_as_it_is() {
    let config = config(
        r#""mounts": [{"destination": "/dev", "source": "/dev", "options": ["rbind"]}], "linux": {"namespaces": [{"type": "mount"}]}"#,
    );
    assert_eq!((config.devices.len(), config.device_links.len()), (0, 0));
}

fn mount(members: &str) -> nsplan::config::Mount {
    let text = format!(r#""mounts": [{{"destination": "/m", {members}}}]"#);
    config(&text).mounts.remove(0)
}

#[test]
fn a_bind_is_one_by_its_type_or_by_its_options_and_recursive_by_its_options_alone() {
    let source = |members: &str| match mount(members).kind {
        MountKind::Bind(bind) => (bind.source.as_str().to_owned(), bind.recursive),
        other => panic!("{other:?}"),
    };
    let below = |recursive| ("/bundle/data".to_owned(), recursive);
    assert_eq!(source(r#""type": "bind", "source": "data""#), below(false));
    assert_eq!(source(r#""type": "none", "source": "data", "options": ["rbind"]"#), below(true));
    assert_eq!(source(r#""source": "./data", "options": ["bind"]"#), below(false));
    assert_eq!(source(r#""source": "/x", "options": ["bind"]"#), ("/x".to_owned(), false));
}

#[test]
fn of_two_options_that_contradict_each_other_the_later_counts() {
    let mount = mount(
        r#""type": "tmpfs", "source": "t", "options": ["ro", "rw", "noexec", "strictatime", "noatime", "size=1m", "mode=700", "rshared", "private"]"#,
    );
    assert_eq!(mount.set, MountFlags::MS_NOEXEC | MountFlags::MS_NOATIME);
    assert_eq!(mount.clear, MountFlags::MS_RDONLY);
    let wish = |kind, recursive| Propagation { kind, recursive };
    let (shared, private) = (PropagationKind::Shared, PropagationKind::Private);
    assert_eq!(mount.propagation, [wish(shared, true), wish(private, false)]);
    let MountKind::Filesystem { fstype, data, .. } = mount.kind else { panic!() };
    assert_eq!((fstype.as_str(), data), ("tmpfs", vec!["size=1m".into(), "mode=700".into()]));
}

#[test]
fn options_with_an_r_are_about_the_whole_tree() {
    let mount = mount(
        r#""source": "d", "options": ["rbind", "rro", "rnosuid", "rsuid", "rnodev", "rexec", "nosymfollow"]"#,
    );
    assert_eq!(mount.set_recursive, MountFlags::MS_RDONLY | MountFlags::MS_NODEV);
    assert_eq!(mount.clear_recursive, MountFlags::MS_NOSUID | MountFlags::MS_NOEXEC);
    assert_eq!(mount.set, MountFlags::MS_NOSYMFOLLOW);
}

#[test]
fn a_mount_is_id_mapped_by_its_mappings_or_by_the_option() {
    let maps = r#""uidMappings": [{"containerID": 0, "hostID": 9, "size": 1}], "gidMappings": [{"containerID": 0, "hostID": 8, "size": 1}]"#;
    let map = |members: &str| mount(members).id_map;
    let given = map(&format!(r#""source": "d", "options": ["bind"], {maps}"#)).unwrap();
    assert_eq!((given.uid_mappings.to_host(0), given.recursive), (Some(9), false));
    let given = map(&format!(r#""source": "d", "options": ["rbind", "ridmap"], {maps}"#)).unwrap();
    assert_eq!((given.gid_mappings.to_host(0), given.recursive), (Some(8), true));
    let inherited = map(r#""source": "d", "options": ["bind", "idmap"]"#).unwrap();
    assert!(inherited.uid_mappings.is_empty());
    assert_eq!(map(r#""source": "d", "options": ["bind"]"#), None);
}

#[test]
fn a_relative_destination_is_below_the_root() {
    let text = r#""mounts": [{"destination": "a/../b", "type": "tmpfs"}]"#;
    assert_eq!(config(text).mounts[0].destination, RootPath::new("/b").unwrap());
}

#[test]
fn a_cgroups_path_is_below_the_hierarchy_or_below_the_callers_own() {
    let path = |text: &str| {
        let text = format!(r#""linux": {{"cgroupsPath": "{text}"}}"#);
        let path = config(&text).cgroup.unwrap().path;
        let parts: Vec<_> = path.parts.iter().map(|part| part.as_str().to_owned()).collect();
        (path.base, parts.join("/"))
    };
    assert_eq!(path("/a//b/"), (CgroupBase::Root, "a/b".into()));
    assert_eq!(path("a/b"), (CgroupBase::Caller, "a/b".into()));
    assert_eq!(config(r#""linux": {"cgroupsPath": ""}"#).cgroup, None);
    // Limits without a place: whoever starts it chooses one.
    let unplaced = config(r#""linux": {"resources": {"pids": {"limit": 5}}}"#).cgroup.unwrap();
    assert!(unplaced.path.parts.is_empty());
    assert_eq!(unplaced.resources.pids, Some(Limit::At(5)));
}

#[test]
fn zero_limits_are_none_and_negative_ones_are_no_limit() {
    let resources = |text: &str| {
        config(&format!(r#""linux": {{"resources": {{{text}}}}}"#)).cgroup.unwrap().resources
    };
    let memory = resources(r#""memory": {"limit": 0, "swap": -1, "kernel": 0, "swappiness": 0}"#);
    assert_eq!((memory.memory.limit, memory.memory.swap), (None, Some(Limit::Unlimited)));
    assert_eq!((memory.memory.kernel, memory.memory.swappiness), (None, Some(0)));
    let cpu = resources(r#""cpu": {"shares": 0, "quota": -1, "period": 0, "cpus": ""}"#).cpu;
    assert_eq!((cpu.shares, cpu.quota, cpu.period, cpu.cpus), (None, Some(-1), None, None));
    assert_eq!(resources(r#""pids": {"limit": -1}"#).pids, Some(Limit::Unlimited));
    assert_eq!(resources(r#""pids": {"limit": 0}"#).pids, Some(Limit::Unlimited));
    assert!(resources(r#""blockIO": {"weight": 0}"#).block_io.is_empty());
}

#[test]
fn device_rules_keep_their_order_and_the_default_nodes_come_last() {
    let rules = config(
        r#""linux": {"resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 10, "minor": -1, "access": "rw"}]}}"#,
    );
    let rules = rules.cgroup.unwrap().resources.devices.unwrap();
    assert!(!rules[0].allow && rules[0].kind.is_none());
    assert_eq!((rules[1].major, rules[1].minor), (Some(10), None));
    assert!(rules[2..].iter().all(|rule| rule.allow));
    assert_eq!(rules.len(), 12);
}

#[test]
fn the_process_is_as_it_is_written() {
    let config = config(
        r#""process": {"cwd": "/a/./b", "args": ["p", ""], "env": ["A=1=2", "B="], "terminal": false,
        "consoleSize": {"height": 5, "width": 6}, "oomScoreAdj": -5, "noNewPrivileges": true,
        "user": {"uid": 7, "gid": 8, "umask": 63, "additionalGids": [9]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 18446744073709551615}]}"#,
    );
    let process = config.process.unwrap();
    assert_eq!(process.args, ["p", ""]);
    let env: Vec<_> = process.env.iter().map(|it| format!("{}|{}", it.name, it.value)).collect();
    assert_eq!(env, ["A|1=2", "B|"]);
    assert_eq!(process.cwd.as_str(), "/a/b");
    assert_eq!(process.user.spec, UserSpec::Ids { uid: 7, gid: 8 });
    assert_eq!((process.user.umask, process.user.additional_gids), (Some(0o077), vec![9]));
    assert_eq!(process.console_size, None, "a size without a terminal is ignored");
    assert_eq!(process.rlimits[&Resource::Nofile].hard, u64::MAX);
    assert_eq!((process.oom_score_adj, process.no_new_privileges), (Some(-5), true));
}
