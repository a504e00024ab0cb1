//! The network steps of a plan, and their undo, become requests to the kernel: one each, each waited for.
//!
//! They are made by a [`Worker`] thread that lives as long as they do, beside the work on the root file system. Nothing
//! is decided here but the names that are drawn.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::hash::{BuildHasher as _, Hasher as _};
use std::fs::File;
use std::hash::RandomState;
use std::os::unix::fs::MetadataExt as _;

use super::error::Cause;
use super::journal::{Journal, io_fault};
use crate::config::Interface;
use crate::plan::{InterfaceName, Link, NetworkOp, Op, RANDOM_DIGITS, StepId};
use crate::sys::process::Pid;
use crate::sys::{Fault, Outcome, Sysno};
use crate::types::Errno;

mod message;
mod worker;

use worker::{Found, Refused, Side, Worker};

/// How often a name is drawn before the host is believed to have no more of them.
const DRAWS: u32 = 10;

/// The requests of one plan.
#[derive(Debug)]
pub(crate) struct Network {
    worker: Worker,
    /// Where peers are made; open as long as they may be.
    namespace: File,
    /// What the plan's names are on this host.
    names: BTreeMap<InterfaceName, String>,
}

impl From<Refused> for Cause {
    fn from(refused: Refused) -> Self {
        Self::Netlink { request: refused.request, errno: refused.errno }
    }
}

impl Network {
    /// Begins, when init is there.
    pub(crate) fn open(init: Pid) -> Result<Self, Cause> {
        let open = |path: &str| File::open(path).map_err(|error| io_fault(Sysno::openat, &error));
        let namespace = open(&format!("/proc/{}/ns/net", init.number()))?;
        let own = open("/proc/thread-self/ns/net")?;
        if is_same(&namespace, &own)? {
            // What is meant for a container is never done to the host.
            return Err(Fault::new(Sysno::setns, Errno::EPERM).into());
        }
        let worker = Worker::start(Some(&namespace))?;
        Ok(Self { worker, namespace, names: BTreeMap::new() })
    }

    /// One step. The journal learns a link's name before the link is made.
    pub(crate) fn step(
        &mut self,
        id: StepId,
        op: &NetworkOp,
        journal: &mut Journal,
    ) -> Result<(), Cause> {
        match op {
            NetworkOp::MakeVeth { host, inside, tx_queue_length } => {
                self.make_veth(id, host, inside, *tx_queue_length, journal)
            }
            NetworkOp::MoveLink { host, inside } => self.move_link(id, host, inside, journal),
            NetworkOp::AttachToBridge { host, bridge } => self.attach(host, bridge),
            NetworkOp::SetHairpin { host } => {
                let port = self.existing(Side::Host, self.name(host)?)?;
                self.change(Side::Host, message::hairpin(port.index))
            }
            NetworkOp::SetMtu { link, mtu } => {
                let (side, name) = self.place(link)?;
                self.change(side, message::mtu(name, *mtu))
            }
            NetworkOp::SetMac { link, mac } => {
                let (side, name) = self.place(link)?;
                self.change(side, message::mac(name, *mac))
            }
            NetworkOp::LinkUp { link } => {
                let (side, name) = self.place(link)?;
                self.change(side, message::up(name))
            }
            NetworkOp::AddAddress { link, address } => {
                let (side, name) = self.place(link)?;
                let index = self.existing(side, name)?.index;
                self.change(side, message::address(index, address))
            }
            NetworkOp::AddRoute { destination, gateway, source, interface } => {
                let index = match interface {
                    Some(name) => Some(self.existing(Side::Inside, name)?.index),
                    None => None,
                };
                let route = message::route(destination.as_ref(), *gateway, *source, index);
                self.change(Side::Inside, route.ok_or(Cause::Protocol)?)
            }
            NetworkOp::LoopbackUp | NetworkOp::RemoveLink { .. } | NetworkOp::ReturnLink { .. } => {
                Err(Cause::Protocol)
            }
        }
    }

    fn make_veth(
        &mut self,
        id: StepId,
        host: &InterfaceName,
        inside: &str,
        tx_queue_length: Option<u32>,
        journal: &mut Journal,
    ) -> Result<(), Cause> {
        let draws = if matches!(host, InterfaceName::Random { .. }) { DRAWS } else { 1 };
        for _ in 0..draws {
            let name = match host {
                InterfaceName::Fixed(name) => name.clone(),
                InterfaceName::Random { prefix, .. } => draw(prefix),
            };
            // A name that is taken is somebody else's: the journal must never hold it.
            if self.worker.find(Side::Host, &name)?.is_some() {
                continue;
            }
            let fixed = InterfaceName::Fixed(name.clone());
            journal.record(id, &Op::Network(NetworkOp::RemoveLink { host: fixed }))?;
            let request = message::veth(&name, inside, &self.namespace, tx_queue_length);
            match self.worker.change(Side::Host, request) {
                Ok(()) => {
                    self.names.insert(host.clone(), name);
                    return Ok(());
                }
                // Somebody was quicker.
                Err(refused) if refused.errno == Errno::EEXIST => journal.cancel(id)?,
                Err(refused) => return Err(refused.into()),
            }
        }
        Err(Cause::Netlink { request: "RTM_NEWLINK", errno: Errno::EEXIST })
    }

