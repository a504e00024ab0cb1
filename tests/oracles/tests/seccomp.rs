//! What libseccomp's programs answer, ours answer.
//!
//! Known differences, each left out below where it is named:
//!
//! - libseccomp has no rule for calls newer than itself;
//! - of rules with conditions that hold at once and disagree, ours takes the first; libseccomp's choice depends on which
//!   conditions they share;
//! - several rules about one call that compare by order;
//! - calls newer than all of the profile's answer ENOSYS here as in runc, which puts that before libseccomp's program;
//! - call 0 of s390 does so too, for the same reason.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../../seccomp/meaning.rs"]
#[allow(dead_code, reason = "what a profile means is for another witness")]
mod meaning;
#[path = "../../seccomp/oci.rs"]
mod oci;
#[path = "../../seccomp/profiles.rs"]
mod profiles;

use std::collections::BTreeMap;

use libseccomp::ScmpSyscall;
use nsplan::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompRule,
};
use nsplan::plan::seccomp::{
    Call, FilterInstruction, answer, audit_arch, check, compile, interpret,
};
use nsplan_oracles::{LITTLE, add_rules, context, export, scmp_action, scmp_arch};
use proptest::prelude::*;
use proptest::sample::select;

use meaning::{Point, X32, number};

/// libseccomp's program for the architectures that are given. `with_first`: with a rule that comes first, [`FIRST`], since
/// libseccomp 2.5.4 forgets to load the number of the call where the first rule is about one that an architecture lacks.
fn reference(
    profile: &Seccomp,
    arches: &[SeccompArch],
    with_first: bool,
) -> Vec<FilterInstruction> {
    let mut context = context(profile, arches);
    if with_first {
        let call = ScmpSyscall::from_name(FIRST.0).unwrap();
        context.add_rule(scmp_action(FIRST.1), call).unwrap();
        context.set_syscall_priority(call, 255).unwrap();
    }
    add_rules(&mut context, profile);
    export(&context, arches[0])
}

/// A call that every architecture has and no random profile names, and its action.
const FIRST: (&str, SeccompAction) = ("getpid", SeccompAction::Trace(0x7777));

/// Whether a difference at `point` is one of the known ones.
fn is_known(profile: &Seccomp, native: SeccompArch, point: &Point, found: u32) -> bool {
    let is_unknown = |name: &str| ScmpSyscall::from_name(name).is_err();
    let arches = profile.architectures.iter().copied().chain([native]);
    let mut about = arches.filter(|arch| audit_arch(*arch) == point.audit).flat_map(|arch| {
        let named = profile.rules.iter().flat_map(|rule| &rule.names);
        named.filter(move |name| number(name, arch, arch == native) == Some(point.number))
    });
    let is_newer = about.clone().any(|name| is_unknown(name));
    let is_enosys = found == answer(SeccompAction::Errno(38)) && about.next().is_none();
    let is_s390 = [SeccompArch::S390, SeccompArch::S390x].map(audit_arch).contains(&point.audit);
    is_newer
        || is_enosys
        || is_s390 && point.number == 0 && found == answer(SeccompAction::Errno(38))
}

/// Whether libseccomp's answer is to be expected: rules about a call agree on its action, and of several with conditions
/// none compares by order or inequality, which libseccomp 2.5.4 gets wrong (it prints what was meant, and jumps elsewhere).
fn is_clear(profile: &Seccomp) -> bool {
    let mut about: BTreeMap<&str, Vec<&SeccompRule>> = BTreeMap::new();
    for rule in profile.rules.iter().filter(|rule| rule.action != profile.default_action) {
        for name in &rule.names {
            about.entry(name).or_default().push(rule);
            // To libseccomp a rule about one of its calls is one about the multiplexer too.
            if let Some(multiplexer) = multiplexer(name) {
                about.entry(multiplexer).or_default().push(rule);
            }
        }
    }
    let is_plain =
        |arg: &SeccompArg| matches!(arg.op, SeccompOperator::Equal | SeccompOperator::MaskedEqual);
    about.iter().all(|(_, rules)| {
        let agree = rules.iter().all(|rule| rule.action == rules[0].action);
        let is_split = |rule: &&SeccompRule| {
            (1..rule.args.len())
                .any(|at| rule.args[..at].iter().any(|o| o.index == rule.args[at].index))
        };
        let is_alone = rules.len() == 1 && !is_split(&rules[0]);
        agree && (is_alone || rules.iter().flat_map(|rule| &rule.args).all(is_plain))
    })
}

