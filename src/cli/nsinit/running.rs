//! What is asked of a container that runs already.

use super::super::args::ContainerId;
use super::super::report::{Failure, Problem};
use super::table::Command;
use crate::types::HostPath;

/// Does one thing with a running container.
///
/// # Errors
/// When there is none of that name, or it cannot be done.
pub(super) fn about(command: Command, root: &HostPath, id: &ContainerId) -> Result<u8, Failure> {
    if matches!(command, Command::Checkpoint | Command::Restore) {
        let text = "containers are not written to disk or read from it";
        let hint = "`nsinit help checkpoint` says why; criu dumps processes by pid";
        return Err(Problem::new(text).hint(hint).into());
    }
    let hint = format!("state is looked for in {root}; --root DIR says another place");
    Err(Problem::new(format!("{id}: no such container")).hint(hint).into())
}
