//! What holds of any bytes, and of any document in the seed's form.

use nsplan::config::{fuzz_libcontainer, to_libcontainer};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::read;

/// A device of a whitelist.
fn rule() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![Just(98), Just(99)];
    let letters = prop_oneof![Just("r"), Just("rw"), Just("rwm"), Just("m")];
    (kind, -1i64..4096, -1i64..=0xf_ffff, letters, any::<bool>()).prop_map(
        |(kind, major, minor, letters, has_path)| {
            let mut rule = json!({"type": kind, "major_number": major, "minor_number": minor,
                "cgroup_permissions": letters});
            if has_path {
                rule["path"] = json!("/dev/thing");
                rule["uid"] = json!(7);
            }
            rule
        },
    )
}

fn cgroups() -> impl Strategy<Value = Value> {
    let place = ("[a-z][a-z0-9._-]{0,8}", prop_oneof![Just(""), Just("/a"), Just("a/b")]);
    let memory = prop_oneof![Just(-1i64), Just(0), 1i64..1 << 40];
    let cpu = (prop_oneof![Just(0i64), 2i64..262_144], prop_oneof![Just(0i64), -1i64..1 << 30]);
    (place, any::<bool>(), vec(rule(), 0..4), memory, cpu, "|0-3|1,4-5").prop_map(
        |((name, parent), all, rules, memory, (shares, quota), cpus)| {
            json!({"name": name, "parent": parent, "allow_all_devices": all,
                "allowed_devices": rules, "memory": memory, "cpu_shares": shares,
                "memory_swap": if memory > 0 { memory } else { 0 },
                "cpu_quota": quota, "cpuset_cpus": cpus, "slice": "some.slice"})
        },
    )
}

fn mount() -> impl Strategy<Value = Value> {
    let relabel = prop_oneof![Just(""), Just("z"), Just("Z")];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (any::<bool>(), "[a-z/.]{1,12}", "(/[a-z]{1,6}){1,3}", relabel, flags).prop_filter_map(
        "a place of its own",
        |(is_bind, source, destination, relabel, (writable, private, slave))| {
            let kind = if is_bind { "bind" } else { "tmpfs" };
            let is_proc = destination.starts_with("/proc");
            (!is_proc).then(|| {
                json!({"type": kind, "source": format!("/{source}"), "destination": destination,
                    "relabel": relabel, "writable": writable, "private": private, "slave": slave})
            })
        },
    )
}

fn network() -> impl Strategy<Value = Value> {
    let address = (any::<[u8; 4]>(), 0u8..=32);
    let veth = (address, any::<[u8; 16]>(), 68u32..65536, any::<bool>()).prop_map(
        |((v4, prefix), v6, mtu, hairpin)| {
            let (v4, v6) = (std::net::Ipv4Addr::from(v4), std::net::Ipv6Addr::from(v6));
            json!({"type": "veth", "bridge": "br0", "veth_prefix": "v", "mtu": mtu,
                "address": format!("{v4}/{prefix}"), "ipv6_address": format!("{v6}/64"),
                "gateway": v4.to_string(), "hairpin_mode": hairpin,
                "mac_address": "02:00:00:00:00:01"})
        },
    );
    let loopback = ("[a-z]{0,9}", 0u32..9000)
        .prop_map(|(gateway, mtu)| json!({"type": "loopback", "gateway": gateway, "mtu": mtu}));
    prop_oneof![veth, loopback]
}

/// A whole document that is valid.
fn document() -> impl Strategy<Value = Value> {
    let user =
        prop_oneof![Just(""), Just("daemon"), Just("0:0"), Just("7"), Just("a:b"), Just(":g")];
    let process = (user, vec("[A-Z]{1,4}=[ -~]{0,8}", 0..4), any::<bool>(), 0u64..1 << 40);
    let parts = (vec(mount(), 0..4), vec(network(), 0..3), cgroups());
    let switches = (any::<bool>(), any::<bool>(), any::<bool>(), 1u32..70_000);
    (process, parts, switches).prop_map(
        |((user, env, tty, limit), (mounts, networks, cgroups), (restrict, userns, ro, size))| {
            let mut namespaces = json!([{"type": "NEWNS"}, {"type": "NEWNET"}, {"type": "NEWUTS"},
                {"type": "NEWPID", "path": "/proc/1/ns/pid"}]);
            let map = json!([{"host_id": 1000, "size": size}]);
            let maps = if userns { map } else { Value::Null };
            if let (true, Value::Array(list)) = (userns, &mut namespaces) {
                list.push(json!({"type": "NEWUSER"}));
            }
            json!({"user": user, "environment": env, "tty": tty, "hostname": "h",
                "namespaces": namespaces, "networks": networks, "cgroups": cgroups,
                "restrict_sys": restrict, "uid_mappings": maps, "gid_mappings": maps,
                "capabilities": ["MKNOD", "CAP_BPF"], "additional_groups": [0, size],
                "rlimits": [{"type": 7, "soft": limit, "hard": u64::MAX}],
                "routes": [{"gateway": "192.0.2.1", "interface_name": "eth0"}],
                "mount_config": {"mounts": mounts, "readonly_fs": ro, "pivot_dir": "/old",
                    "device_nodes": [{"type": 99, "path": "/dev/fuse", "major_number": 10,
                        "minor_number": 229, "cgroup_permissions": "rwm", "uid": 3}]}})
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_and_never_a_panic(bytes in vec(any::<u8>(), 0..256)) {
        fuzz_libcontainer(&bytes);
    }

    #[test]
    fn any_json_like_text_is_an_answer(text in r#"[\[\]{}:,"\\a-z0-9.eE \n-]{0,64}"#) {
        fuzz_libcontainer(text.as_bytes());
    }

    #[test]
    fn a_document_survives_writing(document in document()) {
        let parsed = read(&document.to_string());
        let written = to_libcontainer(&parsed).map_err(|lost| TestCaseError::fail(lost.to_string()))?;
        let again = read(&written);
        prop_assert_eq!(&again.config, &parsed.config);
        prop_assert_eq!(&again.extra, &parsed.extra);
        let keys: Value = serde_json::from_str(&written).expect("JSON");
        prop_assert!(keys.get("tty").is_none_or(|tty| *tty == json!(true)), "zero values are left out");
    }

    #[test]
    fn the_order_of_keys_means_nothing(document in document()) {
        let Value::Object(members) = &document else { unreachable!("an object") };
        let reversed: Vec<String> =
            members.iter().rev().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        let reversed = format!("{{{}}}", reversed.join(","));
        prop_assert_eq!(read(&reversed).config, read(&document.to_string()).config);
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands(document in document()) {
        for at in ["", "/mount_config", "/cgroups", "/namespaces/0", "/routes/0", "/rlimits/0"] {
            let mut document = document.clone();
            document.pointer_mut(at).expect("a place")["surprise"] = json!(1);
            let errors = crate::support::refuse(&document.to_string());
            prop_assert_eq!(errors.0.len(), 1, "{}", errors);
            prop_assert_eq!(errors.0[0].pointer.as_str(), format!("{at}/surprise"));
        }
    }
}
