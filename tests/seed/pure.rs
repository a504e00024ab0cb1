//! Flags, ids and mappings: upstream's values, and none of its silence.

use nsplan::config::{Config, NamespaceSource, from_libcontainer};
use nsplan::namespaces::{
    EXIT_SIGNAL_OFFSET, NoHostRoot, ProcessAttributes, add_uid_gid_mappings, get_host_root_gid,
    get_host_root_uid, get_namespace_flags,
};
use nsplan::types::{CloneFlags, HostPath, IdMap, IdMapping, NamespaceKind};

fn config(text: &str) -> Config {
    let base = HostPath::new("/srv").unwrap();
    from_libcontainer(text.as_bytes(), &base).unwrap().config
}

fn range(container_id: u32, host_id: u32, size: u32) -> IdMap {
    IdMap::new(vec![IdMapping { container_id, host_id, size }]).unwrap()
}

#[test]
fn a_signal_adds_128() {
    assert_eq!(EXIT_SIGNAL_OFFSET, 128);
}

#[test]
fn each_namespace_has_its_flag_and_one_that_is_joined_has_none() {
    let flags = |kind: &str| {
        let maps = match kind {
            "NEWUSER" => r#","uid_mappings":[{"size":1}],"gid_mappings":[{"size":1}]"#,
            _ => "",
        };
        let text = format!(r#"{{"namespaces":[{{"type":"{kind}"}}]{maps}}}"#);
        get_namespace_flags(&config(&text).namespaces).bits()
    };
    let all = [
        ("NEWNS", 0x0002_0000),
        ("NEWUTS", 0x0400_0000),
        ("NEWIPC", 0x0800_0000),
        ("NEWUSER", 0x1000_0000),
        ("NEWPID", 0x2000_0000),
        ("NEWNET", 0x4000_0000),
    ];
    for (kind, value) in all {
        assert_eq!(flags(kind), value, "{kind}");
    }
    let joined = r#"{"namespaces":[{"type":"NEWIPC","path":"/proc/1/ns/ipc"},{"type":"NEWUTS"}]}"#;
    assert_eq!(get_namespace_flags(&config(joined).namespaces), CloneFlags::CLONE_NEWUTS);
    assert_eq!(get_namespace_flags(&config("{}").namespaces), CloneFlags::empty());
}

#[test]
fn test_host_uid_no_userns() {
    assert_eq!(get_host_root_uid(&config("{}")), Ok(0));
}

#[test]
fn test_host_gid_no_userns() {
    assert_eq!(get_host_root_gid(&config("{}")), Ok(0));
}

/// A config with a user namespace and these mappings, whatever a door would say to them.
fn with_userns(uids: IdMap, gids: IdMap) -> Config {
    let mut config = config("{}");
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    (config.uid_mappings, config.gid_mappings) = (uids, gids);
    config
}

#[test]
fn test_host_uid_with_userns() {
    let config = with_userns(range(0, 1000, 1), IdMap::default());
    assert_eq!(get_host_root_uid(&config), Ok(1000));
    assert_eq!(get_host_root_gid(&config), Err(NoHostRoot::NoMappings));
}

#[test]
fn test_host_gid_with_userns() {
    let config = with_userns(IdMap::default(), range(0, 1000, 1));
    assert_eq!(get_host_root_gid(&config), Ok(1000));
    assert_eq!(get_host_root_uid(&config), Err(NoHostRoot::NoMappings));
}

#[test]
fn root_that_no_mapping_covers_is_nobody_on_the_host() {
    let config = with_userns(range(1, 1000, 10), range(5, 5, 5));
    assert_eq!(get_host_root_uid(&config), Err(NoHostRoot::NotMapped));
    assert_eq!(get_host_root_gid(&config), Err(NoHostRoot::NotMapped));
    // A namespace that is joined counts as one, mappings or not.
    let text = r#"{"namespaces":[{"type":"NEWUSER","path":"/proc/1/ns/user"}]}"#;
    assert_eq!(get_host_root_uid(&self::config(text)), Err(NoHostRoot::NoMappings));
}

#[test]
fn mappings_are_copied_in_order_and_an_absent_list_changes_nothing() {
    let ranges = vec![
        IdMapping { container_id: 0, host_id: 1000, size: 1 },
        IdMapping { container_id: 1, host_id: 1, size: 999 },
        IdMapping { container_id: 1001, host_id: 1001, size: 9000 },
    ];
    let mut attributes =
        ProcessAttributes { gid_mappings: range(0, 7, 1), ..ProcessAttributes::default() };
    let config = with_userns(IdMap::new(ranges.clone()).unwrap(), IdMap::default());
    add_uid_gid_mappings(&mut attributes, &config);
    assert_eq!(attributes.uid_mappings.ranges(), ranges);
    assert_eq!(attributes.gid_mappings, range(0, 7, 1));
    assert_eq!(attributes.clone_flags, CloneFlags::empty());
}

/// Upstream's three cases of the list of namespaces: it is a map here.
#[test]
fn test_namespaces_contains() {
    let text = r#"{"namespaces":[{"type":"NEWPID"},{"type":"NEWNS"},{"type":"NEWUTS"}]}"#;
    let namespaces = config(text).namespaces;
    assert!(!namespaces.contains_key(&NamespaceKind::Net));
    assert!(namespaces.contains_key(&NamespaceKind::Pid));
}

#[test]
fn test_remove_namespace() {
    let mut namespaces = config(r#"{"namespaces":[{"type":"NEWNET"}]}"#).namespaces;
    assert!(namespaces.remove(&NamespaceKind::Net).is_some());
    assert!(namespaces.is_empty());
}
