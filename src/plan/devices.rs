//! Decides what fills `/dev` and what is hidden: nodes, links, the terminal, masked and read-only paths, sysctls.

use alloc::string::String;

use super::draft::{Draft, at, at_index, step};
use super::error::Refusal;
use super::model::Step;
use super::mounts::{Mounts, Sources};
use super::op::{MountOp, NamespaceOp, Op, ProcessOp, Slot};
use super::privileges;
use crate::config::{Config, Device, MountKind, Process};
use crate::types::{
    Capability, DeviceKind, DeviceNumber, HostPath, MountFlags, NamespaceKind, Pointer,
};

pub(super) fn plan(draft: &mut Draft<'_>, mounts: &mut Mounts, sources: &mut Sources) {
    let binds = binds_nodes(draft);
    if binds && !draft.config.devices.is_empty() {
        let text = "device nodes are the host's, bound: a user namespace may not make any";
        draft.note(&at("/devices"), text);
    }
    for (index, device) in draft.config.devices.iter().enumerate() {
        let origin = at_index("/devices", index);
        check(draft, device, &origin);
        if binds && device.kind != DeviceKind::Fifo {
            bind(mounts, sources, device, &origin);
        } else {
            make(mounts, device, &origin);
        }
    }
    for (index, link) in draft.config.device_links.iter().enumerate() {
        let op = MountOp::Symlink {
            path: link.path.clone(),
            target: link.target.clone(),
            replace: link.replace,
            only_if: link.only_if.clone(),
        };
        draft.check_nul(&at_index("/deviceLinks", index), &link.target);
        mounts.push(op, &at_index("/deviceLinks", index));
    }
    terminal(draft, mounts);
    sysctls(draft, mounts);
    hidden(draft, mounts);
}

/// `mknod(2)` of a device needs `CAP_MKNOD` in the first user namespace.
fn binds_nodes(draft: &Draft<'_>) -> bool {
    let caller = &draft.facts.caller;
    draft.changes_userns()
        || !caller.in_initial_userns
        || !caller.effective.contains(Capability::MKNOD)
}

fn check(draft: &mut Draft<'_>, device: &Device, origin: &Pointer) {
    let DeviceNumber { major, minor } = device.number;
    if major > DeviceNumber::MAX_MAJOR || minor > DeviceNumber::MAX_MINOR {
        let expected = "a major number up to 4095 and a minor number up to 1048575";
        draft.refuse(origin, Refusal::LimitInvalid { expected });
    }
    if device.path.is_root() {
        draft.refuse(origin, Refusal::UnsafeTarget { path: device.path.clone() });
    }
}

fn make(mounts: &mut Mounts, device: &Device, origin: &Pointer) {
    let op = MountOp::MakeNode {
        path: device.path.clone(),
        kind: device.kind,
        number: device.number,
        mode: device.mode,
        uid: device.uid,
        gid: device.gid,
    };
    mounts.push(op, origin);
}

fn bind(mounts: &mut Mounts, sources: &mut Sources, device: &Device, origin: &Pointer) {
    // The same path on the host: the number is verified when it is opened.
    let Ok(source) = HostPath::new(device.path.as_str()) else { return };
    mounts.make_mount_point(&device.path, false, origin);
    let (kind, number) = (device.kind, device.number);
    let slot =
        sources.open(mounts, origin, |slot| MountOp::CloneDevice { source, kind, number, slot });
    let op = MountOp::Attach {
        slot,
        target: device.path.clone(),
        recursive: false,
        set: MountFlags::MS_NOSUID | MountFlags::MS_NOEXEC,
        clear: MountFlags::empty(),
        set_recursive: MountFlags::empty(),
        clear_recursive: MountFlags::empty(),
    };
    mounts.push(op, origin);
}

fn terminal(draft: &mut Draft<'_>, mounts: &mut Mounts) {
    let Some(process) = draft.config.process.as_ref().filter(|process| process.terminal) else {
        return;
    };
    let origin = at("/process/terminal");
    let has_devpts = draft.config.mounts.iter().any(|mount| {
        mount.destination.as_str() == "/dev/pts"
            && matches!(&mount.kind, MountKind::Filesystem { fstype, .. } if fstype == "devpts")
    });
    if !has_devpts {
        let reason = "a terminal needs a devpts of the container's own on /dev/pts";
        draft.refuse(&origin, Refusal::Contradiction { reason });
        return;
    }
    let console = draft.config.mounts.iter().any(|mount| mount.destination.as_str() == "/dev");
    mounts.push(open_terminal(draft, process, console), &origin);
}

