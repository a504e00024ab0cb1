//! Every refusal, with its place and its words: a table a topic, each snapshot the messages of the table's documents.

use nsplan::config::{Expected, Found, Problem};
use nsplan::types::NamespaceKind;

use crate::support::{refuse, snapshot};

/// Shows each document with what is said about it.
fn table(name: &str, sentence: &str, documents: &[&str]) {
    let mut text = String::new();
    for document in documents {
        text.push_str(&format!("{document}\n"));
        for error in refuse(document).0 {
            text.push_str(&format!("  {error}\n"));
        }
    }
    snapshot("config-error", name, sentence, &text);
}

#[test]
fn problems_are_reported_together_and_in_the_order_of_the_text() {
    let errors = refuse(
        "{\n  \"hostname\": \"a\",\n  \"usr\": 1,\n  \"cgroups\": {\"name\": \"c\",\n    \
         \"memory\": \"lots\"},\n  \"capabilities\": [\"MKNOD\", \"FLY\"],\n  \"tty\": 1,\n  \"tty\": true\n}",
    );
    assert_eq!(
        errors.to_string(),
        "2:15: /hostname: needs a new uts namespace, which `namespaces` does not ask for\n\
         3:3: /usr: unknown key `usr`, did you mean `user`\n\
         5:15: /cgroups/memory: found the string \"lots\", expected a whole number\n\
         6:29: /capabilities/1: found the string \"FLY\", expected a capability like `NET_ADMIN`\n\
         7:10: /tty: found the number 1, expected true or false\n\
         8:3: /tty: key `tty` repeats `tty` of 7:3"
    );
}

#[test]
fn a_refusal_is_exact_enough_to_be_told_from_another() {
    let problem = |text: &str| refuse(text).0.remove(0).problem;
    assert_eq!(
        problem(r#"{"networks": [{"type": "loopback"}]}"#),
        Problem::NeedsNamespace(NamespaceKind::Net)
    );
    assert_eq!(
        problem(r#"{"capabilities": ["X"]}"#),
        Problem::Invalid { found: Found::Text("X".into()), expected: Expected::Capability }
    );
    assert_eq!(
        problem(r#"{"rlimits": [{"type": 7, "soft": 2, "hard": 1}]}"#),
        Problem::SoftAboveHard { soft: 2, hard: 1 }
    );
}

#[test]
fn keys() {
    table(
        "keys",
        "unknown keys, keys said twice, values of the wrong type",
        &[
            r#"[]"#,
            r#"{"mountConfig": {}}"#,
            r#"{"hostnme": "a"}"#,
            r#"{"something": 1}"#,
            r#"{"user": "a", "user": "b"}"#,
            r#"{"user": "a", "User": "b"}"#,
            r#"{"root_fs": "a", "rootfs": "b"}"#,
            r#"{"user": 5}"#,
            r#"{"tty": "yes"}"#,
            r#"{"environment": {"A": "b"}}"#,
            r#"{"cgroups": []}"#,
            r#"{"rlimits": [7]}"#,
            r#"{"namespaces": "NEWNS"}"#,
            r#"{"namespaces": [{"type": "NEWNS"}], "mount_config": {}, "mounts": []}"#,
        ],
    );
}

#[test]
fn numbers() {
    table(
        "numbers",
        "numbers out of range, or not whole",
        &[
            r#"{"rlimits": [{"type": 7, "hard": 18446744073709551616}]}"#,
            r#"{"rlimits": [{"type": 7, "hard": -1}]}"#,
            r#"{"rlimits": [{"type": 99}]}"#,
            r#"{"rlimits": [{"type": 7, "hard": 1, "soft": 2}]}"#,
            r#"{"rlimits": [{"type": 7}, {"type": 7}]}"#,
            r#"{"additional_groups": [2147483648]}"#,
            r#"{"additional_groups": [-1, "", 1.5]}"#,
            r#"{"user": "2147483648"}"#,
            r#"{"user": "-1:0"}"#,
            r#"{"user": "0:-3"}"#,
            r#"{"user": "a:b:c"}"#,
            r#"{"cgroups": {"name": "c", "memory": 1e9}}"#,
            r#"{"cgroups": {"name": "c", "memory": 99999999999999999999999999999999999999999999}}"#,
        ],
    );
}

#[test]
fn namespaces() {
    table(
        "namespaces",
        "namespaces, and what needs one of its own",
        &[
            r#"{"namespaces": [{"type": "NEWCGROUPS"}]}"#,
            r#"{"namespaces": {"NEWFOO": true}}"#,
            r#"{"namespaces": {"NEWNS": 1}}"#,
            r#"{"namespaces": [{"path": "/proc/1/ns/net"}, {"type": 1}]}"#,
            r#"{"namespaces": [{"type": "NEWPID"}, {"type": "NEWPID"}]}"#,
            r#"{"namespaces": [{"type": "NEWNET", "path": "ns/net"}]}"#,
            r#"{"mount_config": {}}"#,
            r#"{"namespaces": [{"type": "NEWNS", "path": "/n"}], "mount_config": {}}"#,
            r#"{"restrict_sys": true}"#,
            r#"{"rootfs": "/r", "readonlyfs": true, "mask_paths": ["/proc/kcore"]}"#,
            r#"{"hostname": "a"}"#,
            r#"{"hostname": "a", "namespaces": [{"type": "NEWUTS", "path": "/n"}]}"#,
            r#"{"hostname": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
             "namespaces": [{"type": "NEWUTS"}]}"#,
            r#"{"networks": [{"type": "loopback"}], "routes": [{"gateway": "192.0.2.1"}]}"#,
            r#"{"namespaces": [{"type": "NEWNET", "path": "/n"}], "networks": [{"type": "loopback"}]}"#,
            r#"{"namespaces": {"NEWNET": true}, "networks": [{"type": "netns", "ns_path": "/a"},
             {"type": "netns", "ns_path": "/b"}, {"type": "loopback"}]}"#,
            r#"{"uid_mappings": [{"size": 1}]}"#,
        ],
    );
}

