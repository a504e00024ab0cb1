//! Bundles that an ordinary user starts.

use std::fs;

use serde_json::json;

use crate::stage::Bundle;
use crate::support::is_root;

/// An ordinary user that no other test is.
const USER: u32 = 61_001;

#[test]
fn the_rootless_template_makes_its_starter_root_inside_and_nobody_else() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::rootless("single", USER);
    let said = bundle.run("id; cat /proc/self/uid_map; touch /file && echo made; ls /dev/null");
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("uid=0(root) gid=0(root)"));
    let map: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(map, ["0", &USER.to_string(), "1"]);
    assert_eq!(lines.collect::<Vec<_>>(), ["made", "/dev/null"]);
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!(fs::metadata(bundle.path().join("file")).unwrap().uid(), USER);
}

#[test]
fn what_runc_and_crun_write_for_an_ordinary_user_runs() {
    if !is_root() {
        return;
    }
    for name in ["runc-1.1.5-rootless", "crun-1.8.1-rootless"] {
        let file = format!("{}/tests/configs/oci/real/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let mut real: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        if let Some(map) = real.pointer_mut("/linux/uidMappings/0/hostID") {
            *map = json!(USER);
        }
        if let Some(map) = real.pointer_mut("/linux/gidMappings/0/hostID") {
            *map = json!(USER);
        }
        let mut bundle = Bundle::rootless("real", USER);
        for key in ["mounts", "linux"] {
            bundle = bundle.set(&format!("/{key}"), real[key].take());
        }
        assert_eq!(bundle.run("id -u; hostname"), "0\nnsplan\n", "{name}");
    }
}

#[test]
fn device_rules_of_an_ordinary_user_are_left_out_with_a_note() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::rootless("rules", USER)
        .set("/linux/resources", json!({"devices": [{"allow": false, "access": "rwm"}]}));
    assert!(bundle.plan().contains("/linux/resources/devices is not enforced without a cgroup"));
    assert_eq!(bundle.run("echo ran"), "ran\n");
}

#[test]
fn a_limit_that_an_ordinary_user_cannot_set_is_refused() {
    if !is_root() {
        return;
    }
    let bundle =
        Bundle::rootless("limit", USER).set("/linux/resources", json!({"pids": {"limit": 9}}));
    let (code, error) = bundle.refusal();
    assert!(code == 125 && error.contains("may not make cgroups"), "{error}");
}
