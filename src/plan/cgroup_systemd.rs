//! Decides the scope that systemd is asked for, and what is done by hand in it.
//!
//! systemd is told what it can keep up itself, since it writes its own values again whenever its units are reloaded. All
//! values are also written by hand once the scope is there: what this version of systemd does not know, and exact numbers.
//! Devices are never given to it: it would write a list of its own over ours.
//!
//! # References
//! `org.freedesktop.systemd1(5)`, `systemd.resource-control(5)`; "Control Group APIs and Delegation" of systemd.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::cgroup_weights::{io_weight, weight_of_shares};
use super::cgroups::{self, Cgroups, Directories, Setting};
use super::draft::{Draft, at, step, step_undone};
use super::error::Refusal;
use super::model::{Step, Undo};
use super::op::{CgroupOp, Op, PropertyValue, SyncOp, Token, UnitProperty};
use super::record::ScopeUnit;
use super::{cgroup_v1, cgroup_v2};
use crate::config::{Limit, Resources};
use crate::facts::{CgroupFacts, CgroupLayout, SystemdFacts, Unified};
use crate::types::{HostPath, NamespaceKind};

/// A scope, and where it is.
struct Scope<'a> {
    manager: &'a SystemdFacts,
    unit: String,
    slice: String,
    /// The directories of its slices, from the manager's own cgroup down, and its own.
    parts: Vec<String>,
}

/// A scope is made around init, which waits until it is limited: everything comes after the clone.
pub(super) fn plan(
    draft: &mut Draft<'_>,
    cgroups: &mut Cgroups,
    resources: &Resources,
    facts: &CgroupFacts,
    (slice, name): (Option<&str>, &str),
) {
    let Some(scope) = scope(draft, slice, name) else { return };
    let (bus, unit) = (scope.manager.bus.clone(), scope.unit.clone());
    cgroups.scope = Some(ScopeUnit { bus, unit });
    let own = match (facts.layout(), &facts.unified) {
        (CgroupLayout::V2, Some(unified)) => v2(draft, cgroups, resources, unified, &scope),
        _ => v1(draft, cgroups, resources, facts, &scope),
    };
    let origin = at("/cgroup");
    let kill = own.filter(|_| !draft.config.creates(NamespaceKind::Pid));
    let kill = kill.map(|directory| Undo::by(Op::Cgroup(CgroupOp::Kill { directory })));
    let signal = Op::Sync(SyncOp::Signal(Token::Placed));
    cgroups.after_clone.push(step_undone(signal, &origin, kill.unwrap_or_default()));
    cgroups.init.push(step(Op::Sync(SyncOp::Await(Token::Placed)), &origin));
}

fn v2(
    draft: &mut Draft<'_>,
    cgroups: &mut Cgroups,
    resources: &Resources,
    unified: &Unified,
    scope: &Scope<'_>,
) -> Option<HostPath> {
    let settings = cgroup_v2::settings(draft, resources, unified.bfq);
    let wanted = cgroup_v2::wanted(draft, &settings, &unified.controllers);
    let Some(start) = cgroups::seen_from(&unified.root, &scope.manager.cgroup) else {
        let directory = unified.mount_point.to_string();
        draft.refuse(&at("/cgroup/path"), Refusal::CgroupDenied { directory });
        return None;
    };
    scope.check(draft, &settings, &unified.mount_point);
    let parts = scope.parts.iter().map(String::as_str);
    let found = Directories::new(&unified.mount_point, start, parts);
    cgroups.own.v2 = Some(found.own().clone());
    let steps = &mut cgroups.after_clone;
    steps.push(scope.step(resources, Some(found.own().clone())));
    cgroups::enable(steps, &found, (&wanted, &[]));
    for setting in &settings {
        cgroups::write(steps, found.own(), setting);
    }
    steps.extend(cgroup_v2::device_policy(draft, resources, found.own()));
    steps.extend(super::cgroup_owner::plan(draft, unified, found.own()));
    Some(found.own().clone())
}

