//! Decides the SELinux labels of files: those of new file systems, and of bind sources that are relabelled.
//!
//! A terminal's label is that of its devpts, a file system with a label like the others.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::draft::{Draft, at, step_undone};
use super::error::Refusal;
use super::model::{Step, Undo};
use super::op::{Op, PrivilegeOp};
use crate::config::{Mount, MountKind, Relabel};
use crate::types::Pointer;

/// Directories that a label of one container's would break the host by.
const HOSTS_OWN: [&str; 3] = ["/", "/etc", "/usr"];

/// Checks the label of the container's file systems.
pub(super) fn check(draft: &mut Draft<'_>) {
    let Some(label) = &draft.config.mount_label else { return };
    let origin = at("/mountLabel");
    if !draft.lsm(&origin).selinux {
        draft.refuse(&origin, Refusal::ModuleMissing { module: "SELinux" });
    }
    draft.check_nul(&origin, label);
    if label.contains('"') || label.is_empty() {
        let expected = "a context like `system_u:object_r:container_file_t:s0`";
        draft.refuse(&origin, Refusal::LimitInvalid { expected });
    }
}

/// The SELinux context of a new file system of the container's; sysfs, proc and mqueue take none.
pub(super) fn with_context(draft: &Draft<'_>, fstype: &str, data: &[String]) -> Vec<String> {
    let mut data = data.to_vec();
    if let Some(label) = &draft.config.mount_label
        && matches!(fstype, "tmpfs" | "devpts")
    {
        data.push(format!("context={label}"));
    }
    data
}

/// The step of the launcher that relabels a bind source, before anything is mounted.
pub(super) fn relabel(draft: &mut Draft<'_>, mount: &Mount, origin: &Pointer) -> Option<Step> {
    let how = mount.relabel?;
    let origin = origin.key("relabel");
    let MountKind::Bind(bind) = &mount.kind else {
        let reason = "only the source of a bind mount can be relabelled";
        draft.refuse(&origin, Refusal::Contradiction { reason });
        return None;
    };
    if HOSTS_OWN.contains(&bind.source.as_str()) {
        let reason = "the host's own /, /etc and /usr are never relabelled";
        draft.refuse(&origin, Refusal::Contradiction { reason });
    }
    if !draft.lsm(&origin).selinux {
        draft.refuse(&origin, Refusal::ModuleMissing { module: "SELinux" });
    }
    let Some(label) = &draft.config.mount_label else {
        let reason = "relabelling needs a mount label";
        draft.refuse(&origin, Refusal::Contradiction { reason });
        return None;
    };
    let label = match how {
        Relabel::Shared => shared(label),
        Relabel::Private => label.clone(),
    };
    let op = PrivilegeOp::Relabel { path: bind.source.clone(), label };
    Some(step_undone(Op::Privilege(op), &origin, Undo::Kept))
}

/// The label for files that several containers use: without the categories that keep them apart.
fn shared(label: &str) -> String {
    match label.match_indices(':').nth(2) {
        Some((end, _)) => format!("{}:s0", label.get(..end).unwrap_or(label)),
        None => label.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_label_has_the_level_s0() {
        let label = "system_u:object_r:svirt_sandbox_file_t:s0:c164,c475";
        assert_eq!(shared(label), "system_u:object_r:svirt_sandbox_file_t:s0");
        assert_eq!(shared("u:r:t:s0-s0:c0.c1023"), "u:r:t:s0");
        assert_eq!(shared("u:r:t"), "u:r:t");
    }
}
