//! The OCI door: documents become configs, or refusals with their place.
#![allow(clippy::unwrap_used, reason = "tests: helpers may fail")]

#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod features;
mod fixtures;
mod options;
mod reading;
mod refusals;
mod required;

use nsplan::config::{Config, ConfigErrors, OciParsed, from_oci, from_oci_unplaced};
use nsplan::types::HostPath;

/// The directory every document of a test is in.
pub(crate) fn bundle() -> HostPath {
    HostPath::new("/bundle").unwrap()
}

/// Reads a document that has to be good, with and without the places of what it says.
#[track_caller]
pub(crate) fn read(text: &str) -> OciParsed {
    let parsed = from_oci(text.as_bytes(), &bundle());
    let parsed = parsed.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let unplaced = from_oci_unplaced(text.as_bytes(), &bundle()).expect("the same");
    assert_eq!((&unplaced.config, &unplaced.version), (&parsed.config, &parsed.version));
    assert!(unplaced.source.iter().count() <= parsed.config.ignored.len());
    parsed
}

/// Reads a document that has to be bad.
#[track_caller]
pub(crate) fn refuse(text: &str) -> ConfigErrors {
    let unplaced = from_oci_unplaced(text.as_bytes(), &bundle());
    match from_oci(text.as_bytes(), &bundle()) {
        Ok(_) => panic!("taken: {text}"),
        Err(errors) => {
            assert_eq!(unplaced.unwrap_err(), errors);
            errors
        }
    }
}

/// A document with these members beside the ones it must have, on its second line.
pub(crate) fn document(members: &str) -> String {
    let comma = if members.is_empty() { "" } else { ",\n" };
    format!(r#"{{"ociVersion": "1.3.0", "root": {{"path": "rootfs"}}{comma}{members}}}"#)
}

/// The config of such a document.
#[track_caller]
pub(crate) fn config(members: &str) -> Config {
    read(&document(members)).config
}
