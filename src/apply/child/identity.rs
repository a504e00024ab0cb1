//! Steps that change who a process is and what it may do.

use crate::apply::program::Act;
use crate::sys::{Fault, Outcome, Sysno, privilege};
use crate::types::{CapSet, Errno};

/// One step of them.
pub(super) fn act(act: &Act) -> Outcome {
    match act {
        Act::BecomeRoot { clear_groups } => {
            if *clear_groups {
                privilege::setgroups(&[])?;
            }
            set_ids(0, 0)
        }
        Act::SetGroups(gids) => privilege::setgroups(gids),
        Act::SetIds { uid, gid } => set_ids(*uid, *gid),
        Act::DropBounding { keep, last } => drop_bounding(*keep, *last),
        Act::KeepCapabilities => privilege::keep_capabilities(),
        Act::SetCapabilities { effective, permitted, inheritable } => {
            privilege::capset(*effective, *permitted, *inheritable)
        }
        Act::SetAmbient(set) => {
            privilege::clear_ambient()?;
            set.iter().try_for_each(|capability| privilege::raise_ambient(capability.number()))
        }
        Act::NoNewPrivileges => privilege::no_new_privileges(),
        Act::NotDumpable => privilege::set_dumpable(0),
        _ => Err(Fault::new(Sysno::exit, Errno::ENOSYS)),
    }
}

/// The group first: it cannot be changed any more once the user has been.
fn set_ids(uid: u32, gid: u32) -> Outcome {
    privilege::setresgid(gid)?;
    privilege::setresuid(uid)
}

/// Beyond the last capability that the plan knows of, until the kernel says that there is none: a set that stops short
/// would give the rest back at `execve`.
fn drop_bounding(keep: CapSet, last: u8) -> Outcome {
    let kept = |number| {
        crate::types::Capability::from_number(number)
            .is_some_and(|capability| keep.contains(capability))
    };
    for number in (0..64).filter(|&number| !kept(number)) {
        match privilege::drop_bounding(number) {
            Err(fault) if fault.is(Errno::EINVAL) && number > last => return Ok(()),
            answer => answer?,
        }
    }
    Ok(())
}
