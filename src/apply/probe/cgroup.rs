//! The cgroup tree as the caller sees it becomes `CgroupFacts`.

use std::collections::BTreeSet;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, stat};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::{AccessFlags, access, read};

use super::ProbeError;
use super::read::Reader;
use crate::facts::{
    Caller, CgroupFacts, LEAF, Membership, MountFact, Needs, Unified, discover, parse_controllers,
    parse_proc_cgroup,
};
use crate::types::{Capability, HostPath, MountFlags};

/// The mount of the v2 tree on a host that has no other, where nearly all have it, whole: told by two calls. A mount table
/// has a line for every mount of every container that is seen from here.
///
/// The first inode of a hierarchy is its root, `__kernfs_new_node` in the kernel's `fs/kernfs/dir.c`; of a mount that shows a
/// part of it the table tells which. What a caller in a cgroup namespace of its own sees of either is for the table to say.
pub(super) fn only_tree(
    reader: &Reader,
    member: &[Membership],
) -> Result<Option<MountFact>, ProbeError> {
    const USUAL: &str = "/sys/fs/cgroup";
    // `PROC_CGROUP_INIT_INO`, the same on every kernel since 4.6.
    const INITIAL: &str = "cgroup:[4026531835]";
    let [Membership { id: 0, .. }] = member else { return Ok(None) };
    if reader.own_link("ns/cgroup")?.is_some_and(|namespace| namespace != INITIAL) {
        return Ok(None);
    }
    let is_v2 = statfs(USUAL).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    let is_whole = is_v2 && stat(USUAL).is_ok_and(|found| found.st_ino == 1);
    let mount = is_whole.then(|| MountFact {
        id: 0,
        parent: 0,
        root: "/".into(),
        mount_point: USUAL.into(),
        flags: MountFlags::empty(),
        shared: false,
        fstype: "cgroup2".into(),
        source: "cgroup2".into(),
        super_options: String::new(),
    });
    Ok(mount)
}

/// `member`: what the caller is in, by its own file.
pub(super) fn cgroup(
    reader: &mut Reader,
    mounts: &[MountFact],
    member: &[Membership],
    asking: &Caller,
    needs: &Needs,
) -> Result<CgroupFacts, ProbeError> {
    let mut init = None;
    if needs.cgroup_of_init {
        // With `hidepid` the first process is out of sight.
        let text = reader.file("/proc/1/cgroup")?;
        init = text.map(|text| parse_proc_cgroup(&text)).transpose()?;
    }
    let systemd = needs.systemd && access("/run/systemd/system", AccessFlags::F_OK).is_ok();
    let mut facts = discover(mounts, member, init.as_deref(), systemd);
    for hierarchy in &mut facts.hierarchies {
        let dir = hierarchy.directory(&hierarchy.caller);
        hierarchy.writable =
            dir.is_some_and(|dir| is_free(&dir, mounts, asking) || is_writable(&dir));
    }
    if let Some(unified) = &mut facts.unified {
        look_inside(reader, unified)?;
    }
    Ok(facts)
}

fn look_inside(reader: &mut Reader, unified: &mut Unified) -> Result<(), ProbeError> {
    unified.controllers = words(reader, &unified.mount_point, "cgroup.controllers")?;
    step_out_of_leaf(unified);
    let Some(dir) = unified.directory(&unified.caller) else {
        return Ok(());
    };
    unified.writable = is_writable(&dir);
    unified.delegated = unified.writable && may_write(&dir.child("cgroup.subtree_control"));
    unified.caller_controllers = match dir == unified.mount_point {
        true => unified.controllers.clone(),
        false => words(reader, &dir, "cgroup.controllers")?,
    };
    unified.caller_subtree = words(reader, &dir, "cgroup.subtree_control")?;
    unified.caller_populated = is_populated(&dir)?;
    unified.bfq = unified.controllers.contains("io") && has_bfq(&unified.mount_point, &dir);
    Ok(())
}

/// What the kernel lets be given away with a cgroup.
pub(super) fn delegate(reader: &mut Reader) -> Result<Vec<String>, ProbeError> {
    let text = reader.file("/sys/kernel/cgroup/delegate")?.unwrap_or_default();
    Ok(text.lines().map(str::to_owned).collect())
}

/// The leaf belongs to the cgroup above it, where the next container's goes too.
fn step_out_of_leaf(unified: &mut Unified) {
    let Some(above) = unified.caller.strip_suffix(LEAF).and_then(|path| path.strip_suffix('/'))
    else {
        return;
    };
    let above = if above.is_empty() { "/" } else { above };
    let is_delegated =
        |dir: HostPath| is_writable(&dir) && may_write(&dir.child("cgroup.subtree_control"));
    if unified.directory(above).is_some_and(is_delegated) {
        unified.caller = above.to_owned();
        unified.in_leaf = true;
    }
}

/// The root has no weights: where the caller is there, any cgroup below tells.
fn has_bfq(mount_point: &HostPath, dir: &HostPath) -> bool {
    let has =
        |dir: &HostPath| access(dir.child("io.bfq.weight").as_str(), AccessFlags::F_OK).is_ok();
    if dir != mount_point {
        return has(dir);
    }
    let Ok(entries) = std::fs::read_dir(dir.as_str()) else { return false };
    let below = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()));
    below
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| has(&dir.child(&name)))
}

/// Whether that is the top of a tree which can be written to, and the caller one whom no permission stops: then nobody need
/// be asked, twice for each of a dozen trees.
fn is_free(dir: &HostPath, mounts: &[MountFact], caller: &Caller) -> bool {
    let overrides = Capability::DAC_OVERRIDE;
    let is_stopped = !caller.in_initial_userns || !caller.effective.contains(overrides);
    let top = mounts.iter().rev().find(|mount| mount.mount_point == dir.as_str());
    !is_stopped
        && top.is_some_and(|mount| {
            !mount.flags.contains(MountFlags::MS_RDONLY)
                && mount.super_options.split(',').next() == Some("rw")
        })
}

/// Whether the caller may make directories in a cgroup and move processes into it.
fn is_writable(dir: &HostPath) -> bool {
    may_write(dir) && may_write(&dir.child("cgroup.procs"))
}

fn may_write(path: &HostPath) -> bool {
    access(path.as_str(), AccessFlags::W_OK).is_ok()
}

fn words(reader: &mut Reader, dir: &HostPath, name: &str) -> Result<BTreeSet<String>, ProbeError> {
    let text = reader.file(dir.child(name).as_str())?;
    Ok(text.map(|text| parse_controllers(&text)).unwrap_or_default())
}

/// Whether a cgroup holds processes. In a threaded one the list cannot be read, and counts as not empty.
///
/// A few bytes tell: the kernel walks through its processes as far as there is room for.
fn is_populated(dir: &HostPath) -> Result<bool, ProbeError> {
    let path = dir.child("cgroup.procs");
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
    let answer = open(path.as_str(), flags, Mode::empty())
        .and_then(|file| read(&file, &mut [0; 8]).map(|length| length > 0));
    match answer {
        // What may not be read is taken for an inner one.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::EOPNOTSUPP) => Ok(true),
        answer => answer.map_err(|errno| ProbeError::call(format!("read {path}"), errno)),
    }
}
