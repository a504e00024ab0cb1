//! Turns the options of `nsplan do` into a whole `Config`, and notes which option asked for which part of it.
//!
//! Pure: what must be known of the caller comes in as `Surroundings`. Every wrong value is reported, not the first.

mod isolation;
mod limits;
mod mounts;
mod process;

pub(super) use limits::list as list_of_numbers;
pub(super) use mounts::host_path as absolute_path;
pub(super) use process::{set_variable, user};

use std::collections::BTreeMap;
use std::time::Duration;

use super::args::{ContainerId, Given};
use super::options::OptId;
use super::report::{EXIT_OWN, Failure, Problem, Sources};
use super::units::Span;
use crate::config::{
    CapabilitySets, Cgroup, Config, ConsoleSize, Mount, OciSeccomp, Origin, Process, Resources,
    RootEntry, SourceMap,
};
use crate::types::{Capability, HostPath, IdMapping, PathError, Pointer, RootPath};

/// What must be known of the caller.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Whether the caller is root and needs no user namespace.
    pub is_root: bool,
    /// What is in the host's root directory.
    pub root: Vec<RootEntry>,
    /// The working directory, for relative paths.
    pub cwd: HostPath,
    /// The environment, for `--env NAME`, `TERM` and an ordinary user's `HOME`.
    pub env: BTreeMap<String, String>,
    /// Name of the container when no option says one.
    pub id: ContainerId,
    /// Size of the caller's terminal.
    pub window: Option<ConsoleSize>,
    /// What the file of `--seccomp` says.
    pub seccomp: Option<OciSeccomp>,
    /// The last capability the kernel knows, for `--cap-add ALL`; absent: the last with a name.
    pub last_capability: Option<u8>,
}

/// A container made of options.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// What it shall be.
    pub config: Config,
    /// Which option asked for which part.
    pub sources: Sources,
    /// Its name.
    pub id: ContainerId,
    /// When it is killed at the latest.
    pub timeout: Option<Duration>,
}

/// Makes a config of the options of `do`, in the order they were given.
///
/// # Errors
/// With every value that means nothing.
pub fn sandbox(
    options: &[Given],
    command: Vec<String>,
    around: &Surroundings,
) -> Result<Sandbox, Failure> {
    let mut builder = Builder::new(options, command, around);
    for given in options {
        if let Err(problem) = builder.take(given) {
            builder.problems.push(problem.at(given));
        }
    }
    builder.finish()
}

/// Makes a process that joins a container of the options of `exec`, in the order they were given. What they do not say it
/// has from the container's own first process.
///
/// # Errors
/// With every value that means nothing.
pub fn joining(
    options: &[Given],
    base: &Process,
    command: Vec<String>,
    around: &Surroundings,
) -> Result<(Process, Sources), Failure> {
    let mut builder = Builder::new(options, Vec::new(), around);
    builder.process =
        Process { args: command, terminal: false, console_size: None, ..base.clone() };
    builder.sources = Sources::default();
    if options.iter().any(|given| given.opt.id == OptId::User) {
        builder.process.env.retain(|variable| variable.name != "HOME");
    }
    for given in options {
        match builder.take_process(given) {
            Ok(true) => {}
            // Standard input is always passed on.
            Ok(false) if given.opt.id == OptId::Interactive => {}
            Ok(false) => builder.problems.push(Problem::new("has no meaning here").at(given)),
            Err(problem) => builder.problems.push(problem.at(given)),
        }
    }
    if !builder.added.is_empty() {
        builder.finish_capabilities();
    }
    match builder.problems.is_empty() {
        true => Ok((builder.process, builder.sources)),
        false => Err(Failure { exit: EXIT_OWN, problems: builder.problems }),
    }
}

/// Makes new limits of the options of `update`, and notes which option asked for which.
///
/// # Errors
/// With every value that means nothing.
pub fn limits(options: &[Given], id: &ContainerId) -> Result<(Resources, SourceMap), Failure> {
    let around = Surroundings {
        is_root: true,
        root: Vec::new(),
        cwd: HostPath::root(),
        env: BTreeMap::new(),
        id: id.clone(),
        window: None,
        seccomp: None,
        last_capability: None,
    };
    let mut builder = Builder::new(&[], Vec::new(), &around);
    builder.sources = Sources::default();
    for given in options {
        match builder.take_limit(given) {
            Ok(true) if given.opt.id != OptId::CgroupParent => {}
            Ok(_) => builder.problems.push(Problem::new("has no meaning here").at(given)),
            Err(problem) => builder.problems.push(problem.at(given)),
        }
    }
    match builder.problems.is_empty() {
        true => Ok((builder.resources, builder.sources.map)),
        false => Err(Failure { exit: EXIT_OWN, problems: builder.problems }),
    }
}

