//! Turns a bundle's directory, or a configuration file, into a config and the way back to the user's words.
//!
//! A bundle is the OCI's (`config.json`) where it has that file, libcontainer's (`container.json`) otherwise.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use nix::fcntl::OFlag;

use super::args::ContainerId;
use super::report::{EXIT_OWN, Failure, Problem, Sources};
use crate::config::json::MAX_SIZE;
use crate::config::{
    CgroupBase, CgroupPath, Config, ConfigErrors, Ignored, IgnoredReason, OciParsed, OciSeccomp,
    Parsed, PathComponent, Process, Resources, from_libcontainer, from_oci_unplaced,
    seccomp_from_oci,
};
use crate::types::{HostPath, Pointer};

/// A configuration file that has been read.
pub(super) enum Document {
    /// `container.json`.
    Libcontainer(Box<Parsed>),
    /// `config.json`.
    Oci(Box<OciParsed>),
}

/// Whose container a document is made into.
pub(super) struct Owner<'a> {
    /// Its name, where it has one.
    pub(super) id: Option<&'a ContainerId>,
    /// Whether the host's root starts it.
    pub(super) is_root: bool,
}

/// Reads the configuration of the bundle in the directory `bundle`.
pub(super) fn read_bundle(bundle: &str) -> Result<(Document, Sources), Failure> {
    let directory = bundle.trim_end_matches('/');
    let oci = format!("{directory}/config.json");
    match std::fs::symlink_metadata(&oci) {
        Ok(_) => read_bundled(&oci, true),
        Err(_) => read_bundled(&format!("{directory}/container.json"), false).map_err(|failure| {
            let is_there = std::path::Path::new(directory).join("container.json").exists();
            let hint = "a bundle has a config.json, or a container.json; `nsplan spec` writes one";
            let mut failure = failure;
            if !is_there {
                failure.problems.iter_mut().for_each(|problem| problem.hints.push(hint.into()));
            }
            failure
        }),
    }
}

/// Reads a configuration file of either format: only the OCI's says which version it is of.
pub(super) fn read_file(file: &str) -> Result<(Document, Sources), Failure> {
    let text = text_of(file)?;
    let is_named = file.rsplit('/').next() == Some("config.json");
    let is_oci = is_named || text.windows(MARK.len()).any(|window| window == MARK);
    understood(file, text, is_oci)
}

/// The key that every `config.json` has and no `container.json`.
const MARK: &[u8] = b"\"ociVersion\"";

/// A file in a bundle comes from whoever has made that: nobody waits at a fifo of theirs.
fn read_bundled(file: &str, is_oci: bool) -> Result<(Document, Sources), Failure> {
    let flags = OFlag::O_NONBLOCK.bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file);
    let read = opened.and_then(|opened| match opened.metadata()?.is_file() {
        true => limited(opened),
        false => Err(io::Error::other("expected a regular file")),
    });
    understood(file, read.map_err(|error| Problem::of(&error).at(file))?, is_oci)
}

/// The text of a file that the caller has named, which may be a pipe.
pub(super) fn text_of(file: &str) -> Result<Vec<u8>, Failure> {
    let read = File::open(file).and_then(limited);
    read.map_err(|error| Problem::of(&error).at(file).into())
}

/// What is there on standard input.
pub(super) fn text_of_input() -> Result<Vec<u8>, Failure> {
    let read = up_to_limit(io::stdin().lock(), Vec::new());
    read.map_err(|error| Problem::of(&error).at("-").into())
}

/// Not more than what is refused as too large: a device has no end.
fn limited(file: File) -> io::Result<Vec<u8>> {
    let size = usize::try_from(file.metadata()?.len()).unwrap_or(MAX_SIZE);
    up_to_limit(file, Vec::with_capacity(size.min(MAX_SIZE) + 1))
}

