//! A config becomes the command that starts an embedder's own init, or its setup: data, not yet started.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use std::env;
use std::ffi::OsString;
use std::path::Path;

use super::pure::{ProcessAttributes, add_uid_gid_mappings, get_namespace_flags};
use crate::apply::InitProgram;
use crate::config::Config;
use crate::types::{HostPath, NamespaceKind, Signal};

/// A program that is not started yet: the original's `exec.Cmd`, as far as a container uses it.
///
/// Its descriptors are given to [`exec`](super::exec) in [`Start`](super::Start).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// What is executed, with arguments, environment and working directory.
    pub program: InitProgram,
    /// What its process is made with. [`exec`](super::exec) refuses namespaces and mappings that are not the config's:
    /// whoever wants others changes the config.
    pub attributes: ProcessAttributes,
}

/// Builds the command of an embedder's own init, from the config, the absolute data path and the user's arguments.
///
/// Called once, in the parent, before anything is made. It is there so that the embedder can alter the command
/// [`default_create_command`] builds. The original also handed over the console, the path of the init binary and the
/// pipe: the terminal is opened inside, the binary is the calling program unless the command names another, and the pipe
/// is always descriptor 3.
pub type CreateCommand<'a> = Box<dyn FnOnce(&Config, Option<&Path>, &[String]) -> Command + 'a>;

/// Builds the command of a setup process, from the config and the absolute data path.
///
/// [`exec`](super::exec) runs it when the config has a new user namespace: with the caller's rights and in its namespaces,
/// when the container's are there and before its root is changed. Its failure is that of the start. Nothing needs one:
/// mounts and network are made without it. It is a `createRuntime` hook, and gets the container's state on its standard
/// input as such hooks do.
pub type SetupCommand<'a> = Box<dyn FnOnce(&Config, Option<&Path>) -> Command + 'a>;

/// The command that runs the calling program as init: `init -- ARGS…`, with the namespaces that the config creates.
///
/// Its environment is the caller's with `pipe=3` and `data_path=…` appended; nothing of that reaches the container's
/// program. Its parent-death signal is the config's.
///
/// Where it differs from the original:
/// - The program is not looked for by `argv[0]`: it is the running program's own file, opened before the clone and sealed,
///   so neither a relative name nor a replaced file matters, and nothing inside can write to it.
/// - The working directory is the caller's: init finds the root by its absolute path, so the way to it need not be
///   searchable by the mapped ids.
/// - No credential: init becomes the user namespace's root when it has read what only the host's root may read.
#[doc(alias = "DefaultCreateCommand")]
#[must_use]
pub fn default_create_command(
    config: &Config,
    data_path: Option<&Path>,
    args: &[String],
) -> Command {
    let own: Vec<OsString> = ["init", "--"].map(OsString::from).to_vec();
    let args = own.into_iter().chain(args.iter().map(OsString::from));
    let mut attributes = ProcessAttributes {
        clone_flags: get_namespace_flags(&config.namespaces),
        parent_death_signal: death_signal(config),
        ..ProcessAttributes::default()
    };
    if config.namespaces.contains_key(&NamespaceKind::User) {
        add_uid_gid_mappings(&mut attributes, config);
    }
    let env = environment(&[("pipe", Some("3".into())), ("data_path", text(data_path))]);
    Command { program: own_program(args, env), attributes }
}

/// The command that runs the calling program as a setup process: `exec --func setup -- DATA_PATH ROOT`, in the root, with
/// the caller's rights, and `data_path=…` appended to the caller's environment.
///
/// Without a data path the argument is the working directory, as it was. The config is not changed.
#[doc(alias = "DefaultSetupCommand")]
#[must_use]
pub fn default_setup_command(config: &Config, data_path: Option<&Path>) -> Command {
    let here = env::current_dir().unwrap_or_default();
    let args = ["exec", "--func", "setup", "--"].map(OsString::from).into_iter().chain([
        data_path.map_or_else(|| here.into(), OsString::from),
        OsString::from(config.root.path.as_str()),
    ]);
    let env = environment(&[("data_path", text(data_path))]);
    let program = own_program(args, env);
    let dir = Some(config.root.path.clone());
    Command { program: InitProgram { dir, ..program }, attributes: ProcessAttributes::default() }
}

fn death_signal(config: &Config) -> Option<Signal> {
    config.process.as_ref().and_then(|process| process.parent_death_signal)
}

fn text(path: Option<&Path>) -> Option<OsString> {
    path.map(OsString::from)
}

fn own_program(args: impl Iterator<Item = OsString>, env: Vec<OsString>) -> InitProgram {
    let name = env::args_os().next().unwrap_or_else(|| "init".into());
    let program: Option<HostPath> = None;
    InitProgram { program, args: [name].into_iter().chain(args).collect(), env, dir: None }
}

/// The caller's, and on top these where they have a value.
fn environment(more: &[(&str, Option<OsString>)]) -> Vec<OsString> {
    let join = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        name
    };
    let is_ours = |name: &OsString| more.iter().any(|(own, _)| *own == *name);
    let inherited = env::vars_os().filter(|(name, _)| !is_ours(name)).map(join);
    let added =
        more.iter().filter_map(|(name, value)| Some(join(((*name).into(), value.clone()?))));
    inherited.chain(added).collect()
}