/// A terminal for a process.
pub(super) fn open_terminal(draft: &mut Draft<'_>, process: &Process, console: bool) -> MountOp {
    let size = process.console_size.map(|size| (size.height, size.width));
    let owner = Some(privileges::user(draft, process).uid).filter(|uid| *uid != 0);
    MountOp::OpenTerminal { size, owner, console }
}

/// Kernel parameters that belong to a namespace; all others are the host's and are refused.
fn owner_of(key: &str) -> Option<NamespaceKind> {
    match key {
        _ if key.starts_with("net.") => Some(NamespaceKind::Net),
        _ if key.starts_with("fs.mqueue.") => Some(NamespaceKind::Ipc),
        "kernel.msgmax"
        | "kernel.msgmnb"
        | "kernel.msgmni"
        | "kernel.sem"
        | "kernel.shmall"
        | "kernel.shmmax"
        | "kernel.shmmni"
        | "kernel.shm_rmid_forced" => Some(NamespaceKind::Ipc),
        "kernel.domainname" | "kernel.hostname" => Some(NamespaceKind::Uts),
        _ if key.starts_with("user.") => Some(NamespaceKind::User),
        _ => None,
    }
}

fn sysctls(draft: &mut Draft<'_>, mounts: &mut Mounts) {
    let has_proc = draft.config.mounts.iter().any(|mount| {
        mount.destination.as_str() == "/proc"
            && matches!(&mount.kind, MountKind::Filesystem { fstype, .. } if fstype == "proc")
    });
    for (key, value) in &draft.config.sysctl {
        let origin = at("/sysctl").key(key);
        draft.check_nul(&origin, key);
        draft.check_nul(&origin, value);
        match owner_of(key) {
            None => {
                let reason = "a kernel parameter of the whole host, expected one that belongs to a namespace";
                draft.refuse(&origin, Refusal::Contradiction { reason });
            }
            // A joined one is the caller's to choose: an engine makes the network, and every container sets it up.
            Some(kind) => draft.require_own(&origin, kind),
        }
        let Some(path) = sysctl_path(key) else {
            let expected = "names joined by dots, as sysctl(8) prints them";
            draft.refuse(&origin, Refusal::LimitInvalid { expected });
            continue;
        };
        if !has_proc {
            let reason = "a kernel parameter needs a proc of the container's own on /proc";
            draft.refuse(&origin, Refusal::Contradiction { reason });
        }
        let op = NamespaceOp::Sysctl { path, value: value.clone() };
        mounts.targets.push(step(Op::Namespace(op), &origin));
    }
}

/// `net.ipv4.conf.eth0/1.forwarding`: dots separate, and a slash stands for a dot in a name, `sysctl(8)`.
fn sysctl_path(key: &str) -> Option<String> {
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    let path: String = key.chars().map(swap).collect();
    let is_name = |part: &str| !matches!(part, "" | "." | "..");
    path.split('/').all(is_name).then_some(path)
}

fn hidden(draft: &mut Draft<'_>, mounts: &mut Mounts) {
    let lists = [
        ("/readonlyPaths", &draft.config.readonly_paths),
        ("/maskedPaths", &draft.config.masked_paths),
    ];
    for (list, paths) in lists {
        for (index, path) in paths.iter().enumerate() {
            let origin = at_index(list, index);
            if path.is_root() {
                draft.refuse(&origin, Refusal::UnsafeTarget { path: path.clone() });
            }
            let path = path.clone();
            let is_mask = list == "/maskedPaths";
            mounts.push(
                if is_mask { MountOp::Mask { path } } else { MountOp::MakeReadonly { path } },
                &origin,
            );
        }
    }
}

/// The slot of procfs, in words, for those who must say that it is missing.
/// A label is written through procfs: the launcher's, where the container mounts none of its own.
pub(super) fn proc_of_the_launcher(config: &Config, mounts: &Mounts) -> Option<Step> {
    let process = config.process.as_ref()?;
    let is_needed = process.is_labelled() && !proc_is_kept(mounts);
    is_needed.then(|| step(Op::Process(ProcessOp::HoldProc), &at("/process")))
}

fn proc_is_kept(mounts: &Mounts) -> bool {
    mounts.targets.iter().any(|step| {
        matches!(&step.op, Op::Mount(MountOp::Filesystem { keep: Some(Slot::Proc), .. }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_cannot_name_anything_above() {
        assert_eq!(sysctl_path("net.ipv4.ip_forward").as_deref(), Some("net/ipv4/ip_forward"));
        assert_eq!(
            sysctl_path("net.ipv4.conf.eth0/1.x").as_deref(),
            Some("net/ipv4/conf/eth0.1/x")
        );
        for wrong in ["net...x", "net.//.x", "", "net..", "net./"] {
            assert_eq!(sysctl_path(wrong), None, "{wrong}");
        }
    }
}
