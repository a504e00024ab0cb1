//! Turns what the format says about the first process: user, environment, capabilities, limits, labels.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Generation;
use super::door::{At, Door, Text};
use super::fields::Fields;
use super::read::Context;
use crate::config::error::{Expected, Found, Problem};
use crate::config::{CapabilitySets, EnvVar, Process, User, UserSpec};
use crate::types::{CapSet, Capability, Pointer, Resource, Rlimit, RootPath, Signal};

/// The largest id a user or group may be given by; beyond are values other programs take for negative.
const MAX_ID: u64 = i32::MAX.unsigned_abs() as u64;

pub(super) fn read(door: &mut Door<'_>, top: &mut Fields<'_>, context: &Context<'_>) -> Process {
    let profile = top.text(door, "apparmor_profile");
    let profile = door.one_of(profile, context.apparmor_profile.as_ref());
    let label = top.text(door, "process_label");
    let label = door.one_of(label, context.process_label.as_ref());
    let (additional_gids, additional_groups) = additional_groups(door, top);
    let mut noted = |text: Option<Text<'_>>, canonical| {
        text.map(|text| {
            door.note(Pointer::new(canonical), &text.at);
            text.text.to_owned()
        })
    };
    Process {
        args: Vec::new(),
        apparmor_profile: noted(profile, "/process/apparmorProfile"),
        selinux_label: noted(label, "/process/selinuxLabel"),
        env: environment(door, top),
        cwd: working_dir(door, top),
        user: User { spec: user(door, top), additional_gids, additional_groups, umask: None },
        init: false,
        terminal: terminal(door, top),
        console_size: None,
        capabilities: Some(capabilities(door, top)),
        no_new_privileges: false,
        rlimits: rlimits(door, top),
        oom_score_adj: None,
        parent_death_signal: parent_death_signal(door, top),
        io_priority: None,
        scheduler: None,
        exec_cpu_affinity: None,
    }
}

fn environment(door: &mut Door<'_>, top: &mut Fields<'_>) -> Vec<EnvVar> {
    let items = top.items(door, "environment");
    let mut env = Vec::new();
    for at in items {
        let Some(entry) = door.word_at(at, Expected::Environment) else {
            continue;
        };
        match entry.text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                door.note(Pointer::new("/process/env").index(env.len()), &entry.at);
                env.push(EnvVar { name: name.to_owned(), value: value.to_owned() });
            }
            _ => door.invalid(&entry, Expected::Environment),
        }
    }
    env
}

fn working_dir(door: &mut Door<'_>, top: &mut Fields<'_>) -> RootPath {
    let Some(text) = top.text(door, "working_dir") else {
        return RootPath::root();
    };
    door.note(Pointer::new("/process/cwd"), &text.at);
    door.path(&text, RootPath::new(text.text)).unwrap_or_else(RootPath::root)
}

fn terminal(door: &mut Door<'_>, top: &mut Fields<'_>) -> bool {
    let tty = top.flag(door, "tty");
    if let Some(at) = &tty {
        door.note(Pointer::new("/process/terminal"), at);
    }
    tty.is_some()
}

/// `user`, `user:group`, or numbers. Only two numbers are ids as they stand: the group of a user given by number alone
/// is in the container's `/etc/passwd`.
fn user(door: &mut Door<'_>, top: &mut Fields<'_>) -> UserSpec {
    let nobody = UserSpec::Named { user: None, group: None };
    let Some(text) = top.text(door, "user") else {
        return nobody;
    };
    door.note(Pointer::new("/process/user"), &text.at);
    let (user, group) = text.text.split_once(':').unwrap_or((text.text, ""));
    let (uid, gid) = (id(door, &text, user), id(door, &text, group));
    if group.contains(':') {
        door.invalid(&text, Expected::User);
    }
    if let (Some(uid), Some(gid)) = (uid, gid) {
        return UserSpec::Ids { uid, gid };
    }
    let part = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
    UserSpec::Named { user: part(user), group: part(group) }
}

/// The id a part stands for, if it is a number; one out of range is refused rather than looked up as a name.
fn id(door: &mut Door<'_>, text: &Text<'_>, part: &str) -> Option<u32> {
    let digits = part.strip_prefix('-').unwrap_or(part);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match part.parse().ok().filter(|id| (0..=i128::from(MAX_ID)).contains(id)) {
        Some(id) => u32::try_from(id).ok(),
        None => {
            let found = part.to_owned();
            door.refuse(&text.at, Problem::OutOfRange { found, min: 0, max: MAX_ID });
            None
        }
    }
}

