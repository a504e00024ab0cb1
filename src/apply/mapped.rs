//! A tree of the host is copied and its ids are mapped, by a user namespace that lives as long as the map is looked at.

use super::cgroup::c_path;
use super::error::Cause;
use super::idmap;
use crate::plan::{IdKind, MountOp, Op};
use crate::sys::abi::{self, MountAttr, O_RDONLY};
use crate::sys::clone::{Nursery, Request, Stack};
use crate::sys::process::Pid;
use crate::sys::{Fd, Handle, Outcome, fd, host, mount, privilege, process, signal};
use crate::types::{CloneFlags, IdMap, PropagationKind, Signal};

/// Carries out [`MountOp::MapTree`].
pub(super) fn tree(op: &Op) -> Result<Handle, Cause> {
    let Op::Mount(MountOp::MapTree { source, recursive, map_recursive, uids, gids, .. }) = op
    else {
        return Err(Cause::Protocol);
    };
    let tree = mount::clone_tree(Fd::CWD, &c_path(source)?, *recursive)?;
    // The copy of a shared mount is in its group: what happens in the container would reach the host.
    let propagation = PropagationKind::Private.bits();
    mount::setattr(tree.fd(), *recursive, &MountAttr { propagation, ..MountAttr::default() })?;
    let namespace = user_namespace(uids, gids)?;
    let userns = u64::from(namespace.fd().0.unsigned_abs());
    let attr = MountAttr { set: abi::MOUNT_ATTR_IDMAP, userns, ..MountAttr::default() };
    mount::setattr(tree.fd(), *map_recursive, &attr)?;
    Ok(tree)
}

/// What the process that holds the namespace has: a stack to sleep on.
#[derive(Debug)]
struct Sleeper(Stack);

/// A user namespace with these maps. The process it was made with is gone again.
fn user_namespace(uids: &IdMap, gids: &IdMap) -> Result<Handle, Cause> {
    let nursery = Nursery::new(Sleeper(Stack::new()?));
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_VM | CloneFlags::CLONE_CLEAR_SIGHAND;
    let before = signal::set_mask(u64::MAX)?;
    let child =
        nursery.start(&Request { flags, cgroup: None, newborn: None }, |sleeper| &sleeper.0, sleep);
    signal::set_mask(before)?;
    let child = match child {
        Ok(child) => child,
        Err(fault) => {
            nursery.release_unused();
            return Err(fault.into());
        }
    };
    let namespace = mapped(child.pid, uids, gids);
    let _ = signal::kill(child.pid, Signal::KILL);
    if let Ok(Some((_, gone))) = host::wait(child.pid, true) {
        nursery.release(&gone);
    }
    Ok(namespace?)
}

fn mapped(pid: Pid, uids: &IdMap, gids: &IdMap) -> Outcome<Handle> {
    idmap::write_map(pid, IdKind::Uid, uids)?;
    idmap::write_map(pid, IdKind::Gid, gids)?;
    let path = alloc::format!("/proc/{}/ns/user", pid.number());
    let path = alloc::ffi::CString::new(path).unwrap_or_default();
    fd::openat(Fd::CWD, &path, O_RDONLY, 0)
}

/// Until it is killed, also by the end of the launcher.
extern "C" fn sleep(_: &Sleeper) -> ! {
    let _ = privilege::set_death_signal(Signal::KILL.number());
    process::sleep()
}
