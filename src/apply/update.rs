//! A planned change of limits is carried out: all of it, or nothing.
//!
//! What is going to be done is written down first, together with what takes it back; the record is changed last. So a
//! command that is killed in between is finished by the next one: see [`Running::settle`].

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use std::io::ErrorKind;
use std::path::Path;

use super::bus::BusError;
use super::running::{Running, StateError};
use super::state::Seen;
use super::{cgroup, systemd};
use crate::plan::{CgroupValues, Planned, Record, Update, UpdateOp};
use crate::sys::Fault;
use crate::types::{Errno, HostPath, Pointer};

/// Why limits were not changed. What had been changed was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateError {
    /// A step failed.
    Step {
        /// The step, in words.
        step: String,
        /// The limit that asked for it.
        origin: Pointer,
        /// Why.
        cause: UpdateCause,
        /// What could not be taken back.
        left: Vec<String>,
    },
    /// The record could not be read or written.
    State(StateError),
    /// An earlier command was interrupted, and its change cannot be taken back.
    Unsettled {
        /// What takes it back.
        left: Vec<String>,
    },
    /// Somebody else changes the container's limits, or has changed them since they were looked at.
    Changed,
    /// A file of its cgroups could not be read.
    Read {
        /// The file.
        path: HostPath,
        /// Why.
        fault: Fault,
    },
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateCause {
    /// The kernel refused a call.
    Kernel(Fault),
    /// systemd refused, or cannot be asked.
    Bus(BusError),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, cause, left, .. } => {
                match cause {
                    UpdateCause::Kernel(fault) => write!(f, "{step}: {fault}")?,
                    UpdateCause::Bus(error) => write!(f, "{step}: systemd: {error}")?,
                }
                left.iter().try_for_each(|left| write!(f, "; not taken back: {left}"))
            }
            Self::State(error) => error.fmt(f),
            Self::Unsettled { left } => {
                f.write_str("an interrupted change of its limits cannot be taken back")?;
                left.iter().try_for_each(|left| write!(f, "; {left}"))
            }
            Self::Changed => f.write_str("its limits are being changed by somebody else"),
            Self::Read { path, fault } => write!(f, "{path}: {fault}"),
        }
    }
}

impl core::error::Error for UpdateError {}

impl From<StateError> for UpdateError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// What the files hold now; for `plan::update`, which says which.
///
/// # Errors
/// When one that is there cannot be read.
pub fn cgroup_values(files: Vec<HostPath>) -> Result<CgroupValues, UpdateError> {
    let read = |path: HostPath| match std::fs::read_to_string(path.as_str()) {
        Ok(text) => Ok((path, Some(text.trim_end().to_string()))),
        // A file that can only be written to, or whose controller has nothing to say, has no value to come back to.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((path, None)),
        Err(error) => {
            let fault = super::journal::io_fault(crate::sys::Sysno::read, &error);
            Err(UpdateError::Read { path, fault })
        }
    };
    files.into_iter().map(read).collect()
}

impl Running {
    /// Carries out a change of limits that was planned for this container, whose state is below `root`.
    ///
    /// # Errors
    /// When a step fails, after those before it have been taken back; when its record has changed since.
    pub fn update(&self, root: &Path, update: &Update) -> Result<(), UpdateError> {
        let id = &self.record().id;
        let seen = Seen::open(root, id)?.ok_or_else(|| StateError::Absent { id: id.clone() })?;
        if !seen.claim()? || seen.record(id)?.as_ref() != Some(self.record()) {
            return Err(UpdateError::Changed);
        }
        let text = serde_json::to_string(update).unwrap_or_default();
        seen.write_pending(text.as_bytes()).map_err(StateError::from)?;
        let outcome = self.carry_out(&seen, update);
        // What could not be taken back is told to the caller, not to the next command.
        let _ = seen.remove_pending();
        outcome
    }

    /// Finishes a change of limits that was interrupted, if there is one: unless its record was written, it is taken back.
    ///
    /// # Errors
    /// When a limit cannot be set back, or the state directory cannot be used.
    pub fn settle(&self, root: &Path) -> Result<(), UpdateError> {
        let id = &self.record().id;
        let Some(seen) = Seen::open(root, id)? else { return Ok(()) };
        if seen.pending()?.is_none() {
            return Ok(());
        }
        if !seen.claim()? {
            return Err(UpdateError::Changed);
        }
        // Once more: who held the lock may have finished it.
        let Some(text) = seen.pending()? else { return Ok(()) };
        let reason = "update.json cannot be understood";
        let update = serde_json::from_str::<Update>(&text);
        let update = update.map_err(|_| StateError::Distrusted { reason })?;
        if self.record().planned.resources != update.resources {
            let undos: Vec<_> = update.steps.iter().filter_map(|step| step.undo.as_ref()).collect();
            let left = take_back(&undos);
            if !left.is_empty() {
                return Err(UpdateError::Unsettled { left });
            }
        }
        Ok(seen.remove_pending().map_err(StateError::from)?)
    }

    fn carry_out(&self, seen: &Seen, update: &Update) -> Result<(), UpdateError> {
        let mut undos: Vec<&UpdateOp> = Vec::new();
        for step in &update.steps {
            if let Err(cause) = carry_out(&step.op) {
                return Err(UpdateError::Step {
                    step: step.op.to_string(),
                    origin: step.origin.clone(),
                    cause,
                    left: take_back(&undos),
                });
            }
            undos.extend(&step.undo);
        }
        let planned =
            Planned { resources: update.resources.clone(), ..(*self.record().planned).clone() };
        let record = Record { planned: Box::new(planned), ..self.record().clone() };
        seen.write_record(record.to_json().as_bytes()).map_err(|fault| {
            let _ = take_back(&undos);
            UpdateError::State(fault.into())
        })
    }
}

/// In reverse order; what does not let itself be taken back.
fn take_back(undos: &[&UpdateOp]) -> Vec<String> {
    let failed = |op: &&&UpdateOp| carry_out(op).is_err();
    undos.iter().rev().filter(failed).map(ToString::to_string).collect()
}

fn carry_out(op: &UpdateOp) -> Result<(), UpdateCause> {
    match op {
        UpdateOp::EnableControllers { directory, controllers } => {
            cgroup::enable(directory, controllers, &[]).map_err(UpdateCause::Kernel)
        }
        UpdateOp::Write { file, value } => write(file, value).map_err(UpdateCause::Kernel),
        UpdateOp::SetProperties { bus, unit, properties } => {
            systemd::set(bus, unit, properties).map_err(UpdateCause::Bus)
        }
    }
}

/// A file of a cgroup below the root of its tree, and nothing else, whatever a record says.
fn write(file: &HostPath, value: &str) -> Result<(), Fault> {
    let directory = file.as_str().rsplit_once('/').map_or("/", |(directory, _)| directory);
    let is_sound = HostPath::new(directory).is_ok_and(|it| cgroup::is_below_cgroup_root(&it));
    if !is_sound {
        return Err(Fault::new(crate::sys::Sysno::openat, Errno::EXDEV));
    }
    cgroup::write(file, value.as_bytes())
}