#[test]
fn id_maps() {
    table(
        "id-maps",
        "maps of user namespaces",
        &[
            r#"{"namespaces": [{"type": "NEWUSER"}]}"#,
            r#"{"namespaces": [{"type": "NEWUSER"}], "uid_mappings": [{"size": 1}],
             "gid_mappings": []}"#,
            r#"{"namespaces": [{"type": "NEWUSER"}], "uid_mappings": [{"container_id": 1, "size": 1}],
             "gid_mappings": [{"host_id": 5, "size": 0}]}"#,
            r#"{"namespaces": [{"type": "NEWUSER"}],
             "uid_mappings": [{"size": 10}, {"container_id": 9, "host_id": 20, "size": 1}],
             "gid_mappings": [{"size": 10}, {"container_id": 10, "host_id": 4294967290, "size": 9}]}"#,
            r#"{"namespaces": [{"type": "NEWUSER", "path": "/n"}], "uid_mappings": [{"size": 1}]}"#,
            r#"{"namespaces": [{"type": "NEWUSER"}], "uid_mappings": [{"host_id": -1, "size": 1}],
             "gid_mappings": [{"size": 1}]}"#,
        ],
    );
}

/// A document around one thing in `mount_config`.
fn with_mounts(inner: &str) -> String {
    format!(r#"{{"namespaces": [{{"type": "NEWNS"}}], "mount_config": {{{inner}}}}}"#)
}

#[test]
fn mounts_and_devices() {
    let documents = [
        r#""mounts": [{"type": "nfs", "destination": "/a", "source": "x"}]"#,
        r#""mounts": [{"type": "devtmpfs"}]"#,
        r#""mounts": [{"destination": "/a"}]"#,
        r#""mounts": [{"type": "tmpfs"}, {"type": "tmpfs", "destination": ""}]"#,
        r#""mounts": [{"type": "tmpfs", "destination": "/a/.."}]"#,
        r#""mounts": [{"type": "tmpfs", "destination": "/proc"}]"#,
        r#""mounts": [{"type": "tmpfs", "destination": "/x/../proc/self/attr"}]"#,
        r#""mounts": [{"type": "bind", "destination": "/a"}]"#,
        r#""mounts": [{"type": "bind", "source": "a", "destination": "/a", "relabel": "shared"}]"#,
        r#""device_nodes": [{"type": 100, "path": "/dev/a"}]"#,
        r#""device_nodes": [{"type": "c", "path": "/dev/a"}, {"type": 0, "path": "/dev/a"}]"#,
        r#""device_nodes": [{"path": "/dev/a"}, {"type": 99}]"#,
        r#""device_nodes": [{"type": 99, "path": "/", "major_number": 4096, "minor_number": -1}]"#,
        r#""device_nodes": [{"type": 98, "path": "/dev/a", "file_mode": 8630}]"#,
        r#""device_nodes": [{"type": 99, "path": "/dev/a", "uid": 4294967295}]"#,
    ]
    .map(with_mounts);
    let version_2 = [
        r#"{"rootfs": "/r", "namespaces": [{"type": "NEWNS"}], "mounts": [
             {"device": "tmpfs", "destination": "/a", "flags": 32},
             {"device": "bind", "destination": "/a"},
             {"device": "tmpfs", "destination": "/proc"},
             {"destination": "/b"},
             {"device": "bind", "source": "/s", "destination": "/b", "data": "mode=1"},
             {"device": "tmpfs", "destination": "/c", "premount_cmds": [{"path": "/bin/sh"}]}]}"#,
        r#"{"rootfs": "/r", "namespaces": [{"type": "NEWNS"}], "mask_paths": ["", "/", "proc/kcore"]}"#,
        r#"{"rootfs": "/r", "seccomp_config": {"enable": true}}"#,
        r#"{"rootfs": "/r", "seccomp": {"syscalls": [{"value": -1, "action": 4096},
             {"value": 1, "action": 1, "args": [{"index": 6}, {"op": 4, "value": 1}]}], "more": 1}}"#,
        r#"{"rootfs": "/r", "parent_death_signal": 65}"#,
    ];
    let all: Vec<&str> = documents.iter().map(String::as_str).chain(version_2).collect();
    table("mounts-and-devices", "mounts, nodes, and what version 2 adds to them", &all);
}