fn up_to_limit(from: impl io::Read, mut text: Vec<u8>) -> io::Result<Vec<u8>> {
    from.take(MAX_SIZE as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn understood(file: &str, text: Vec<u8>, is_oci: bool) -> Result<(Document, Sources), Failure> {
    let path = absolute(file)?;
    let directory = path.as_str().rsplit_once('/').map_or("/", |(directory, _)| directory);
    let base = absolute(if directory.is_empty() { "/" } else { directory })?;
    let named = Sources { file: Some(file.to_owned()), ..Sources::default() };
    let refused = |errors| refused(file, &errors);
    if is_oci {
        let parsed = from_oci_unplaced(&text, &base).map_err(refused)?;
        let sources = Sources { unread: Some((text, base)), ..named };
        return Ok((Document::Oci(Box::new(parsed)), sources));
    }
    let parsed = from_libcontainer(&text, &base).map_err(refused)?;
    let sources = Sources { map: parsed.source.clone(), ..named };
    Ok((Document::Libcontainer(Box::new(parsed)), sources))
}

pub(super) fn refused(file: &str, errors: &ConfigErrors) -> Failure {
    let problems = errors.0.iter().map(|error| Problem::new(format!("{file}:{error}")));
    Failure { exit: EXIT_OWN, problems: problems.collect() }
}

/// Reads a `container.json` whose empty or relative root is in `base`, wherever the file is.
pub(super) fn read_container(file: &str, base: &HostPath) -> Result<(Parsed, Sources), Failure> {
    let text = text_of(file)?;
    let parsed = from_libcontainer(&text, base).map_err(|errors| refused(file, &errors))?;
    let (map, file) = (parsed.source.clone(), Some(file.to_owned()));
    let sources = Sources { map, file, ..Sources::default() };
    Ok((parsed, sources))
}

/// Reads a profile of `--seccomp`.
pub(super) fn read_seccomp(file: &str) -> Result<OciSeccomp, Failure> {
    let text = text_of(file)?;
    seccomp_from_oci(&text).map_err(|errors| refused(file, &errors))
}

impl Document {
    /// The config with the command the user gave, if any. libcontainer's format names none, so that a shell is run; the
    /// OCI's names no place for the cgroup where the runtime shall choose one.
    pub(super) fn config(self, command: &[String], owner: &Owner<'_>) -> Result<Config, Failure> {
        let (mut config, is_oci) = match self {
            Self::Libcontainer(parsed) => (parsed.config, false),
            Self::Oci(parsed) => (parsed.config, true),
        };
        if is_oci {
            place(&mut config, owner)?;
            if let Some(class) = &mut config.intel_rdt {
                class.group = Some(owner.id.map_or("container", ContainerId::as_str).to_owned());
            }
        }
        if !is_oci || !command.is_empty() {
            let process = config.process.get_or_insert_with(|| Process::sandbox(Vec::new()));
            if !command.is_empty() {
                process.args = command.to_vec();
            } else if process.args.is_empty() {
                process.args = vec!["sh".to_owned()];
            }
        }
        Ok(config)
    }
}

/// The place of a cgroup whose document leaves it to the runtime: `/ID` for root, who can count on it for killing and
/// counting; below his own for a user, and only if something is limited that he could limit.
fn place(config: &mut Config, owner: &Owner<'_>) -> Result<(), Failure> {
    let is_placed = |config: &Config| {
        config.cgroup.as_ref().is_some_and(|cgroup| !cgroup.path.parts.is_empty())
    };
    if is_placed(config) {
        return Ok(());
    }
    let resources = config.cgroup.as_ref().map(|cgroup| &cgroup.resources);
    let limits = |resources: &Resources| {
        Resources { devices: None, ..resources.clone() } != Resources::default()
    };
    if !owner.is_root && !resources.is_some_and(limits) {
        if resources.is_some() {
            let place = Pointer::new("/linux/resources/devices");
            config.ignored.push(Ignored { place, reason: IgnoredReason::DevicesOfUser });
        }
        config.cgroup = None;
        return Ok(());
    }
    let base = if owner.is_root { CgroupBase::Root } else { CgroupBase::Caller };
    let name = owner.id.map_or("container", ContainerId::as_str);
    let part = PathComponent::new(name).map_err(|error| {
        Failure::from(Problem::new(format!("`{name}` cannot name a cgroup: {error}")))
    })?;
    config.place_cgroup(CgroupPath { base, parts: vec![part] });
    Ok(())
}

/// The path from the root; a relative one is below the working directory.
pub(super) fn absolute(text: &str) -> Result<HostPath, Failure> {
    let fail = |error: &dyn core::error::Error| Failure::from(Problem::of(error).at(text));
    let path = if text.starts_with('/') {
        text.to_owned()
    } else {
        let here = std::env::current_dir().map_err(|error| fail(&error))?;
        format!("{}/{text}", here.to_str().unwrap_or_default())
    };
    HostPath::new(&path).map_err(|error| fail(&error))
}
