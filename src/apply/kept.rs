//! What a container is to later commands: its record, the door at which it waits, and that it stays.

use alloc::boxed::Box;
use std::time::SystemTime;

use super::error::Cause;
use super::spawn::Launcher;
use super::{hold, running};
use crate::plan::{Planned, Record, Slot, StartScript, StateOp};

/// A container that waits is found by its name.
const NO_STATE: Cause =
    Cause::State { reason: "a container that waits for its start needs a state directory" };

impl Launcher<'_> {
    /// All but the first: the journal is the others' condition.
    pub(super) fn state(&mut self, op: &StateOp) -> Result<(), Cause> {
        match op {
            StateOp::WriteRecord { planned } => self.write_record(planned),
            StateOp::OpenDoor => {
                let door = self.journal.directory().ok_or(NO_STATE)?.open_door()?;
                self.hold(Slot::Door, door)
            }
            StateOp::MakeNotify => {
                self.notify = Some(self.journal.directory().ok_or(NO_STATE)?.make_notify()?);
                Ok(())
            }
            StateOp::Keep => {
                let script = StartScript::of(&self.plan).to_json();
                let directory = self.journal.directory().ok_or(NO_STATE)?;
                directory.write_script(script.as_bytes())?;
                Ok(self.journal.keep()?)
            }
            StateOp::Stay => Ok(self.journal.keep()?),
            _ => Err(Cause::Protocol),
        }
    }

    /// Connects to init, which another process has created: from here on it tells this one.
    pub(super) fn knock(&mut self) -> Result<(), Cause> {
        let directory = self.journal.directory().ok_or(NO_STATE)?;
        self.channels.init = Some(directory.knock()?);
        self.is_starter = true;
        Ok(())
    }

    /// Nobody reads a record where no state is kept.
    fn write_record(&self, planned: &Planned) -> Result<(), Cause> {
        let Some((directory, state)) = self.journal.directory().zip(self.state.as_ref()) else {
            return Ok(());
        };
        let init = self.init.as_ref().ok_or(Cause::Protocol)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let record = Record {
            schema: Record::SCHEMA,
            id: state.id.clone(),
            pid: init.pid.number().unsigned_abs(),
            start_time: hold::start_time(init.pid, init.tick)?,
            boot: running::boot().map(Into::into),
            created: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            bundle: self.bundle.clone(),
            links: self.journal.links().map(Into::into).collect(),
            planned: Box::new(planned.clone()),
        };
        Ok(directory.write_record(record.to_json().as_bytes())?)
    }
}
