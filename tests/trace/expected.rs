//! The table: each step of a plan becomes the calls that it means, written down from `plan/op.rs` and the manual pages.
//!
//! It shares no code with what carries plans out. What a call depends on, and only the machine knows, is an [`Item`]
//! that asks what the trace has shown of it.

use std::collections::HashMap;

use nsplan::plan::{
    Actor, CgroupOp, IdKind, InterfaceName, Link, MountApi, MountOp, NamespaceOp, NetworkOp, Op,
    Plan, Planned, ProcessOp, Resolver, Slot, StateOp, Step, StepId, SyncOp, Token, Topology, Undo,
    UserOp,
};
use nsplan::types::{CloneFlags, NamespaceKind, PropagationKind, RootPath};

#[path = "expected_inside.rs"]
mod inside;

/// One call, or what decides whether there is one.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Do(String),
    /// One of these.
    Any(Vec<String>),
    /// Done, or refused with one of these errors, which is no failure.
    Try(String, &'static [&'static str]),
    /// Done or not.
    May(String),
    IfMissing(String, Vec<Self>),
    /// What to do with a directory, and with anything else.
    IfThere(String, Vec<Self>, Vec<Self>),
    IfDone(String, Vec<Self>, Vec<Self>),
    /// Written to the first what was read from the second, if the first is empty.
    Inherit(String, String),
    /// Written to the file `+word` for each of these that was not read from it.
    Enable(String, Vec<String>),
}

/// What one step is about, and its calls.
pub(crate) type Expected = Vec<(String, Vec<Item>)>;

/// What no plan says: what the command itself does before and after.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(crate) before: Vec<Item>,
    pub(crate) after: Vec<Item>,
    /// The state's root and the container's name in it.
    pub(crate) state: Option<(String, String)>,
    /// Whether the program has left its file for a mount of its own.
    pub(crate) is_sealed: bool,
}

/// The calls of each process of the plan.
pub(crate) fn expected(plan: &Plan, around: &Around) -> Vec<Expected> {
    let mut table = Table {
        api: plan.mount_api,
        resolver: plan.resolver,
        state: around.state.clone(),
        slots: HashMap::new(),
        has_entered_network: false,
        takes_along: around.is_sealed && is_alone_and_apart(plan),
        children: plan.intermediate.iter().chain(&plan.init).cloned().collect(),
    };
    let mut parent = vec![("before the plan".to_owned(), around.before.clone())];
    parent.extend(table.script(Actor::Parent, &plan.parent));
    if plan.topology == Topology::SharedMemory {
        // A change of ids in shared memory changes the launcher's flag too, which is put back (`apply/dumpable.rs`).
        let restored = Item::May("prctl PR_SET_DUMPABLE SUID_DUMP_USER".into());
        parent.push(("the launcher's own state".into(), vec![restored]));
    }
    parent.push(("after the plan".into(), around.after.clone()));
    parent.extend(plan.parent.iter().rev().map(|step| table.undo(step)));
    let mut all = vec![parent];
    if !plan.intermediate.is_empty() {
        all.push(table.script(Actor::Intermediate, &plan.intermediate));
    }
    let mut init = table.script(Actor::Init, &plan.init);
    let stays = |step: &Step| matches!(step.op, Op::Process(ProcessOp::Supervise { .. }));
    let program = plan.init.iter().position(stays).map(|at| init.split_off(at + 1));
    all.push(init);
    all.extend(program.map(|rest| {
        // A process group of its own; with a terminal also in its foreground. Inside, the child is process 2.
        let foreground = Item::May("ioctl peer TIOCSPGRP [2]".into());
        let group = [Item::Do("setpgid 0 0".into()), foreground];
        let begins = ("the child of init begins".to_owned(), group.into());
        [begins].into_iter().chain(rest).collect()
    }));
    all
}

/// Whether nobody is in init's pid namespace before it, and nothing spreads from its mounts.
fn is_alone_and_apart(plan: &Plan) -> bool {
    let is_alone = |step: &Step| match &step.op {
        Op::Process(ProcessOp::Clone { flags, starts: Actor::Init }) => {
            flags.contains(CloneFlags::CLONE_NEWPID)
        }
        _ => false,
    };
    let is_apart = |step: &Step| match &step.op {
        Op::Mount(MountOp::IsolateTree { propagation }) => {
            propagation.kind != PropagationKind::Shared
        }
        _ => false,
    };
    plan.parent.iter().any(is_alone) && plan.init.iter().any(is_apart)
}

struct Table {
    api: MountApi,
    resolver: Resolver,
    state: Option<(String, String)>,
    slots: HashMap<Slot, String>,
    has_entered_network: bool,
    /// Whether the mount of the launcher's program goes with the root that init leaves.
    takes_along: bool,
    children: Vec<Step>,
}

