//! A plan becomes a [`Program`]: C strings, integers and places, so that a child has nothing left to compute.
//!
//! Makes no system call. All allocation on a child's behalf happens here.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::program::{Act, Execute, HookAct, Place, Program, Target};
use crate::config::Clock;
use crate::plan::seccomp::FilterInstruction;
use crate::plan::{
    Actor, CgroupOp, HookOp, LabelModule, NamespaceOp, NetworkOp, Op, Plan, PrivilegeOp, ProcessOp,
    Resolver, Slot, Step, StepId, SyncOp, Token, UserOp,
};
use crate::sys::process::StringTable;
use crate::sys::seccomp::SockFilter;
use crate::types::{NamespaceKind, RootPath};

mod known;
mod mounts;
mod parent;
mod slots;
pub(super) mod treatment;

/// Why a plan cannot be carried out at all: it was not made by this program's planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowerError {
    /// The step.
    pub step: StepId,
    /// What is wrong with it.
    pub reason: LowerReason,
}

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LowerReason {
    /// A text that becomes a C string holds a NUL byte.
    Nul,
    /// This process does not do such a thing.
    WrongActor,
    /// The plan's way of mounting cannot say it.
    MountApi,
    /// A path below procfs that leaves it.
    Path,
    /// Init does not end with the execution of a program: its end would be taken for one.
    NoProgram,
    /// Links, addresses and routes: this program was built without the feature `net`.
    NoNetwork,
    /// More steps than a step's name has room for.
    Length,
}

impl fmt::Display for LowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            LowerReason::Nul => "a text holds a NUL byte",
            LowerReason::WrongActor => "not a step of this process",
            LowerReason::MountApi => "needs mount_setattr, which the plan does without",
            LowerReason::Path => "not a plain path below procfs",
            LowerReason::NoProgram => "the last step executes no program",
            LowerReason::NoNetwork => {
                "links and routes cannot be made: built without the feature `net`"
            }
            LowerReason::Length => "too many steps",
        };
        write!(f, "{}: {reason}", self.step)
    }
}

impl core::error::Error for LowerError {}

type Lowered<T> = Result<T, LowerReason>;

/// Lowers the scripts of the processes a plan starts, and checks that the launcher's can be carried out.
///
/// # Errors
/// The first step that no plan of [`plan`](crate::plan::plan)'s would hold.
pub fn lower(plan: &Plan) -> Result<Program, LowerError> {
    let mut lowering = Lowering { plan, places: Vec::new() };
    let root = lowering.place(Slot::Root);
    parent::check(plan)?;
    let intermediate = lowering.script(Actor::Intermediate, &plan.intermediate)?;
    let mut init = lowering.script(Actor::Init, &plan.init)?;
    if !matches!(init.last(), Some(Act::Execute(_))) {
        return Err(named(Actor::Init, init.len(), LowerReason::NoProgram));
    }
    let door = plan.init.iter().any(|step| step.op == Op::Sync(SyncOp::AwaitKnock));
    let door = door.then(|| lowering.place(Slot::Door));
    slots::keep_open(&mut init, door);
    known::mark(&mut init);
    let places = lowering.places.len();
    let by_launcher = slots::by_launcher(&plan.parent);
    let numbered = lowering.places.iter().enumerate();
    let given = numbered.filter(|(_, slot)| by_launcher.contains(slot));
    Ok(Program {
        api: plan.mount_api,
        resolver: plan.resolver,
        intermediate,
        init,
        maps_are_written: plan.parent.iter().any(|step| writes_map(&step.op)),
        given: given.map(|(at, &slot)| (slot, Place(at))).collect(),
        places: places + 4,
        mask_directory: Place(places),
        mask_device: Place(places + 1),
        directory: Place(places + 2),
        mount_point: Place(places + 3),
        root,
        dev: known(relative("dev"))?,
        null_device: known(relative("dev/null"))?,
    })
}

/// A path of our own, without NUL.
fn known(target: Lowered<Target>) -> Result<Target, LowerError> {
    target.map_err(|reason| named(Actor::Init, 0, reason))
}

