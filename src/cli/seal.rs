//! This command leaves its own file before a container could write to it, where one could.

use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use super::report::{Failure, Problem};
use crate::apply::{Sealed, seal_program_to_start};
use crate::config::Config;
use crate::types::{IdMap, NamespaceKind};

/// Runs this program from where nobody can write to it.
pub(super) fn seal() -> Result<Sealed, Failure> {
    let sealed = seal_program_to_start().map_err(|fault| {
        let text = format!("the launcher's own program could be overwritten from inside: {fault}");
        Failure::from(Problem::new(text).hint("install it on a read-only file system"))
    })?;
    SEALED.store(true, Ordering::Relaxed);
    Ok(sealed)
}

/// The same before a container is started, if that asks for it and it was not done at once.
pub(super) fn sealed_for(
    config: &Config,
    sealed: Option<Sealed>,
) -> Result<Option<Sealed>, Failure> {
    let is_late = is_exposed(config.creates(NamespaceKind::User), &config.uid_mappings);
    if is_late { seal().map(Some) } else { Ok(sealed) }
}

/// Whether this process's program is out of everybody's reach already.
static SEALED: AtomicBool = AtomicBool::new(false);

/// Whether a container without id maps could write to the file of this program: nearly every container of root's.
pub(super) fn is_likely_exposed() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether some id of the container's may write to the file of this program: see [`seal_program`](crate::apply::seal_program).
pub(super) fn is_exposed(creates_user: bool, uids: &IdMap) -> bool {
    if SEALED.load(Ordering::Relaxed) {
        return false;
    }
    let Ok(own) = std::fs::metadata("/proc/self/exe") else { return true };
    let caller = nix::unistd::geteuid().as_raw();
    let is_mapped = if !creates_user {
        caller == 0 || own.uid() == caller
    } else if uids.is_empty() {
        own.uid() == caller
    } else {
        uids.to_container(own.uid()).is_some()
    };
    is_mapped || own.mode() & 0o022 != 0
}