fn one(text: impl Into<String>) -> Vec<Item> {
    vec![Item::Do(text.into())]
}

fn write(file: &str, value: &str) -> String {
    format!("write host:{file} {value:?}")
}

impl Table {
    fn script(&mut self, actor: Actor, steps: &[Step]) -> Expected {
        let numbered = (0..).zip(steps);
        let lines = numbered.map(|(index, step)| {
            let id = StepId { actor, index };
            let noted = self.note(id, &step.undo).filter(|_| is_noted_first(actor, &step.op));
            let items = noted.into_iter().chain(self.expected(id, step)).collect();
            (format!("{id} {}", step.op), items)
        });
        lines.collect()
    }

    fn expected(&mut self, id: StepId, step: &Step) -> Vec<Item> {
        // A machine that these tests run on has both; the table says nothing of older ones yet.
        assert_eq!((self.api, self.resolver), (MountApi::Detached, Resolver::Openat2));
        match &step.op {
            Op::Cgroup(op) => self.cgroup(id, op, &step.undo),
            Op::State(StateOp::OpenJournal) => self.open_journal(),
            Op::State(StateOp::WriteRecord { planned }) => self.write_record(planned),
            Op::Process(ProcessOp::Clone { flags, .. }) if id.actor == Actor::Parent => {
                let flags = flags.iter_names().map(|(name, _)| name).collect::<Vec<_>>().join("|");
                let flags = crate::strace::words(&flags).join("|");
                // What the children's steps leave is written down before they begin.
                let noted = self.children.iter().filter(|step| matches!(step.undo, Undo::Op(_)));
                let noted =
                    noted.map(|step| Item::Do(format!("not in the table: {:?}", step.undo)));
                noted.chain(one(format!("clone {flags}"))).collect()
            }
            Op::Network(op) if *op != NetworkOp::LoopbackUp => self.network(id, op),
            Op::Namespace(NamespaceOp::Make { kind: NamespaceKind::Net }) => {
                // Init is moved where it waits for the launcher's processor.
                let moved = Item::May("sched_setaffinity child".into());
                vec![moved.clone(), moved, Item::Do("unshare CLONE_NEWNET".into())]
            }
            Op::Namespace(NamespaceOp::Return { kind: NamespaceKind::Net }) => {
                one("setns host:/proc/thread-self/ns/net CLONE_NEWNET")
            }
            Op::Sync(SyncOp::Await(Token::NetworkMade)) => {
                self.slots.insert(Slot::Namespace(NamespaceKind::Net), "made".into());
                Vec::new()
            }
            Op::Sync(SyncOp::Signal(token)) => one(tell(*token)),
            Op::Sync(_) => Vec::new(),
            Op::User(op) => user(op),
            // The samples have none.
            Op::Hook(_) | Op::Resctrl(_) => one("not in the table"),
            op => self.inside(op),
        }
    }

    /// The line of the journal that comes before what it undoes.
    fn note(&self, id: StepId, undo: &Undo) -> Option<Item> {
        self.line("undo", id, undo)
    }

    fn line(&self, word: &str, id: StepId, undo: &Undo) -> Option<Item> {
        let Undo::Op(undo) = undo else { return None };
        let (root, name) = self.state.as_ref()?;
        let (id, undo) = (serde_json::to_string(&id).ok()?, serde_json::to_string(undo).ok()?);
        let line = format!("{{\"{word}\":{{\"step\":{id},\"op\":{undo}}}}}\n");
        Some(Item::Do(write(&format!("{root}/{name}/journal"), &line)))
    }

    fn open_journal(&self) -> Vec<Item> {
        let Some((root, name)) = &self.state else { return Vec::new() };
        let directory = format!("host:{root}/{name}");
        vec![
            Item::Do(format!("mkdir {directory} 0700")),
            Item::Do(format!("create {directory}/journal 0600")),
            Item::Do(format!("flock {directory}/journal LOCK_EX|LOCK_NB")),
        ]
    }

    fn write_record(&self, planned: &Planned) -> Vec<Item> {
        let Some((root, name)) = &self.state else { return Vec::new() };
        let record = format!("host:{root}/{name}/state.json");
        let planned = serde_json::to_value(planned).expect("JSON");
        vec![
            Item::Do(format!("create {record}.new 0600")),
            Item::Do(format!("write {record}.new a record of {planned}")),
            Item::Do(format!("rename {record}.new to {record}")),
        ]
    }

    fn remove_record(&self) -> Vec<Item> {
        let Some((root, name)) = &self.state else { return Vec::new() };
        let record = format!("host:{root}/{name}/state.json");
        let unfinished = Item::Try(format!("unlink {record}.new"), &["ENOENT"]);
        vec![Item::Do(format!("unlink {record}")), unfinished]
    }

