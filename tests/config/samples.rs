//! The documents that libcontainer itself shipped, of every generation.

use nsplan::config::{
    CgroupBase, Config, Generation, NamespaceSource, Network, UserSpec, Veth, to_libcontainer,
};
use nsplan::types::{Capability, NamespaceKind};

use crate::support::{base, read, sample, samples};

fn veth(config: &Config) -> &Veth {
    let veth = config.networks.iter().find_map(|network| match network {
        Network::Veth(veth) => Some(veth),
        Network::Loopback => None,
    });
    veth.expect("a veth")
}

#[test]
fn every_sample_is_of_the_generation_of_its_folder() {
    let samples = samples();
    assert_eq!(samples.len(), 35);
    for (name, text) in samples {
        let folder = name.split('/').next().expect("a folder");
        let expected = match folder {
            "v1.0.0-flat" => Generation::Flat2014,
            "v1.2.0-namespaces-map" | "v1.4.0-namespaces-map" => Generation::NamespaceMap,
            "2014-12-namespaces-name" => Generation::NamespaceName,
            "seed-2015-02" => Generation::Seed,
            "2015-02-api-flat" => Generation::Flat2015,
            "v2.2.1-flat" => Generation::Version2,
            other => panic!("unknown folder {other}"),
        };
        assert_eq!(read(&text).generation, expected, "{name}");
    }
}