/// The call by which old 32-bit architectures make that one: socketcall(2), ipc(2).
fn multiplexer(name: &str) -> Option<&'static str> {
    match name {
        "socket" | "bind" | "connect" | "listen" | "accept" | "accept4" | "getsockname"
        | "getpeername" | "socketpair" | "send" | "recv" | "sendto" | "recvfrom" | "shutdown"
        | "setsockopt" | "getsockopt" | "sendmsg" | "recvmsg" | "recvmmsg" | "sendmmsg" => {
            Some("socketcall")
        }
        "semop" | "semget" | "semctl" | "semtimedop" | "msgsnd" | "msgrcv" | "msgget"
        | "msgctl" | "shmat" | "shmdt" | "shmget" | "shmctl" => Some("ipc"),
        _ => None,
    }
}

/// How many of the points differ in a known way.
fn compare(
    profile: &Seccomp,
    (machine, native): (&str, SeccompArch),
    points: &[Point],
    theirs: impl Fn(&Point) -> u32,
) -> usize {
    let ours = compile(profile, machine).unwrap().program;
    assert_eq!(check(&ours), Ok(()));
    let mut known = 0;
    for point in points {
        let call = Call::new(point.audit, point.number, point.arguments);
        let (found, expected) = (interpret(&ours, &call).unwrap(), theirs(point));
        if found != expected && expected != answer(FIRST.1) {
            assert!(
                is_known(profile, native, point, found),
                "{point:x?}: {found:#x}, libseccomp says {expected:#x} for {profile:?}"
            );
            known += 1;
        }
    }
    known
}

fn answer_of(program: &[FilterInstruction], point: &Point) -> u32 {
    let call = Call::new(point.audit, point.number, point.arguments);
    interpret(program, &call).expect("libseccomp's instructions")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn random_profiles_answer_as_libseccomp_has_them_answer(
        mut profile in profiles::profile(),
        (machine, native) in select(profiles::MACHINES.to_vec()),
        foreign in select(SeccompArch::ALL.to_vec()),
    ) {
        // libseccomp has no filter for both endiannesses.
        let order = |arch| audit_arch(arch) & LITTLE;
        profile.architectures.retain(|&arch| scmp_arch(arch).is_some() && order(arch) == order(native));
        for rule in &mut profile.rules {
            // Numbers are ours alone.
            rule.names.retain(|name| name != "7");
        }
        prop_assume!(scmp_arch(native).is_some() && is_clear(&profile));
        let points = profiles::points(&profile, native, foreign);
        let arches: Vec<_> = profile.architectures.iter().copied().chain([native]).collect();
        let programs: Vec<_> =
            arches.iter().map(|&arch| (arch, reference(&profile, &[arch], true))).collect();
        compare(&profile, (machine, native), &points, |point| {
            let is_x32 = point.number >= X32 && point.audit == audit_arch(SeccompArch::X86_64);
            let is_meant = |arch: SeccompArch| audit_arch(arch) == point.audit
                && (arch == SeccompArch::X32) == (is_x32 && arches.contains(&SeccompArch::X32));
            let program = programs.iter().find(|(arch, _)| is_meant(*arch));
            program.map_or(answer(SeccompAction::KillThread), |(_, program)| answer_of(program, point))
        });
    }
}

#[test]
fn engines_default_profiles_answer_every_call_as_with_libseccomp() {
    for file in ["podman-default.json", "docker-default.json"] {
        let path = format!("{}/../data/seccomp/{file}", env!("CARGO_MANIFEST_DIR"));
        let profile = oci::profile(&std::fs::read_to_string(path).unwrap());
        let words =
            [0, 1, 2, 8, 9, 16, 0x20000, 0x20008, 0xffff_ffff, 1 << 32, 0x7e02_0000, u64::MAX];
        let mut points = Vec::new();
        for audit in [SeccompArch::X86_64, SeccompArch::X86, SeccompArch::Aarch64].map(audit_arch) {
            for number in (0..1024).flat_map(|n| [n, n | X32]).chain([X32 - 1, u32::MAX]) {
                for (a, b) in words.into_iter().flat_map(|a| words.map(|b| (a, b))) {
                    points.push(Point { audit, number, arguments: [a, 0, b, 0, 0, 0] });
                }
            }
        }
        let arches = [SeccompArch::X86_64, SeccompArch::X86, SeccompArch::X32];
        let theirs = reference(&profile, &arches, false);
        let native = ("x86_64", SeccompArch::X86_64);
        let known = compare(&profile, native, &points, |point| answer_of(&theirs, point));
        println!(
            "{file}: {} calls compared, {known} of them ENOSYS instead of the default",
            points.len()
        );
    }
}