/// Group ids, and in version 2, which writes all of them as strings, names.
fn additional_groups(door: &mut Door<'_>, top: &mut Fields<'_>) -> (Vec<u32>, Vec<String>) {
    let (mut gids, mut names) = (Vec::new(), Vec::new());
    let Some(list) = top.take(door, "additional_groups") else {
        return (gids, names);
    };
    let items = door.items_at(&list);
    if !items.is_empty() {
        door.note(Pointer::new("/process/user/additionalGids"), &list);
    }
    for at in items {
        match group(door, at.clone()) {
            Some(Group::Id(gid)) => gids.push(gid),
            Some(Group::Name(name)) => {
                let place = Pointer::new("/process/user/additionalGroups").index(names.len());
                door.note(place, &at);
                names.push(name);
            }
            None => {}
        }
    }
    (gids, names)
}

enum Group {
    Id(u32),
    Name(String),
}

/// A text of digits is a number, whatever names the container's files hold.
fn group(door: &mut Door<'_>, at: At<'_>) -> Option<Group> {
    let before = door.problems.len();
    if !at.is_text() {
        let number = door.number_at(at, 0, MAX_ID).map_or(0, |number| number.value);
        let id = u32::try_from(number).ok().map(Group::Id);
        return id.filter(|_| door.problems.len() == before);
    }
    let text = door.word_at(at, Expected::Group)?;
    match id(door, &text, text.text) {
        Some(id) => Some(Group::Id(id)),
        None if door.problems.len() == before => Some(Group::Name(text.text.to_owned())),
        None => None,
    }
}

/// What the process keeps: bounding, effective and permitted alike. The original filled the inheritable set as well,
/// which lets files hand out capabilities (CVE-2022-24769).
fn capabilities(door: &mut Door<'_>, top: &mut Fields<'_>) -> CapabilitySets {
    let mut set = CapSet::EMPTY;
    if let Some(list) = top.take(door, "capabilities") {
        door.note(Pointer::new("/process/capabilities"), &list);
        for at in door.items_at(&list) {
            let Some(name) = door.word_at(at, Expected::Capability) else {
                continue;
            };
            match name.text.parse::<Capability>() {
                Ok(capability) => set.insert(capability),
                Err(_) => door.invalid(&name, Expected::Capability),
            }
        }
    }
    CapabilitySets::of(set)
}

fn rlimits(door: &mut Door<'_>, top: &mut Fields<'_>) -> BTreeMap<Resource, Rlimit> {
    let items = top.items(door, "rlimits");
    let mut rlimits = BTreeMap::new();
    for at in items {
        let Some(mut fields) = door.fields_at(at.clone()) else {
            continue;
        };
        let number = fields.unsigned(door, "type", u32::MAX);
        let hard = fields.unsigned(door, "hard", u64::MAX);
        let soft = fields.unsigned(door, "soft", u64::MAX);
        fields.finish(door);
        let Some(resource) = Resource::from_number(number) else {
            let found = Found::Number(format!("{number}"));
            door.refuse(&at, Problem::Invalid { found, expected: Expected::Rlimit });
            continue;
        };
        if soft > hard {
            door.refuse(&at, Problem::SoftAboveHard { soft, hard });
        }
        door.note(Pointer::new("/process/rlimits").key(resource.name()), &at);
        if rlimits.insert(resource, Rlimit { soft, hard }).is_some() {
            door.refuse(&at, Problem::Twice { found: resource.name().to_owned() });
        }
    }
    rlimits
}

/// `SIGKILL`, which the launcher of old always asked for; version 2 says which, and 0 for none.
fn parent_death_signal(door: &mut Door<'_>, top: &mut Fields<'_>) -> Option<Signal> {
    if door.generation != Generation::Version2 {
        return Some(Signal::KILL);
    }
    let number = top.number(door, "parent_death_signal", 1, 64)?;
    door.note(Pointer::new("/process/parentDeathSignal"), &number.at);
    u8::try_from(number.value).ok().and_then(Signal::from_number)
}

/// The text of a user as the format writes it.
pub(super) fn user_text(spec: &UserSpec) -> String {
    match spec {
        UserSpec::Ids { uid, gid } => format!("{uid}:{gid}"),
        UserSpec::Named { user, group } => {
            let user = user.as_deref().unwrap_or_default();
            group.as_ref().map_or_else(|| user.to_owned(), |group| format!("{user}:{group}"))
        }
    }
}
