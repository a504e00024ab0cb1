//! A container from a program in ten lines: prints what `id` says inside, and ends with its exit code.
//!
//! `cargo run --example spawn`, as root or as an ordinary user.

use std::error::Error;
use std::process::ExitCode;

use nsplan::apply::{Io, probe, spawn};
use nsplan::config::Config;
use nsplan::plan::{needs, plan};
use nsplan::types::HostPath;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let is_user = !nix::unistd::geteuid().is_root();
    let config = Config::sandbox(HostPath::new("/")?, vec!["id".into()], is_user);
    let facts = probe::probe(&needs(&config))?;
    let plan = plan(&config, &facts).map_err(|errors| format!("{}", errors[0]))?;
    let mut container = spawn(&plan, Io::default())?;
    let status = container.wait()?;
    Ok(ExitCode::from(status.code()))
}