    fn cgroup(&mut self, id: StepId, op: &CgroupOp, undo: &Undo) -> Vec<Item> {
        match op {
            CgroupOp::MakeDirectory { path, fresh } => {
                let make = format!("mkdir host:{path} 0755");
                let note = self.note(id, undo).into_iter();
                if *fresh {
                    return note.chain(one(make)).collect();
                }
                let make = Item::Try(make, &["EEXIST"]);
                let found: Vec<_> = self.line("found", id, undo).into_iter().collect();
                let label = format!("host:{path}");
                vec![
                    Item::IfMissing(label.clone(), note.chain([make]).collect()),
                    Item::IfThere(label, found.clone(), found),
                ]
            }
            CgroupOp::Write { file, value } => one(write(file.as_str(), value)),
            CgroupOp::InheritCpuset { directory } => {
                let above = directory.as_str().rsplit_once('/').map_or("", |(above, _)| above);
                let names = ["cpuset.cpus", "cpuset.mems"];
                let inherit = |name| {
                    Item::Inherit(
                        format!("host:{directory}/{name}"),
                        format!("host:{above}/{name}"),
                    )
                };
                names.map(inherit).into()
            }
            CgroupOp::OpenTasks { file, slot } => {
                self.slots.insert(*slot, format!("host:{file}"));
                Vec::new()
            }
            CgroupOp::Enter { slot } => one(format!("write {} \"0\"", self.slots[slot])),
            CgroupOp::Place { file } => one(write(file.as_str(), "child")),
            CgroupOp::EnableControllers { directory, controllers, more } => vec![Item::Enable(
                format!("host:{directory}/cgroup.subtree_control"),
                controllers.iter().chain(more).cloned().collect(),
            )],
            CgroupOp::OpenDirectory { .. } => Vec::new(),
            CgroupOp::DevicePolicy { directory, program } => {
                let kind = "BPF_PROG_TYPE_CGROUP_DEVICE";
                let count = program.len();
                vec![
                    Item::Do(format!("bpf BPF_PROG_LOAD {kind} of {count} instructions")),
                    Item::Do(format!("bpf attach host:{directory} BPF_F_ALLOW_MULTI")),
                ]
            }
            op => vec![Item::Do(format!("not in the table: {op:?}"))],
        }
    }

    fn network(&mut self, id: StepId, op: &NetworkOp) -> Vec<Item> {
        let mut items = Vec::new();
        if !self.has_entered_network {
            self.has_entered_network = true;
            // The thread that makes what is inside.
            items.push(Item::Do("setns host:/proc/child/ns/net CLONE_NEWNET".into()));
        }
        let set = |link: &Link, what: String| match link {
            Link::Host(name) => format!("RTM_SETLINK host {} {what}", drawn(name)),
            Link::Inside(name) => format!("RTM_SETLINK inside {name} {what}"),
        };
        let request = match op {
            NetworkOp::MakeVeth { host, .. } => {
                let host = InterfaceName::Fixed(drawn(host));
                let undo = Undo::by(Op::Network(NetworkOp::RemoveLink { host }));
                items.extend(self.note(id, &undo));
                "RTM_NEWLINK host".into()
            }
            // The samples have none.
            NetworkOp::MoveLink { .. } => "not in the table".into(),
            NetworkOp::AttachToBridge { host, .. } => {
                set(&Link::Host(host.clone()), "master".into())
            }
            NetworkOp::SetHairpin { .. } => "RTM_NEWLINK host".into(),
            NetworkOp::SetMtu { link, mtu } => set(link, format!("mtu {mtu}")),
            NetworkOp::SetMac { link, .. } => set(link, "address".into()),
            NetworkOp::LinkUp { link } => set(link, "up".into()),
            NetworkOp::AddAddress { .. } => "RTM_NEWADDR inside".into(),
            NetworkOp::AddRoute { .. } => "RTM_NEWROUTE inside".into(),
            op => format!("not in the table: {op:?}"),
        };
        items.push(Item::Do(request));
        items
    }

