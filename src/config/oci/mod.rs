//! Turns an OCI runtime-spec `config.json`, version 1.0 to 1.3, into a [`Config`].
//!
//! Strict where the spec is: every value must have a meaning, and keys are spelled as the spec spells them. Lenient where
//! it asks for it: `null` says as much as nothing (Go programs write it), a property that the spec does not have is passed
//! over and named in [`Config::ignored`]. What containers get without asking (the nodes of `/dev`, the links beside them,
//! loopback, the rules for the default nodes) is added here, so that a config says all of it.
//!
//! Nodes are read as they stand; where in the document something is becomes a pointer only for what is refused or noted,
//! in one walk at the end.
//!
//! Pure: may use `types` only.
//!
//! # References
//! OCI runtime-spec 1.3, `config.md` and `config-linux.md`.

mod default;
mod device;
mod door;
mod extras;
mod fields;
mod fuzz;
mod linux;
mod mount;
mod options;
mod place;
mod process;
mod read;
mod resources;
mod seccomp;
mod version;
mod words;

pub use fuzz::config_parse as fuzz_oci;
pub use read::{from_oci, from_oci_unplaced, process_from_oci, seccomp_from_oci};
pub use resources::resources_from_oci;
pub use version::{OCI_VERSION, OCI_VERSION_MIN};
pub use words::OciWords;

use alloc::string::String;
use alloc::vec::Vec;

use super::{Config, Ignored, Seccomp, SourceMap};

/// A system call filter's profile that has been read.
#[derive(Clone, Debug)]
pub struct OciSeccomp {
    /// What it says.
    pub profile: Seccomp,
    /// What in it has no effect.
    pub ignored: Vec<Ignored>,
}

/// A `config.json` that has been read.
#[derive(Clone, Debug)]
pub struct OciParsed {
    /// What the container shall be.
    ///
    /// Without `linux.cgroupsPath` its [cgroup](Config::cgroup) is absent, or has a path without parts where something
    /// is limited: whoever starts the container chooses it, since only he knows the container's id.
    pub config: Config,
    /// Where in the document it was asked for.
    pub source: SourceMap,
    /// The version that the document says it is of.
    pub version: String,
}
