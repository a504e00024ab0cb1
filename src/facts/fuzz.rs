//! Any bytes become a run of every parser of this room, which must not panic and must agree with itself.

use alloc::string::String;

use super::{
    AccountFacts, ExecUser, HostFacts, discover, parse_controllers, parse_id_map, parse_mountinfo,
    parse_proc_cgroup, parse_stat, parse_status, parse_subids, resolve,
};

/// Gives `data` to every parser.
///
/// # Panics
/// When a mount table does not survive being written and read again.
#[doc(hidden)]
pub fn fuzz_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mounts = parse_mountinfo(&text).unwrap_or_default();
    for mount in &mounts {
        let again = parse_mountinfo(&mount.to_line());
        assert_eq!(
            again.as_deref(),
            Ok(core::slice::from_ref(mount)),
            "a mount changed on the way"
        );
    }
    let memberships = parse_proc_cgroup(&text).unwrap_or_default();
    let cgroup = discover(&mounts, &memberships, Some(&memberships), false);
    for hierarchy in &cgroup.hierarchies {
        let inside = hierarchy.directory(&hierarchy.caller);
        assert!(
            inside.is_none_or(|dir| hierarchy.mount_point.contains(&dir)),
            "a cgroup left its mount"
        );
    }
    let _ = cgroup.layout();
    let _ = parse_controllers(&text);
    let _ = parse_id_map(&text);
    let _ = parse_status(&text);
    let _ = parse_stat(&text);
    let _ = parse_subids(&text, "alice", 1000);
    let accounts =
        AccountFacts { passwd: Some(text.clone().into()), group: Some(text.clone().into()) };
    let (user, group) = text.split_once(':').unwrap_or((&text, ""));
    let _ = resolve(Some(user), Some(group), &accounts, &ExecUser::default());
    let _ = HostFacts::from_json(&text);
}
