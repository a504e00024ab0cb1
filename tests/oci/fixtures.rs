//! The spec's own fixtures, and what engines really write.

use std::fs;

use crate::support::{fixtures, snapshot, stem};
use crate::{read, refuse};

#[test]
fn every_good_fixture_of_the_spec_is_read_unless_it_is_for_another_platform() {
    let mut foreign = Vec::new();
    for file in fixtures("configs/oci/good", "json") {
        let text = fs::read_to_string(&file).unwrap();
        // Two examples still say the version of before 1.0.0, and are otherwise of today.
        let text = text.replace("0.5.0-dev", "1.3.0");
        if text.contains("\"zos\"") || text.contains("\"freebsd\"") {
            foreign.push(stem(&file));
            assert!(refuse(&text).to_string().contains("expected one for linux"));
        } else {
            read(&text);
        }
    }
    assert_eq!(foreign, ["freebsd-example", "freebsd-minimal", "zos-example", "zos-minimal"]);
}

#[test]
fn every_bad_fixture_of_the_spec_is_refused_at_its_place() {
    let mut text = String::new();
    for file in fixtures("configs/oci/bad", "json") {
        let errors = refuse(&fs::read_to_string(&file).unwrap());
        text.push_str(&format!("{}\n{errors}\n\n", stem(&file)));
    }
    snapshot("oci", "bad-fixtures", "the spec's bad fixtures and why each is refused", &text);
}

#[test]
fn a_version_of_before_1_0_0_is_the_only_thing_wrong_with_the_old_example() {
    let file = crate::support::top().join("tests/configs/oci/good/spec-example.json");
    let errors = refuse(&fs::read_to_string(file).unwrap());
    assert_eq!(
        errors.to_string(),
        "2:19: /ociVersion: found the string \"0.5.0-dev\", expected a version from 1.0.0 on, below 2.0.0"
    );
}

#[test]
fn what_engines_write_is_read_and_nothing_of_it_is_passed_over_unseen() {
    let mut text = String::new();
    for file in fixtures("configs/oci/real", "json") {
        let parsed = read(&fs::read_to_string(&file).unwrap());
        text.push_str(&format!("{} {}\n", stem(&file), parsed.version));
        for ignored in &parsed.config.ignored {
            text.push_str(&format!("  {}: {:?}\n", ignored.place, ignored.reason));
        }
    }
    snapshot("oci", "real-ignored", "bundles of engines and what in them has no effect", &text);
}

#[test]
fn a_document_with_everything_becomes_a_config_with_everything() {
    let file = crate::support::top().join("tests/configs/oci/own/everything.json");
    let parsed = read(&fs::read_to_string(file).unwrap());
    assert_eq!(parsed.config.ignored, []);
    let text = parsed.config.to_json_pretty();
    snapshot("oci", "everything", "the canonical form of a document that says all there is", &text);
    let sources: String =
        parsed.source.iter().map(|(pointer, origin)| format!("{pointer} <- {origin}\n")).collect();
    snapshot("oci", "everything-sources", "where each part of it was asked for", &sources);
}
