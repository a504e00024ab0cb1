//! What this version can do becomes the features document of an OCI runtime.
//!
//! Nothing is claimed: each word that the door knows is put into a small document, which is read and planned for a host
//! that has everything. What the door refuses, or the planner says that it does not carry out, is no feature.
//!
//! # References
//! OCI runtime-spec 1.3, `features.md` and `features-linux.md`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::error::Refusal;
use super::plan;
use crate::config::{CgroupPath, OCI_VERSION, OCI_VERSION_MIN, OciWords, PathComponent, from_oci};
use crate::facts::HostFacts;
use crate::types::HostPath;

/// The features document, spelled as the spec spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: Vec<String>,
    mount_options: Vec<String>,
    linux: LinuxFeatures,
    annotations: BTreeMap<String, String>,
    /// Annotations that change what a container may do: there is none that is looked at.
    potentially_unsafe_config_annotations: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LinuxFeatures {
    namespaces: Vec<String>,
    capabilities: Vec<String>,
    cgroup: CgroupFeatures,
    seccomp: SeccompFeatures,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: RdtFeatures,
    memory_policy: MemoryPolicyFeatures,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CgroupFeatures {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SeccompFeatures {
    enabled: bool,
    actions: Vec<String>,
    operators: Vec<String>,
    archs: Vec<String>,
    known_flags: Vec<String>,
    supported_flags: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct RdtFeatures {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct MemoryPolicyFeatures {
    modes: Vec<String>,
    flags: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

impl Features {
    /// Those of this version, whatever the host has.
    #[must_use]
    pub fn of_this_version() -> Self {
        let words = OciWords::known();
        Self {
            oci_version_min: OCI_VERSION_MIN,
            oci_version_max: OCI_VERSION,
            hooks: those(words.hooks, |hook| {
                document(&format!(r#""hooks": {{"{hook}": [{{"path": "/h"}}]}}"#))
            }),
            mount_options: those(words.mount_options, |option| {
                let mount = r#"{"destination": "/m", "type": "tmpfs", "source": "m""#;
                document(&format!(r#""mounts": [{mount}, "options": ["{option}"]}}]"#))
            }),
            linux: LinuxFeatures {
                namespaces: those(words.namespaces, |kind| {
                    linux(&format!(r#""namespaces": [{{"type": "{kind}"}}]"#))
                }),
                capabilities: those(words.capabilities, |name| {
                    process(&format!(r#""capabilities": {{"bounding": ["{name}"]}}"#))
                }),
                cgroup: CgroupFeatures {
                    v1: true,
                    v2: true,
                    systemd: true,
                    systemd_user: true,
                    rdma: is_planned(&linux(r#""resources": {"rdma": {"m": {"hcaObjects": 1}}}"#)),
                },
                seccomp: seccomp(words.seccomp_actions, words.seccomp_operators)
                    .with(words.seccomp_archs, words.seccomp_flags),
                apparmor: enabled(&process(r#""apparmorProfile": "p""#)),
                selinux: enabled(&process(r#""selinuxLabel": "l""#)),
                intel_rdt: RdtFeatures {
                    enabled: is_planned(&linux(r#""intelRdt": {"closID": "c"}"#)),
                    schemata: is_planned(&linux(r#""intelRdt": {"schemata": ["L3:0=f"]}"#)),
                    monitoring: is_planned(&linux(r#""intelRdt": {"enableMonitoring": true}"#)),
                },
                memory_policy: MemoryPolicyFeatures {
                    modes: those(words.memory_policy_modes, |mode| {
                        linux(&format!(r#""memoryPolicy": {{"mode": "{mode}"}}"#))
                    }),
                    flags: those(words.memory_policy_flags, |flag| {
                        let mode = r#""mode": "MPOL_BIND", "nodes": "0""#;
                        linux(&format!(r#""memoryPolicy": {{{mode}, "flags": ["{flag}"]}}"#))
                    }),
                },
                mount_extensions: MountExtensions { idmap: enabled(&id_mapped()) },
                net_devices: enabled(&linux(r#""netDevices": {"e": {}}"#)),
            },
            annotations: BTreeMap::new(),
            potentially_unsafe_config_annotations: Vec::new(),
        }
    }
}

fn seccomp(actions: Vec<String>, operators: Vec<String>) -> SeccompFeatures {
    let rule = |more: &str| {
        let rule = format!(r#"{{"names": ["kill"], {more}}}"#);
        filter(&format!(r#""defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]"#))
    };
    let actions = those(actions, |action| rule(&format!(r#""action": "{action}""#)));
    let operators = those(operators, |op| {
        let arg = format!(r#"{{"index": 0, "value": 1, "op": "{op}"}}"#);
        rule(&format!(r#""action": "SCMP_ACT_LOG", "args": [{arg}]"#))
    });
    SeccompFeatures {
        enabled: !actions.is_empty(),
        actions,
        operators,
        archs: Vec::new(),
        known_flags: Vec::new(),
        supported_flags: Vec::new(),
    }
}

impl SeccompFeatures {
    fn with(mut self, archs: Vec<String>, flags: Vec<String>) -> Self {
        let whole = r#""defaultAction": "SCMP_ACT_ALLOW""#;
        self.archs =
            those(archs, |arch| filter(&format!(r#"{whole}, "architectures": ["{arch}"]"#)));
        self.known_flags = flags.clone();
        self.supported_flags =
            those(flags, |flag| filter(&format!(r#"{whole}, "flags": ["{flag}"]"#)));
        self
    }
}

fn filter(members: &str) -> String {
    let listener = r#""listenerPath": "/l""#;
    let rest = if members.contains("NOTIFY") { format!(", {listener}") } else { String::new() };
    linux(&format!(r#""seccomp": {{{members}{rest}}}"#))
}

fn id_mapped() -> String {
    let map = r#"[{"containerID": 0, "hostID": 1000, "size": 1}]"#;
    let source = r#""destination": "/m", "source": "/s", "options": ["bind"]"#;
    document(&format!(r#""mounts": [{{{source}, "uidMappings": {map}, "gidMappings": {map}}}]"#))
}

/// A whole document with these members of `linux`.
fn linux(members: &str) -> String {
    let namespaces = r#""namespaces": [{"type": "mount"}, {"type": "network"}]"#;
    let rest = if members.contains("namespaces") { "" } else { namespaces };
    let comma = if rest.is_empty() || members.is_empty() { "" } else { ", " };
    format!(r#"{{{WHOLE}, "linux": {{{members}{comma}{rest}}}}}"#)
}

/// A whole document with these members beside those that it needs.
fn document(members: &str) -> String {
    format!(r#"{{{members}, {}"#, &linux("")[1..])
}

const WHOLE: &str = r#""ociVersion": "1.0.0", "root": {"path": "/r"}"#;

fn process(members: &str) -> String {
    let user = r#""user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["p"]"#;
    document(&format!(r#""process": {{{user}, {members}}}"#))
}

fn enabled(document: &str) -> Enabled {
    Enabled { enabled: is_planned(document) }
}

/// The words whose document is planned.
fn those(words: Vec<String>, document: impl Fn(&str) -> String) -> Vec<String> {
    words.into_iter().filter(|word| is_planned(&document(word))).collect()
}

/// Whether the door takes the document and the planner has no part of it that it does not carry out. What it refuses for
/// another reason, an absent file or two things that contradict each other, it has understood.
fn is_planned(document: &str) -> bool {
    let Ok(bundle) = HostPath::new("/b") else { return false };
    let Ok(mut parsed) = from_oci(document.as_bytes(), &bundle) else { return false };
    if let Ok(name) = PathComponent::new("features") {
        parsed.config.place_cgroup(CgroupPath {
            base: crate::config::CgroupBase::Root,
            parts: [name].into(),
        });
    }
    match plan(&parsed.config, &HostFacts::example()) {
        Ok(_) => true,
        Err(errors) => {
            !errors.iter().any(|error| matches!(error.refusal, Refusal::NotSupported { .. }))
        }
    }
}
