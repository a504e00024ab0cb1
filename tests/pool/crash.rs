//! A launcher is killed while containers of its pool wait: they end, and a sweep undoes what was made for them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use nsplan::apply::{PoolOptions, sweep};

use crate::support::{Scratch, is_root, rootfs, wait_for};
use crate::{cgroups, members, pool, template, unique};

const ROLE: &str = "NSPLAN_POOL_ROLE";

/// Not a test of its own: the launcher of the one below.
#[test]
#[ignore = "run inside another test: the launcher that it kills"]
fn a_launcher_with_a_pool() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (name, state) = role.split_once(' ').unwrap();
    let root = rootfs("pool-crash");
    let options = PoolOptions { state: Some(state.into()), ..PoolOptions::new(name, 3) };
    let pool = pool(&template(&root, name), options);
    wait_for(|| (pool.ready() == 3).then_some(()));
    fs::write(Path::new(state).join("ready"), root.path().to_str().unwrap()).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn nothing_is_left_of_a_pool_whose_launcher_was_killed() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("pool-crash-state");
    let (name, state) = (unique("crash"), scratch.path().to_str().unwrap().to_owned());
    let mut launcher = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "crash::a_launcher_with_a_pool"])
        .env(ROLE, format!("{name} {state}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let root = wait_for(|| {
        fs::read_to_string(scratch.path().join("ready")).ok().filter(|text| !text.is_empty())
    });
    assert_eq!(members(&name).len(), 3);
    launcher.kill().unwrap();
    launcher.wait().unwrap();
    wait_for(|| members(&name).is_empty().then_some(()));
    let swept: Vec<_> = sweep(scratch.path());
    assert_eq!(swept.len(), 3, "{swept:?}");
    assert!(swept.iter().all(|one| one.left_behind.is_empty() && one.undone > 0), "{swept:?}");
    assert_eq!(cgroups(&name), [] as [&str; 0]);
    fs::remove_dir_all(root).unwrap();
}
