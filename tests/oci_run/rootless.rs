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

/// Whether ids are granted by files of the test's own, which only its mount namespace has in `/etc`.
const GRANTED: &str = "nsplan-oci";

/// Runs the bundle's command where `/etc/subuid` and `/etc/subgid` grant 70 ids to `GRANTED`, who is that user.
fn granted(bundle: &Bundle, script: &str) -> String {
    let files = bundle.directory().join("etc");
    fs::create_dir(&files).unwrap();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    fs::write(files.join("passwd"), format!("{passwd}{GRANTED}:x:{USER}:{USER}::/:/bin/sh\n"))
        .unwrap();
    for name in ["subuid", "subgid"] {
        fs::write(files.join(name), format!("{GRANTED}:700000:70\n")).unwrap();
    }
    let runner = bundle.runner(Some(script));
    let words: Vec<_> = std::iter::once(runner.get_program()).chain(runner.get_args()).collect();
    let binds = ["passwd", "subuid", "subgid"].map(|name| {
        format!("touch /etc/{name} && mount --bind {}/{name} /etc/{name}", files.display())
    });
    let inside = format!("{} && exec \"$@\"", binds.join(" && "));
    let id = USER.to_string();
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &inside, "sh"]);
    command.args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--"]).args(words);
    crate::stage::said(&command.current_dir("/").env_remove("XDG_RUNTIME_DIR").output().unwrap())
}

fn with_granted_ids(name: &str, size: u32) -> Bundle {
    let map = json!([
        {"containerID": 0, "hostID": USER, "size": 1},
        {"containerID": 1, "hostID": 700_000, "size": size},
    ]);
    Bundle::rootless(name, USER)
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map)
        .set(
            "/process/capabilities",
            json!({
                "bounding": ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"],
                "effective": ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"],
                "permitted": ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID"],
            }),
        )
}

#[test]
fn granted_ids_are_mapped_by_the_helpers_for_an_ordinary_user() {
    if !is_root() {
        return;
    }
    use std::os::unix::fs::MetadataExt as _;
    let bundle = with_granted_ids("subids", 70);
    let said = granted(
        &bundle,
        "cat /proc/self/uid_map /proc/self/gid_map; touch /mine /theirs; chown 7:8 /theirs; id -u",
    );
    let numbers: Vec<Vec<&str>> =
        said.lines().map(|line| line.split_whitespace().collect()).collect();
    let own = USER.to_string();
    let map = [vec!["0", &own, "1"], vec!["1", "700000", "70"]];
    assert_eq!(numbers[..2], map, "{said}");
    assert_eq!(numbers[2..4], map, "{said}");
    let owner = |name: &str| {
        let metadata = fs::metadata(bundle.path().join(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    assert_eq!(owner("mine"), (USER, USER));
    assert_eq!(owner("theirs"), (700_006, 700_007));
    // What was there keeps its owner.
    assert_eq!(owner("etc/passwd"), (USER, USER));
}

#[test]
fn more_ids_than_are_granted_are_refused_with_what_is() {
    if !is_root() {
        return;
    }
    let (code, error) = with_granted_ids("subids-more", 71).refusal();
    assert!(code == 125 && error.contains("/linux/uidMappings/1"), "{error}");
    assert!(error.contains("/etc/subuid grants none"), "{error}");
}
