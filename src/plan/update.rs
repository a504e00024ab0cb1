//! New limits for a running container become writes to its cgroups, in the order in which the kernel takes them.
//!
//! Pure as the planner is: what the cgroup's files hold now is given, like everything else, so that every write has the one
//! that takes it back. What is wanted is the record's limits with the new ones over them, since some files hold several
//! limits and some limits mean something only beside others.

mod inverse;
mod order;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cgroups::{Setting, split};
use super::draft::{Draft, at};
use super::error::{Note, PlanError, Refusal};
use super::op::{PropertyValue, UnitProperty};
use super::record::Record;
use super::{cgroup_checks, cgroup_systemd, cgroup_v1, cgroup_v2};
use crate::config::{Config, Limit, Resources};
use crate::facts::{HostFacts, Needs};
use crate::types::{HostPath, Pointer};

/// What the files of a container's cgroups hold: text without the newline, or `None` where there is no such file.
pub type CgroupValues = BTreeMap<HostPath, Option<String>>;

/// What changing the limits of a running container does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    /// Steps in order.
    pub steps: Vec<UpdateStep>,
    /// What this host does differently.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// What the record says from then on.
    pub resources: Resources,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateStep {
    /// What is done.
    #[serde(rename = "do")]
    pub op: UpdateOp,
    /// The limit that asked for it.
    #[serde(rename = "for")]
    pub origin: Pointer,
    /// What takes it back when a later step fails; absent where it may stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UpdateOp>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum UpdateOp {
    /// Writes `+controller…` to `cgroup.subtree_control` of a v2 directory, for those that are not on.
    EnableControllers {
        /// The directory whose children get them.
        directory: HostPath,
        /// Which.
        controllers: Vec<String>,
    },
    /// One `write(2)` of `value` to `file`.
    Write {
        /// The file.
        file: HostPath,
        /// What is written.
        value: String,
    },
    /// Tells systemd over D-Bus (`SetUnitProperties`, until the next boot), which otherwise writes its own values again.
    SetProperties {
        /// Socket of the bus.
        bus: HostPath,
        /// Name of the unit.
        unit: String,
        /// The properties.
        properties: Vec<UnitProperty>,
    },
}

impl fmt::Display for UpdateOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnableControllers { directory, controllers } => {
                write!(f, "enable {} below {directory}", controllers.join(" "))
            }
            Self::Write { file, value } => write!(f, "write {value:?} to {file}"),
            Self::SetProperties { unit, properties, .. } => {
                let names: Vec<_> = properties.iter().map(|it| it.name.as_str()).collect();
                write!(f, "set {} of {unit}", names.join(" "))
            }
        }
    }
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for UpdateStep { op, origin, undo } in &self.steps {
            write!(f, "{op}  # {origin}")?;
            match undo {
                Some(undo) => writeln!(f, "; undo: {undo}")?,
                None => writeln!(f)?,
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {}: {}", note.origin, note.text))
    }
}

/// Which facts a change of limits will look at.
#[must_use]
pub fn update_needs(record: &Record) -> Needs {
    Needs { cgroup: true, systemd: record.planned.scope.is_some(), ..Needs::default() }
}

/// Which files of the container's cgroups a change of limits will look at.
#[must_use]
pub fn update_files(changes: &Resources, record: &Record, facts: &HostFacts) -> Vec<HostPath> {
    let config = config_of(record);
    let mut draft = Draft::new(&config, facts);
    let resources = record.planned.resources.overlaid(changes);
    let mut files: Vec<HostPath> = Vec::new();
    for target in targets(&mut draft, record, &resources) {
        files.push(target.file());
        // What it is compared with.
        files.extend(order::BESIDE.iter().map(|name| target.directory.child(name)));
    }
    files.sort();
    files.dedup();
    files
}