/// A config on its way.
struct Builder<'a> {
    around: &'a Surroundings,
    config: Config,
    process: Process,
    /// Mounts the options ask for, on top of the sandbox's.
    mounts: Vec<(Mount, String)>,
    /// Paths hidden on top of the usual ones.
    masks: Vec<(RootPath, String)>,
    resources: Resources,
    /// The first option that needs a control group.
    limited_by: Option<String>,
    cgroup_parent: Option<Vec<crate::config::PathComponent>>,
    uid_map: Vec<(IdMapping, String)>,
    gid_map: Vec<(IdMapping, String)>,
    added: Vec<Option<Capability>>,
    dropped: Vec<Option<Capability>>,
    id: ContainerId,
    timeout: Option<Duration>,
    sources: Sources,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(options: &[Given], command: Vec<String>, around: &'a Surroundings) -> Self {
        let asks = |id: OptId| options.iter().any(|given| given.opt.id == id);
        let mut config = Config::host_sandbox(around.root.clone(), command, !around.is_root);
        let mut process = config.process.take().unwrap_or_else(|| Process::sandbox(Vec::new()));
        let on_host_root = !asks(OptId::Rootfs);
        let mut base = CapabilitySets::container_default().bounding;
        // Without a device policy, root that may make nodes may read every disk.
        base.remove(Capability::MKNOD);
        process.capabilities = Some(CapabilitySets::of(base));
        let home = around.env.get("HOME").filter(|_| on_host_root && !around.is_root);
        if asks(OptId::User) {
            // Another user's home is in the container's /etc/passwd, which the planner reads.
            process.env.retain(|variable| variable.name != "HOME");
        } else if let Some(home) = home {
            set_variable(&mut process.env, "HOME", home);
        }
        let mut sources = Sources::default();
        for (pointer, name) in DEFAULTS {
            let origin = Origin::Default((*name).to_owned());
            sources.map.insert(Pointer::new(pointer), origin);
        }
        Self {
            around,
            config,
            process,
            mounts: Vec::new(),
            masks: Vec::new(),
            resources: Resources::default(),
            limited_by: None,
            cgroup_parent: None,
            uid_map: Vec::new(),
            gid_map: Vec::new(),
            added: Vec::new(),
            dropped: Vec::new(),
            id: around.id.clone(),
            timeout: None,
            sources,
            problems: Vec::new(),
        }
    }

    /// Notes that `given` asked for the part of the config at `pointer`.
    fn from(&mut self, pointer: &str, given: &Given) {
        let origin = Origin::Option(given.to_string());
        self.sources.map.insert(Pointer::new(pointer), origin);
    }

    fn take(&mut self, given: &Given) -> Result<(), Problem> {
        if self.take_files(given)?
            || self.take_process(given)?
            || self.take_isolation(given)?
            || self.take_limit(given)?
        {
            return Ok(());
        }
        match given.opt.id {
            OptId::Seccomp => {
                if let Some(read) = self.around.seccomp.clone() {
                    self.config.seccomp = Some(read.profile);
                    self.config.ignored = read.ignored;
                }
                self.from("/seccomp", given);
            }
            OptId::Timeout => self.timeout = Some(parse::<Span>(given.text())?.0),
            // Standard input is always passed on.
            OptId::Interactive => {}
            _ => return Err(Problem::new("has no meaning for `do`")),
        }
        Ok(())
    }

    fn take_files(&mut self, given: &Given) -> Result<bool, Problem> {
        let text = given.text();
        match given.opt.id {
            OptId::Rootfs => {
                self.config.root.path = self.host_path(text)?;
                self.config.root.entries = None;
                let is_readonly = self.sources.map.find(&Pointer::new("/root/readonly"));
                if !matches!(is_readonly, Some(Origin::Option(_))) {
                    self.config.root.readonly = false;
                    self.config.root.readonly_recursive = false;
                }
                self.from("/root", given);
            }
            OptId::ReadOnly | OptId::ReadWrite => {
                let readonly = given.opt.id == OptId::ReadOnly;
                self.config.root.readonly = readonly;
                self.config.root.readonly_recursive = readonly;
                self.from("/root/readonly", given);
            }
            OptId::Volume => self.add_mount(mounts::volume(text, &self.around.cwd)?, given),
            OptId::MountOption => self.add_mount(mounts::mount(text, &self.around.cwd)?, given),
            OptId::Tmpfs => self.add_mount(mounts::tmpfs(text)?, given),
            OptId::ShmSize => self.add_mount(mounts::shm(text)?, given),
            OptId::Device => self.add_mount(mounts::device(text)?, given),
            OptId::Mask => self.masks.push((root_path(text)?, given.to_string())),
            OptId::Unmask => {
                let open = if text == "ALL" { RootPath::root() } else { root_path(text)? };
                self.config.masked_paths.retain(|path| !open.contains(path));
                self.masks.retain(|(path, _)| !open.contains(path));
                self.config.readonly_paths.retain(|path| !open.contains(path));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn add_mount(&mut self, mount: Mount, given: &Given) {
        self.mounts.push((mount, given.to_string()));
    }

    fn host_path(&self, text: &str) -> Result<HostPath, Problem> {
        mounts::host_path(text, &self.around.cwd)
    }

    fn finish(mut self) -> Result<Sandbox, Failure> {
        self.finish_ids();
        self.finish_capabilities();
        self.finish_shared();
        self.finish_mounts();
        self.finish_masks();
        self.finish_cgroup();
        if !self.problems.is_empty() {
            return Err(Failure { exit: EXIT_OWN, problems: self.problems });
        }
        self.config.process = Some(self.process);
        Ok(Sandbox {
            config: self.config,
            sources: self.sources,
            id: self.id,
            timeout: self.timeout,
        })
    }

    /// Puts the mounts of options among the sandbox's own: one with the same destination takes its place; others
    /// follow, outer ones first, so that none hides another.
    fn finish_mounts(&mut self) {
        self.mounts.sort_by_key(|(mount, _)| mount.destination.parts().count());
        for (mount, origin) in core::mem::take(&mut self.mounts) {
            let same = |other: &Mount| other.destination == mount.destination;
            let at = match self.config.mounts.iter().position(same) {
                Some(at) => {
                    self.config.mounts[at] = mount;
                    at
                }
                None => {
                    self.config.mounts.push(mount);
                    self.config.mounts.len() - 1
                }
            };
            let pointer = Pointer::new("/mounts").index(at);
            self.sources.map.insert(pointer, Origin::Option(origin));
        }
    }

    fn finish_masks(&mut self) {
        for (path, given) in core::mem::take(&mut self.masks) {
            let pointer = Pointer::new("/maskedPaths").index(self.config.masked_paths.len());
            self.sources.map.insert(pointer, Origin::Option(given));
            self.config.masked_paths.push(path);
        }
    }

    fn finish_cgroup(&mut self) {
        let Some(asked_by) = self.limited_by.take() else {
            return;
        };
        match limits::place(self.cgroup_parent.take(), &self.id, self.around.is_root) {
            Ok(path) => {
                self.config.cgroup = Some(Cgroup {
                    path,
                    driver: crate::config::CgroupDriver::Cgroupfs,
                    resources: core::mem::take(&mut self.resources),
                });
                let pointer = Pointer::new("/cgroup");
                self.sources.map.insert(pointer, Origin::Option(asked_by));
            }
            Err(problem) => self.problems.push(problem.at(format!("--name {}", self.id))),
        }
    }
}

/// What defaults are called when the host refuses them.
const DEFAULTS: &[(&str, &str)] = &[
    ("/root", "the host's files as root file system"),
    ("/mounts/0", "a private /proc"),
    ("/mounts/1", "a private /dev"),
    ("/mounts/2", "a private /dev/pts"),
    ("/mounts/3", "a private /dev/shm"),
    ("/mounts/4", "a private /dev/mqueue"),
    ("/mounts/5", "a private /sys"),
    ("/mounts/6", "a private /tmp"),
    ("/mounts/7", "a private /run"),
    ("/namespaces", "namespaces of its own"),
    ("/namespaces/user", "the user namespace that an ordinary user needs"),
    ("/networks", "a loopback interface"),
    ("/process", "the command"),
    ("/process/args", "the command"),
    ("/process/capabilities", "the usual capabilities"),
];

/// A quantity of `units`.
pub(super) fn parse<T: core::str::FromStr<Err: core::fmt::Display>>(
    text: &str,
) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| Problem::new(error.to_string()))
}

/// A whole number from `least` to `most`.
pub(super) fn number<T>(text: &str, least: T, most: T) -> Result<T, Problem>
where
    T: core::str::FromStr + PartialOrd + core::fmt::Display,
{
    text.parse()
        .ok()
        .filter(|number| *number >= least && *number <= most)
        .ok_or_else(|| Problem::new(format!("expected a number from {least} to {most}")))
}

pub(super) fn root_path(text: &str) -> Result<RootPath, Problem> {
    RootPath::new(text).map_err(path_problem)
}

fn path_problem(error: PathError) -> Problem {
    Problem::new(error.to_string())
}
