//! Any bytes become a run of every parser of this room, which must not panic and must agree with itself.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;

use super::{
    AccountFacts, CgroupStats, ExecUser, HostFacts, discover, parse_bus_address,
    parse_cgroup_events, parse_cgroup_number, parse_controllers, parse_flat_keyed,
    parse_freezer_state, parse_id_map, parse_mountinfo, parse_proc_cgroup, parse_stat,
    parse_status, parse_subids, parse_systemd_version, resolve,
};

/// Gives `data` to every parser.
///
/// # Panics
/// When a mount table does not survive being written and read again, or statistics cannot be written.
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
    let _ = (parse_bus_address(&text), parse_systemd_version(&text));
    let _ = parse_controllers(&text);
    let _ = parse_id_map(&text);
    let _ = parse_status(&text);
    let _ = parse_stat(&text);
    let _ = parse_subids(&text, "alice", 1000);
    statistics(&text);
    let accounts =
        AccountFacts { passwd: Some(text.clone().into()), group: Some(text.clone().into()) };
    let (user, group) = text.split_once(':').unwrap_or((&text, ""));
    let _ = resolve(Some(user), Some(group), &accounts, &ExecUser::default());
    let _ = HostFacts::from_json(&text);
}

/// One text as every file of a cgroup, one at a time, since the first bad one ends a reading.
fn statistics(text: &str) {
    let _ = parse_cgroup_number(text);
    let _ = parse_flat_keyed("memory.stat", text);
    let _ = parse_cgroup_events(text);
    let _ = parse_freezer_state(text);
    for name in CgroupStats::sources() {
        let mut files = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        for always in ["memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"] {
            files.entry(always.to_owned()).or_insert_with(|| "1".to_owned());
        }
        for stats in [CgroupStats::from_v1(&files, 100), CgroupStats::from_v2(&files)] {
            let written = stats.as_ref().map(|stats| {
                serde_json::to_string(stats).is_ok()
                    && serde_json::to_string(&stats.to_libcontainer_json()).is_ok()
            });
            assert!(written.unwrap_or(true), "statistics that cannot be written");
        }
    }
}
