//! Reads the source as text: arrows between rooms, fences of the pure half, first lines, sizes.

use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms it may name.
const ARROWS: [(&str, &[&str]); 8] = [
    ("types", &[]),
    ("config", &["types"]),
    ("facts", &["types"]),
    ("plan", &["types", "config", "facts"]),
    ("sys", &["types"]),
    ("apply", &["types", "config", "facts", "plan", "sys"]),
    ("namespaces", &["types", "config", "facts", "plan", "apply"]),
    ("cli", &["types", "config", "facts", "plan", "apply", "namespaces"]),
];

const PURE: [&str; 4] = ["types", "config", "facts", "plan"];

/// What nothing pure may name: the outside world and the crates that lead there.
const OUTSIDE: [&str; 10] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::net::Tcp",
    "std::time",
    "std::os",
    "nix::",
    "libc::",
    "syscalls::",
    "println!",
];

const MOST_LINES: usize = 400;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file without its tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn in_rooms(rooms: impl IntoIterator<Item = &'static str>) -> Vec<(&'static str, PathBuf)> {
    let rooms = rooms.into_iter().filter(|room| source().join(room).is_dir());
    rooms.flat_map(|room| files(&source().join(room)).into_iter().map(move |f| (room, f))).collect()
}

#[test]
fn rooms_name_only_the_rooms_their_arrows_lead_to() {
    let mut wrong = Vec::new();
    for (room, file) in in_rooms(ARROWS.map(|(room, _)| room)) {
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == room).expect("a row");
        let text = code(&file);
        for (other, _) in ARROWS {
            let names = text.contains(&format!("crate::{other}::"))
                || text.contains(&format!("use crate::{other};"));
            if other != room && !allowed.contains(&other) && names {
                wrong.push(format!("{} names {other}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_pure_half_names_nothing_outside() {
    let mut wrong = Vec::new();
    for (_, file) in in_rooms(PURE) {
        let text = code(&file);
        for outside in OUTSIDE {
            // `HostFacts` may not even know that there is a `std`.
            if text.contains(outside) {
                wrong.push(format!("{} names {outside}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_pure_room_forbids_unsafe_and_only_sys_allows_it() {
    for room in PURE {
        let text = fs::read_to_string(source().join(room).join("mod.rs")).expect("a room");
        assert!(text.contains("#![forbid(unsafe_code)]"), "{room} does not forbid unsafe code");
    }
    for (room, file) in in_rooms(ARROWS.map(|(room, _)| room)) {
        let lifts = code(&file).contains("allow(unsafe_code");
        assert!(!lifts || room == "sys", "{} lifts the fence around unsafe code", file.display());
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for file in files(&source()) {
        let text = fs::read_to_string(&file).expect("a source file");
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 20, "{}: {first:?}", file.display());
    }
}

#[test]
fn no_file_is_too_long_to_find_ones_way_in() {
    let mut long = Vec::new();
    for file in files(&source()) {
        let text = fs::read_to_string(&file).expect("a source file");
        let lines =
            text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        if lines > MOST_LINES {
            long.push(format!("{}: {lines}", file.display()));
        }
    }
    // Vocabularies and tables read like a page of a dictionary; they may be as long as the kernel's words are many.
    let is_table = |name: &str| {
        [
            "plan/op.rs",
            "plan/error.rs",
            "plan/render.rs",
            "plan/seccomp/table.rs",
            "types/errno.rs",
            "cli/spec.rs",
        ]
        .iter()
        .any(|table| name.contains(table))
    };
    long.retain(|name| !is_table(name));
    assert!(long.is_empty(), "over {MOST_LINES} lines before their tests: {long:#?}");
}
