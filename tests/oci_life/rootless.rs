//! The life of a container that an ordinary user keeps.

use std::fs;

use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::is_root;

#[test]
fn an_ordinary_user_creates_starts_and_deletes() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::rootless("user", 60_123)
        .set("/process/args", json!(["sh", "-c", "id -u > /tmp/id; exit 7"]));
    let life = Life::of(bundle);
    let pids = life.bundle.directory().join("pid");
    let words = ["create", "-b", &life.here(), "--pid-file", pids.to_str().unwrap(), &life.id];
    assert_eq!(life.leaves(&words), (true, String::new()));
    life.is("created");
    let pid = Pid::from_raw(fs::read_to_string(&pids).unwrap().parse().unwrap());
    life.done(&["start", &life.id]);
    assert_eq!(ended(pid), 7);
    life.is("stopped");
    life.done(&["delete", &life.id]);
    life.is_gone();
}
