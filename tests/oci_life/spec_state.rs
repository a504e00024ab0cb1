//! What `state` prints, by the spec's own schema of a state.

use std::fs;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::is_root;

fn fixture(name: &str) -> String {
    let file = format!("{}/tests/configs/oci/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What in a state is not as the schema has it. The schema says no more than this: types, a minimum, an enumeration, and
/// what is required; its two references are to a text and to an object of texts.
fn faults(state: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(&fixture("schema/state-schema.json")).unwrap();
    let required = schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
    let missing = required.filter(|key| state.get(key).is_none());
    let mut faults: Vec<_> = missing.map(|key| format!("no {key}")).collect();
    for (key, rule) in schema["properties"].as_object().unwrap() {
        let Some(value) = state.get(key) else { continue };
        let kind = match rule["$ref"].as_str() {
            Some(reference) if reference.ends_with("/annotations") => "texts",
            Some(_) => "string",
            None => rule["type"].as_str().unwrap(),
        };
        let fits = match kind {
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "texts" => value.as_object().is_some_and(|all| all.values().all(Value::is_string)),
            other => panic!("the schema has a new type: {other}"),
        };
        let is_word = rule["enum"].as_array().is_none_or(|words| words.contains(value));
        if !(fits && is_word) {
            faults.push(format!("{key}: {value}"));
        }
    }
    faults
}

#[test]
fn the_specs_own_states_are_good_and_bad_by_its_schema() {
    let good: Value = serde_json::from_str(&fixture("state/good/spec-example.json")).unwrap();
    assert_eq!(faults(&good), Vec::<String>::new());
    assert!(serde_json::from_str::<Value>(&fixture("state/bad/invalid-json.json")).is_err());
    let bad = serde_json::json!({"id": 7, "status": "asleep", "bundle": "/b"});
    assert_eq!(faults(&bad), ["no ociVersion", "id: 7", "status: \"asleep\""]);
}

#[test]
fn a_state_is_as_the_schema_has_it_at_every_turn_of_a_life() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("schema")
        .set("/process/args", serde_json::json!(["sleep", "100"]))
        .set("/annotations", serde_json::json!({"org.example.key": "value"}));
    let life = Life::of(bundle);
    let pid = life.created();
    let check = |status: &str| {
        let state = life.state();
        assert_eq!(faults(&state), Vec::<String>::new(), "{state}");
        assert_eq!(state["status"], status);
        assert_eq!(state["annotations"]["org.example.key"], "value");
    };
    check("created");
    life.done(&["start", &life.id]);
    check("running");
    kill(pid, Signal::SIGKILL).unwrap();
    assert_eq!(ended(pid), 137);
    check("stopped");
    life.done(&["delete", &life.id]);
}

#[test]
fn a_state_that_is_no_json_is_refused_by_name() {
    if !is_root() {
        return;
    }
    let life = Life::new("bad-state", "exec sleep 100");
    let pid = life.created();
    let file = life.bundle.directory().join("state").join(&life.id).join("state.json");
    fs::write(&file, fixture("state/bad/invalid-json.json")).unwrap();
    let (_, error) = life.refused(&["state", &life.id]);
    assert!(error.contains("not a record of a container"), "{error}");
    // The spec's state is what is printed, no record of ours.
    fs::write(&file, fixture("state/good/spec-example.json")).unwrap();
    let (_, error) = life.refused(&["state", &life.id]);
    assert!(error.contains("not a record of a container"), "{error}");
    kill(pid, Signal::SIGKILL).unwrap();
    assert_eq!(ended(pid), 137);
}