/// Plans the change of a running container's limits to what `changes` says; what it does not say stays.
///
/// # Errors
/// Everything that stands against it, with the place in the resources.
pub fn update(
    changes: &Resources,
    record: &Record,
    facts: &HostFacts,
    values: &CgroupValues,
) -> Result<Update, Vec<PlanError>> {
    let config = config_of(record);
    let mut draft = Draft::new(&config, facts);
    let before = &record.planned.resources;
    let resources = before.overlaid(changes);
    check(&mut draft, changes, record, values);
    cgroup_checks::values(&mut draft, &resources);
    let asked = Asked::of(changes);
    // The old ones are not asked for, so that nothing stands against them.
    let known = targets(&mut Draft::new(&config, facts), record, before);
    let mut wanted = targets(&mut draft, record, &resources);
    wanted.retain(|target| asked.covers(&target.setting.origin) || !known.contains(target));
    draft.notes.retain(|note| asked.covers(&note.origin));
    order::order(&mut wanted, values);
    let mut steps: Vec<UpdateStep> = properties(&draft, record, &resources).into_iter().collect();
    steps.extend(controllers(&mut draft, &wanted, values));
    let enabled: Vec<String> =
        steps.iter().flat_map(|step| step.op.controllers()).cloned().collect();
    for target in wanted {
        let file = target.file();
        let found = values.get(&file).and_then(Option::as_deref);
        let is_made = enabled.iter().any(|name| name == target.setting.controller);
        if found.is_none() && !is_made {
            let what = "this limit: the cgroup has no such file on this kernel";
            draft.refuse(&target.setting.origin, Refusal::LimitUnsupported { what });
        }
        let Setting { file: name, value, origin, .. } = target.setting;
        let undo = inverse::of(&name, &value, found)
            .map(|value| UpdateOp::Write { file: file.clone(), value });
        steps.push(UpdateStep { op: UpdateOp::Write { file, value }, origin, undo });
    }
    if draft.errors.is_empty() {
        Ok(Update { steps, notes: draft.notes, resources })
    } else {
        Err(draft.errors)
    }
}

impl UpdateOp {
    fn controllers(&self) -> &[String] {
        match self {
            Self::EnableControllers { controllers, .. } => controllers,
            _ => &[],
        }
    }
}

/// One value for one file of one directory.
#[derive(PartialEq)]
struct Target {
    directory: HostPath,
    setting: Setting,
    is_v2: bool,
}

impl Target {
    fn file(&self) -> HostPath {
        self.directory.child(&self.setting.file)
    }
}

/// What the rooms of the planner look at: a config with nothing but the record's root.
fn config_of(record: &Record) -> Config {
    Config::on(record.planned.rootfs.clone())
}

fn check(draft: &mut Draft<'_>, changes: &Resources, record: &Record, values: &CgroupValues) {
    if record.planned.cgroups.is_empty() {
        let reason = "the container has no cgroup of its own that could be limited";
        draft.refuse(&at("/cgroup"), Refusal::Contradiction { reason });
    }
    // Engines send the devices along with the rest; who may use which was decided at the start.
    if changes.devices.is_some() && changes.devices != record.planned.resources.devices {
        let what = "another device policy for a container that runs";
        draft.refuse(&at("/cgroup/devices"), Refusal::NotSupported { what });
    }
    let used = |name: &str| {
        let mut files = values.iter().filter(|(path, _)| path.as_str().ends_with(name));
        files.find_map(|(_, text)| text.as_ref()?.trim().parse::<u64>().ok())
    };
    if let (true, Some(Limit::At(limit))) =
        (changes.memory.check_before_update, changes.memory.limit)
        && let Some(used) = used("/memory.current").max(used("/memory.usage_in_bytes"))
        && used > limit
    {
        let expected = "a memory limit that is not exceeded already, as checkBeforeUpdate wants it";
        draft.refuse(&at("/cgroup/memory/limit"), Refusal::LimitInvalid { expected });
    }
}

/// Every value that the resources come to, and where it is written.
fn targets(draft: &mut Draft<'_>, record: &Record, resources: &Resources) -> Vec<Target> {
    let cgroups = &record.planned.cgroups;
    let unified = draft.facts.cgroup.as_ref().and_then(|tree| tree.unified.as_ref());
    let has_bfq = unified.is_some_and(|unified| unified.bfq);
    // Device rules are not written again.
    let resources = Resources { devices: None, ..resources.clone() };
    let is_on_v2 = |controller: &str| {
        let v1_name = if controller == "io" { "blkio" } else { controller };
        !cgroups.v1.contains_key(v1_name) && cgroups.v2.is_some()
    };
    let (v1, v2) = match cgroups.v1.is_empty() {
        true => (Resources::default(), resources),
        false => split(&resources, is_on_v2),
    };
    let mut targets = Vec::new();
    for setting in cgroup_v1::settings(draft, &v1) {
        match cgroups.v1.get(setting.controller) {
            Some(directory) => {
                targets.push(Target { directory: directory.clone(), setting, is_v2: false });
            }
            None => {
                let controller = setting.controller;
                draft.refuse(&setting.origin, Refusal::ControllerMissing { controller });
            }
        }
    }
    for setting in cgroup_v2::settings(draft, &v2, has_bfq) {
        match &cgroups.v2 {
            Some(directory) => {
                targets.push(Target { directory: directory.clone(), setting, is_v2: true });
            }
            None => {
                let controller = setting.controller;
                draft.refuse(&setting.origin, Refusal::ControllerMissing { controller });
            }
        }
    }
    targets
}

