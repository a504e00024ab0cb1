//! The OCI door against the spec's schema and against oci-spec, on whole documents and on each of them with one value changed.

use std::fs;
use std::path::{Path, PathBuf};

use nsplan::config::from_oci;
use nsplan::types::HostPath;
use serde_json::{Value, json};

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/oci")
}

fn schema() -> jsonschema::Validator {
    schema_of("config-schema.json")
}

/// A schema, every reference to another file replaced by what it refers to.
fn schema_of(file: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&inlined(file, "")).unwrap()
}

fn inlined(file: &str, pointer: &str) -> Value {
    let text = fs::read_to_string(configs().join("schema").join(file)).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let part = whole.pointer(pointer).unwrap_or_else(|| panic!("{file}{pointer}")).clone();
    inline(part, file)
}

fn inline(value: Value, file: &str) -> Value {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(to)) = members.get("$ref") {
                let (other, pointer) = to.split_once('#').unwrap();
                return inlined(if other.is_empty() { file } else { other }, pointer);
            }
            // Definitions are reached by reference.
            let members = members.into_iter().filter(|(key, _)| key != "definitions");
            members.map(|(key, value)| (key, inline(value, file))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| inline(item, file)).collect(),
        other => other,
    }
}

fn documents(folder: &str) -> Vec<(String, Value)> {
    let mut found: Vec<_> = fs::read_dir(configs().join(folder))
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap().replace("0.5.0-dev", "1.3.0");
            Some((entry.file_name().into_string().unwrap(), serde_json::from_str(&text).ok()?))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn is_read(document: &Value) -> Result<(), String> {
    let bundle = HostPath::new("/bundle").unwrap();
    let read = from_oci(document.to_string().as_bytes(), &bundle);
    read.map(drop).map_err(|errors| errors.to_string())
}

/// Pointers to every value of a document.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{here}/{key}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{here}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_is_good_for_the_schema_and_about_linux_is_good_here() {
    let schema = schema();
    let mut count = 0;
    for (name, document) in ["good", "real", "own"].iter().flat_map(|folder| documents(folder)) {
        let is_foreign = ["freebsd", "zos"].iter().any(|key| document.get(key).is_some());
        // Two of everything.json's members are null, which the schema does not know and Go programs write.
        let is_valid = schema.is_valid(&document) || name == "everything.json";
        assert!(is_valid || name.starts_with("podman"), "{name}");
        assert_eq!(is_read(&document).is_ok(), !is_foreign, "{name}: {:?}", is_read(&document));
        count += 1;
    }
    assert!(count > 15, "{count} documents");
}

#[test]
fn a_value_of_a_type_that_the_schema_refuses_is_refused_here_but_for_null() {
    let schema = schema();
    let wrong =
        [json!(true), json!(-5), json!(1.5), json!("\u{1f600}"), json!([true]), json!({"x": []})];
    let (mut refused, mut lax) = (0, Vec::new());
    for (name, document) in ["own", "real"].iter().flat_map(|folder| documents(folder)) {
        let document = without_nulls(document);
        if !schema.is_valid(&document) {
            continue;
        }
        let mut all = Vec::new();
        places(&document, "", &mut all);
        for (place, value) in
            all.iter().skip(1).flat_map(|place| wrong.iter().map(move |it| (place, it)))
        {
            let mut changed = document.clone();
            *changed.pointer_mut(place).unwrap() = value.clone();
            if schema.is_valid(&changed) {
                continue;
            }
            match is_read(&changed) {
                Err(_) => refused += 1,
                Ok(()) => lax.push(format!("{name}{place} = {value}")),
            }
        }
    }
    assert!(refused > 1000, "{refused}");
    assert!(lax.is_empty(), "{} taken:\n{}", lax.len(), lax.join("\n"));
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[test]
fn what_is_read_here_is_read_by_oci_spec() {
    for (name, document) in ["good", "real"].iter().flat_map(|folder| documents(folder)) {
        if is_read(&document).is_ok() {
            let theirs: Result<oci_spec::runtime::Spec, _> = serde_json::from_value(document);
            assert!(theirs.is_ok(), "{name}: {theirs:?}");
        }
    }
}

#[test]
fn the_features_document_is_one_by_the_schema_and_the_specs_own_are_told_apart() {
    let schema = schema_of("features-schema.json");
    for (name, document) in documents("features") {
        assert_eq!(schema.is_valid(&document), name.starts_with("good-"), "{name}");
    }
    let features = serde_json::to_value(nsplan::plan::Features::of_this_version()).unwrap();
    let problems: Vec<_> = schema.iter_errors(&features).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}
