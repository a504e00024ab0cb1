//! Random profiles, and the calls at which their answers change.

use nsplan::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompRule,
};
use nsplan::plan::seccomp::audit_arch;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::meaning::{Point, X32, number};

/// Calls that differ between architectures, or are multiplexed, or lie at the ends of tables.
const NAMES: [&str; 34] = [
    "accept",
    "accept4",
    "arch_prctl",
    "bind",
    "cacheflush",
    "chown",
    "chown32",
    "clone",
    "clone3",
    "close",
    "exit",
    "execve",
    "file_setattr",
    "ioctl",
    "ipc",
    "msgget",
    "no_such_call",
    "openat2",
    "personality",
    "read",
    "restart_syscall",
    "rt_sigaction",
    "semop",
    "semtimedop",
    "send",
    "sendmmsg",
    "set_tls",
    "setup",
    "shmat",
    "socket",
    "socketcall",
    "socketpair",
    "write",
    "7",
];

pub(crate) const MACHINES: [(&str, SeccompArch); 8] = [
    ("x86_64", SeccompArch::X86_64),
    ("aarch64", SeccompArch::Aarch64),
    ("armv7l", SeccompArch::Arm),
    ("riscv64", SeccompArch::Riscv64),
    ("s390x", SeccompArch::S390x),
    ("ppc64le", SeccompArch::Ppc64le),
    ("ppc64", SeccompArch::Ppc64),
    ("loongarch64", SeccompArch::Loongarch64),
];

const WORDS: [u64; 12] = [
    0,
    1,
    2,
    9,
    16,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

pub(crate) fn action() -> impl Strategy<Value = SeccompAction> {
    prop_oneof![
        3 => Just(SeccompAction::Allow),
        3 => (0..5_u16).prop_map(SeccompAction::Errno),
        1 => Just(SeccompAction::KillProcess),
        1 => Just(SeccompAction::KillThread),
        1 => Just(SeccompAction::Log),
        1 => Just(SeccompAction::Notify),
        1 => (0..3_u16).prop_map(SeccompAction::Trace),
        1 => Just(SeccompAction::Trap),
    ]
}

pub(crate) fn condition() -> impl Strategy<Value = SeccompArg> {
    (0..6_u8, select(SeccompOperator::ALL.to_vec()), select(WORDS.to_vec()), select(WORDS.to_vec()))
        .prop_map(|(index, op, value, value_two)| SeccompArg { index, op, value, value_two })
}

fn rule() -> impl Strategy<Value = SeccompRule> {
    let names = subsequence(NAMES.to_vec(), 1..6);
    (names, action(), prop::collection::vec(condition(), 0..4)).prop_map(|(names, action, args)| {
        SeccompRule { names: names.into_iter().map(Into::into).collect(), action, args }
    })
}

/// A profile.
pub(crate) fn profile() -> impl Strategy<Value = Seccomp> {
    let architectures = subsequence(SeccompArch::ALL.to_vec(), 0..5);
    (action(), architectures, prop::collection::vec(rule(), 0..12)).prop_map(
        |(default_action, architectures, rules)| Seccomp {
            default_action,
            architectures,
            flags: vec![],
            listener_path: None,
            listener_metadata: None,
            rules,
        },
    )
}

/// Calls on both sides of everything that a profile distinguishes.
pub(crate) fn points(profile: &Seccomp, native: SeccompArch, foreign: SeccompArch) -> Vec<Point> {
    let mut arches = profile.architectures.clone();
    arches.extend([native, foreign]);
    let mut found = Vec::new();
    for arch in arches {
        let mut numbers = vec![0, 1, 101, 117, 1023, X32 - 1, X32, X32 + 1, u32::MAX - 1, u32::MAX];
        for name in profile.rules.iter().flat_map(|rule| &rule.names).map(String::as_str) {
            for name in [name, "socketcall", "ipc"] {
                let number = number(name, arch, arch == native);
                numbers.extend(number.into_iter().flat_map(|n| [n.wrapping_sub(1), n, n + 1]));
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            for arguments in arguments(profile) {
                found.push(Point { audit: audit_arch(arch), number, arguments });
            }
        }
    }
    found
}

/// Each argument of its own on both sides of every word, and all alike.
fn arguments(profile: &Seccomp) -> Vec<[u64; 6]> {
    let conditions = profile.rules.iter().flat_map(|rule| &rule.args);
    let mut words: Vec<_> = conditions.flat_map(|arg| [arg.value, arg.value_two]).collect();
    words.extend([0, 1, 21]);
    words.sort_unstable();
    words.dedup();
    let around = |word: u64| [word.wrapping_sub(1), word, word.wrapping_add(1), word ^ 1 << 40];
    let words: Vec<_> = words.into_iter().flat_map(around).collect();
    let step = words.len() / 16 + 1;
    let mut all: Vec<_> = words.iter().step_by(step).map(|&word| [word; 6]).collect();
    for (at, &word) in words.iter().enumerate().step_by(step) {
        let mut mixed = [words[(at * 7 + 3) % words.len()]; 6];
        mixed[at % 6] = word;
        mixed[(at + 2) % 6] = words[(at * 5 + 1) % words.len()];
        all.push(mixed);
    }
    all
}
