//! The plan as data: who does what, in which order, because of which part of the config, and how it is undone.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::error::Note;
use super::invariants::{Broken, invariants};
use super::op::Op;
use crate::types::Pointer;

/// Everything that starting a container does to a machine.
///
/// Plans are equal when their JSON is; two runs of the planner on equal input give equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// Version of this format.
    pub schema: u32,
    /// Which processes there are and what they share.
    pub topology: Topology,
    /// How mounts are made on this kernel.
    pub mount_api: MountApi,
    /// How paths inside the root are resolved on this kernel.
    pub resolver: Resolver,
    /// Steps of the launcher, in order.
    pub parent: Vec<Step>,
    /// Steps of the process in between, in order; empty without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intermediate: Vec<Step>,
    /// Steps of the process that becomes the container's first, in order.
    pub init: Vec<Step>,
    /// Steps of whoever starts a container that this plan only creates, in order; empty where the program is run at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<Step>,
    /// What the config asked for and this host does differently, or what is worth knowing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// Who carries out a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The launcher.
    Parent,
    /// The process that joins a pid or time namespace, so that its child is in it.
    Intermediate,
    /// The process that becomes the container's first.
    Init,
    /// Another process, later: it gives the word to run the program of a container that was created.
    Starter,
}

impl Actor {
    /// All, in the order in which they begin.
    pub const ALL: [Self; 4] = [Self::Parent, Self::Intermediate, Self::Init, Self::Starter];
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parent => "parent",
            Self::Intermediate => "intermediate",
            Self::Init => "init",
            Self::Starter => "starter",
        })
    }
}

/// Which processes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// The parent clones init, which shares its memory until it execs (`CLONE_VM`): the cost does not grow with the
    /// parent, and nothing of the parent is copied. Init uses raw system calls and prepared memory only.
    SharedMemory,
    /// The parent clones init with memory of its own: something in init's script would otherwise stick to the parent
    /// (`oom_score_adj`, a death for want of memory), or init enters namespaces whose processes could trace it (`ptrace(2)`).
    CopiedMemory,
    /// The parent clones an intermediate with memory of its own, which joins or unshares what only counts for its
    /// children (pid: `setns(2)`; time: `time_namespaces(7)`), and clones init with `CLONE_PARENT`.
    Intermediate,
}

/// How mounts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountApi {
    /// `fsopen`, `fsmount`, `open_tree`, `move_mount` (Linux 5.2) and `mount_setattr` (5.12): by descriptor throughout.
    Detached,
    /// `fsopen` and friends, but attributes by `mount(2)` remounts through `/proc/self/fd` (Linux 5.2 to 5.11).
    DetachedWithoutSetattr,
    /// `mount(2)` through `/proc/self/fd` (before 5.2).
    Classic,
}

/// How a path inside the root becomes a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolver {
    /// `openat2(2)` with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS` (Linux 5.6).
    Openat2,
    /// Part by part with `O_NOFOLLOW`: a symbolic link on the way is refused.
    PartByPart,
}

/// One step: one verb of the kernel's, or a fixed short sequence of them that only makes sense together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// What is done.
    #[serde(rename = "do")]
    pub op: Op,
    /// The part of the config that asked for it.
    #[serde(rename = "for")]
    pub origin: Pointer,
    /// How it is taken back.
    #[serde(default, skip_serializing_if = "Undo::is_nothing")]
    pub undo: Undo,
}

/// How the effect of a step ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Undo {
    /// It has no effect beyond the process and its descriptors, or ends with a namespace made for the container.
    #[default]
    Nothing,
    /// It goes away with the directory made by an earlier step.
    WithDirectory,
    /// It stays, on purpose: it is part of the root file system that the caller handed over.
    Kept,
    /// By this, carried out by the parent, in reverse order of the steps.
    Op(Box<Op>),
}

impl Undo {
    /// Whether nothing is left to undo.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// Undone by `op`.
    #[must_use]
    pub fn by(op: Op) -> Self {
        Self::Op(Box::new(op))
    }
}

/// A step by name: its actor and its position in that actor's script, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepId {
    /// Whose script.
    pub actor: Actor,
    /// Which step.
    pub index: u16,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.actor, self.index)
    }
}

impl Plan {
    /// The version this program writes and reads.
    pub const SCHEMA: u32 = 1;

    /// The steps of `actor`.
    #[must_use]
    pub fn script(&self, actor: Actor) -> &[Step] {
        match actor {
            Actor::Parent => &self.parent,
            Actor::Intermediate => &self.intermediate,
            Actor::Init => &self.init,
            Actor::Starter => &self.start,
        }
    }

    /// The step of that name.
    #[must_use]
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.script(id.actor).get(usize::from(id.index))
    }

    /// Every step with its name, actor by actor.
    pub fn steps(&self) -> impl Iterator<Item = (StepId, &Step)> {
        Actor::ALL.into_iter().flat_map(move |actor| {
            (0u16..)
                .zip(self.script(actor))
                .map(move |(index, step)| (StepId { actor, index }, step))
        })
    }

    /// Reads a plan back. A plan is authority, so it is checked like one that a stranger wrote.
    ///
    /// # Errors
    /// When the text is not a plan of this schema, or the plan breaks an [invariant](super::invariants()).
    pub fn from_json(text: &str) -> Result<Self, PlanTextError> {
        let plan: Self = serde_json::from_str(text).map_err(|error| PlanTextError::Text {
            line: error.line(),
            column: error.column(),
            problem: format!("{error}"),
        })?;
        if plan.schema != Self::SCHEMA {
            return Err(PlanTextError::Schema { found: plan.schema });
        }
        invariants(&plan).map_err(PlanTextError::Broken)?;
        Ok(plan)
    }

    /// The canonical JSON: two spaces, members in the order of the types, a newline at the end.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A plan holds no map with keys that are not strings and no float: serialising cannot fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }
}

/// Why a text is not a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanTextError {
    /// It is not the JSON of a plan.
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
        /// The version found; expected is [`Plan::SCHEMA`].
        found: u32,
    },
    /// It is a plan that must not be carried out.
    Broken(Vec<Broken>),
}

impl fmt::Display for PlanTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // serde_json's text ends with the place already.
            Self::Text { problem, .. } => write!(f, "not a plan: {problem}"),
            Self::Schema { found } => {
                write!(f, "a plan of schema {found}, expected {}", Plan::SCHEMA)
            }
            Self::Broken(broken) => {
                f.write_str("a plan that must not be carried out:")?;
                broken.iter().try_for_each(|broken| write!(f, " {broken};"))
            }
        }
    }
}

impl core::error::Error for PlanTextError {}
