//! Turns `process` into the first process: program, user, terminal, capabilities, limits, scheduling.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::door::{Door, U32, U64};
use super::fields::Fields;
use crate::config::error::{Expected, Problem};
use crate::config::json::Node;
use crate::config::{
    CapabilitySets, ConsoleSize, EnvVar, ExecCpuAffinity, IgnoredReason, IoPriority, Process,
    Scheduler, User, UserSpec,
};
use crate::types::{
    CapSet, IoClass, Pointer, Resource, Rlimit, RootPath, SchedulerFlag, SchedulerPolicy,
};

/// What any 32-bit number may be.
const I32: (i64, u64) = (i32::MIN as i64, i32::MAX as u64);

pub(super) fn read(door: &mut Door<'_>, top: &mut Fields<'_>) -> Option<Process> {
    let node = top.take("process")?;
    door.note(Pointer::new("/process"), node);
    of(door, node)
}

/// The process that `node` describes.
pub(super) fn of<'a>(door: &mut Door<'_>, node: &'a Node<'a>) -> Option<Process> {
    let mut fields = door.fields(node)?;
    if let Some(member) = fields.member("commandLine") {
        door.refuse_at(member.place, Problem::OtherPlatform { name: "windows" });
    }
    let terminal = fields.flag(door, "terminal").unwrap_or_default();
    let console_size = console_size(door, &mut fields, terminal);
    let args = args(door, &mut fields);
    let process = Process {
        args,
        env: env(door, &mut fields, "/process/env"),
        cwd: cwd(door, &mut fields),
        user: user(door, &mut fields),
        terminal,
        console_size,
        capabilities: capabilities(door, &mut fields),
        no_new_privileges: fields.flag(door, "noNewPrivileges").unwrap_or_default(),
        rlimits: rlimits(door, &mut fields),
        oom_score_adj: noted_number(door, &mut fields, "oomScoreAdj", (-1000, 1000)),
        apparmor_profile: label(door, &mut fields, "apparmorProfile"),
        selinux_label: label(door, &mut fields, "selinuxLabel"),
        parent_death_signal: None,
        io_priority: io_priority(door, &mut fields),
        scheduler: scheduler(door, &mut fields),
        exec_cpu_affinity: exec_cpu_affinity(door, &mut fields),
        init: false,
    };
    fields.finish(door);
    Some(process)
}

fn noted_number<T: TryFrom<i128>>(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &str,
    range: (i64, u64),
) -> Option<T> {
    let node = fields.take(key)?;
    door.note(Pointer::new("/process").key(key), node);
    door.number(node, range)
}

fn label(door: &mut Door<'_>, fields: &mut Fields<'_>, key: &str) -> Option<String> {
    let (text, node) = fields.text(door, key)?;
    door.note(Pointer::new("/process").key(key), node);
    Some(text.to_owned())
}

fn args(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Vec<String> {
    if let Some(node) = fields.take("args") {
        door.note(Pointer::new("/process/args"), node);
    }
    let args = fields.texts(door, "args");
    // An empty argument is one, an empty program is none.
    if let Some((_, node)) = args.first().filter(|(program, _)| program.is_empty()) {
        door.invalid(node, Expected::Words);
    }
    args.into_iter().map(|(text, _)| text.to_owned()).collect()
}

/// `NAME=value`, noted at `place`.
pub(super) fn env(door: &mut Door<'_>, fields: &mut Fields<'_>, place: &str) -> Vec<EnvVar> {
    if let Some(node) = fields.take("env") {
        door.note(Pointer::new(place), node);
    }
    let mut env = Vec::new();
    for (text, node) in fields.texts(door, "env") {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                env.push(EnvVar { name: name.to_owned(), value: value.to_owned() });
            }
            _ => door.invalid(node, Expected::Environment),
        }
    }
    env
}

fn cwd(door: &mut Door<'_>, fields: &mut Fields<'_>) -> RootPath {
    let Some((text, node)) = fields.required_text(door, "cwd") else {
        return RootPath::root();
    };
    door.note(Pointer::new("/process/cwd"), node);
    door.root_path(text, node).unwrap_or_else(RootPath::root)
}

/// Without a terminal its size is ignored, as the spec demands.
fn console_size(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    terminal: bool,
) -> Option<ConsoleSize> {
    const CELLS: (i64, u64) = (0, u16::MAX as u64);
    let mut size = fields.fields(door, "consoleSize")?;
    let height = size.required_number(door, "height", CELLS);
    let width = size.required_number(door, "width", CELLS);
    size.finish(door);
    let (height, width) = (height?, width?);
    terminal.then_some(ConsoleSize { height, width })
}

fn user(door: &mut Door<'_>, fields: &mut Fields<'_>) -> User {
    let root = UserSpec::Ids { uid: 0, gid: 0 };
    let node = fields.take("user");
    let Some(mut fields) = node.and_then(|node| door.fields(node)) else {
        return User {
            spec: root,
            additional_gids: Vec::new(),
            additional_groups: Vec::new(),
            umask: None,
        };
    };
    door.note(Pointer::new("/process/user"), fields.node);
    if let Some(member) = fields.member("username") {
        door.refuse_at(member.place, Problem::OtherPlatform { name: "windows" });
    }
    let uid = fields.required_number(door, "uid", U32).unwrap_or_default();
    let gid = fields.required_number(door, "gid", U32).unwrap_or_default();
    let umask = fields.number(door, "umask", (0, 0o777));
    let gids = fields.items(door, "additionalGids");
    let additional_gids = gids.iter().filter_map(|node| door.number(node, U32)).collect();
    fields.finish(door);
    let additional_groups = Vec::new();
    User { spec: UserSpec::Ids { uid, gid }, additional_gids, additional_groups, umask }
}

