//! Every profile's program is one that the kernel takes, and answers what the profile means.

use nsplan::config::{Seccomp, SeccompAction, SeccompArch, SeccompRule};
use nsplan::plan::seccomp::{Call, CompileError, answer, calls, check, compile, interpret};
use proptest::prelude::*;
use proptest::sample::select;

use crate::meaning::meaning;
use crate::profiles::{MACHINES, points, profile};

fn agrees(profile: &Seccomp, machine: &str, native: SeccompArch, foreign: SeccompArch) {
    let compiled = compile(profile, machine).expect("short enough");
    assert_eq!(check(&compiled.program), Ok(()), "{profile:?}");
    for point in points(profile, native, foreign) {
        let call = Call::new(point.audit, point.number, point.arguments);
        let found = interpret(&compiled.program, &call);
        let expected = answer(meaning(profile, native, &point));
        assert_eq!(found, Some(expected), "{point:x?} of {profile:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_program_answers_what_the_profile_means(
        profile in profile(),
        (machine, native) in select(MACHINES.to_vec()),
        foreign in select(SeccompArch::ALL.to_vec()),
    ) {
        agrees(&profile, machine, native, foreign);
    }
}

/// `socketcall` stands for `send` there, and is newer than all that is named.
#[test]
fn a_multiplexer_may_be_newer_than_every_call_that_is_named() {
    let rule = |name: &str| SeccompRule {
        names: vec![name.into()],
        action: SeccompAction::Allow,
        args: vec![],
    };
    let profile = Seccomp {
        default_action: SeccompAction::Errno(0),
        architectures: vec![SeccompArch::S390],
        flags: vec![],
        listener_path: None,
        listener_metadata: None,
        rules: vec![rule("send"), rule("write")],
    };
    agrees(&profile, "x86_64", SeccompArch::X86_64, SeccompArch::X86_64);
}

/// A rule for each call of an architecture, no two neighbours alike, with conditions on every third: trees of the greatest
/// depth and jumps that are far.
#[test]
fn jumps_beyond_255_instructions_land_where_they_should() {
    let rule = |(at, (name, _)): (usize, (&'static str, u32))| SeccompRule {
        names: vec![name.into()],
        action: SeccompAction::Errno(u16::try_from(at % 300).expect("small")),
        args: (0..if at % 3 == 0 { 2 } else { 0 })
            .map(|index| nsplan::config::SeccompArg {
                index,
                op: nsplan::config::SeccompOperator::GreaterThan,
                value: at as u64 + (1 << 32),
                value_two: 0,
            })
            .collect(),
    };
    let profile = Seccomp {
        default_action: SeccompAction::Allow,
        architectures: vec![SeccompArch::X86],
        flags: vec![],
        listener_path: None,
        listener_metadata: None,
        rules: calls(SeccompArch::X86_64).enumerate().map(rule).collect(),
    };
    let length = compile(&profile, "x86_64").expect("short enough").program.len();
    assert!(length > 1500, "{length}");
    agrees(&profile, "x86_64", SeccompArch::X86_64, SeccompArch::Arm);
}

#[test]
fn a_program_that_the_kernel_would_not_take_is_an_error() {
    let rule = |at: u64| SeccompRule {
        names: vec!["read".into(), "write".into()],
        action: SeccompAction::Errno(1),
        args: (0..6)
            .map(|index| nsplan::config::SeccompArg {
                index,
                op: nsplan::config::SeccompOperator::LessThan,
                value: at << 20,
                value_two: 0,
            })
            .collect(),
    };
    let profile = Seccomp {
        default_action: SeccompAction::Allow,
        architectures: vec![],
        flags: vec![],
        listener_path: None,
        listener_metadata: None,
        rules: (1..200).map(rule).collect(),
    };
    let error = compile(&profile, "x86_64").expect_err("too long");
    assert!(matches!(error, CompileError::Length(4097..)), "{error:?}");
    let none = compile(&profile, "vax").expect_err("no such table");
    assert_eq!(none, CompileError::Machine("vax".into()));
}
