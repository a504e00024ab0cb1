//! Containers made ahead: each runs one program, as many wait as were asked for, and nothing is left of those that are not
//! used.
#![allow(clippy::unwrap_used, reason = "a test says no more by an error of its own")]

#[path = "../containers/support.rs"]
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
#[allow(dead_code, reason = "other test programs use the rest")]
mod support;

mod crash;
mod hands;
mod limits;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;

use nsplan::apply::{Container, Payload, Pool, PoolOptions, Stdio, probe};
use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, PathComponent, Resources,
};
use nsplan::plan::needs;

use crate::support::{Scratch, is_root, rootfs, shell};

/// What most tests begin with: a pool of so many, of the usual template.
pub(crate) struct Begun {
    pub(crate) pool: Pool,
    /// What its cgroups are named by.
    pub(crate) name: String,
    /// Goes last: its files are those of the containers.
    root: Scratch,
}

/// Nothing where only root can have one.
#[track_caller]
pub(crate) fn begun(name: &str, size: usize) -> Option<Begun> {
    if !is_root() {
        return None;
    }
    let (root, name) = (rootfs(&format!("pool-{name}")), unique(name));
    let pool = pool(&template(&root, &name), PoolOptions::new(&name, size));
    Some(Begun { pool, name, root })
}

/// A sandbox on `root` with a cgroup of this name, numbers behind it.
pub(crate) fn template(root: &Scratch, name: &str) -> Config {
    let mut config = shell(root, "echo the template");
    config.process.as_mut().unwrap().parent_death_signal = None;
    config.cgroup = Some(Cgroup {
        path: CgroupPath {
            base: CgroupBase::Caller,
            parts: vec![PathComponent::new(name).unwrap()],
        },
        driver: CgroupDriver::Cgroupfs,
        resources: Resources::default(),
    });
    config
}

/// A name that no other test, and no other run, has.
pub(crate) fn unique(name: &str) -> String {
    format!("nsplan-pool-{name}-{}", std::process::id())
}

pub(crate) fn pool(config: &Config, options: PoolOptions) -> Pool {
    let facts = probe::probe(&needs(config)).unwrap();
    Pool::new(config.clone(), facts, options).unwrap()
}

/// What a shell script in a container of the pool's writes, and its exit code.
#[track_caller]
pub(crate) fn run(pool: &Pool, script: &str) -> (String, u8) {
    let (mut container, mut out) = start(pool, script);
    let mut text = String::new();
    out.read_to_string(&mut text).unwrap();
    (text, container.wait().unwrap().code())
}

#[track_caller]
pub(crate) fn start(pool: &Pool, script: &str) -> (Container, File) {
    let (read, write) = nix::unistd::pipe().unwrap();
    let args = ["sh", "-c", script].map(String::from).to_vec();
    let container = pool.start(Payload { args, stdio: into(write), ..Payload::default() });
    (container.unwrap(), read.into())
}

pub(crate) fn into(out: OwnedFd) -> [Stdio; 3] {
    [Stdio::Null, Stdio::Fd(out), Stdio::Null]
}

/// The children of this process whose cgroups have such names, as pids.
pub(crate) fn members(name: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let text = std::fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        if text.contains(name) {
            found.push(pid);
        }
    }
    found
}

/// The cgroups with such names, of all hierarchies.
pub(crate) fn cgroups(name: &str) -> Vec<String> {
    let output = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-name", &format!("*{name}*")])
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).lines().map(Into::into).collect()
}
