//! What a running container is, as text that a later command reads back: `state.json`.
//!
//! The planner knows one part of it, [`Planned`], before anything starts; the launcher adds what only a running
//! container has, and writes the whole as a step of the plan. Whoever reads it back has read a file, so it is checked
//! like one that a stranger wrote: [`Record::from_json`] is the only way in.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::cgroups::Cgroups;
use super::draft::{Draft, at, step, step_undone};
use super::idmap::IdMaps;
use super::model::{Step, Undo};
use super::network::interface_fault;
use super::op::{Op, StateOp, SyncOp, Token};
use crate::config::{NamespaceSource, Process, Resources, Seccomp};
use crate::types::{HostPath, IdMap, NamespaceKind, Pointer};

/// A container that was started.
///
/// Pid and start time together name one process until the next boot; neither does alone. Before it is used, the process
/// is taken hold of and its start time compared, which `apply::Running` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// Version of this format.
    pub schema: u32,
    /// Its name.
    pub id: String,
    /// Its first process, in the launcher's pid namespace.
    pub pid: u32,
    /// When that process started, in clock ticks after boot: field 22 of `/proc/PID/stat`.
    pub start_time: u64,
    /// Which boot that was (`/proc/sys/kernel/random/boot_id`); absent where the launcher could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// When it was written, in milliseconds since 1970 in UTC.
    pub created: u64,
    /// The directory it was described in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<HostPath>,
    /// Its links on the host, by name, in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// What was known before it was started.
    pub planned: Box<Planned>,
}

/// What is known of a container before it is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Planned {
    /// Its root directory on the host.
    pub rootfs: HostPath,
    /// The namespaces it does not share with its launcher, and where each comes from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<NamespaceKind, NamespaceSource>,
    /// Ids of a user namespace that was created for it.
    #[serde(default, skip_serializing_if = "IdMap::is_empty")]
    pub uid_mappings: IdMap,
    /// Group ids of that user namespace.
    #[serde(default, skip_serializing_if = "IdMap::is_empty")]
    pub gid_mappings: IdMap,
    /// Whether `setgroups(2)` works inside.
    pub setgroups: bool,
    /// Its own cgroups.
    #[serde(default, skip_serializing_if = "CgroupPaths::is_empty")]
    pub cgroups: CgroupPaths,
    /// The unit that systemd made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeUnit>,
    /// What its cgroups enforce.
    #[serde(default, skip_serializing_if = "is_default")]
    pub resources: Resources,
    /// The groups of the resctrl file system that its processes are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<HostPath>,
    /// Its system call filter, which those that join it get too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// Whether it has a session keyring of its own, as those that join it get too.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub new_keyring: bool,
    /// Free text of others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its first process, from which those that join it take what they do not say themselves.
    pub process: Process,
}

/// A unit of systemd's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScopeUnit {
    /// Socket of the bus that it is asked for on.
    pub bus: HostPath,
    /// Its name.
    pub unit: String,
}

fn is_default(resources: &Resources) -> bool {
    *resources == Resources::default()
}

/// The cgroups that are one container's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CgroupPaths {
    /// On v1: its directory by controller. Controllers that are mounted together share one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub v1: BTreeMap<String, HostPath>,
    /// On v2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v2: Option<HostPath>,
}

impl CgroupPaths {
    /// Whether it has none of its own.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v1.is_empty() && self.v2.is_none()
    }

    /// Each directory once.
    pub fn directories(&self) -> impl Iterator<Item = &HostPath> {
        let mut known: Vec<&HostPath> = Vec::new();
        self.v1.values().chain(&self.v2).filter(move |path| {
            let is_new = !known.contains(path);
            if is_new {
                known.push(path);
            }
            is_new
        })
    }
}

impl Record {
    /// The version this program writes and reads.
    pub const SCHEMA: u32 = 1;

