//! The re-exec style of 2015: this program starts a container by way of itself, and ends with its exit code.
//!
//! `cargo run --example reexec -- sh -c 'id; exit 7'`, as root or as an ordinary user.
//!
//! The same program plays two roles, told apart by its first argument:
//!
//! - as you start it, it is the **parent**: it says what the container shall be and calls [`exec`], which runs the command
//!   that the callback `create` builds, inside new namespaces, and waits for it;
//! - as `reexec init -- sh -c …` it is **init**: it runs inside, calls [`init`] with the pipe, and so becomes `sh`.
//!
//! Why would one want that instead of [`exec`] alone? To do something of one's own inside, before the container's program
//! runs: see [`Stage`](nsplan::apply::Stage), or the greeting below. Whoever does not want it leaves `create` out.
#![allow(clippy::print_stderr, reason = "it shows who says what")]

use std::error::Error;
use std::process::ExitCode;

use nsplan::config::Config;
use nsplan::namespaces::{Start, default_create_command, exec, init, pipe};
use nsplan::types::HostPath;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let answer = match words.first().map(String::as_str) {
        Some("init") => inside(),
        _ => outside(&words),
    };
    answer.unwrap_or_else(|error| {
        eprintln!("reexec: {error}");
        ExitCode::from(125)
    })
}

/// The parent: a container with the host's root, read-only, and the command that was given.
fn outside(command: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let is_user = !nix::unistd::geteuid().is_root();
    let mut config = Config::sandbox(HostPath::new("/")?, vec!["id".into()], is_user);
    config.hostname = Some("reexec".into());
    let create = |config: &Config, data_path: Option<&std::path::Path>, args: &[String]| {
        let mut command = default_create_command(config, data_path, args);
        // This is what the callback is for: the embedder's own words to its own init.
        command.program.env.push("greeting=hello from init".into());
        command
    };
    let start = Start {
        create: Some(Box::new(create)),
        started: Some(Box::new(|container| eprintln!("reexec: pid {} runs", container.pid()))),
        ..Start::default()
    };
    // An empty command leaves the config's own: `id`.
    Ok(ExitCode::from(exec(&config, command, start)?))
}

/// Init: inside all new namespaces, nothing is mounted yet. What comes back from `init` is why it failed; the parent
/// knows already, with the step.
fn inside() -> Result<ExitCode, Box<dyn Error>> {
    if let Ok(greeting) = std::env::var("greeting") {
        eprintln!("reexec: {greeting}");
    }
    Err(init(pipe()?).into())
}
