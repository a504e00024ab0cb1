//! Decides what the process is allowed to be: ids, groups, capabilities, limits, labels.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::draft::{Draft, at, step};
use super::error::Refusal;
use super::idmap::IdMaps;
use super::model::Step;
use super::op::{LabelModule, Op, PrivilegeOp, ProcessOp, UserOp};
use crate::config::{CapabilitySets, Process, UserSpec};
use crate::facts::{self, AccountFacts, Feature};
use crate::types::{CapSet, Capability, IdMap, Pointer, Signal};

/// Who the program runs as, in numbers of the container.
pub(super) struct ExecUser {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    /// Its home directory, where the accounts name one.
    pub(super) home: Option<String>,
}

/// Resolves the user by number or by the container's accounts.
pub(super) fn user(draft: &mut Draft<'_>, process: &Process) -> ExecUser {
    let origin = at("/process/user");
    let asked = &process.user;
    let mut user = ExecUser { uid: 0, gid: 0, groups: Vec::new(), home: None };
    let accounts = if asked.is_in_accounts() { accounts(draft, &origin) } else { None };
    match (&asked.spec, accounts) {
        (&UserSpec::Ids { uid, gid }, _) => (user.uid, user.gid) = (uid, gid),
        (UserSpec::Named { user: name, group }, Some(accounts)) => {
            let (name, group) = (name.as_deref(), group.as_deref());
            match facts::resolve(name, group, accounts, &facts::ExecUser::default()) {
                Ok(facts::ExecUser { uid, gid, groups, home }) => {
                    user = ExecUser { uid, gid, groups, home: Some(home) };
                }
                Err(error) => draft.refuse(&origin, Refusal::Account(error)),
            }
        }
        (UserSpec::Named { .. }, None) => {}
    }
    let mut more = asked.additional_gids.clone();
    for (index, name) in asked.additional_groups.iter().enumerate() {
        match accounts.map(|accounts| facts::find_group(name, accounts)) {
            Some(Ok(gid)) => more.push(gid),
            Some(Err(error)) => {
                draft.refuse(&origin.key("additionalGroups").index(index), Refusal::Account(error));
            }
            None => {}
        }
    }
    for gid in more {
        if !user.groups.contains(&gid) {
            user.groups.push(gid);
        }
    }
    user
}

/// The container's accounts, if they can be known before it is made.
fn accounts<'a>(draft: &mut Draft<'a>, origin: &Pointer) -> Option<&'a AccountFacts> {
    let Some(accounts) = &draft.facts.accounts else {
        draft.refuse(origin, Refusal::FactMissing { section: "accounts" });
        return None;
    };
    let covers = |path: &str| {
        draft.config.mounts.iter().any(|mount| {
            crate::types::RootPath::new(path).is_ok_and(|path| mount.destination.contains(&path))
        })
    };
    if covers("/etc/passwd") || covers("/etc/group") {
        let reason = "a user or group by name, but a mount covers the container's /etc/passwd or /etc/group: expected numbers";
        draft.refuse(origin, Refusal::Contradiction { reason });
        return None;
    }
    Some(accounts)
}

/// Resource limits: hard limits may be raised only by `CAP_SYS_RESOURCE` in the first user namespace.
pub(super) fn limits(draft: &mut Draft<'_>, process: &Process) -> Vec<Step> {
    let mut steps = Vec::new();
    let caller = &draft.facts.caller;
    let may_raise = caller.in_initial_userns
        && !draft.changes_userns()
        && caller.effective.contains(Capability::SYS_RESOURCE);
    for (&resource, &limit) in &process.rlimits {
        let origin = at("/process/rlimits").key(resource.name());
        if limit.soft > limit.hard {
            let expected = "a soft limit that is not above the hard one";
            draft.refuse(&origin, Refusal::LimitInvalid { expected });
        }
        let hard = draft.facts.caller.rlimits.get(&resource).map_or(u64::MAX, |held| held.hard);
        if limit.hard > hard && !may_raise {
            draft.refuse(&origin, Refusal::LimitAboveHard { resource, hard });
        }
        steps.push(step(Op::Process(ProcessOp::SetRlimit { resource, limit }), &origin));
    }
    steps
}