    /// Reads a record back.
    ///
    /// # Errors
    /// When the text is not a record of this schema, or says what no launcher writes.
    pub fn from_json(text: &str) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        // The version first: another one may have other members.
        let Version { schema } = serde_json::from_str(text).map_err(|error| text_error(&error))?;
        if schema != Self::SCHEMA {
            return Err(RecordError::Schema { found: schema });
        }
        let record: Self = serde_json::from_str(text).map_err(|error| text_error(&error))?;
        record.check()?;
        Ok(record)
    }

    fn check(&self) -> Result<(), RecordError> {
        let wrong = |member: &str, expected| {
            Err(RecordError::Value { place: Pointer::new(member), expected })
        };
        // `kill(2)` and `setns(2)` take the number as a signed one; 1 is never a container of ours.
        if self.pid < 2 || i32::try_from(self.pid).is_err() {
            return wrong("/pid", "the number of a process, from 2 to 2147483647");
        }
        if !is_container_id(&self.id) {
            return wrong("/id", "one plain file name");
        }
        if self.links.iter().any(|name| interface_fault(name).is_some()) {
            return wrong("/links", "names of interfaces");
        }
        if self.planned.cgroups.directories().any(|path| path.as_str().contains("/..")) {
            return wrong("/planned/cgroups", "directories without `..`");
        }
        if self.planned.classes.iter().any(|path| path.as_str().contains("/..")) {
            return wrong("/planned/classes", "directories without `..`");
        }
        Ok(())
    }

    /// The canonical JSON: one line, members in the order of the types, a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A record holds no map with keys that are not strings and no float: serialising cannot fail.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The namespaces in which a joining process must go: all that the container does not share with its launcher.
    pub fn namespaces(&self) -> impl Iterator<Item = NamespaceKind> {
        self.planned.namespaces.keys().copied()
    }

    /// The file that stands for one of its namespaces while it runs.
    ///
    /// The number may be another process's by the time it is opened; `apply::Running` opens what cannot.
    #[must_use]
    pub fn namespace_path(&self, kind: NamespaceKind) -> HostPath {
        self.proc_directory().child("ns").child(kind.name())
    }

    /// Its root directory as the container sees it: a link of procfs, which leads there only while it runs.
    #[must_use]
    pub fn root_path(&self) -> HostPath {
        self.proc_directory().child("root")
    }

    /// `/proc/PID`.
    fn proc_directory(&self) -> HostPath {
        let text = format!("/proc/{}", self.pid);
        // Digits behind a slash are a path.
        HostPath::new(&text).unwrap_or_else(|_| self.planned.rootfs.clone())
    }
}

/// Whether a text can be the name of a container: one plain file name, visible, that fits one.
#[must_use]
pub fn is_container_id(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && c != '/';
    !matches!(text, "" | "." | "..") && text.len() < 256 && text.chars().all(is_plain)
}

/// Why a text is not a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// It is not the JSON of a record.
    Text {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// It is of another version.
    Schema {
        /// The version found; expected is [`Record::SCHEMA`].
        found: u32,
    },
    /// A value that no launcher writes.
    Value {
        /// Where.
        place: Pointer,
        /// What was expected there.
        expected: &'static str,
    },
}

fn text_error(error: &serde_json::Error) -> RecordError {
    RecordError::Text { line: error.line(), column: error.column(), problem: format!("{error}") }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // serde_json's text ends with the place already.
            Self::Text { problem, .. } => write!(f, "not a record of a container: {problem}"),
            Self::Schema { found } => {
                write!(f, "a record of schema {found}, expected {}", Record::SCHEMA)
            }
            Self::Value { place, expected } => write!(f, "{place}: expected {expected}"),
        }
    }
}

impl core::error::Error for RecordError {}

/// The parent's steps: the record is written, then init is told, which waits for it before it gives up its rights.
pub(super) fn steps(
    draft: &Draft<'_>,
    maps: &IdMaps,
    cgroups: &Cgroups,
    classes: &[HostPath],
) -> Vec<Step> {
    let config = draft.config;
    let Some(process) = &config.process else { return Vec::new() };
    let origin = at("/process");
    let planned = Planned {
        rootfs: config.root.path.clone(),
        namespaces: config.namespaces.clone(),
        uid_mappings: maps.uids.clone(),
        gid_mappings: maps.gids.clone(),
        setgroups: maps.setgroups_allowed,
        cgroups: cgroups.own.clone(),
        scope: cgroups.scope.clone(),
        resources: config.cgroup.as_ref().map(|it| it.resources.clone()).unwrap_or_default(),
        classes: classes.to_vec(),
        seccomp: config.seccomp.clone(),
        new_keyring: config.new_keyring,
        annotations: config.annotations.clone(),
        process: process.clone(),
    };
    let write = Op::State(StateOp::WriteRecord { planned: Box::new(planned) });
    let undo = Undo::by(Op::State(StateOp::RemoveRecord));
    let tell = Op::Sync(SyncOp::Signal(Token::Recorded));
    [step_undone(write, &origin, undo), step(tell, &origin)].into()
}