#[test]
fn networks() {
    let in_new = |lists: &str| format!(r#"{{"namespaces": [{{"type": "NEWNET"}}], {lists}}}"#);
    let documents = [
        r#""networks": [{"type": "macvlan"}]"#,
        r#""networks": [{}]"#,
        r#""networks": [{"type": "netns", "ns_path": "/a"}]"#,
        r#""networks": [{"type": "veth"}]"#,
        r#""networks": [{"type": "veth", "bridge": "a/b", "veth_prefix": "waytoolong"}]"#,
        r#""networks": [{"type": "veth", "bridge": "b", "veth_prefix": "v",
             "mac_address": "01:00:5e:00:00:01", "address": "192.0.2.1", "mtu": 1}]"#,
        r#""networks": [{"type": "veth", "bridge": "b", "veth_prefix": "v",
             "address": "192.0.2.1/33", "ipv6_address": "192.0.2.1/24", "gateway": "localhost",
             "ipv6_gateway": "192.0.2.1"}]"#,
        r#""networks": [{"type": "loopback", "mtu": {}}]"#,
        r#""routes": [{"interface_name": "eth0"}]"#,
        r#""routes": [{"destination": "192.0.2.0"}, {"gateway": "x"}, {"source": "1.2.3.4/99"}]"#,
        r#""routes": [{"destination": "192.0.2.0/24", "gateway": "2001:db8::1"}]"#,
    ]
    .map(in_new);
    let all: Vec<&str> = documents.iter().map(String::as_str).collect();
    table("networks", "interfaces and routes", &all);
}

#[test]
fn cgroups() {
    let around = |inner: &str| format!(r#"{{"cgroups": {{{inner}}}}}"#);
    let documents = [
        r#""#,
        r#""parent": "/""#,
        r#""name": "..""#,
        r#""name": "c", "parent": "a/../b""#,
        r#""name": "cgroup.procs""#,
        r#""name": "c", "freezer": "FROZEN""#,
        r#""name": "c", "memory_swap": 5"#,
        r#""name": "c", "memory": 10, "memory_swap": 5"#,
        r#""name": "c", "memory": -2"#,
        r#""name": "c", "cpu_shares": 1"#,
        r#""name": "c", "cpu_shares": 262145"#,
        r#""name": "c", "cpu_period": 5, "cpu_quota": -2"#,
        r#""name": "c", "blkio_weight": 9"#,
        r#""name": "c", "blkio_weight": 1001"#,
        r#""name": "c", "cpuset_cpus": "3-1", "cpuset_mems": "0,,1""#,
        r#""name": "c", "allowed_devices": [{"type": 112, "cgroup_permissions": "r"}]"#,
        r#""name": "c", "allowed_devices": [{"type": 99, "cgroup_permissions": "rx"}, {"type": 99}]"#,
        r#""name": "c", "allowed_devices": [{"type": 99, "cgroup_permissions": "rr", "major_number": -2}]"#,
        r#""name": "c", "denied_devices": [{"type": 99, "permissions": "r"}]"#,
        r#""name": "c", "net_cls_classid": "0xg", "blkio_weight_device": "8:0""#,
    ]
    .map(around);
    let all: Vec<&str> = documents.iter().map(String::as_str).collect();
    table("cgroups", "the cgroup's place, limits and devices", &all);
}

#[test]
fn processes() {
    table(
        "processes",
        "environment, working directory, capabilities, the strings of 1.0.0",
        &[
            r#"{"environment": ["A=1", "B", "", "=c"]}"#,
            r#"{"environment": [1]}"#,
            r#"{"working_dir": "home"}"#,
            r#"{"capabilities": ["SYS_ADMIN", "SYSADMIN", "", "64"]}"#,
            r#"{"namespaces": {"NEWNS": true}, "context": {"restrictions": "no"}, "mounts": []}"#,
            r#"{"namespaces": {}, "context": {"process_label": "a", "lable": "b"},
             "process_label": "c"}"#,
        ],
    );
}
