//! Replays every seed and every old crash of the fuzz targets, on stable and without a fuzzer.

use std::fs;

use crate::support::top;

/// Runs `target` on every file of its corpus and of its old crashes.
fn replay(name: &str, target: impl Fn(&[u8])) {
    let mut count = 0;
    for folder in ["corpus", "regressions"] {
        let folder = top().join("fuzz").join(folder).join(name);
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("an entry").path();
            target(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
            count += 1;
        }
    }
    assert!(count > 0, "no seed for {name}");
}

#[test]
fn config_oci() {
    replay("config_oci", nsplan::config::fuzz_oci);
}

#[test]
fn config_parse() {
    replay("config_parse", nsplan::config::fuzz_libcontainer);
}

#[test]
fn facts_text() {
    replay("facts_text", nsplan::facts::fuzz_text);
}

#[test]
fn plan() {
    replay("plan", |data| drop(nsplan::plan::fuzz_plan(data)));
}

#[cfg(feature = "apply")]
#[test]
fn lower() {
    replay("lower", nsplan::apply::fuzz_lower);
    replay("plan", nsplan::apply::fuzz_lower);
}

#[test]
fn plan_json() {
    replay("plan_json", nsplan::plan::fuzz_plan_json);
}
