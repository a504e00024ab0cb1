//! The seed's form of the document, member by member in the order of its tables; zero values are left out.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A record of the format, every member of which is left out when it is zero.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, PartialEq, Serialize)]
        pub(super) struct $name {
            $(#[serde(skip_serializing_if = "is_zero")] pub(super) $field: $type,)*
        }
    };
}

record! {
    /// The whole document.
    Document {
        mount_config: Option<MountConfig>,
        root_fs: String,
        hostname: String,
        user: String,
        working_dir: String,
        environment: Vec<String>,
        tty: bool,
        namespaces: Vec<Namespace>,
        capabilities: Vec<String>,
        networks: Vec<Network>,
        routes: Vec<Route>,
        cgroups: Option<Cgroup>,
        apparmor_profile: String,
        process_label: String,
        restrict_sys: bool,
        rlimits: Vec<Rlimit>,
        additional_groups: Vec<Group>,
        uid_mappings: Vec<Mapping>,
        gid_mappings: Vec<Mapping>,
    }
}

/// A supplementary group: a number, as in the seed, or a name, as came later.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Group {
    /// A number.
    Id(u32),
    /// A name.
    Name(String),
}

/// A namespace; its type is always written.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Namespace {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) path: String,
}

record! {
    /// What needs a new mount namespace.
    MountConfig {
        no_pivot_root: bool,
        pivot_dir: String,
        readonly_fs: bool,
        mounts: Vec<Mount>,
        device_nodes: Vec<Device>,
        mount_label: String,
    }
}

record! {
    /// A mount of the user's.
    Mount {
        r#type: &'static str,
        source: String,
        destination: String,
        writable: bool,
        relabel: String,
        private: bool,
        slave: bool,
    }
}

record! {
    /// A node, or a rule about nodes.
    Device {
        r#type: u32,
        path: String,
        major_number: i64,
        minor_number: i64,
        cgroup_permissions: String,
        file_mode: i64,
        uid: i64,
        gid: i64,
    }
}

/// A network; whether packets turn back at the bridge is always written.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Network {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) bridge: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) veth_prefix: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) mac_address: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) address: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) ipv6_address: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) gateway: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) ipv6_gateway: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) mtu: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) txqueuelen: i64,
    pub(super) hairpin_mode: bool,
}

record! {
    /// A route.
    Route {
        destination: String,
        source: String,
        gateway: String,
        interface_name: String,
    }
}

record! {
    /// A control group; numbers are wide enough for what a config can hold.
    Cgroup {
        name: String,
        parent: String,
        allow_all_devices: bool,
        allowed_devices: Vec<Device>,
        memory: i128,
        memory_reservation: i128,
        memory_swap: i128,
        cpu_shares: i128,
        cpu_quota: i128,
        cpu_period: i128,
        cpuset_cpus: String,
        cpuset_mems: String,
        blkio_weight: i128,
        slice: String,
    }
}

record! {
    /// A resource limit.
    Rlimit {
        r#type: u32,
        hard: u64,
        soft: u64,
    }
}

record! {
    /// A range of an id map.
    Mapping {
        container_id: u32,
        host_id: u32,
        size: u32,
    }
}
