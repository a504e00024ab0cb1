//! Ids, capabilities and limits of the program, as the kernel shows them.

use nsplan::config::{CapabilitySets, UserSpec};
use nsplan::types::{CapSet, Resource, Rlimit};

use crate::support::{as_user, is_root, rootfs, run, shell};

fn status_line(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {status}"))
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

#[track_caller]
fn check_capabilities() {
    let root = rootfs("caps");
    let status = run(&shell(&root, "cat /proc/self/status")).ok();
    let wanted = CapabilitySets::container_default();
    let set = |name: &str| {
        CapSet::from_bits(u64::from_str_radix(&status_line(&status, name), 16).unwrap())
    };
    assert_eq!(set("CapBnd"), wanted.bounding);
    assert_eq!(set("CapEff"), wanted.effective);
    assert_eq!(set("CapPrm"), wanted.permitted);
    assert_eq!(set("CapInh"), CapSet::EMPTY);
    assert_eq!(set("CapAmb"), CapSet::EMPTY);
    assert_eq!(status_line(&status, "NoNewPrivs"), "1");
    // An independent witness of what the words mean.
    let names: Vec<_> = wanted.bounding.iter().map(|c| c.to_string()).collect();
    for name in names {
        let known: caps::Capability = name.parse().expect("a name that the caps crate knows");
        assert_ne!(set("CapBnd").bits() & known.bitmask(), 0, "{name}");
    }
}

#[test]
fn the_capability_sets_are_exactly_those_asked_for() {
    check_capabilities();
}

#[test]
fn an_ordinary_users_container_has_exactly_the_capability_sets_asked_for() {
    if as_user("privileges::an_ordinary_users_container_has_exactly_the_capability_sets_asked_for")
    {
        check_capabilities();
    }
}

#[test]
fn ids_and_groups_are_those_asked_for() {
    if !is_root() {
        return;
    }
    let root = rootfs("ids");
    let mut config = shell(&root, "cat /proc/self/status");
    let user = &mut config.process.as_mut().unwrap().user;
    user.spec = UserSpec::Ids { uid: 12, gid: 34 };
    user.additional_gids = vec![56, 78];
    let status = run(&config).ok();
    assert_eq!(status_line(&status, "Uid"), "12\t12\t12\t12");
    assert_eq!(status_line(&status, "Gid"), "34\t34\t34\t34");
    assert_eq!(status_line(&status, "Groups"), "56 78");
    assert_eq!(
        status_line(&status, "CapEff"),
        "0000000000000000",
        "a user without ambient capabilities"
    );
}

#[test]
fn a_users_map_is_the_user_and_nobody_else() {
    if as_user("privileges::a_users_map_is_the_user_and_nobody_else") {
        let root = rootfs("map");
        let script = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups";
        let seen = run(&shell(&root, script)).ok();
        let uid = nix::unistd::geteuid();
        let line = format!("0 {uid} 1");
        assert_eq!(
            seen.split_whitespace().collect::<Vec<_>>().join(" "),
            format!("{line} {line} deny")
        );
    }
}

#[test]
fn limits_are_set_before_the_program_runs() {
    let root = rootfs("limits");
    let mut config = shell(&root, "grep 'open files' /proc/self/limits");
    let limit = Rlimit { soft: 100, hard: 200 };
    config.process.as_mut().unwrap().rlimits.insert(Resource::Nofile, limit);
    let seen = run(&config).ok();
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>()[3..5], ["100", "200"]);
}
