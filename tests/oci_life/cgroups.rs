//! Cgroups of containers that engines keep: those below them, and changes of their limits that were interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::{is_root, skip};

/// The directory of a container's processes in the hierarchy that counts them, and what names it for `--cgroup`.
fn pids_directory(life: &Life) -> Option<(PathBuf, &'static str)> {
    let v1 = Path::new("/sys/fs/cgroup/pids").join(&life.id);
    let v2 = Path::new("/sys/fs/cgroup").join(&life.id);
    match (v1.exists(), v2.exists()) {
        (true, _) => Some((v1, "pids:")),
        (false, true) if v2.join("pids.max").exists() => Some((v2, "")),
        _ => {
            skip("no cgroup with the pids controller");
            None
        }
    }
}

fn started(name: &str) -> (Life, Pid) {
    let bundle = Bundle::new(name)
        .set("/process/args", json!(["sleep", "100"]))
        .set("/linux/resources/pids", json!({"limit": 50}));
    let life = Life::of(bundle);
    let pid = life.created();
    life.done(&["start", &life.id]);
    (life, pid)
}

#[test]
fn a_command_joins_a_cgroup_below_the_containers_and_no_other() {
    if !is_root() {
        return;
    }
    let (life, pid) = started("below");
    let Some((own, controllers)) = pids_directory(&life) else { return };
    fs::create_dir(own.join("child")).unwrap();
    let path = format!("{controllers}child");
    let script = "cat /proc/self/cgroup";
    let said = life.done(&["exec", "--cgroup", &path, &life.id, "sh", "-c", script]);
    let below = said.lines().filter(|line| line.ends_with(":/child")).count();
    assert_eq!(below, 1, "{said}");
    let plain = life.done(&["exec", &life.id, "sh", "-c", script]);
    assert!(!plain.contains("/child"), "{plain}");
    for (path, why) in [
        (format!("{controllers}.."), "leaves the container's cgroup"),
        (format!("{controllers}child/../../x"), "leaves the container's cgroup"),
        ("rubbish:child".into(), "no hierarchy of cgroup v1"),
        (format!("{controllers}absent"), "ENOENT"),
    ] {
        let (code, error) = life.refused(&["exec", "--cgroup", &path, &life.id, "true"]);
        assert!(code == 125 && error.contains(why), "{path}: {error}");
    }
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(pid), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn a_change_of_limits_that_was_interrupted_is_taken_back_by_the_next() {
    if !is_root() {
        return;
    }
    let (life, pid) = started("interrupted");
    let Some((own, _)) = pids_directory(&life) else { return };
    let file = own.join("pids.max");
    let limit = || fs::read_to_string(&file).unwrap().trim().to_owned();
    let resources = |limit: u32| json!({"pids": {"at": limit}});
    let pending = life.bundle.directory().join("state").join(&life.id).join("update.json");
    let interrupt = |before: &str, after: u32| {
        // What a command that is killed right after its write leaves.
        fs::write(&file, after.to_string()).unwrap();
        let write = |value: &str| json!({"write": {"file": file, "value": value}});
        let step =
            json!({"do": write(&after.to_string()), "for": "/cgroup/pids", "undo": write(before)});
        let text = json!({"steps": [step], "resources": resources(after)}).to_string();
        fs::write(&pending, text).unwrap();
        fs::set_permissions(&pending, fs::Permissions::from_mode(0o600)).unwrap();
    };
    interrupt("50", 7);
    // A change of something else finds the old limit.
    life.done(&["update", "--cpu-shares", "512", &life.id]);
    assert_eq!(limit(), "50");
    assert!(!pending.exists());
    life.done(&["update", "--pids-limit", "60", &life.id]);
    assert_eq!((limit().as_str(), pending.exists()), ("60", false));
    // One that runs away is not in the way of its end.
    interrupt("60", 7);
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(pid), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}