/// systemd makes the scope's directory in the hierarchies it uses; in the others it is made by hand, and init is put there.
fn v1(
    draft: &mut Draft<'_>,
    cgroups: &mut Cgroups,
    resources: &Resources,
    facts: &CgroupFacts,
    scope: &Scope<'_>,
) -> Option<HostPath> {
    let settings = cgroup_v1::settings(draft, resources);
    for setting in settings.iter().filter(|setting| facts.v1(setting.controller).is_none()) {
        let controller = setting.controller;
        draft.refuse(&setting.origin, Refusal::ControllerMissing { controller });
    }
    if !resources.unified.is_empty() {
        let what = "raw v2 values on a host whose controllers are on cgroup v1";
        draft.refuse(&at("/cgroup/unified"), Refusal::LimitUnsupported { what });
    }
    let steps = &mut cgroups.after_clone;
    steps.push(scope.step(resources, None));
    let mut own = None;
    for hierarchy in facts.hierarchies.iter().filter(|h| !h.controllers.is_empty()) {
        let start = cgroups::seen_from(&hierarchy.root, cgroups::above_systemd(&hierarchy.init));
        let Some(start) = start.filter(|_| hierarchy.writable) else {
            let directory = hierarchy.mount_point.to_string();
            draft.refuse(&at("/cgroup/path"), Refusal::CgroupDenied { directory });
            continue;
        };
        let parts = scope.parts.iter().map(String::as_str);
        let found = Directories::new(&hierarchy.mount_point, start, parts);
        cgroups::make(steps, &found, true);
        cgroups::limit_v1(steps, &found, hierarchy, &settings);
        let named = hierarchy.controllers.iter().map(|name| (name.clone(), found.own().clone()));
        cgroups.own.v1.extend(named);
        let place = CgroupOp::Place { file: found.own().child("cgroup.procs") };
        steps.push(step(Op::Cgroup(place), &at("/cgroup")));
        if hierarchy.controllers.contains("freezer") || own.is_none() {
            own = Some(found.own().clone());
        }
    }
    own
}

/// What is asked for, if systemd can be asked.
fn scope<'a>(draft: &mut Draft<'a>, slice: Option<&str>, name: &str) -> Option<Scope<'a>> {
    let origin = at("/cgroup/driver");
    let unit = format!("{name}.scope");
    if !is_unit_name(&unit) {
        let expected = "a scope of letters, digits and `:-_.\\@`, 255 bytes at most";
        draft.refuse(&origin, Refusal::LimitInvalid { expected });
        return None;
    }
    let is_running = draft.facts.cgroup.as_ref().is_some_and(|tree| tree.systemd);
    let Some(manager) = &draft.facts.systemd else {
        draft.refuse(&origin, Refusal::SystemdMissing { is_running });
        return None;
    };
    let default = if draft.facts.caller.uid == 0 { "system.slice" } else { "user.slice" };
    let slice = slice.filter(|slice| !slice.is_empty()).unwrap_or(default);
    let Some(mut parts) = slices(slice) else {
        let expected = "a slice like `system.slice` or `machine-web.slice`";
        draft.refuse(&origin, Refusal::LimitInvalid { expected });
        return None;
    };
    parts.push(unit.clone());
    Some(Scope { manager, unit, slice: slice.to_string(), parts })
}

fn is_unit_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    text.len() <= 255 && text.len() > ".scope".len() && text.bytes().all(is_plain)
}

/// `a-b.slice` is in `a.slice`; `-.slice` is the root of all.
fn slices(slice: &str) -> Option<Vec<String>> {
    let name = slice.strip_suffix(".slice")?;
    if name == "-" {
        return Some(Vec::new());
    }
    if !is_unit_name(slice) || name.split('-').any(str::is_empty) {
        return None;
    }
    let ends = name.match_indices('-').map(|(end, _)| end).chain([name.len()]);
    Some(ends.filter_map(|end| name.get(..end)).map(|name| format!("{name}.slice")).collect())
}

impl Scope<'_> {
    /// The step that asks for it. `directory` is where it is on v2.
    fn step(&self, resources: &Resources, directory: Option<HostPath>) -> Step {
        let version = self.manager.version;
        let is_v2 = directory.is_some();
        let mut properties = Properties { list: Vec::new(), version };
        let text = |text: &str| PropertyValue::Text(text.to_string());
        properties.add(0, "Description", text(&format!("nsplan container {}", self.unit)));
        properties.add(0, "Slice", text(&self.slice));
        properties.add(0, "PIDs", PropertyValue::InitPid);
        // So that at shutdown it is not ended before what it may need; older ones refuse it for scopes.
        properties.add(218, "DefaultDependencies", PropertyValue::Bool(false));
        properties.add(218, "Delegate", PropertyValue::Bool(true));
        let io = if is_v2 { "IOAccounting" } else { "BlockIOAccounting" };
        for name in ["MemoryAccounting", "CPUAccounting", io] {
            properties.add(0, name, PropertyValue::Bool(true));
        }
        properties.add(227, "TasksAccounting", PropertyValue::Bool(true));
        properties.limits(resources, is_v2);
        let (bus, unit) = (self.manager.bus.clone(), self.unit.clone());
        let stop = CgroupOp::StopScope { bus: bus.clone(), unit: unit.clone() };
        let start = CgroupOp::StartScope { bus, unit, properties: properties.list, directory };
        let undo = Undo::by(Op::Cgroup(stop));
        step_undone(Op::Cgroup(start), &at("/cgroup/driver"), undo)
    }

    /// Controllers that the manager has none of to give: a user's gets only some.
    fn check(&self, draft: &mut Draft<'_>, settings: &[Setting], mount_point: &HostPath) {
        if self.manager.cgroup.trim_start_matches('/').is_empty() {
            return;
        }
        for setting in settings {
            let controller = setting.controller.to_string();
            if !self.manager.controllers.contains(&controller) {
                let directory = format!("{mount_point}{}", self.manager.cgroup);
                let refusal = Refusal::ControllerNotDelegated { controller, directory };
                draft.refuse(&setting.origin, refusal);
            }
        }
    }
}