fn named(actor: Actor, index: usize, reason: LowerReason) -> LowerError {
    match u16::try_from(index) {
        Ok(index) => LowerError { step: StepId { actor, index }, reason },
        Err(_) => {
            LowerError { step: StepId { actor, index: u16::MAX }, reason: LowerReason::Length }
        }
    }
}

fn writes_map(op: &Op) -> bool {
    matches!(op, Op::User(UserOp::WriteIdMap { .. } | UserOp::RunMapHelper { .. }))
}

/// A path below the root that is only looked up: by `openat2` as a whole.
fn target(resolver: Resolver, path: &RootPath) -> Lowered<Target> {
    match resolver {
        Resolver::Openat2 if !path.is_root() => whole(path.relative()),
        _ => makeable(path),
    }
}

struct Lowering<'a> {
    plan: &'a Plan,
    /// Slots in the order of their first mention; a slot's place is its position.
    places: Vec<Slot>,
}

impl Lowering<'_> {
    fn place(&mut self, slot: Slot) -> Place {
        let known = self.places.iter().position(|other| *other == slot);
        Place(known.unwrap_or_else(|| {
            self.places.push(slot);
            self.places.len() - 1
        }))
    }

    fn script(&mut self, actor: Actor, steps: &[Step]) -> Result<Vec<Act>, LowerError> {
        let mut acts = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            u16::try_from(index).map_err(|_| named(actor, index, LowerReason::Length))?;
            let act = self.act(actor, &step.op);
            acts.push(act.map_err(|reason| named(actor, index, reason))?);
        }
        Ok(acts)
    }

    fn act(&mut self, actor: Actor, op: &Op) -> Lowered<Act> {
        match op {
            Op::Cgroup(CgroupOp::Enter { slot }) => Ok(Act::Enter(self.place(*slot))),
            Op::Cgroup(CgroupOp::DevicePolicy { program, .. }) => Ok(Act::DevicePolicy {
                directory: self.place(Slot::CgroupDirectory),
                program: program.iter().map(|instruction| instruction.to_bytes()).collect(),
            }),
            Op::Mount(op) => self.mount(op),
            Op::Namespace(op) => self.namespace(op),
            Op::Network(NetworkOp::LoopbackUp) => Ok(Act::LoopbackUp),
            Op::Process(op) => process(actor, op),
            Op::Sync(SyncOp::Signal(token)) => Ok(Act::Signal(*token)),
            Op::Sync(SyncOp::Await(Token::NetworkMade)) => {
                Ok(Act::ReceiveNetwork(self.place(Slot::Namespace(NamespaceKind::Net))))
            }
            Op::Sync(SyncOp::Await(token)) => Ok(Act::Await(*token)),
            Op::Sync(SyncOp::AwaitKnock) => Ok(Act::AwaitKnock { door: self.place(Slot::Door) }),
            Op::User(op) => user(op),
            Op::Privilege(op) => self.privilege(op),
            Op::Hook(op) => self.hook(op),
            Op::Cgroup(_) | Op::Network(_) | Op::State(_) | Op::Resctrl(_) | Op::Sync(_) => {
                Err(LowerReason::WrongActor)
            }
        }
    }

    fn hook(&mut self, op: &HookOp) -> Lowered<Act> {
        let HookOp::Run { kind, hooks, .. } = op else { return Err(LowerReason::WrongActor) };
        let [hook] = &hooks[..] else { return Err(LowerReason::Length) };
        if !kind.is_inside() {
            return Err(LowerReason::WrongActor);
        }
        Ok(Act::Hook(Box::new(HookAct {
            path: text(&hook.path)?,
            args: StringTable::new(texts(&hook.args)?),
            env: StringTable::new(texts(&hook.env)?),
            timeout: hook.timeout,
            state: self.place(Slot::HookState(*kind)),
            is_last: false,
        })))
    }

    fn namespace(&mut self, op: &NamespaceOp) -> Lowered<Act> {
        Ok(match op {
            NamespaceOp::Open { kind, path } => Act::OpenNamespace {
                path: text(path.as_str())?,
                place: self.place(Slot::Namespace(*kind)),
            },
            NamespaceOp::Hold { .. }
            | NamespaceOp::OpenHeld { .. }
            | NamespaceOp::Make { .. }
            | NamespaceOp::Return { .. } => {
                return Err(LowerReason::WrongActor);
            }
            NamespaceOp::JoinHeld { kinds } => Act::Join {
                place: self.place(Slot::Held),
                flag: kinds.iter().fold(0, |flags, kind| flags | kind.clone_flag().bits()),
            },
            NamespaceOp::Join { kind } => Act::Join {
                place: self.place(Slot::Namespace(*kind)),
                flag: kind.clone_flag().bits(),
            },
            NamespaceOp::Unshare { kind } => Act::Unshare { flag: kind.clone_flag().bits() },
            NamespaceOp::SetTimeOffset { clock, secs, nanosecs } => {
                let clock = match clock {
                    Clock::Boottime => "boottime",
                    Clock::Monotonic => "monotonic",
                };
                Act::WriteProc {
                    path: c"/proc/self/timens_offsets".into(),
                    value: format!("{clock} {secs} {nanosecs}\n").into_bytes(),
                }
            }
            NamespaceOp::SetHostname { name } => Act::SetHostname(text(name)?),
            NamespaceOp::SetDomainname { name } => Act::SetDomainname(text(name)?),
            NamespaceOp::Sysctl { path, value } => Act::Sysctl {
                proc: self.place(Slot::Proc),
                path: below_proc(&format!("sys/{path}"))?,
                value: value.as_bytes().into(),
            },
        })
    }

    fn privilege(&mut self, op: &PrivilegeOp) -> Lowered<Act> {
        Ok(match op {
            &PrivilegeOp::DropBounding { keep, last } => Act::DropBounding { keep, last },
            PrivilegeOp::KeepCapabilities => Act::KeepCapabilities,
            &PrivilegeOp::SetCapabilities { effective, permitted, inheritable } => {
                Act::SetCapabilities { effective, permitted, inheritable }
            }
            &PrivilegeOp::SetAmbient { set } => Act::SetAmbient(set),
            PrivilegeOp::NoNewPrivileges => Act::NoNewPrivileges,
            PrivilegeOp::NotDumpable => Act::NotDumpable,
            PrivilegeOp::Seccomp { flags, program } => Act::Seccomp {
                flags: *flags,
                program: program.iter().map(|&instruction| filter(instruction)).collect(),
            },
            PrivilegeOp::ConnectAgent { .. }
            | PrivilegeOp::Relabel { .. }
            | PrivilegeOp::SendListener { .. } => return Err(LowerReason::WrongActor),
            PrivilegeOp::ExecLabel { module, file, label } => {
                let value = match module {
                    LabelModule::Apparmor => format!("exec {label}"),
                    LabelModule::Selinux => label.clone(),
                };
                // `/proc/self` is a plain link to a number, which a lookup without magic links may follow.
                let path = below_proc(&format!("self/{file}"))?;
                Act::ExecLabel { proc: self.place(Slot::Proc), path, value: value.into_bytes() }
            }
        })
    }
}

