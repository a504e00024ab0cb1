//! A host to plan for in documentation and tests: root on a plain machine with cgroup v2.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::{
    Caller, CgroupFacts, HostFacts, KernelFacts, KernelVersion, LsmFacts, Unified, UsernsFacts,
};
use crate::types::{CapSet, HostPath, NamespaceKind};

impl HostFacts {
    /// Root on Linux 6.12 with every feature of that kernel, cgroup v2, no security module.
    ///
    /// ```
    /// use nsplan::facts::{Feature, HostFacts};
    /// assert!(HostFacts::example().has(Feature::Openat2));
    /// ```
    #[must_use]
    pub fn example() -> Self {
        let version = KernelVersion::new(6, 12);
        let all = CapSet::up_to(40);
        Self {
            schema: Self::SCHEMA,
            kernel: KernelFacts {
                release: "6.12.0".to_owned(),
                version,
                machine: "x86_64".to_owned(),
                suid_dumpable: 0,
                last_capability: 40,
                namespaces: NamespaceKind::ALL.into_iter().collect(),
                features: KernelFacts::features_since(version),
            },
            caller: Caller {
                uid: 0,
                gid: 0,
                name: "root".to_owned(),
                groups: Vec::new(),
                permitted: all,
                effective: all,
                bounding: all,
                in_initial_userns: true,
                uid_map: Vec::new(),
                gid_map: Vec::new(),
                setgroups_allowed: true,
                rlimits: BTreeMap::new(),
                oom_score_adj: Some(0),
                threads: 0,
                processors: 0,
            },
            userns: Some(UsernsFacts {
                max: 10_000,
                unprivileged_clone: None,
                apparmor_restricted: false,
            }),
            lsm: Some(LsmFacts::default()),
            subids: None,
            cgroup: example_tree(),
            systemd: None,
            mounts: None,
            paths: BTreeMap::new(),
            accounts: None,
        }
    }
}

fn example_tree() -> Option<CgroupFacts> {
    let controllers = ["cpu", "cpuset", "io", "memory", "pids"].map(String::from);
    let unified = Unified {
        mount_point: HostPath::new("/sys/fs/cgroup").ok()?,
        root: "/".to_owned(),
        caller: "/".to_owned(),
        init: "/".to_owned(),
        writable: true,
        controllers: controllers.clone().into(),
        caller_controllers: controllers.clone().into(),
        caller_subtree: controllers.into(),
        caller_populated: true,
        delegated: true,
        in_leaf: false,
        bfq: false,
        delegate: Vec::new(),
    };
    Some(CgroupFacts { hierarchies: Vec::new(), unified: Some(unified), systemd: false })
}
