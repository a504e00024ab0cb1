//! Turns the spec's rarer parts into the model: hooks, personality, Intel RDT, memory policy.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::door::Door;
use super::fields::Fields;
use super::process::{env, is_list};
use crate::config::error::{Expected, Problem};
use crate::config::json::Node;
use crate::config::{Config, Hook, Hooks, IntelRdt, MemoryPolicy};
use crate::types::{MemoryPolicyFlag, MemoryPolicyMode, PersonalityDomain, Pointer};

pub(super) fn hooks(door: &mut Door<'_>, top: &mut Fields<'_>, hooks: &mut Hooks) {
    let Some(mut fields) = top.fields(door, "hooks") else { return };
    let lists = [
        &mut hooks.prestart,
        &mut hooks.create_runtime,
        &mut hooks.create_container,
        &mut hooks.start_container,
        &mut hooks.poststart,
        &mut hooks.poststop,
    ];
    for (key, list) in HOOKS.into_iter().zip(lists) {
        for node in fields.items(door, key) {
            let here = format!("/hooks/{key}/{}", list.len());
            list.extend(hook(door, node, &here));
        }
    }
    fields.finish(door);
}

/// The kinds of hooks, in the order of their moments.
pub(super) const HOOKS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

fn hook<'a>(door: &mut Door<'_>, node: &'a Node<'a>, here: &str) -> Option<Hook> {
    door.note(Pointer::new(here), node);
    let mut fields = door.fields(node)?;
    let path = fields.required_text(door, "path");
    let path = path.and_then(|(text, node)| door.host_path(text, node));
    let args = fields.texts(door, "args").into_iter().map(|(text, _)| text.to_owned()).collect();
    let env = env(door, &mut fields, &format!("{here}/env"));
    let timeout = fields.number(door, "timeout", (1, u32::MAX.into()));
    fields.finish(door);
    Some(Hook { path: path?.as_str().to_owned(), args, env, timeout })
}

pub(super) fn personality(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    let Some(mut fields) = fields.fields(door, "personality") else { return };
    door.note(Pointer::new("/personality"), fields.node);
    let domain = fields.required(door, "domain");
    let of = PersonalityDomain::from_name;
    config.personality = domain.and_then(|node| door.word(node, of, Expected::Personality));
    // The spec knows none so far, and what a later one says cannot be left out unnoticed.
    for (_, node) in fields.texts(door, "flags") {
        door.refuse(node, Problem::NoEquivalent);
    }
    fields.finish(door);
}

pub(super) fn intel_rdt(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    let Some(mut fields) = fields.fields(door, "intelRdt") else { return };
    door.note(Pointer::new("/intelRdt"), fields.node);
    let owned = |(text, _): (&str, &Node<'_>)| text.to_owned();
    let clos_id = fields.text(door, "closID");
    if let Some((_, node)) = clos_id.filter(|(text, _)| is_no_directory(text)) {
        door.invalid(node, Expected::ClosId);
    }
    let bandwidth = fields.text(door, "memBwSchema");
    if let Some((_, node)) =
        bandwidth.filter(|(text, _)| !text.starts_with("MB:") || text.contains('\n'))
    {
        door.invalid(node, Expected::BandwidthSchema);
    }
    config.intel_rdt = Some(IntelRdt {
        clos_id: clos_id.map(owned),
        group: None,
        schemata: fields.texts(door, "schemata").into_iter().map(owned).collect(),
        l3_cache_schema: fields.text(door, "l3CacheSchema").map(owned),
        mem_bw_schema: bandwidth.map(owned),
        enable_monitoring: fields.flag(door, "enableMonitoring").unwrap_or_default(),
    });
    // Of 1.1 and 1.2: monitoring groups by kind, which 1.3 replaced by one switch.
    for key in ["enableCMT", "enableMBM"] {
        if let Some(member) = fields.member(key) {
            let asks = fields.flag(door, key).unwrap_or_default();
            if asks {
                door.refuse_at(member.place, Problem::NoEquivalent);
            }
        }
    }
    fields.finish(door);
}

/// A group is a directory of the resctrl file system; one by the name of its own directories would not be one.
fn is_no_directory(text: &str) -> bool {
    text.contains('/') || matches!(text, "." | ".." | "info" | "mon_data" | "mon_groups")
}

pub(super) fn memory_policy(door: &mut Door<'_>, fields: &mut Fields<'_>, config: &mut Config) {
    let Some(mut fields) = fields.fields(door, "memoryPolicy") else { return };
    door.note(Pointer::new("/memoryPolicy"), fields.node);
    let mode = fields.required(door, "mode");
    let of = MemoryPolicyMode::from_name;
    let mode = mode.and_then(|node| door.word(node, of, Expected::MemoryPolicyMode));
    let nodes = fields.text(door, "nodes");
    if let Some((_, node)) = nodes.filter(|(text, _)| !is_list(text)) {
        door.invalid(node, Expected::NodeList);
    }
    let nodes = nodes.map_or_else(String::new, |(text, _)| text.to_owned());
    let of = MemoryPolicyFlag::from_name;
    let items = fields.items(door, "flags");
    let flag = |node| door.word(node, of, Expected::MemoryPolicyFlag);
    let flags: Vec<_> = items.iter().filter_map(flag).collect();
    fields.finish(door);
    config.memory_policy = mode.map(|mode| MemoryPolicy { mode, nodes, flags });
}
