//! Which mounts may be, from facts alone.

use nsplan::config::from_oci;
use nsplan::facts::HostFacts;
use nsplan::plan::{Refusal, plan};
use nsplan::types::HostPath;

/// Whether a container with these namespaces may have the bind of `source` on `/proc`.
fn may_have(source: &str, namespaces: &str) -> bool {
    let mount = format!(
        r#"{{"destination": "/proc", "type": "bind", "source": "{source}", "options": ["rbind", "nosuid"]}}"#
    );
    let text = format!(
        r#"{{"ociVersion": "1.0.0", "root": {{"path": "/r"}}, "mounts": [{mount}], "linux": {{"namespaces": [{namespaces}]}}}}"#
    );
    let config = from_oci(text.as_bytes(), &HostPath::root()).expect("a config").config;
    let errors = plan(&config, &HostFacts::example()).expect_err("no such root, no process");
    !errors.iter().any(|error| matches!(error.refusal, Refusal::UnsafeTarget { .. }))
}

#[test]
fn the_hosts_procfs_may_be_bound_where_the_hosts_processes_are_seen() {
    let (mount, pid) = (r#"{"type": "mount"}"#, r#"{"type": "mount"}, {"type": "pid"}"#);
    assert!(may_have("/proc", mount));
    assert!(!may_have("/proc", pid), "its processes are others");
    assert!(!may_have("/srv/proc", mount), "that may be anything");
}