/// The adjustment for the OOM killer, written while the host's procfs is still there.
pub(super) fn oom_score(draft: &mut Draft<'_>, process: &Process) -> Option<Step> {
    let value = process.oom_score_adj?;
    let origin = at("/process/oomScoreAdj");
    if !(-1000..=1000).contains(&value) {
        draft.refuse(&origin, Refusal::LimitInvalid { expected: "a score from -1000 to 1000" });
    }
    let caller = &draft.facts.caller;
    let Some(score) = caller.oom_score_adj else {
        draft.refuse(&origin, Refusal::FactMissing { section: "caller/oomScoreAdj" });
        return None;
    };
    let may_lower = caller.in_initial_userns
        && !draft.changes_userns()
        && caller.effective.contains(Capability::SYS_RESOURCE);
    // Without the right down to the lowest that one with the right has set (`oom_score_adj_min`, 0 at first), which the
    // kernel does not show: what may be possible is tried.
    if value < score.min(0) && !may_lower {
        let missing: CapSet = [Capability::SYS_RESOURCE].into_iter().collect();
        let purpose = "a lower oom_score_adj than the caller's";
        draft.refuse(&origin, Refusal::CapabilityMissing { missing, purpose });
    }
    Some(step(Op::Process(ProcessOp::SetOomScore { value }), &origin))
}

/// The labels of the next `execve`. One file for both modules would take the label of either as that of whichever comes
/// first.
pub(super) fn labels(draft: &mut Draft<'_>, process: &Process) -> Vec<Step> {
    if !process.is_labelled() {
        return Vec::new();
    }
    let lsm = draft.lsm(&at("/process"));
    let (apparmor, selinux) = (&process.apparmor_profile, &process.selinux_label);
    let own = if lsm.apparmor_attr { "attr/apparmor/exec" } else { "attr/exec" };
    let asked = [
        (apparmor, LabelModule::Apparmor, own, lsm.apparmor, "AppArmor", "apparmorProfile"),
        (selinux, LabelModule::Selinux, "attr/exec", lsm.selinux, "SELinux", "selinuxLabel"),
    ];
    if apparmor.is_some() && lsm.selinux && lsm.apparmor && !lsm.apparmor_attr {
        let reason = "a profile beside SELinux needs a file of AppArmor's own (Linux 5.8)";
        draft.refuse(&at("/process/apparmorProfile"), Refusal::Contradiction { reason });
    }
    let mut steps = Vec::new();
    for (label, module, file, is_active, name, key) in asked {
        let Some(label) = label else { continue };
        let origin = at("/process").key(key);
        draft.check_nul(&origin, label);
        if !is_active {
            draft.refuse(&origin, Refusal::ModuleMissing { module: name });
        }
        let op = PrivilegeOp::ExecLabel { module, file: file.into(), label: label.clone() };
        steps.push(step(Op::Privilege(op), &origin));
    }
    steps
}

/// Ids, groups and capabilities, in the only order that works: the bounding set while `CAP_SETPCAP` is held, the ids
/// while `CAP_SETUID` is, the other sets last. `needs_admin`: with `CAP_SYS_ADMIN` beside what the config says.
pub(super) fn identity(
    draft: &mut Draft<'_>,
    process: &Process,
    user: &ExecUser,
    maps: &IdMaps,
    needs_admin: bool,
) -> Vec<Step> {
    let sets = granted(draft, process.capabilities.unwrap_or_default());
    check_sets(draft, &sets);
    check_ids(draft, user, maps);
    let caps = at("/process/capabilities");
    let place = at("/process/user");
    let last = draft.facts.kernel.last_capability;
    let mut steps = Vec::new();
    let mut privilege = |op, origin: &Pointer| steps.push(step(Op::Privilege(op), origin));
    privilege(PrivilegeOp::DropBounding { keep: sets.bounding, last }, &caps.key("bounding"));
    // For a filter, which comes later; `execve` takes it away.
    let admin: CapSet = needs_admin.then_some(Capability::SYS_ADMIN).into_iter().collect();
    let (effective, permitted) = (sets.effective.union(admin), sets.permitted.union(admin));
    let keeps = user.uid != 0 && !permitted.is_empty();
    if keeps {
        privilege(PrivilegeOp::KeepCapabilities, &caps.key("permitted"));
    }
    steps.extend(groups(draft, user, maps));
    let (uid, gid) = (user.uid, user.gid);
    steps.push(step(Op::User(UserOp::SetIds { uid, gid }), &place));
    let mut privilege = |op, origin: &Pointer| steps.push(step(Op::Privilege(op), origin));
    privilege(
        PrivilegeOp::SetCapabilities { effective, permitted, inheritable: sets.inheritable },
        &caps,
    );
    if draft.facts.has(Feature::AmbientCapabilities) {
        privilege(PrivilegeOp::SetAmbient { set: sets.ambient }, &caps.key("ambient"));
    } else if !sets.ambient.is_empty() {
        draft.require(&caps.key("ambient"), Feature::AmbientCapabilities);
    }
    if process.no_new_privileges {
        let origin = at("/process/noNewPrivileges");
        steps.push(step(Op::Privilege(PrivilegeOp::NoNewPrivileges), &origin));
    }
    steps
}

