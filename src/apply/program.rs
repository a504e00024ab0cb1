//! What a child works from: steps without anything left to compute, C strings, integers and places in a table.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;

use crate::plan::{Actor, MountApi, Resolver, Token};
use crate::sys::abi::{MountAttr, NodeMask, SchedAttr, WinSize};
use crate::sys::process::StringTable;
use crate::sys::seccomp::SockFilter;
use crate::types::{CapSet, CloneFlags, DeviceNumber, FilterFlags, Rlimit};

/// A plan's scripts for the processes it starts, ready to be carried out without an allocation.
#[derive(Debug)]
pub struct Program {
    pub(crate) api: MountApi,
    pub(crate) resolver: Resolver,
    pub(crate) intermediate: Vec<Act>,
    pub(crate) init: Vec<Act>,
    /// Whether the launcher still writes to this process's files in procfs, which only root may once it cannot be traced.
    pub(crate) maps_are_written: bool,
    /// How many descriptors are kept between steps.
    pub(crate) places: usize,
    /// The slots that the launcher fills, and where.
    pub(crate) given: Vec<(crate::plan::Slot, Place)>,
    /// Where the shared empty directory and the null device for masks are kept.
    pub(crate) mask_directory: Place,
    pub(crate) mask_device: Place,
    /// Where the root directory is kept.
    pub(crate) root: Place,
    /// Where the directory is kept in which things are made, and what the next step mounts on.
    pub(crate) directory: Place,
    pub(crate) mount_point: Place,
    /// `/dev` and `/dev/null` below it.
    pub(crate) dev: Target,
    pub(crate) null_device: Target,
}

impl Program {
    /// How many steps there are, for all processes together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.intermediate.len() + self.init.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place in the table of kept descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) usize);

/// A path below the root, in every form that resolving or making it takes.
#[derive(Debug)]
pub(crate) struct Target {
    /// Relative to the root; `.` for the root itself.
    pub(crate) whole: CString,
    /// Where the name of each part begins in it. Empty for the root, and where the whole is all that is needed.
    pub(crate) names: Vec<usize>,
    /// The path down to each part but the last: `a`, `a/b` of `a/b/c`.
    pub(crate) above: Vec<CString>,
}

impl Target {
    /// All of it, part by part.
    pub(crate) fn parts(&self) -> Parts<'_> {
        Parts { target: self, count: self.names.len() }
    }

    /// Whether it is the root itself.
    pub(crate) fn is_root(&self) -> bool {
        *self.whole == *c"."
    }
}

/// The first so many parts of a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    target: &'a Target,
    count: usize,
}

impl<'a> Parts<'a> {
    pub(crate) fn count(self) -> usize {
        self.count
    }

    pub(crate) fn first(self, count: usize) -> Self {
        Self { count: count.min(self.count), ..self }
    }

    /// The path of the last of them; `.` if there is none.
    pub(crate) fn down_to(self) -> &'a CStr {
        match self.count.checked_sub(1) {
            None => c".",
            Some(last) => self.target.above.get(last).unwrap_or(&self.target.whole),
        }
    }

    /// The name of the last of them, and those above it.
    pub(crate) fn split_last(self) -> Option<(&'a CStr, Self)> {
        let above = self.count.checked_sub(1)?;
        let name = *self.target.names.get(above)?;
        Some((&self.down_to()[name..], self.first(above)))
    }

    /// Their names, the top one first.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a CStr> {
        (1..=self.count).filter_map(move |count| Some(self.first(count).split_last()?.0))
    }
}

/// What a step need not look up, since the step before has. Holds only where all steps are taken, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// The directory it works in is the one that is kept.
    pub(crate) directory: bool,
    /// The directory was empty a moment ago, so what is made is not there yet.
    pub(crate) is_new: bool,
    /// The next mount is on what it makes.
    pub(crate) is_mounted_on: bool,
}