/// The limits among a scope's properties, as a version of systemd knows them.
pub(super) fn limit_properties(
    resources: &Resources,
    is_v2: bool,
    version: u32,
) -> Vec<UnitProperty> {
    let mut properties = Properties { list: Vec::new(), version };
    properties.limits(resources, is_v2);
    properties.list
}

struct Properties {
    list: Vec<UnitProperty>,
    version: u32,
}

impl Properties {
    /// Adds what this version of systemd knows.
    fn add(&mut self, since: u32, name: &str, value: PropertyValue) {
        if self.version >= since {
            self.list.push(UnitProperty { name: name.to_string(), value });
        }
    }

    fn number(&mut self, since: u32, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.add(since, name, PropertyValue::Number(value));
        }
    }

    fn limits(&mut self, resources: &Resources, is_v2: bool) {
        let memory = &resources.memory;
        let shares = resources.cpu.shares;
        let weight = resources.block_io.weight;
        if is_v2 {
            self.number(231, "MemoryMax", memory.limit.map(number));
            self.number(231, "MemoryLow", memory.reservation.map(number));
            let swap = match (memory.swap, memory.limit) {
                (Some(Limit::At(both)), Some(Limit::At(limit))) => Some(both.saturating_sub(limit)),
                (swap, _) => swap.map(|_| u64::MAX),
            };
            self.number(232, "MemorySwapMax", swap);
            self.number(232, "CPUWeight", shares.map(weight_of_shares));
            self.number(230, "IOWeight", weight.map(|weight| io_weight(weight).into()));
            let lists =
                [("AllowedCPUs", &resources.cpu.cpus), ("AllowedMemoryNodes", &resources.cpu.mems)];
            for (name, list) in lists {
                if let Some(bits) = list.as_deref().and_then(bits) {
                    self.add(244, name, PropertyValue::Bytes(bits));
                }
            }
        } else {
            self.number(0, "MemoryLimit", memory.limit.map(number));
            self.number(0, "CPUShares", shares);
            self.number(0, "BlockIOWeight", weight.map(u64::from));
        }
        self.number(227, "TasksMax", resources.pids.map(number));
        let period = resources.cpu.period.unwrap_or(100_000);
        let quota = resources.cpu.quota.map(|quota| per_second(quota, period));
        self.number(213, "CPUQuotaPerSecUSec", quota);
        self.number(242, "CPUQuotaPeriodUSec", resources.cpu.period);
    }
}

/// systemd's word for no limit is the largest number.
fn number(limit: Limit) -> u64 {
    match limit {
        Limit::Unlimited => u64::MAX,
        Limit::At(value) => value,
    }
}

/// Microseconds of CPU time a second, up to a whole hundredth: systemd keeps no finer ones.
fn per_second(quota: i64, period: u64) -> u64 {
    match u64::try_from(quota) {
        Ok(quota) if quota > 0 && period > 0 => {
            let exact = u128::from(quota) * 1_000_000 / u128::from(period);
            u64::try_from(exact.next_multiple_of(10_000)).unwrap_or(u64::MAX)
        }
        _ => u64::MAX,
    }
}

/// `0-2,8` as a set of bits, the lowest first. A list that reaches further than any machine is left to the kernel.
fn bits(list: &str) -> Option<Vec<u8>> {
    const MOST: usize = 8192;
    let mut bits: Vec<u8> = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if last >= MOST {
            return None;
        }
        for bit in first..=last {
            if bits.len() <= bit / 8 {
                bits.resize(bit / 8 + 1, 0);
            }
            *bits.get_mut(bit / 8)? |= 1 << (bit % 8);
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_in_those_that_its_name_begins_with() {
        let parts = |text| slices(text).map(|parts| parts.join("/"));
        assert_eq!(parts("system.slice").as_deref(), Some("system.slice"));
        assert_eq!(parts("a-b-c.slice").as_deref(), Some("a.slice/a-b.slice/a-b-c.slice"));
        assert_eq!(parts("-.slice").as_deref(), Some(""));
        for wrong in
            ["", "a", ".slice", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "..slice/"]
        {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quotas_are_hundredths_of_a_second() {
        assert_eq!(per_second(50_000, 100_000), 500_000);
        assert_eq!(per_second(5000, 7000), 720_000);
        assert_eq!([per_second(-1, 100_000), per_second(i64::MAX, 1)], [u64::MAX; 2]);
    }

    #[test]
    fn a_list_of_processors_becomes_bits() {
        assert_eq!(bits("0-2,8").as_deref(), Some(&[0b111, 1][..]));
        assert_eq!(bits("15").as_deref(), Some(&[0, 128][..]));
        assert_eq!(["", "x", "0-99999999", "1,", "-1"].map(bits), [const { None }; 5]);
    }
}