fn groups(draft: &mut Draft<'_>, user: &ExecUser, maps: &IdMaps) -> Option<Step> {
    let origin = at("/process/user/additionalGids");
    if maps.setgroups_allowed {
        let gids = user.groups.clone();
        return Some(step(Op::User(UserOp::SetGroups { gids }), &origin));
    }
    if !user.groups.is_empty() {
        draft.refuse(&origin, Refusal::SetgroupsDenied);
    } else if !draft.facts.caller.groups.is_empty() {
        let text = format!(
            "the caller's {} supplementary groups stay: setgroups is denied in a user namespace made without privilege",
            draft.facts.caller.groups.len()
        );
        draft.note(&origin, text);
    }
    None
}

fn check_ids(draft: &mut Draft<'_>, user: &ExecUser, maps: &IdMaps) {
    let origin = at("/process/user");
    let mut check = |map: &IdMap, what, id| {
        if !map.is_empty() && map.to_host(id).is_none() {
            draft.refuse(&origin, Refusal::IdNotMapped { what, id });
        }
    };
    check(&maps.uids, "user", user.uid);
    check(&maps.gids, "group", user.gid);
    for &gid in &user.groups {
        check(&maps.gids, "group", gid);
    }
    if !draft.changes_userns() {
        let caller = &draft.facts.caller;
        if user.uid != caller.uid {
            draft.require_capability(&origin, Capability::SETUID, "another user id");
        }
        if user.gid != caller.gid {
            draft.require_capability(&origin, Capability::SETGID, "another group id");
        }
    }
}

/// What of the sets can be had at all, with a note about the rest: to have fewer rights than were asked for weakens nobody,
/// and the OCI runtime-spec wants a warning and no failure.
fn granted(draft: &mut Draft<'_>, sets: CapabilitySets) -> CapabilitySets {
    let last = draft.facts.kernel.last_capability;
    let caller = &draft.facts.caller;
    let known = CapSet::up_to(last);
    let asked = sets.bounding.union(sets.permitted);
    let unknown = asked.difference(known);
    // Without a user namespace of its own the container gets what the caller has, at most.
    let lacking = if draft.changes_userns() {
        CapSet::EMPTY
    } else {
        let never = asked.difference(caller.permitted.union(caller.bounding));
        sets.permitted.difference(caller.permitted).union(never).intersection(known)
    };
    let mut note = |left_out: CapSet, why: &str| {
        if !left_out.is_empty() {
            let names: Vec<_> = left_out.iter().map(|one| format!("{one}")).collect();
            let text = format!("without {}, {why}", names.join(", "));
            draft.note(&at("/process/capabilities"), text);
        }
    };
    note(unknown, "which this kernel does not know");
    note(lacking, "which the caller does not have");
    let without = |set: CapSet| set.difference(unknown).difference(lacking);
    CapabilitySets {
        bounding: without(sets.bounding),
        effective: without(sets.effective),
        permitted: without(sets.permitted),
        inheritable: without(sets.inheritable),
        ambient: without(sets.ambient),
    }
}

fn check_sets(draft: &mut Draft<'_>, sets: &CapabilitySets) {
    let origin = at("/process/capabilities");
    let both = sets.permitted.intersection(sets.inheritable);
    let rules = [
        (
            sets.effective.is_subset(sets.permitted),
            "effective",
            "effective capabilities must be permitted too",
        ),
        (
            sets.ambient.is_subset(both),
            "ambient",
            "ambient capabilities must be permitted and inheritable too",
        ),
        (
            sets.inheritable.is_subset(sets.bounding),
            "inheritable",
            "inheritable capabilities must be in the bounding set too",
        ),
    ];
    for (holds, name, reason) in rules {
        if !holds {
            draft.refuse(&origin.key(name), Refusal::Contradiction { reason });
        }
    }
    let is_narrower = !draft.facts.caller.bounding.is_subset(sets.bounding);
    if is_narrower && !draft.changes_userns() {
        let purpose = "dropping capabilities from the bounding set";
        draft.require_capability(&origin.key("bounding"), Capability::SETPCAP, purpose);
    }
}

/// The death signal is cleared by a change of ids (`PR_SET_PDEATHSIG(2const)`), so it is set again.
pub(super) fn death_signal(signal: Signal) -> Step {
    step(Op::Process(ProcessOp::DieWithParent { signal }), &at("/process/parentDeathSignal"))
}