/// A v2 cgroup has the files of a controller only if all above it hand it down: those that no limit needed so far are
/// switched on from the top, which changes nothing for what is there.
fn controllers(draft: &mut Draft<'_>, wanted: &[Target], values: &CgroupValues) -> Vec<UpdateStep> {
    let unified = draft.facts.cgroup.as_ref().and_then(|tree| tree.unified.as_ref());
    let own = wanted.iter().find(|target| target.is_v2).map(|target| &target.directory);
    let (Some(unified), Some(own)) = (unified, own) else { return Vec::new() };
    let held = values.get(&own.child("cgroup.controllers")).and_then(Option::as_deref);
    let held: Vec<&str> = held.unwrap_or_default().split_whitespace().collect();
    let mut missing: Vec<String> = Vec::new();
    let mut origin = at("/cgroup");
    for target in wanted.iter().filter(|target| target.is_v2) {
        let controller = target.setting.controller;
        let is_new = !missing.iter().any(|name| name == controller);
        if held.contains(&controller) || !is_new {
            continue;
        }
        if unified.controllers.contains(controller) {
            missing.push(controller.to_string());
            origin = target.setting.origin.clone();
        } else {
            draft.refuse(&target.setting.origin, Refusal::ControllerMissing { controller });
        }
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let enable = |directory: HostPath| UpdateStep {
        op: UpdateOp::EnableControllers { directory, controllers: missing.clone() },
        origin: origin.clone(),
        undo: None,
    };
    above(&unified.mount_point, own).into_iter().map(enable).collect()
}

/// The directories from the mount point down to the one that holds `own`.
fn above(mount_point: &HostPath, own: &HostPath) -> Vec<HostPath> {
    let below = own.as_str().strip_prefix(mount_point.as_str()).unwrap_or_default();
    let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    let mut here = mount_point.clone();
    for part in parts {
        found.push(here.clone());
        here = here.child(part);
    }
    found
}

/// What systemd is told, where it made the cgroup.
fn properties(draft: &Draft<'_>, record: &Record, resources: &Resources) -> Option<UpdateStep> {
    let scope = record.planned.scope.as_ref()?;
    let manager = draft.facts.systemd.as_ref()?;
    let is_v2 = record.planned.cgroups.v1.is_empty();
    let of = |resources| cgroup_systemd::limit_properties(resources, is_v2, manager.version);
    let (before, mut properties) = (of(&record.planned.resources), of(resources));
    properties.retain(|property| !before.contains(property));
    if properties.is_empty() {
        return None;
    }
    let old = |property: &UnitProperty| {
        let found = before.iter().find(|old| old.name == property.name);
        found.cloned().unwrap_or_else(|| unset(property))
    };
    let set = |properties| UpdateOp::SetProperties {
        bus: scope.bus.clone(),
        unit: scope.unit.clone(),
        properties,
    };
    let undo = Some(set(properties.iter().map(old).collect()));
    Some(UpdateStep { op: set(properties), origin: at("/cgroup/driver"), undo })
}

/// systemd's word for a limit that is none.
fn unset(property: &UnitProperty) -> UnitProperty {
    let value = match &property.value {
        PropertyValue::Bytes(_) => PropertyValue::Bytes(Vec::new()),
        _ => PropertyValue::Number(u64::MAX),
    };
    UnitProperty { name: property.name.clone(), value }
}

/// The places in the resources that a change speaks about.
struct Asked(Vec<String>);

impl Asked {
    fn of(changes: &Resources) -> Self {
        let mut places = Vec::new();
        // Resources hold no map with keys that are not strings: serialising cannot fail.
        let value = serde_json::to_value(changes).unwrap_or_default();
        collect(&value, &at("/cgroup"), &mut places);
        Self(places)
    }

    /// Whether the place is one of them, or in one, or holds one.
    fn covers(&self, place: &Pointer) -> bool {
        let place = format!("{place}/");
        self.0.iter().any(|asked| place.starts_with(asked.as_str()) || asked.starts_with(&place))
    }
}

/// The leaves, each with a slash behind it; a list is one.
fn collect(value: &Value, here: &Pointer, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| collect(value, &here.key(key), places));
        }
        _ => places.push(format!("{here}/")),
    }
}
