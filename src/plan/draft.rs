//! The state of one planning run: what is asked, what is true, and what stands against it so far.

use alloc::string::String;
use alloc::vec::Vec;

use super::error::{Note, PlanError, Refusal};
use super::model::{Step, Undo};
use super::op::Op;
use crate::config::{Config, NamespaceSource};
use crate::facts::{Feature, HostFacts, LsmFacts};
use crate::types::{CapSet, Capability, NamespaceKind, Pointer};

/// One planning run. Rooms add refusals instead of stopping, so that the user sees all of them at once.
pub(super) struct Draft<'a> {
    pub(super) config: &'a Config,
    pub(super) facts: &'a HostFacts,
    pub(super) errors: Vec<PlanError>,
    pub(super) notes: Vec<Note>,
    pub(super) word: Word,
}

/// Whose word init waits for before it runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nobody's.
    None,
    /// The starter's, which is another process: the container is only created.
    Starter,
    /// The parent's, which may bring another program: the container is prepared.
    Parent,
}

impl<'a> Draft<'a> {
    pub(super) fn new(config: &'a Config, facts: &'a HostFacts) -> Self {
        Self { config, facts, errors: Vec::new(), notes: Vec::new(), word: Word::None }
    }

    /// Whether the container is only created.
    pub(super) fn is_held(&self) -> bool {
        self.word == Word::Starter
    }

    /// Whether the container is prepared.
    pub(super) fn is_prepared(&self) -> bool {
        self.word == Word::Parent
    }

    /// Records a refusal; the same one twice is recorded once.
    pub(super) fn refuse(&mut self, origin: &Pointer, refusal: Refusal) {
        let error = PlanError { origin: origin.clone(), refusal };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    pub(super) fn note(&mut self, origin: &Pointer, text: impl Into<String>) {
        self.notes.push(Note { origin: origin.clone(), text: text.into() });
    }

    /// Refuses unless the kernel has `feature`.
    pub(super) fn require(&mut self, origin: &Pointer, feature: Feature) {
        if !self.facts.has(feature) {
            let kernel = self.facts.kernel.version;
            self.refuse(origin, Refusal::FeatureMissing { feature, kernel });
        }
    }

    /// Refuses unless the caller has `capability`, effective, where it plans.
    pub(super) fn require_capability(
        &mut self,
        origin: &Pointer,
        capability: Capability,
        purpose: &'static str,
    ) {
        let missing: CapSet = [capability].into_iter().collect();
        if !self.facts.caller.can(missing) {
            self.refuse(origin, Refusal::CapabilityMissing { missing, purpose });
        }
    }

    /// The security modules that are active: none where nobody has looked, which is refused.
    pub(super) fn lsm(&mut self, origin: &Pointer) -> LsmFacts {
        if self.facts.lsm.is_none() {
            self.refuse(origin, Refusal::FactMissing { section: "lsm" });
        }
        self.facts.lsm.clone().unwrap_or_default()
    }

    /// Refuses unless the config creates a namespace of `kind`.
    pub(super) fn require_created(&mut self, origin: &Pointer, kind: NamespaceKind) {
        if !self.config.creates(kind) {
            self.refuse(origin, Refusal::NeedsNamespace { kind });
        }
    }

    /// Refuses unless the config creates or joins a namespace of `kind`.
    pub(super) fn require_own(&mut self, origin: &Pointer, kind: NamespaceKind) {
        if !self.config.namespaces.contains_key(&kind) {
            self.refuse(origin, Refusal::NeedsNamespace { kind });
        }
    }

    /// Whether the container ends up in another user namespace than the caller.
    pub(super) fn changes_userns(&self) -> bool {
        self.config.namespaces.contains_key(&NamespaceKind::User)
    }

    /// Whether any namespace is joined.
    pub(super) fn joins_any(&self) -> bool {
        self.config.namespaces.values().any(|source| matches!(source, NamespaceSource::Join(_)))
    }

    /// Whether the program that becomes a C string may be one.
    pub(super) fn check_nul(&mut self, origin: &Pointer, text: &str) {
        if text.contains('\0') {
            self.refuse(origin, Refusal::NulByte);
        }
    }
}

/// A step that leaves nothing behind.
pub(super) fn step(op: Op, origin: &Pointer) -> Step {
    Step { op, origin: origin.clone(), undo: Undo::Nothing }
}

/// A step with its undo.
pub(super) fn step_undone(op: Op, origin: &Pointer, undo: Undo) -> Step {
    Step { op, origin: origin.clone(), undo }
}

/// A place in the canonical config.
pub(super) fn at(pointer: &str) -> Pointer {
    Pointer::new(pointer)
}

/// Element `index` of a list in the canonical config.
pub(super) fn at_index(list: &str, index: usize) -> Pointer {
    Pointer::new(list).index(index)
}