fn filter(instruction: FilterInstruction) -> SockFilter {
    let FilterInstruction { code, if_true, if_false, value } = instruction;
    SockFilter { code, if_true, if_false, value }
}

fn process(actor: Actor, op: &ProcessOp) -> Lowered<Act> {
    Ok(match op {
        &ProcessOp::Clone { flags, starts } => {
            if actor != Actor::Intermediate || starts != Actor::Init {
                return Err(LowerReason::WrongActor);
            }
            Act::Clone { flags }
        }
        ProcessOp::DieWithParent { signal } => Act::DieWithParent { signal: signal.number() },
        ProcessOp::NewSession => Act::NewSession,
        ProcessOp::HoldProc | ProcessOp::RestoreAffinity => return Err(LowerReason::WrongActor),
        &ProcessOp::Umask { mask } => Act::Umask(mask),
        &ProcessOp::SetRlimit { resource, limit } => {
            Act::SetRlimit { resource: resource.number(), limit }
        }
        ProcessOp::NewKeyring
        | ProcessOp::SetPersonality { .. }
        | ProcessOp::SetIoPriority { .. }
        | ProcessOp::SetScheduler { .. }
        | ProcessOp::SetMemoryPolicy { .. }
        | ProcessOp::SetAffinity { .. } => return treatment::lower(op),
        ProcessOp::SetOomScore { value } => Act::WriteProc {
            path: c"/proc/self/oom_score_adj".into(),
            value: format!("{value}\n").into_bytes(),
        },
        // Which places stay, the plan as a whole says.
        ProcessOp::CloseDescriptors => Act::CloseDescriptors { keep: [None; 2] },
        &ProcessOp::Supervise { terminal } => Act::Supervise { terminal },
        ProcessOp::ChangeDirectory { path } => Act::ChangeDirectory(text(path.as_str())?),
        ProcessOp::Find { candidates } => Act::Find(texts(candidates)?),
        ProcessOp::Execute { candidates, args, env } => Act::Execute(Box::new(Execute {
            candidates: texts(candidates)?,
            args: StringTable::new(texts(args)?),
            env: StringTable::new(texts(env)?),
        })),
    })
}

