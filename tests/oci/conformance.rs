//! The table of conformance names tests that exist, and every row of it has something to show.

use std::fs;

use crate::support::top;

/// The cells of the table's rows.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(top().join("docs/oci-conformance.md")).unwrap();
    let is_row = |line: &&str| {
        line.starts_with("| ") && !line.starts_with("| at") && !line.starts_with("| ---")
    };
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    text.lines().filter(is_row).map(cells).collect()
}

/// `run/hooks.rs::name` → the file and the function.
fn named(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    let tests = quoted.filter_map(|text| text.split_once("::"));
    tests
        .map(|(file, name)| {
            let (folder, file) = file.split_once('/').unwrap();
            let folder = match folder {
                "run" => "oci_run",
                "life" => "oci_life",
                other => other,
            };
            (format!("tests/{folder}/{file}"), name.to_owned())
        })
        .collect()
}

#[test]
fn every_test_of_the_table_exists() {
    let mut missing = Vec::new();
    let mut count = 0;
    for row in rows() {
        for (file, name) in named(row.last().unwrap()) {
            count += 1;
            let text = fs::read_to_string(top().join(&file)).unwrap_or_default();
            if !text.contains(&format!("#[test]\nfn {name}()")) {
                missing.push(format!("{file}::{name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 200, "{count} tests");
}

#[test]
fn every_row_has_its_sentence_its_level_and_what_shows_it() {
    let levels = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "REQUIRED"];
    let rows = rows();
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(levels.contains(&&*row[2]) && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let says_why = ["not held: ", "not ours: "].iter().any(|words| row[3].starts_with(words));
        assert!(says_why || !named(&row[3]).is_empty(), "{row:?}");
    }
    assert!(rows.len() > 200, "{}", rows.len());
}
