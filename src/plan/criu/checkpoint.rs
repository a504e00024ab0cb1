//! A record and what `/proc` says of a container become the call that writes it down.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{CriuCall, CriuOptions, CriuOutside, CriuRefusal, OutsideMount};
use crate::config::NamespaceSource;
use crate::facts::{MountFact, parse_mountinfo};
use crate::plan::Record;
use crate::types::NamespaceKind;

/// What is asked of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What either half is asked.
    pub options: CriuOptions,
    /// Earlier images of it, relative to these.
    pub parent: Option<String>,
    /// Memory only: the container goes on, and the checkpoint that follows takes less time.
    pub pre_dump: bool,
    /// The container goes on afterwards.
    pub leave_running: bool,
}

/// What `/proc` says of a container's first process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CriuView {
    /// Its `mountinfo`.
    pub mountinfo: String,
    /// That of the launcher.
    pub own_mountinfo: String,
    /// Its standard descriptors, as far as they are open.
    pub descriptors: Vec<OpenFile>,
    /// Inode numbers of its namespaces.
    pub namespaces: BTreeMap<NamespaceKind, u64>,
}

/// An open descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// Its number.
    pub number: u8,
    /// Where its link leads: a path, `pipe:[N]`, `socket:[N]`.
    pub target: String,
    /// The mount it was opened through.
    pub mount: u32,
    /// The inode.
    pub inode: u64,
}

/// Plans a checkpoint: the call, and what has to be known when it is restored.
///
/// # Errors
/// When criu could not write it down, or nobody could restore it.
pub fn checkpoint(
    record: &Record,
    asked: &Checkpoint,
    view: &CriuView,
) -> Result<(CriuCall, CriuOutside), CriuRefusal> {
    let planned = &record.planned;
    if planned.namespaces.get(&NamespaceKind::Pid) != Some(&NamespaceSource::Create) {
        return Err(CriuRefusal::NoPidNamespace);
    }
    if planned.process.terminal {
        return Err(CriuRefusal::Terminal);
    }
    let mounts = mounts(view)?;
    let inner: BTreeSet<u32> = mounts.iter().map(|mount| mount.fact.id).collect();
    let mut outside = CriuOutside {
        schema: CriuOutside::SCHEMA,
        mounts: outside_mounts(&mounts, &devices(&view.own_mountinfo)),
        ..CriuOutside::default()
    };
    let mut arguments = asked.arguments(record);
    for mount in &outside.mounts {
        let at = &mount.destination;
        arguments.extend(["--external".to_string(), format!("mnt[{at}]:{at}")]);
    }
    for (kind, source) in &planned.namespaces {
        if matches!(source, NamespaceSource::Create) {
            continue;
        }
        let inode = view.namespaces.get(kind).filter(|_| *kind == NamespaceKind::Net);
        let inode = inode.ok_or(CriuRefusal::Joined { kind: *kind })?;
        arguments.extend(["--external".to_string(), format!("net[{inode}]:{NETWORK}")]);
        outside.namespaces.insert(*kind, NETWORK.to_string());
    }
    for file in &view.descriptors {
        let Some(place) = outside.descriptors.get_mut(usize::from(file.number)) else { continue };
        *place = key(file, &inner);
        if place.starts_with("file[") {
            arguments.extend(["--external".to_string(), place.clone()]);
        }
    }
    let log = asked.options.logs().child(LOG);
    Ok((CriuCall { arguments, log }, outside))
}

impl Checkpoint {
    /// What does not depend on the container's outside.
    fn arguments(&self, record: &Record) -> Vec<String> {
        let verb = if self.pre_dump { "pre-dump" } else { "dump" };
        let mut words = self.options.arguments(verb, LOG);
        words.push(format!("--tree={}", record.pid));
        words.push(format!("--root={}", record.planned.rootfs));
        words.extend(self.leave_running.then(|| "--leave-running".to_string()));
        if self.pre_dump || self.parent.is_some() {
            words.push("--track-mem".to_string());
        }
        words.extend(self.parent.iter().map(|parent| format!("--prev-images-dir={parent}")));
        words
    }
}

const LOG: &str = "dump.log";

/// The name of the container's network for criu, where it is somebody else's.
const NETWORK: &str = "nsplan-network";

/// What criu calls a descriptor that came from outside. Of a file of the container's own it knows the path.
fn key(file: &OpenFile, inner: &BTreeSet<u32>) -> String {
    for kind in ["pipe", "socket"] {
        let number = file.target.strip_prefix(kind).and_then(|rest| rest.strip_prefix(":["));
        if let Some(number) = number.and_then(|rest| rest.strip_suffix(']')) {
            return format!("{kind}:[{number}]");
        }
    }
    match inner.contains(&file.mount) {
        true => String::new(),
        // Numbers in hexadecimal, as criu reads them.
        false => format!("file[{:x}:{:x}]", file.mount, file.inode),
    }
}

/// A mount, and the number of its file system.
struct SeenMount<'a> {
    fact: MountFact,
    device: &'a str,
}

fn mounts(view: &CriuView) -> Result<Vec<SeenMount<'_>>, CriuRefusal> {
    let facts = parse_mountinfo(&view.mountinfo)
        .map_err(|error| CriuRefusal::Text { problem: error.to_string() })?;
    let lines = view.mountinfo.split('\n').filter(|line| !line.is_empty());
    let seen = facts.into_iter().zip(lines);
    Ok(seen.map(|(fact, line)| SeenMount { fact, device: device(line) }).collect())
}

fn devices(mountinfo: &str) -> BTreeSet<&str> {
    mountinfo.split('\n').map(device).collect()
}

/// `major:minor`, the third field.
fn device(line: &str) -> &str {
    line.split(' ').nth(2).unwrap_or_default()
}

/// Those that criu cannot make anew, or must not: what they hold is the host's.
fn outside_mounts(mounts: &[SeenMount<'_>], of_host: &BTreeSet<&str>) -> Vec<OutsideMount> {
    let root = mounts.iter().find(|mount| mount.fact.mount_point == "/");
    let is_below_root = |mount: &SeenMount<'_>| {
        root.is_some_and(|root| {
            let above = root.fact.root.trim_end_matches('/');
            root.device == mount.device
                && mount.fact.root.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let has_v1 = mounts.iter().any(|mount| mount.fact.fstype == "cgroup");
    let is_outside = |mount: &SeenMount<'_>| match mount.fact.fstype.as_str() {
        _ if mount.fact.mount_point == "/" => false,
        // Views of the container's namespaces.
        "proc" | "sysfs" | "devpts" | "mqueue" | "binfmt_misc" => false,
        "cgroup" => true,
        // criu makes the one tree anew, but none within a tmpfs of those of v1.
        "cgroup2" => has_v1,
        "tmpfs" => of_host.contains(mount.device),
        _ => !is_below_root(mount),
    };
    let made = mounts.iter().filter(|mount| is_outside(mount)).map(|mount| OutsideMount {
        destination: mount.fact.mount_point.clone(),
        hierarchy: mount.fact.fstype.starts_with("cgroup").then(|| hierarchy(&mount.fact)),
    });
    made.collect()
}

/// What tells a hierarchy: the options of its superblock that name controllers.
fn hierarchy(mount: &MountFact) -> String {
    if mount.fstype == "cgroup2" {
        return String::new();
    }
    const FLAGS: [&str; 6] = ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"];
    let words = mount.super_options.split(',');
    let words = words.filter(|word| !FLAGS.contains(word) && !word.starts_with("release_agent="));
    words.collect::<Vec<_>>().join(",")
}
