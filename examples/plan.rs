//! Plans a container without any privilege and prints what would be done, with the reasons.
//!
//! `cargo run --no-default-features --example plan`: the pure half is all it takes.
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;

use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Limit, PathComponent, Resources,
};
use nsplan::facts::HostFacts;
use nsplan::plan::plan;
use nsplan::types::HostPath;

fn main() -> Result<(), Box<dyn Error>> {
    let args = ["sh", "-c", "id"].map(String::from).to_vec();
    let mut config = Config::sandbox(HostPath::new("/srv/rootfs")?, args, false);
    config.cgroup = Some(Cgroup {
        path: CgroupPath { base: CgroupBase::Root, parts: vec![PathComponent::new("example")?] },
        driver: CgroupDriver::Cgroupfs,
        resources: Resources { pids: Some(Limit::At(64)), ..Resources::default() },
    });
    match plan(&config, &HostFacts::example()) {
        Ok(plan) => print!("{plan}"),
        Err(errors) => errors.iter().for_each(|error| println!("{error}")),
    }
    Ok(())
}