fn user(op: &UserOp) -> Lowered<Act> {
    match op {
        &UserOp::BecomeRoot { clear_groups } => Ok(Act::BecomeRoot { clear_groups }),
        UserOp::SetGroups { gids } => Ok(Act::SetGroups(gids.clone())),
        &UserOp::SetIds { uid, gid } => Ok(Act::SetIds { uid, gid }),
        UserOp::DenySetgroups | UserOp::WriteIdMap { .. } | UserOp::RunMapHelper { .. } => {
            Err(LowerReason::WrongActor)
        }
    }
}

fn text(text: &str) -> Lowered<CString> {
    CString::new(text).map_err(|_| LowerReason::Nul)
}

fn texts(list: &[String]) -> Lowered<Vec<CString>> {
    list.iter().map(|item| text(item)).collect()
}

/// A path below the root, of which parts may have to be made. `RootPath` holds no `..`, so what is resolved part by
/// part never goes up.
fn makeable(path: &RootPath) -> Lowered<Target> {
    if path.is_root() {
        return whole(".");
    }
    relative(path.relative())
}

fn below_proc(path: &str) -> Lowered<Target> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    if path.split('/').all(is_plain) { relative(path) } else { Err(LowerReason::Path) }
}

/// Without its parts.
fn whole(path: &str) -> Lowered<Target> {
    Ok(Target { whole: text(path)?, names: Vec::new(), above: Vec::new() })
}

fn relative(path: &str) -> Lowered<Target> {
    let slashes = || path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
    let mut names = Vec::with_capacity(slashes().count() + 1);
    names.push(0);
    names.extend(slashes().map(|at| at + 1));
    let mut above = Vec::with_capacity(names.len() - 1);
    for end in slashes() {
        above.push(text(&path[..end])?);
    }
    Ok(Target { names, above, ..whole(path)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_knows_the_way_down() {
        let path = RootPath::new("/a/b/c").expect("absolute");
        let target = makeable(&path).expect("no NUL");
        let parts = target.parts();
        assert_eq!(parts.names().collect::<Vec<_>>(), [c"a", c"b", c"c"]);
        let down_to: Vec<_> = (0..=4).map(|count| parts.first(count).down_to()).collect();
        assert_eq!(down_to, [c".", c"a", c"a/b", c"a/b/c", c"a/b/c"]);
        let (name, above) = parts.split_last().expect("three");
        assert_eq!((name, above.down_to()), (c"c", c"a/b"));
        let root = makeable(&RootPath::root()).expect("no NUL");
        assert!(root.is_root() && root.parts().split_last().is_none());
    }

    #[test]
    fn nothing_leads_out_of_procfs() {
        for wrong in ["sys/../x", "/sys", "sys//x", "", "."] {
            assert_eq!(below_proc(wrong).err(), Some(LowerReason::Path), "{wrong}");
        }
    }
}
