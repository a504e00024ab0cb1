//! Turns libcontainer's `container.json`, of any generation, into a [`Config`], and a [`Config`] back into the seed's form.
//!
//! One reader takes every generation: what was renamed is known by all its names, and where the same words meant
//! different things ([`Generation`] tells) they are read as that generation meant them. It is friendlier than the
//! original about form (case of keys, absent and zero values) and stricter about meaning: what the original ignored,
//! misread or let fail half-way is refused here, with its place.
//!
//! What the original read but never used (the address of a loopback interface, the path of a device rule) is checked
//! for its type and kept in [`Extra`], so that writing the config back loses nothing.
//!
//! Pure: may use `types` only.

mod cgroup;
mod device;
mod door;
mod fields;
mod fuzz;
mod generation;
mod mount;
mod namespace;
mod network;
mod process;
mod read;
mod say;
mod seccomp;
mod seed;
mod system;
mod write;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

pub use fuzz::config_parse as fuzz_libcontainer;
pub use generation::Generation;
pub use read::from_libcontainer;
pub use write::{CannotWrite, to_libcontainer};

use super::{Config, DeviceRule, SourceMap};
use crate::types::Pointer;

/// A document that has been read.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What the container shall be.
    pub config: Config,
    /// Where in the document it was asked for.
    pub source: SourceMap,
    /// Which generation of the format the document is.
    pub generation: Generation,
    /// What the document says beside.
    pub extra: Extra,
}

/// What a document says without any effect on the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Values the original read and never used, by their place in the seed's form. Zero values are left out.
    ///
    /// * `networks` of type `loopback`: everything but the type; the kernel gives `lo` its addresses and its MTU.
    /// * `cgroups.allowed_devices`: path, mode and owner; a rule is about numbers.
    /// * `cgroups.scope_prefix` without a `slice`: only a systemd scope has one.
    /// * `mount_config.device_nodes`: `cgroup_permissions`; the cgroup has its own list.
    /// * `mount_config.mounts` of type `tmpfs`: everything but the destination.
    /// * `mount_config.pivot_dir`: the old root needs no directory of its own.
    pub without_effect: BTreeMap<Pointer, Kept>,
    /// `cgroups.allowed_devices` beside `allow_all_devices`, which overrides them.
    pub unused_devices: Vec<DeviceRule>,
}

/// A value without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A string.
    Text(String),
}

impl Kept {
    /// Whether it says as much as no value.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Flag(value) => !value,
            Self::Number(value) => *value == 0,
            Self::Text(text) => text.is_empty(),
        }
    }
}
