//! A thread with a runtime of its own sends requests on the host's side and on the inside, and hands back the answers.
//!
//! A thread, because a socket stays with the network namespace it was made in and the caller's thread must not move; and
//! because the caller may be a task of a runtime itself, in which another one cannot be run. It ends with its owner.

use core::fmt;
use std::fs::File;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use futures_util::StreamExt as _;
use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use rtnetlink::{Handle, LinkUnspec};
use tokio::runtime::{self, Runtime};

use super::message::{self, Request};
use crate::apply::journal::io_fault;
use crate::config::Interface;
use crate::sys::{Fault, Outcome, Sysno, signal};
use crate::types::Errno;

/// Whose links are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those of the namespace the caller is in.
    Host,
    /// Those of the container's.
    Inside,
}

/// A request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) request: &'static str,
    pub(super) errno: Errno,
}

/// A link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) index: u32,
    pub(super) is_bridge: bool,
    pub(super) is_veth: bool,
    pub(super) is_up: bool,
}

/// What the kernel answered.
#[derive(Debug)]
enum Told {
    /// It is done.
    Done,
    Link(Found),
    /// Those of all links, with the link's number.
    Addresses(Vec<(u32, Interface)>),
}

type Answer = Result<Told, Refused>;

/// The owner's end.
pub(super) struct Worker {
    asks: Option<Sender<(Side, Request)>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts the thread: both sides with a namespace, the host's only without.
    pub(super) fn start(namespace: Option<&File>) -> Outcome<Self> {
        let copy = |file: &File| file.try_clone().map_err(|error| io_fault(Sysno::fcntl, &error));
        let namespace = namespace.map(copy).transpose()?;
        let (asks, requests) = channel();
        let (results, answers) = channel();
        let (begun, begins) = channel();
        let work = move || match Connections::open(namespace) {
            Ok(connections) => {
                let _ = begun.send(Ok(()));
                connections.serve(&requests, &results);
            }
            Err(fault) => drop(begun.send(Err(fault))),
        };
        let thread = Builder::new().name("nsplan-network".into()).spawn(work);
        let thread = thread.map_err(|error| io_fault(Sysno::clone3, &error))?;
        let worker = Self { asks: Some(asks), answers, thread: Some(thread) };
        begins.recv().unwrap_or(Err(Fault::new(Sysno::clone3, Errno::EIO)))?;
        Ok(worker)
    }

    /// Asks for a change and waits for it.
    pub(super) fn change(&self, side: Side, request: Request) -> Result<(), Refused> {
        self.ask(side, request).map(drop)
    }

    /// The link of that name, if there is one.
    pub(super) fn find(&self, side: Side, name: &str) -> Result<Option<Found>, Refused> {
        let message = RouteNetlinkMessage::GetLink(LinkUnspec::new_with_name(name).build());
        match self.ask(side, Request { name: "RTM_GETLINK", message, flags: 0 }) {
            Err(refused) if refused.errno == Errno::ENODEV => Ok(None),
            Ok(Told::Link(found)) => Ok(Some(found)),
            answer => answer.map(|_| None),
        }
    }

    /// What a moved link keeps of its addresses.
    pub(super) fn addresses(&self, side: Side, index: u32) -> Result<Vec<Interface>, Refused> {
        let Told::Addresses(all) = self.ask(side, message::addresses())? else {
            return Err(Refused { request: "RTM_GETADDR", errno: Errno::EIO });
        };
        let own = all.into_iter().filter(|(link, _)| *link == index);
        Ok(own.map(|(_, address)| address).collect())
    }

    fn ask(&self, side: Side, request: Request) -> Answer {
        let refused = Refused { request: request.name, errno: Errno::EIO };
        let asks = self.asks.as_ref().ok_or(refused)?;
        asks.send((side, request)).map_err(|_| refused)?;
        self.answers.recv().unwrap_or(Err(refused))
    }
}