#[test]
fn a_few_keys_tell_the_generation() {
    let cases = [
        ("{}", Generation::Seed),
        (r#"{"namespaces": []}"#, Generation::Seed),
        (r#"{"namespaces": {}}"#, Generation::NamespaceMap),
        (r#"{"namespaces": {"NEWNS": true}, "mounts": []}"#, Generation::Flat2014),
        (r#"{"Namespaces": [{"Name": "NEWPID"}]}"#, Generation::NamespaceName),
        (r#"{"namespaces": [{"type": "NEWNS"}], "mount_config": {}}"#, Generation::Seed),
        (r#"{"devices": []}"#, Generation::Flat2015),
        (r#"{"mask_paths": []}"#, Generation::Version2),
        (r#"{"mask_paths": null}"#, Generation::Version2),
    ];
    for (text, expected) in cases {
        let generation = nsplan::config::from_libcontainer(text.as_bytes(), &base());
        assert_eq!(generation.map(|parsed| parsed.generation), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_written_back_says_the_same() {
    for (name, text) in samples() {
        let parsed = read(&text);
        let written = to_libcontainer(&parsed);
        if parsed.generation == Generation::Version2 {
            let lost = written.expect_err("version 2 says more than the seed");
            assert!(lost.to_string().contains("/root/propagation"), "{name}: {lost}");
            continue;
        }
        let written = written.unwrap_or_else(|lost| panic!("{name}: {lost}"));
        let again = read(&written);
        assert_eq!(again.generation, Generation::Seed, "{name}");
        assert_eq!(again.config, parsed.config, "{name}");
        assert_eq!(again.extra, parsed.extra, "{name}");
        assert_eq!(to_libcontainer(&again).as_deref(), Ok(&*written), "{name}: writing is stable");
    }
}

#[test]
fn the_written_form_is_the_one_of_the_seed() {
    let written = to_libcontainer(&read(&sample("seed-2015-02/userns.json"))).expect("writable");
    crate::support::snapshot(
        "config",
        "written-userns",
        "the seed's userns.json after reading and writing: member order and left-out zeros",
        &written,
    );
}

#[test]
fn every_generation_says_the_same_container() {
    let canonical = |name: &str| read(&sample(name)).config.to_json_pretty();
    let seed = canonical("seed-2015-02/attach_to_bridge.json");
    assert_eq!(canonical("2014-12-namespaces-name/attach_to_bridge.json"), seed);
    assert_eq!(canonical("2015-02-api-flat/attach_to_bridge.json"), seed);
    assert_eq!(canonical("v1.4.0-namespaces-map/attach_to_bridge.json"), seed);
}

// The expected values of the original's own tests follow.

#[test]
fn the_bridged_sample_has_the_values_of_the_original_test() {
    let config = read(&sample("seed-2015-02/attach_to_bridge.json")).config;
    let process = config.process.as_ref().expect("a process");
    assert_eq!(config.hostname.as_deref(), Some("koye"));
    assert!(process.terminal);
    assert!(config.namespaces.contains_key(&NamespaceKind::Net));
    assert!(!config.namespaces.contains_key(&NamespaceKind::User));
    let bounding = process.capabilities.expect("capabilities").bounding;
    assert!(bounding.contains(Capability::MKNOD));
    assert!(bounding.contains("SYS_CHROOT".parse().expect("a capability")));
    assert!(!bounding.contains(Capability::SYS_ADMIN));
    let veth = veth(&config);
    assert_eq!(veth.bridge, "docker0");
    assert_eq!(veth.prefix, "veth");
    let address = veth.address.expect("an address");
    assert_eq!((address.address.to_string().as_str(), address.prefix), ("172.17.0.101", 16));
    assert_eq!(veth.gateway.expect("a gateway").to_string(), "172.17.42.1");
    assert_eq!(veth.mtu, Some(1500));
    for simple in nsplan::config::Device::simple() {
        assert!(config.devices.contains(&simple), "{simple:?}");
    }
    assert_eq!(config.readonly_paths.len(), 4, "restrict_sys");
}

#[test]
fn the_apparmor_and_selinux_samples_have_their_profile_and_labels() {
    let label = "system_u:system_r:svirt_lxc_net_t:s0:c164,c475";
    for (name, text) in samples() {
        let config = read(&text).config;
        let process = config.process.as_ref().expect("a process");
        if name.ends_with("apparmor.json") {
            assert_eq!(process.apparmor_profile.as_deref(), Some("docker-default"), "{name}");
        }
        if name.ends_with("selinux.json") {
            assert_eq!(process.selinux_label.as_deref(), Some(label), "{name}");
            assert_eq!(config.mount_label.as_deref(), Some(label), "{name}");
        }
    }
}

#[test]
fn the_minimal_sample_in_its_canonical_form() {
    let parsed = read(&sample("seed-2015-02/minimal.json"));
    let mut text = parsed.config.to_json_pretty();
    text.push_str("\n\n");
    for (pointer, origin) in parsed.source.iter() {
        text.push_str(&format!("{pointer} <- {origin}\n"));
    }
    crate::support::snapshot(
        "config",
        "canonical-minimal",
        "the seed's minimal.json as a config, and where each part of it was asked for",
        &text,
    );
}

#[test]
fn a_version_2_sample_in_its_canonical_form() {
    let parsed = read(&sample("v2.2.1-flat/attach_to_bridge.json"));
    crate::support::snapshot(
        "config",
        "canonical-version-2",
        "attach_to_bridge.json of 2.2.1 as a config: its own mounts and lists, nothing implied",
        &parsed.config.to_json_pretty(),
    );
    assert_eq!(parsed.config.root.path.as_str(), "/rootfs/jessie");
    assert_eq!(parsed.config.process.expect("a process").parent_death_signal, None);
}

#[test]
fn the_first_sample_is_read_as_1_0_0_meant_it() {
    let config = read(&sample("v1.0.0-flat/container.json")).config;
    assert_eq!(veth(&config).bridge, "docker0");
    assert_eq!(config.routes.len(), 2);
    assert_eq!(config.root.path, base());
    assert_eq!(config.mounts.len(), 6, "devtmpfs is the /dev that is there anyway");
    let cgroup = config.cgroup.expect("a cgroup");
    assert_eq!(cgroup.path.base, CgroupBase::Init);
    assert_eq!(cgroup.resources.devices, Some(Vec::new()), "no list grants nothing");
    let env = config.process.expect("a process").env;
    assert_eq!(env[1].value, "PATH=$PATH:/bin:/usr/bin:/sbin:/usr/sbin");
}

#[test]
fn the_user_namespace_sample_maps_its_ids_and_drops_no_group_that_is_mapped() {
    let config = read(&sample("seed-2015-02/userns.json")).config;
    assert_eq!(config.namespaces.get(&NamespaceKind::User), Some(&NamespaceSource::Create));
    assert_eq!(config.uid_mappings.to_host(0), Some(1000));
    assert_eq!(config.gid_mappings.to_host(5), Some(5));
    assert!(config.to_json_pretty().contains("\"gid=5\""));
    let user = config.process.expect("a process").user.spec;
    assert_eq!(user, UserSpec::Named { user: Some("root".into()), group: None });
}