    /// The last steps first, when the container has ended.
    fn undo(&self, step: &Step) -> (String, Vec<Item>) {
        let items = match &step.undo {
            Undo::Op(undo) => match &**undo {
                Op::Cgroup(CgroupOp::RemoveDirectory { path, shared }) => {
                    let made = format!("mkdir host:{path} 0755");
                    let errors: &[&str] = if *shared { &["EBUSY", "ENOTEMPTY"] } else { &[] };
                    let gone = format!("rmdir host:{path}");
                    let remove = Item::Try(gone.clone(), errors);
                    // Left to others with a mark; removed by whoever finds the mark.
                    let mark =
                        Item::May(format!("setxattr {path:?} \"user.nsplan.left\" \"1\" 1 0"));
                    let left = vec![remove.clone(), mark, Item::May(gone.clone())];
                    let own = if *shared { left } else { vec![remove] };
                    let found = if *shared { vec![Item::May(gone)] } else { Vec::new() };
                    vec![Item::IfDone(made, own, found)]
                }
                // By the kernel's own switch where there is one, or signal by signal and thawed; here all have ended.
                Op::Cgroup(CgroupOp::Kill { directory }) => {
                    let may = |file, value| Item::May(write(&format!("{directory}/{file}"), value));
                    vec![may("cgroup.kill", "1"), may("freezer.state", "THAWED")]
                }
                // With the last process of the network it may have gone by itself.
                Op::Network(NetworkOp::RemoveLink { .. }) => {
                    vec![Item::May("RTM_DELLINK host".into())]
                }
                Op::State(StateOp::CloseJournal) => self.close_journal(),
                Op::State(StateOp::RemoveRecord) => self.remove_record(),
                undo => vec![Item::Do(format!("not in the table: {undo:?}"))],
            },
            _ => Vec::new(),
        };
        (format!("undo of {}", step.op), items)
    }

    fn close_journal(&self) -> Vec<Item> {
        let Some((root, name)) = &self.state else { return Vec::new() };
        let directory = format!("host:{root}/{name}");
        [format!("unlink {directory}/journal"), format!("rmdir {directory}")].map(Item::Do).into()
    }
}

/// A step that may find its work done, or learns a name, writes its line itself.
fn is_noted_first(actor: Actor, op: &Op) -> bool {
    let by_itself = matches!(
        op,
        Op::Cgroup(CgroupOp::MakeDirectory { .. })
            | Op::Network(NetworkOp::MakeVeth { .. })
            | Op::State(StateOp::OpenJournal)
    );
    actor == Actor::Parent && !by_itself
}

fn drawn(name: &InterfaceName) -> String {
    match name {
        InterfaceName::Fixed(name) => name.clone(),
        InterfaceName::Random { prefix, .. } => format!("{prefix}…"),
    }
}

/// Messages are told apart by their first byte.
fn tell(token: Token) -> String {
    match token {
        Token::MapsWritten => "tell 1".into(),
        Token::Placed => "tell 2".into(),
        Token::Terminal => "tell 3 with a descriptor".into(),
        Token::Ready => "tell 4".into(),
        Token::InitPid => "tell 5".into(),
        Token::NetworkReady => "tell 6".into(),
        Token::Recorded => "tell 7".into(),
        Token::Listener => "tell 8 with a descriptor".into(),
        Token::Mounted => "tell 9".into(),
        Token::HooksRun => "tell 10".into(),
        Token::Created => "tell 11".into(),
        Token::Start => "tell 12".into(),
        Token::Prepared => "tell 13".into(),
        Token::Payload => "tell 14".into(),
        Token::NetworkMade => "tell 15 with a descriptor".into(),
    }
}

/// Ids are written by the launcher and taken on inside.
fn user(op: &UserOp) -> Vec<Item> {
    let ids = |uid, gid| {
        let call = |name, id| Item::Do(format!("{name} {id} {id} {id}"));
        vec![call("setresgid", gid), call("setresuid", uid)]
    };
    match op {
        UserOp::DenySetgroups => one(write("/proc/child/setgroups", "deny")),
        UserOp::WriteIdMap { kind, map } => {
            let line = |range: &nsplan::types::IdMapping| {
                format!("{} {} {}\n", range.container_id, range.host_id, range.size)
            };
            let lines: String = map.ranges().iter().map(line).collect();
            let file = match kind {
                IdKind::Uid => "/proc/child/uid_map",
                IdKind::Gid => "/proc/child/gid_map",
            };
            one(write(file, &lines))
        }
        UserOp::BecomeRoot { clear_groups } => {
            let groups = clear_groups.then(|| Item::Do("setgroups []".into()));
            groups.into_iter().chain(ids(0, 0)).collect()
        }
        UserOp::SetGroups { gids } => {
            let gids: Vec<_> = gids.iter().map(u32::to_string).collect();
            one(format!("setgroups [{}]", gids.join(", ")))
        }
        UserOp::SetIds { uid, gid } => ids(*uid, *gid),
        UserOp::RunMapHelper { .. } => one("not in the table: a helper"),
    }
}

/// A path below the root, as it is called in a trace.
fn below(path: &RootPath) -> String {
    if path.is_root() { "root".into() } else { format!("root:{}", path.relative()) }
}
