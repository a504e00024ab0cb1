//! Who a program runs as: the tables of the package that nsplan follows, and where it must differ from it.
//!
//! Differences, each with its reason:
//! - A malformed line is skipped. There it was an entry of uid 0, so garbage in a passwd file made root.
//! - A user or group of digits alone is a number. There a user *named* `0` or `1000` won by file order
//!   (CVE-2016-3697).
//! - Numbers go up to 4294967294, as the kernel's; there up to 2147483647, which hides part of every high id range.
//! - An empty home in an entry leaves the default home; there `HOME` became empty.
//! - A group listed twice is given once.

use nsplan::facts::{AccountError, AccountFacts, ExecUser, parse_group, parse_passwd, resolve};

const PASSWD: &str = "root:x:0:0:root user:/root:/bin/bash\nadm:x:42:43:adm:/var/adm:/bin/false\nthis is just some garbage data\n";
const GROUP: &str =
    "root:x:0:root\nadm:x:43:\ngrp:x:1234:root,adm\nthis is just some garbage data\n";

fn accounts(passwd: Option<&str>, group: Option<&str>) -> AccountFacts {
    AccountFacts { passwd: passwd.map(str::to_owned), group: group.map(str::to_owned) }
}

fn user(uid: u32, gid: u32, groups: &[u32], home: &str) -> ExecUser {
    ExecUser { uid, gid, groups: groups.to_vec(), home: home.to_owned() }
}

fn defaults() -> ExecUser {
    user(8888, 8888, &[8888], "/8888")
}

/// Splits `user:group` as a config does and resolves it.
fn ask(spec: &str, accounts: &AccountFacts) -> Result<ExecUser, AccountError> {
    let (user, group) = spec.split_once(':').unwrap_or((spec, ""));
    resolve(Some(user), Some(group), accounts, &defaults())
}

#[test]
fn valid_users_resolve_as_they_always_did() {
    let files = accounts(Some(PASSWD), Some(GROUP));
    for (spec, expected) in [
        ("root", user(0, 0, &[0, 1234], "/root")),
        ("adm", user(42, 43, &[1234], "/var/adm")),
        ("root:adm", user(0, 43, &[8888], "/root")),
        ("adm:1234", user(42, 1234, &[8888], "/var/adm")),
        ("42:1234", user(42, 1234, &[8888], "/var/adm")),
        ("1337:1234", user(1337, 1234, &[8888], "/8888")),
        ("1337", user(1337, 8888, &[8888], "/8888")),
        ("", defaults()),
        // Not in that table, but in its rules.
        ("42", user(42, 43, &[1234], "/var/adm")),
        (":adm", user(8888, 43, &[8888], "/8888")),
        ("adm:", user(42, 43, &[1234], "/var/adm")),
        ("4294967294:4294967294", user(u32::MAX - 1, u32::MAX - 1, &[8888], "/8888")),
    ] {
        assert_eq!(ask(spec, &files), Ok(expected), "{spec:?}");
    }
    assert_eq!(resolve(None, None, &files, &defaults()), Ok(defaults()));
    assert_eq!(
        resolve(None, None, &files, &ExecUser::default()),
        Ok(user(0, 0, &[0, 1234], "/root"))
    );
}

#[test]
fn what_no_file_knows_is_an_error() {
    let files = accounts(Some(PASSWD), Some(GROUP));
    for spec in [
        "notuser",
        "notuser:notgroup",
        "root:notgroup",
        "notuser:adm",
        "8888:notgroup",
        "notuser:8888",
        "-1:0",
        "0:-3",
        "-5:-2",
        "+1",
        "0x0",
        " 0",
        "4294967295",
        "0:4294967295",
        "99999999999999999999",
        "this is just some garbage data",
    ] {
        assert!(ask(spec, &files).is_err(), "{spec:?} resolved");
    }
    let message = ask("notuser", &files).unwrap_err().to_string();
    assert_eq!(message, "user `notuser` is not in /etc/passwd of the root");
    let message = ask("0:nogroup", &accounts(None, None)).unwrap_err().to_string();
    assert_eq!(message, "group `nogroup` cannot be looked up without /etc/group of the root");
}

#[test]
fn missing_files_leave_numbers_and_defaults() {
    let none = accounts(None, None);
    assert_eq!(ask("", &none), Ok(defaults()));
    assert_eq!(ask("root", &accounts(Some(PASSWD), None)), Ok(user(0, 0, &[8888], "/root")));
    assert_eq!(ask("0", &none), Ok(user(0, 8888, &[8888], "/8888")));
    assert_eq!(ask("0:0", &none), Ok(user(0, 0, &[8888], "/8888")));
    assert!(ask("root", &none).is_err());
}

#[test]
fn digits_are_a_number_even_where_a_user_or_group_has_them_for_a_name() {
    let files = accounts(
        Some("1000:x:0:0:trap:/root:/bin/sh\nweb:x:1000:33::/srv:\n"),
        Some("33:x:0:\nweb:x:33:1000\n"),
    );
    assert_eq!(ask("1000", &files), Ok(user(1000, 33, &[8888], "/srv")));
    assert_eq!(ask("1000:33", &files), Ok(user(1000, 33, &[8888], "/srv")));
    assert_eq!(ask("0", &files).map(|user| user.uid), Ok(0));
}

#[test]
fn malformed_lines_are_no_entries() {
    let passwd: Vec<_> = parse_passwd(PASSWD).map(|entry| (entry.name, entry.uid)).collect();
    assert_eq!(passwd, [("root", 0), ("adm", 42)]);
    let group: Vec<_> = parse_group("root:x:0:root\nadm:x:4:root,adm,daemon\ngarbage\n")
        .map(|entry| (entry.name, entry.gid, entry.members.len()))
        .collect();
    assert_eq!(group, [("root", 0, 1), ("adm", 4, 3)]);
    for line in [
        "",
        ":",
        "::::::::::",
        "a",
        "bad boys:corny cows",
        "a:x",
        "a:x:1",
        "a:x::1",
        "a:x:x:1",
        "a:x:1:x",
        "a:x:-1:1",
        "a:x:+1:1",
        "a:x:1:4294967295",
        "a:x:4294967296:1",
        ":x:0:0",
        "#a:x:0:0",
        "+::0:0:::",
        "-a:x:0:0",
        "a:x:0 :0",
        "a:x:0:0:\0:/",
    ] {
        assert_eq!(parse_passwd(line).next(), None, "{line:?}");
    }
    for line in ["", "::::", "a", "a:x", "a:x:", "a:x:x:b", ":x:0:b", "a:x:-1:b", "#a:x:0:b"] {
        assert_eq!(parse_group(line).next(), None, "{line:?}");
    }
}

#[test]
fn surplus_and_missing_trailing_fields_are_allowed() {
    let entry = parse_passwd("  a:x:1:2\n").next().unwrap();
    assert_eq!((entry.name, entry.uid, entry.gid, entry.home), ("a", 1, 2, ""));
    let entry = parse_passwd("a:x:1:2:g:/h:/s:more:still").next().unwrap();
    assert_eq!(entry.home, "/h");
    let files = accounts(Some("a:x:1:2:g::/s"), Some("g:x:7:a,,a\nh:x:7:a\n"));
    assert_eq!(
        ask("a", &files),
        Ok(user(1, 2, &[7], "/8888")),
        "an empty home, and a group given twice"
    );
    assert_eq!(parse_group("g:x:7").next().unwrap().members, [""; 0]);
}
