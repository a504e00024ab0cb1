//! What the tests of `config` share: documents, and snapshots that a reviewer can read.

use nsplan::config::{ConfigErrors, Parsed, from_libcontainer};
use nsplan::types::HostPath;

/// The directory every document of a test is in.
pub(crate) fn base() -> HostPath {
    HostPath::new("/bundle").expect("a path")
}

/// Reads a document that has to be good.
#[track_caller]
pub(crate) fn read(text: &str) -> Parsed {
    from_libcontainer(text.as_bytes(), &base()).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// Reads a document that has to be bad.
#[track_caller]
pub(crate) fn refuse(text: &str) -> ConfigErrors {
    match from_libcontainer(text.as_bytes(), &base()) {
        Ok(_) => panic!("taken: {text}"),
        Err(errors) => errors,
    }
}

/// Compares with a snapshot in that folder of `snapshots`.
pub(crate) fn snapshot(folder: &str, name: &str, sentence: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("../../snapshots/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(sentence);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The sample files: folder and file name, text.
pub(crate) fn samples() -> Vec<(String, String)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/configs/libcontainer");
    let mut samples = Vec::new();
    for folder in std::fs::read_dir(root).expect("the samples") {
        let folder = folder.expect("a folder").path();
        for file in std::fs::read_dir(&folder).expect("a folder of samples") {
            let path = file.expect("a sample").path();
            let name = path.strip_prefix(root).expect("below").display().to_string();
            samples.push((name, std::fs::read_to_string(&path).expect("text")));
        }
    }
    samples.sort();
    samples
}

/// One sample.
pub(crate) fn sample(name: &str) -> String {
    let found = samples().into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no sample {name}")).1
}
