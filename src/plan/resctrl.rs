//! Decides a container's class of service: which group of the resctrl file system, made or found, and what it says.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::cgroups::Cgroups;
use super::draft::{Draft, at, step, step_undone};
use super::error::Refusal;
use super::model::{Step, Undo};
use super::op::{Op, SyncOp, Token};
use super::resctrl_op::ResctrlOp;
use crate::config::IntelRdt;
use crate::types::{Capability, HostPath, Pointer};

/// What this room decided, all of it for the parent.
#[derive(Default)]
pub(super) struct Classes {
    pub(super) before_clone: Vec<Step>,
    /// While init waits for the record.
    pub(super) after_clone: Vec<Step>,
    /// The groups its processes are in.
    pub(super) directories: Vec<HostPath>,
}

pub(super) fn plan(draft: &mut Draft<'_>) -> Classes {
    let mut classes = Classes::default();
    let Some(wish) = &draft.config.intel_rdt else { return classes };
    let origin = at("/intelRdt");
    let Some(top) = mount_point(draft, &origin) else { return classes };
    if draft.facts.caller.uid != 0 {
        draft.require_capability(&origin, Capability::DAC_OVERRIDE, "a class of service");
    }
    let own = wish.group.as_deref();
    let Some(name) = wish.clos_id.as_deref().or(own) else {
        let reason = "a class of service needs a name: `closID`, or one that whoever starts the container gives it";
        draft.refuse(&origin, Refusal::Contradiction { reason });
        return classes;
    };
    let directory = top.child(name);
    let schemata = schemata(wish);
    for text in &schemata {
        draft.check_nul(&origin, text);
    }
    match wish.clos_id {
        Some(_) => {
            let op =
                ResctrlOp::UseGroup { directory: directory.clone(), schemata: schemata.concat() };
            classes.before_clone.push(step_undone(
                Op::Resctrl(op),
                &origin.key("closID"),
                Undo::Kept,
            ));
        }
        None => {
            classes.before_clone.push(made(&directory, &origin));
            let write =
                |schemata| ResctrlOp::WriteSchemata { directory: directory.clone(), schemata };
            let within = |op| step_undone(Op::Resctrl(op), &origin, Undo::WithDirectory);
            classes.before_clone.extend(schemata.into_iter().map(write).map(within));
        }
    }
    classes.directories.push(directory.clone());
    if wish.enable_monitoring {
        let monitored = directory.child("mon_groups").child(own.unwrap_or(name));
        classes.before_clone.push(made(&monitored, &origin.key("enableMonitoring")));
        classes.directories.push(monitored);
    }
    classes.after_clone.extend(classes.directories.iter().map(assigned));
    classes
}

/// The way of a process that joins into the groups of the container: it waits until it is there.
pub(super) fn enter(cgroups: &mut Cgroups, directories: &[HostPath]) {
    if directories.is_empty() {
        return;
    }
    let tells = |step: &Step| step.op == Op::Sync(SyncOp::Signal(Token::Placed));
    let is_told = cgroups.after_clone.iter().any(tells);
    cgroups.after_clone.splice(0..0, directories.iter().map(assigned));
    if !is_told {
        let origin = at("/intelRdt");
        cgroups.after_clone.push(step(Op::Sync(SyncOp::Signal(Token::Placed)), &origin));
        cgroups.init.push(step(Op::Sync(SyncOp::Await(Token::Placed)), &origin));
    }
}

fn mount_point(draft: &mut Draft<'_>, origin: &Pointer) -> Option<HostPath> {
    let Some(mounts) = &draft.facts.mounts else {
        draft.refuse(origin, Refusal::FactMissing { section: "mounts" });
        return None;
    };
    let is_whole = |fstype: &str, root: &str| fstype == "resctrl" && root == "/";
    let found = mounts.iter().find(|mount| is_whole(&mount.fstype, &mount.root));
    let place = found.and_then(|mount| HostPath::new(&mount.mount_point).ok());
    if place.is_none() {
        let reason = "a class of service needs a mounted resctrl file system, and there is none";
        draft.refuse(origin, Refusal::Contradiction { reason });
    }
    place
}

/// What is written, in its order: both older properties as one, the newer one last.
fn schemata(wish: &IntelRdt) -> Vec<String> {
    let is_replaced = |line: &&str| line.starts_with("MB:") && wish.mem_bw_schema.is_some();
    let caches = wish.l3_cache_schema.iter().flat_map(|text| text.lines());
    let caches = caches.filter(|line| !is_replaced(line));
    let older: String =
        caches.chain(wish.mem_bw_schema.as_deref()).map(|line| format!("{line}\n")).collect();
    let newer: String = wish.schemata.iter().map(|line| format!("{line}\n")).collect();
    [older, newer].into_iter().filter(|text| !text.is_empty()).collect()
}

fn made(directory: &HostPath, origin: &Pointer) -> Step {
    let undo = Undo::by(Op::Resctrl(ResctrlOp::RemoveGroup { directory: directory.clone() }));
    let make = ResctrlOp::MakeGroup { directory: directory.clone() };
    step_undone(Op::Resctrl(make), origin, undo)
}

fn assigned(directory: &HostPath) -> Step {
    let op = ResctrlOp::Assign { directory: directory.clone() };
    step_undone(Op::Resctrl(op), &at("/intelRdt"), Undo::WithDirectory)
}
