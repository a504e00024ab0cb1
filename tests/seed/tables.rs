//! The pages that map the original to this program name tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The pages.
const PAGES: [&str; 2] = ["docs/seed.md", "docs/upstream-tests.md"];

/// The names of all functions of the tests and of the source's own test modules.
pub(crate) fn tests_of(top: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for room in ["tests", "src"] {
        collect(&top.join(room), &mut names);
    }
    names
}

fn collect(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let functions = text.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
            let name = |line: &str| line.split(['(', '<']).next().unwrap_or_default().to_owned();
            names.extend(functions.map(name));
        }
    }
}

/// The words in backticks of the last column of each table's rows, with the line they stand in.
fn named(text: &str) -> Vec<(String, String)> {
    let rows = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("| ---"));
    let last = rows.filter_map(|row| Some((row, row.trim_end_matches('|').rsplit('|').next()?)));
    last.flat_map(|(row, cell)| {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(|word| (word.to_owned(), row.to_owned())).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_test_that_a_page_names_exists() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests_of(top);
    for page in PAGES {
        let text = fs::read_to_string(top.join(page)).unwrap();
        let named = named(&text);
        assert!(named.len() > 40, "{page} names {} tests", named.len());
        let missing: Vec<_> = named.iter().filter(|(name, _)| !tests.contains(name)).collect();
        assert!(missing.is_empty(), "{page} names tests that do not exist: {missing:#?}");
    }
}

#[test]
fn every_row_names_a_test_or_says_why_there_is_none() {
    for page in PAGES {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (line, next) in lines.iter().zip(&lines[1..]) {
            let is_row = line.starts_with('|') && !line.starts_with("| ---");
            let is_head = next.starts_with("| ---");
            let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
            let is_told = last.contains('`') || last.trim().starts_with("not here");
            assert!(!is_row || is_head || is_told, "{page}: {line}");
        }
    }
}

/// Every key of a document, however deep; of maps whose keys are names of something else, none.
fn keys(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                found.insert(key.clone());
                if !matches!(key.as_str(), "system_properties") {
                    keys(value, found);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_every_sample_is_on_the_page() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let mut samples = 0;
    for folder in fs::read_dir(top.join("tests/configs/libcontainer")).unwrap().flatten() {
        for file in fs::read_dir(folder.path()).unwrap().flatten() {
            let text = fs::read(file.path()).unwrap();
            keys(&serde_json::from_slice(&text).unwrap(), &mut found);
            samples += 1;
        }
    }
    assert_eq!(samples, 35);
    let page = fs::read_to_string(top.join("docs/seed.md")).unwrap();
    let words: BTreeSet<_> = page.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let missing: Vec<_> = found.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert_eq!(missing, [] as [&str; 0], "keys that docs/seed.md does not have");
}

#[test]
fn every_exported_item_of_the_original_is_found_by_its_name() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for entry in fs::read_dir(top.join("src/namespaces")).unwrap() {
        code += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    let page = fs::read_to_string(top.join("docs/seed.md")).unwrap();
    let items = [
        "AddUidGidMappings",
        "CreateCommand",
        "DefaultCreateCommand",
        "DefaultSetupCommand",
        "EXIT_SIGNAL_OFFSET",
        "EnterCgroups",
        "Exec",
        "ExecIn",
        "FinalizeNamespace",
        "FinalizeSetns",
        "GetHostRootGid",
        "GetHostRootUid",
        "GetNamespaceFlags",
        "Init",
        "InitializeNetworking",
        "LoadContainerEnvironment",
        "RestoreParentDeathSignal",
        "SetupCgroups",
        "SetupCommand",
        "SetupContainer",
        "SetupUser",
    ];
    for item in items {
        let by_alias = code.contains(&format!("#[doc(alias = \"{item}\")]"));
        let by_name =
            ["type", "const"].iter().any(|kind| code.contains(&format!("pub {kind} {item}")));
        assert!(by_alias || by_name, "{item} is not found");
        assert!(page.contains(&format!("`{item}`")), "docs/seed.md does not have {item}");
    }
}