    /// What the link has is written down before it is moved: the move takes it away.
    fn move_link(
        &mut self,
        id: StepId,
        host: &str,
        inside: &str,
        journal: &mut Journal,
    ) -> Result<(), Cause> {
        let found = self.existing(Side::Host, host)?;
        if self.worker.find(Side::Inside, inside)?.is_some() {
            return Err(Cause::Netlink { request: "RTM_SETLINK", errno: Errno::EEXIST });
        }
        let addresses = self.worker.addresses(Side::Host, found.index)?;
        let copy = self.namespace.try_clone();
        journal.hold(copy.map_err(|error| io_fault(Sysno::fcntl, &error))?);
        let back = NetworkOp::ReturnLink {
            host: host.into(),
            inside: inside.into(),
            addresses: addresses.clone(),
            up: found.is_up,
        };
        journal.record(id, &Op::Network(back))?;
        self.change(Side::Host, message::move_to(found.index, inside, &self.namespace))?;
        settle(&self.worker, Side::Inside, inside, &addresses, true)?;
        Ok(())
    }

    /// Any link may be given a master, by some kind of link or other: only a bridge will do.
    fn attach(&self, host: &InterfaceName, bridge: &str) -> Result<(), Cause> {
        let master = self.existing(Side::Host, bridge)?;
        if !master.is_bridge {
            return Err(Cause::Netlink { request: "RTM_SETLINK", errno: Errno::EOPNOTSUPP });
        }
        self.change(Side::Host, message::attach(self.name(host)?, master.index))
    }

    fn name(&self, name: &InterfaceName) -> Result<&str, Cause> {
        self.names.get(name).map(String::as_str).ok_or(Cause::Protocol)
    }

    fn place<'a>(&'a self, link: &'a Link) -> Result<(Side, &'a str), Cause> {
        match link {
            Link::Host(name) => Ok((Side::Host, self.name(name)?)),
            Link::Inside(name) => Ok((Side::Inside, name)),
        }
    }

    fn existing(&self, side: Side, name: &str) -> Result<Found, Cause> {
        let found = self.worker.find(side, name)?;
        found.ok_or(Cause::Netlink { request: "RTM_GETLINK", errno: Errno::ENODEV })
    }

    fn change(&self, side: Side, request: message::Request) -> Result<(), Cause> {
        Ok(self.worker.change(side, request)?)
    }
}

/// Undoes a link: it goes, and its peer with it. One that is gone already went with the container's network.
pub(crate) fn remove(host: &InterfaceName) -> Outcome {
    let InterfaceName::Fixed(name) = host else {
        return Err(Fault::new(Sysno::sendto, Errno::EINVAL));
    };
    let worker = Worker::start(None)?;
    match remove_by(&worker, name) {
        Err(refused) if refused.errno != Errno::ENODEV => {
            Err(Fault::new(Sysno::sendto, refused.errno))
        }
        _ => Ok(()),
    }
}

/// A moved link has its addresses again, and is up if it shall be.
fn settle(
    worker: &Worker,
    side: Side,
    name: &str,
    addresses: &[Interface],
    up: bool,
) -> Result<(), Refused> {
    let gone = Refused { request: "RTM_GETLINK", errno: Errno::ENODEV };
    let index = worker.find(side, name)?.ok_or(gone)?.index;
    for address in addresses {
        worker.change(side, message::address(index, address))?;
    }
    if up { worker.change(side, message::up(name)) } else { Ok(()) }
}

/// Undoes a move: the link of the host's comes back with what it had. One that is gone was removed inside.
pub(crate) fn give_back(held: &File, op: &NetworkOp) -> Outcome {
    let NetworkOp::ReturnLink { host, inside, addresses, up } = op else {
        return Err(Fault::new(Sysno::sendto, Errno::EINVAL));
    };
    let own = File::open("/proc/thread-self/ns/net");
    let own = own.map_err(|error| io_fault(Sysno::openat, &error))?;
    let worker = Worker::start(Some(held))?;
    let give = || {
        let Some(found) = worker.find(Side::Inside, inside)? else { return Ok(()) };
        worker.change(Side::Inside, message::move_to(found.index, host, &own))?;
        settle(&worker, Side::Host, host, addresses, *up)
    };
    give().map_err(|refused: Refused| Fault::new(Sysno::sendto, refused.errno))
}

fn remove_by(worker: &Worker, name: &str) -> Result<(), Refused> {
    let Some(found) = worker.find(Side::Host, name)? else { return Ok(()) };
    if !found.is_veth {
        // Never made by a plan: a name in a journal is no leave to remove a machine's own interface.
        return Err(Refused { request: "RTM_DELLINK", errno: Errno::EPERM });
    }
    worker.change(Side::Host, message::remove(found.index))
}

/// The standard library's own random seed is as good as any for a name that is drawn again when it is taken.
fn draw(prefix: &str) -> String {
    let number = RandomState::new().build_hasher().finish() >> (64 - 4 * RANDOM_DIGITS);
    format!("{prefix}{number:0width$x}", width = RANDOM_DIGITS)
}

fn is_same(one: &File, other: &File) -> Outcome<bool> {
    let identity = |file: &File| {
        let metadata = file.metadata().map_err(|error| io_fault(Sysno::fstat, &error))?;
        Ok((metadata.dev(), metadata.ino()))
    };
    Ok(identity(one)? == identity(other)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_names_differ_and_fit() {
        let names: alloc::collections::BTreeSet<_> = (0..64).map(|_| draw("veth")).collect();
        assert!(names.len() > 60, "{names:?}");
        assert!(names.iter().all(|name| name.len() == 11 && name.starts_with("veth")));
    }
}