fn capabilities(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<CapabilitySets> {
    let mut fields = fields.fields(door, "capabilities")?;
    door.note(Pointer::new("/process/capabilities"), fields.node);
    let all = CapSet::from_bits(u64::MAX);
    let bounding = capability_set(door, &mut fields, "bounding", all);
    let permitted = capability_set(door, &mut fields, "permitted", all);
    let effective = capability_set(door, &mut fields, "effective", permitted);
    let inheritable = capability_set(door, &mut fields, "inheritable", bounding);
    let lasting = permitted.intersection(inheritable);
    let ambient = capability_set(door, &mut fields, "ambient", lasting);
    fields.finish(door);
    Some(CapabilitySets { bounding, effective, permitted, inheritable, ambient })
}

/// The spec wants a warning about a capability that does not exist or cannot be had, not a failure: without it the process
/// can do less. runc's own default bundle has ambient ones that are not inheritable.
fn capability_set(
    door: &mut Door<'_>,
    fields: &mut Fields<'_>,
    key: &str,
    possible: CapSet,
) -> CapSet {
    if let Some(node) = fields.take(key) {
        door.note(Pointer::new("/process/capabilities").key(key), node);
    }
    let mut set = Vec::new();
    for (text, node) in fields.texts(door, key) {
        let is_spelled = text.starts_with("CAP_") && !text.bytes().any(|b| b.is_ascii_lowercase());
        match text.parse() {
            Ok(capability) if is_spelled && possible.contains(capability) => set.push(capability),
            Ok(_) if is_spelled => door.ignore(node.place, IgnoredReason::UngrantableCapability),
            _ => door.ignore(node.place, IgnoredReason::UnknownCapability),
        }
    }
    set.into_iter().collect()
}

fn rlimits(door: &mut Door<'_>, fields: &mut Fields<'_>) -> BTreeMap<Resource, Rlimit> {
    let mut limits = BTreeMap::new();
    for node in fields.items(door, "rlimits") {
        let Some(mut fields) = door.fields(node) else { continue };
        let resource = fields.required(door, "type");
        let resource =
            resource.and_then(|it| door.word(it, Resource::from_name, Expected::RlimitName));
        let soft = fields.required_number::<u64>(door, "soft", U64);
        let hard = fields.required_number::<u64>(door, "hard", U64);
        fields.finish(door);
        let (Some(resource), Some(soft), Some(hard)) = (resource, soft, hard) else { continue };
        if soft > hard {
            door.refuse(node, Problem::SoftAboveHard { soft, hard });
        }
        door.note(Pointer::new("/process/rlimits").key(resource.name()), node);
        if limits.insert(resource, Rlimit { soft, hard }).is_some() {
            door.refuse(node, Problem::Twice { found: resource.name().to_owned() });
        }
    }
    limits
}

fn io_priority(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<IoPriority> {
    let mut fields = fields.fields(door, "ioPriority")?;
    door.note(Pointer::new("/process/ioPriority"), fields.node);
    let class = fields.required(door, "class");
    let class = class.and_then(|node| door.word(node, IoClass::from_name, Expected::IoClass));
    let priority = fields.required_number(door, "priority", (0, 7)).unwrap_or_default();
    fields.finish(door);
    Some(IoPriority { class: class?, priority })
}

fn scheduler(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<Scheduler> {
    let mut fields = fields.fields(door, "scheduler")?;
    door.note(Pointer::new("/process/scheduler"), fields.node);
    let policy = fields.required(door, "policy");
    let of = SchedulerPolicy::from_name;
    let policy = policy.and_then(|node| door.word(node, of, Expected::SchedulerPolicy));
    let nice = fields.number(door, "nice", I32).unwrap_or_default();
    let priority = fields.number(door, "priority", (0, I32.1)).unwrap_or_default();
    let flags = fields.items(door, "flags");
    let mut flag = |node| door.word(node, SchedulerFlag::from_name, Expected::SchedulerFlag);
    let flags = flags.iter().filter_map(&mut flag).collect();
    let mut time = |key| fields.number(door, key, U64).unwrap_or_default();
    let (runtime, deadline, period) = (time("runtime"), time("deadline"), time("period"));
    fields.finish(door);
    Some(Scheduler { policy: policy?, nice, priority, flags, runtime, deadline, period })
}

fn exec_cpu_affinity(door: &mut Door<'_>, fields: &mut Fields<'_>) -> Option<ExecCpuAffinity> {
    let mut fields = fields.fields(door, "execCPUAffinity")?;
    door.note(Pointer::new("/process/execCPUAffinity"), fields.node);
    let initial = cpus(door, &mut fields, "initial");
    let last = cpus(door, &mut fields, "final");
    fields.finish(door);
    (initial.is_some() || last.is_some()).then_some(ExecCpuAffinity { initial, last })
}

/// A list of numbers and ranges, `0-3,8`.
pub(super) fn cpus(door: &mut Door<'_>, fields: &mut Fields<'_>, key: &str) -> Option<String> {
    let (text, node) = fields.text(door, key)?;
    if !is_list(text) {
        door.invalid(node, Expected::CpuList);
    }
    Some(text.to_owned())
}

/// Whether `text` is a list as the kernel's `cpuset` files take it, blanks around the commas allowed.
pub(super) fn is_list(text: &str) -> bool {
    let number = |text: &str| text.trim().parse::<u32>().ok();
    text.split(',').all(|part| match part.split_once('-') {
        Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
        None => number(part).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_numbers_and_ranges() {
        assert!(["0", "0-3,8", "1, 2-3"].iter().all(|text| is_list(text)));
        assert!(!["", "a", "3-1", "1,,2", "-1", "1-"].iter().any(|text| is_list(text)));
    }
}
