//! Finds or makes the configuration of a container, and adds what the command line says of its process.

use std::collections::BTreeMap;

use super::super::args::{ContainerId, Given};
use super::super::bundle::{absolute, read_container};
use super::super::options::OptId;
use super::super::report::{EXIT_OWN, Failure, Problem, Sources};
use super::super::sandbox::{root_path, set_variable, user};
use super::super::surroundings::{environment, window};
use super::args::refuse_beside;
use super::template::template;
use crate::config::{Config, ConsoleSize, Origin, Process, to_libcontainer};
use crate::types::{HostPath, Pointer};

/// What is known of the caller. Paths are made absolute here, once: what starts elsewhere finds the same.
#[derive(Debug)]
pub(super) struct Around {
    /// The working directory.
    cwd: HostPath,
    /// Where a container.json is looked for.
    data: HostPath,
    env: BTreeMap<String, String>,
    window: Option<ConsoleSize>,
}

/// Asks who calls.
pub(super) fn around() -> Result<Around, Failure> {
    let env = environment();
    let data = env.get("data_path").map_or(".", String::as_str);
    let data = absolute(if data.is_empty() { "." } else { data })?;
    Ok(Around { cwd: absolute(".")?, data, env, window: window() })
}

impl Around {
    /// The file that describes the container, if one does.
    fn file(&self, given: Option<&str>, template: &[Given]) -> Result<Option<String>, Failure> {
        let here = self.data.child("container.json");
        let file = match given {
            Some(file) => file.to_owned(),
            None if std::fs::exists(here.as_str()).unwrap_or(true) => here.as_str().to_owned(),
            None => return Ok(None),
        };
        refuse_beside(&file, given.is_some(), template)?;
        Ok(Some(file))
    }
}

/// The config of a container: that of a file, or one made of options.
pub(super) fn config(
    given: Option<&str>,
    options: &[Given],
    id: &ContainerId,
    around: &Around,
) -> Result<(Config, Sources), Failure> {
    match around.file(given, options)? {
        // An empty root is the working directory, wherever the file is.
        Some(file) => {
            let (parsed, sources) = read_container(&file, &around.cwd)?;
            Ok((parsed.config, sources))
        }
        None => template(options, id, &around.cwd)?.read(&around.cwd),
    }
}

/// Has systemd make the control group.
///
/// # Errors
/// Where the configuration asks for none: nothing would be made.
pub(super) fn by_systemd(config: &mut Config, sources: &mut Sources) -> Result<(), Failure> {
    let Some(cgroup) = &mut config.cgroup else {
        let problem = Problem::new("the configuration asks for no control group").at("--systemd");
        return Err(problem.hint("`cgroups` in a container.json names one").into());
    };
    cgroup.ask_systemd();
    sources.map.insert(Pointer::new("/cgroup/driver"), Origin::Option("--systemd".into()));
    Ok(())
}

/// What is to be said of a file that the container it describes can change: it is read again, as the host's root.
pub(super) fn warning(config: &Config, sources: &Sources) -> Option<String> {
    let file = std::fs::canonicalize(sources.file.as_deref()?).ok()?;
    let root = std::fs::canonicalize(config.root.path.as_str()).ok()?;
    let is_exposed = file.starts_with(root) && !config.root.readonly;
    let file = file.display();
    is_exposed.then(|| {
        format!("nsinit: warning: {file} is in the root file system, where the container can change it\n")
    })
}

/// The text of a container.json: what a file says, or what options make.
pub(super) fn document(
    given: Option<&str>,
    options: &[Given],
    id: &ContainerId,
) -> Result<String, Failure> {
    let around = around()?;
    match around.file(given, options)? {
        Some(file) => {
            let (parsed, _) = read_container(&file, &around.cwd)?;
            to_libcontainer(&parsed).map_err(|error| Problem::of(&error).at(file).into())
        }
        None => {
            let made = template(options, id, &around.cwd)?;
            // What would not start is not written.
            made.read(&around.cwd)?;
            Ok(made.to_json())
        }
    }
}

/// Adds the program, and what the options say of its process.
pub(super) fn process(
    process: &mut Process,
    sources: &mut Sources,
    options: &[Given],
    words: &[String],
    around: &Around,
) -> Result<(), Failure> {
    process.args = words.to_vec();
    if process.env.is_empty() {
        // Version 2 of the format has no words for it.
        process.env = Process::sandbox(Vec::new()).env;
    }
    let mut problems = Vec::new();
    for given in options {
        match option(process, given, around) {
            Ok(pointer) => {
                let origin = Origin::Option(given.to_string());
                sources.map.insert(Pointer::new(&pointer), origin);
            }
            Err(problem) => problems.push(problem.at(given)),
        }
    }
    if process.terminal {
        process.console_size = around.window;
        let is_set = process.env.iter().any(|variable| variable.name == "TERM");
        if let (false, Some(term)) = (is_set, around.env.get("TERM")) {
            set_variable(&mut process.env, "TERM", term);
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure { exit: EXIT_OWN, problems }),
    }
}

/// Takes one option; the place in the config that it is about.
fn option(process: &mut Process, given: &Given, around: &Around) -> Result<String, Problem> {
    let text = given.text();
    Ok(match given.opt.id {
        OptId::Tty => {
            process.terminal = true;
            "/process/terminal".into()
        }
        OptId::Init => {
            process.init = true;
            "/process/init".into()
        }
        OptId::User => {
            // The home of another user is in the container's /etc/passwd, which the planner reads.
            process.env.retain(|variable| variable.name != "HOME");
            process.user.spec = user(text)?;
            "/process/user".into()
        }
        OptId::Workdir => {
            process.cwd = root_path(text)?;
            "/process/cwd".into()
        }
        OptId::Env => {
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (text, around.env.get(text).map(String::as_str)),
            };
            if name.is_empty() {
                return Err(Problem::new("a variable needs a name"));
            }
            let at = value.map(|value| set_variable(&mut process.env, name, value));
            format!("/process/env/{}", at.unwrap_or_default())
        }
        _ => return Err(Problem::new("has no meaning here")),
    })
}