impl Drop for Worker {
    /// Waits for the thread's end, which comes with the last question.
    fn drop(&mut self) {
        self.asks = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The thread's end.
struct Connections {
    runtime: Runtime,
    host: Handle,
    inside: Option<Handle>,
}

impl Connections {
    /// The socket for the inside is made there, and the thread stays there: it ends soon, and moves nobody else.
    fn open(namespace: Option<File>) -> Outcome<Self> {
        // The program's signal handlers belong to its own threads, which are where it put them.
        signal::set_mask(u64::MAX)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|error| io_fault(Sysno::epoll_create1, &error))?;
        let host = connect(&runtime)?;
        let inside = match namespace {
            Some(namespace) => {
                setns(namespace, CloneFlags::CLONE_NEWNET)
                    .map_err(|error| Fault::new(Sysno::setns, Errno(error as i32)))?;
                Some(connect(&runtime)?)
            }
            None => None,
        };
        Ok(Self { runtime, host, inside })
    }

    fn serve(self, requests: &Receiver<(Side, Request)>, answers: &Sender<Answer>) {
        while let Ok((side, request)) = requests.recv() {
            let name = request.name;
            let handle = match side {
                Side::Host => Some(self.host.clone()),
                Side::Inside => self.inside.clone(),
            };
            let answer = handle.ok_or(Errno::EBADF);
            let answer = answer.and_then(|handle| self.runtime.block_on(send(handle, request)));
            let answer = answer.map_err(|errno| Refused { request: name, errno });
            if answers.send(answer).is_err() {
                return;
            }
        }
    }
}

/// A socket in the namespace that the thread is in now.
fn connect(runtime: &Runtime) -> Outcome<Handle> {
    let _context = runtime.enter();
    let (mut connection, handle, _) =
        rtnetlink::new_connection().map_err(|error| io_fault(Sysno::socket, &error))?;
    // By itself it ends an answer the same way after an acknowledgement and after the loss of the socket.
    connection.set_forward_ack(true);
    runtime.spawn(connection);
    Ok(handle)
}

/// Sends and waits for the kernel's word. A connection that ends without one has not done it: an end is no success.
async fn send(mut handle: Handle, request: Request) -> Result<Told, Errno> {
    let asks_for_all = matches!(request.message, RouteNetlinkMessage::GetAddress(_));
    let is_question = asks_for_all || matches!(request.message, RouteNetlinkMessage::GetLink(_));
    let mut addresses = Vec::new();
    let mut packet = NetlinkMessage::from(request.message);
    packet.header.flags = NLM_F_REQUEST | request.flags;
    if !is_question {
        packet.header.flags |= NLM_F_ACK;
    }
    let mut answers = handle.request(packet).map_err(|_| Errno::EIO)?;
    while let Some(answer) = answers.next().await {
        match answer.payload {
            NetlinkPayload::Error(error) => {
                return match error.code {
                    None => Ok(Told::Done),
                    // The kernel's numbers are negative there.
                    Some(code) => Err(Errno(code.get().wrapping_abs())),
                };
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) if is_question => {
                return Ok(Told::Link(found(&link)));
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => {
                let kept = message::kept(&address);
                addresses.extend(kept.map(|kept| (address.header.index, kept)));
            }
            _ => {}
        }
    }
    // The end of a list is not told apart from that of a connection, but on a lost one the next request fails.
    if asks_for_all { Ok(Told::Addresses(addresses)) } else { Err(Errno::EIO) }
}

fn found(link: &LinkMessage) -> Found {
    let infos = link.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    let has = |kind: &InfoKind| {
        infos.clone().flatten().any(|info| matches!(info, LinkInfo::Kind(own) if own == kind))
    };
    Found {
        index: link.header.index,
        is_bridge: has(&InfoKind::Bridge),
        is_veth: has(&InfoKind::Veth),
        is_up: link.header.flags.contains(LinkFlags::Up),
    }
}