/// One step, by the name of its [`Op`](crate::plan::Op), in integers and C strings.
#[derive(Debug)]
pub(crate) enum Act {
    Enter(Place),
    DevicePolicy {
        directory: Place,
        program: Vec<[u8; 8]>,
    },
    ReceiveNetwork(Place),
    IsolateTree {
        flags: u64,
    },
    PrepareRoot(PrepareRoot),
    EmptyRoot {
        path: CString,
        for_mapped_root: bool,
    },
    MakeMountPoint {
        target: Target,
        directory: bool,
        known: Known,
    },
    Filesystem(Box<Filesystem>),
    CloneTree {
        source: CString,
        recursive: bool,
        place: Place,
    },
    CloneDevice {
        source: CString,
        file_type: u32,
        number: DeviceNumber,
        place: Place,
    },
    Attach(Box<Attach>),
    Remount {
        target: Target,
        attr: MountAttr,
        set: u64,
        clear: u64,
    },
    Propagate {
        target: Target,
        kind: u64,
        recursive: bool,
    },
    MakeNode {
        path: Target,
        mode: u32,
        number: DeviceNumber,
        uid: u32,
        gid: u32,
        known: Known,
    },
    Symlink {
        path: Target,
        text: CString,
        replace: bool,
        only_if: Option<Target>,
        known: Known,
    },
    Mask(Target),
    MakeReadonly(Target),
    PivotRoot,
    MoveRoot,
    ReadonlyRoot,
    FindDevpts {
        place: Place,
    },
    OpenTerminal {
        devpts: Place,
        size: Option<WinSize>,
        owner: Option<u32>,
        console: bool,
    },
    OpenNamespace {
        path: CString,
        place: Place,
    },
    Join {
        place: Place,
        flag: u64,
    },
    Unshare {
        flag: u64,
    },
    /// A file of the host's procfs.
    WriteProc {
        path: CString,
        value: Vec<u8>,
    },
    SetHostname(CString),
    SetDomainname(CString),
    /// A file of the container's own procfs.
    Sysctl {
        proc: Place,
        path: Target,
        value: Vec<u8>,
    },
    LoopbackUp,
    Clone {
        flags: CloneFlags,
    },
    DieWithParent {
        signal: u8,
    },
    NewSession,
    Umask(u32),
    SetRlimit {
        resource: u32,
        limit: Rlimit,
    },
    NewKeyring,
    Personality(u32),
    IoPriority(u32),
    Affinity(Box<[u64]>),
    Scheduler(SchedAttr),
    MemoryPolicy {
        mode: u32,
        nodes: Box<NodeMask>,
    },
    /// Also what stays open: for the hooks that are still to come, and the door.
    CloseDescriptors {
        keep: [Option<Place>; 2],
    },
    Hook(Box<HookAct>),
    Supervise {
        terminal: bool,
    },
    ChangeDirectory(CString),
    /// Files to try in order.
    Find(Vec<CString>),
    Execute(Box<Execute>),
    Signal(Token),
    Await(Token),
    AwaitKnock {
        door: Place,
    },
    BecomeRoot {
        clear_groups: bool,
    },
    SetGroups(Vec<u32>),
    SetIds {
        uid: u32,
        gid: u32,
    },
    DropBounding {
        keep: CapSet,
        last: u8,
    },
    KeepCapabilities,
    SetCapabilities {
        effective: CapSet,
        permitted: CapSet,
        inheritable: CapSet,
    },
    SetAmbient(CapSet),
    NoNewPrivileges,
    NotDumpable,
    Seccomp {
        flags: FilterFlags,
        program: Vec<SockFilter>,
    },
    ExecLabel {
        proc: Place,
        path: Target,
        value: Vec<u8>,
    },
}

/// See [`MountOp::PrepareRoot`](crate::plan::MountOp::PrepareRoot).
#[derive(Debug)]
pub(crate) struct PrepareRoot {
    pub(crate) path: CString,
    pub(crate) readonly_submounts: bool,
    pub(crate) readonly_now: bool,
}

/// See [`MountOp::Filesystem`](crate::plan::MountOp::Filesystem).
#[derive(Debug)]
pub(crate) struct Filesystem {
    pub(crate) fstype: CString,
    pub(crate) source: Option<CString>,
    /// `key=value` or `key`, superblock flags among them, for `fsconfig`.
    pub(crate) options: Vec<(CString, Option<CString>)>,
    pub(crate) attributes: u64,
    /// The same for `mount(2)`.
    pub(crate) data: Option<CString>,
    pub(crate) flags: u64,
    pub(crate) target: Target,
    pub(crate) strict: bool,
    pub(crate) keep: Option<Place>,
    pub(crate) copy_up: bool,
    /// Whether the step before has kept what it is mounted on.
    pub(crate) is_found: bool,
}

/// See [`MountOp::Attach`](crate::plan::MountOp::Attach).
#[derive(Debug)]
pub(crate) struct Attach {
    pub(crate) place: Place,
    pub(crate) target: Target,
    pub(crate) recursive: bool,
    pub(crate) top: Option<MountAttr>,
    pub(crate) all: Option<MountAttr>,
    /// The same for `mount(2)`: flags to set and to clear on the top.
    pub(crate) set: u64,
    pub(crate) clear: u64,
    /// Whether the step before has kept what it is attached on.
    pub(crate) is_found: bool,
}

/// A hook that init runs; see [`HookOp::Run`](crate::plan::HookOp::Run).
#[derive(Debug)]
pub(crate) struct HookAct {
    pub(crate) path: CString,
    pub(crate) args: StringTable,
    pub(crate) env: StringTable,
    /// Seconds.
    pub(crate) timeout: Option<u32>,
    /// What it is told.
    pub(crate) state: Place,
    /// Whether that is closed afterwards.
    pub(crate) is_last: bool,
}

/// See [`ProcessOp::Execute`](crate::plan::ProcessOp::Execute).
#[derive(Debug)]
pub(crate) struct Execute {
    pub(crate) candidates: Vec<CString>,
    pub(crate) args: StringTable,
    pub(crate) env: StringTable,
}

impl Program {
    /// Whether init runs hooks.
    pub(crate) fn has_hooks(&self) -> bool {
        self.init.iter().any(|act| matches!(act, Act::Hook(_)))
    }

    /// Whether init stays, as the parent of the program.
    pub(crate) fn has_supervisor(&self) -> bool {
        self.init.iter().any(|act| matches!(act, Act::Supervise { .. }))
    }

    /// The steps of a process.
    pub(crate) fn script(&self, actor: Actor) -> &[Act] {
        match actor {
            Actor::Intermediate => &self.intermediate,
            _ => &self.init,
        }
    }
}
