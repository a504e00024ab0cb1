//! What a profile means, said without a program: rule by rule for one call.

use std::collections::HashMap;
use std::sync::OnceLock;

use nsplan::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompRule,
};
use nsplan::plan::seccomp::{audit_arch, calls};

/// A call as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) audit: u32,
    pub(crate) number: u32,
    pub(crate) arguments: [u64; 6],
}

pub(crate) const X32: u32 = 0x4000_0000;

/// The answer to one call.
pub(crate) fn meaning(profile: &Seccomp, native: SeccompArch, point: &Point) -> SeccompAction {
    let Some(arch) = arch_of(profile, native, point) else {
        let is_skipped = point.number == u32::MAX && point.audit == audit_arch(SeccompArch::X86_64);
        let knows_64 = meant(profile, native).contains(&SeccompArch::X86_64);
        return if is_skipped && knows_64 {
            profile.default_action
        } else {
            SeccompAction::KillThread
        };
    };
    let is_native = arch == native;
    let is_strict = !matches!(
        profile.default_action,
        SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace(_)
    );
    let is_s390 = matches!(arch, SeccompArch::S390 | SeccompArch::S390x);
    if is_strict && is_s390 && point.number == 0 {
        return SeccompAction::Errno(38);
    }
    let rules = profile.rules.iter().filter(|rule| rule.action != profile.default_action);
    let about: Vec<_> =
        rules.filter_map(|rule| Some((rule, about(rule, arch, is_native, point)?))).collect();
    if let Some((rule, _)) = about.iter().find(|(rule, about)| about.direct && rule.args.is_empty())
    {
        return rule.action;
    }
    for (rule, about) in &about {
        if holds(rule, about, is_wide(arch), point) {
            return rule.action;
        }
    }
    let named = profile.rules.iter().flat_map(|rule| &rule.names);
    let last = named.filter_map(|name| number(name, arch, is_native)).max();
    let has_rules = !about.is_empty();
    match last {
        Some(last) if is_strict && !has_rules && point.number > last => SeccompAction::Errno(38),
        _ => profile.default_action,
    }
}

fn meant(profile: &Seccomp, native: SeccompArch) -> Vec<SeccompArch> {
    profile.architectures.iter().copied().chain([native]).collect()
}

fn arch_of(profile: &Seccomp, native: SeccompArch, point: &Point) -> Option<SeccompArch> {
    let is_x32 = point.number >= X32;
    meant(profile, native).into_iter().find(|arch| match arch {
        SeccompArch::X86_64 => point.audit == audit_arch(*arch) && !is_x32,
        SeccompArch::X32 => point.audit == audit_arch(*arch) && is_x32,
        _ => point.audit == audit_arch(*arch),
    })
}

/// The number of a name.
pub(crate) fn number(name: &str, arch: SeccompArch, is_native: bool) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return is_native.then_some(number);
    }
    TABLES.get_or_init(tables).get(&(arch, name)).copied()
}

type Tables = HashMap<(SeccompArch, &'static str), u32>;

static TABLES: OnceLock<Tables> = OnceLock::new();

fn tables() -> Tables {
    let all = SeccompArch::ALL
        .iter()
        .flat_map(|&arch| calls(arch).map(move |(name, number)| ((arch, name), number)));
    all.collect()
}

pub(crate) fn is_wide(arch: SeccompArch) -> bool {
    use SeccompArch as A;
    matches!(
        arch,
        A::X86_64
            | A::Aarch64
            | A::Riscv64
            | A::Loongarch64
            | A::S390x
            | A::Ppc64
            | A::Ppc64le
            | A::Mips64
            | A::Mipsel64
    )
}

/// How a rule is about a call: by its own number, or by the numbers of its shares of a multiplexer.
struct About {
    direct: bool,
    shares: Vec<u64>,
}

fn about(rule: &SeccompRule, arch: SeccompArch, is_native: bool, point: &Point) -> Option<About> {
    let direct = rule.names.iter().any(|name| number(name, arch, is_native) == Some(point.number));
    let multiplexer = ["socketcall", "ipc"]
        .into_iter()
        .find(|name| multiplexes(arch) && number(name, arch, false) == Some(point.number));
    let share = |name: &String| share(multiplexer?, name);
    let shares: Vec<_> = rule.names.iter().filter_map(share).collect();
    (direct || !shares.is_empty()).then_some(About { direct, shares })
}

fn multiplexes(arch: SeccompArch) -> bool {
    use SeccompArch as A;
    matches!(
        arch,
        A::X86 | A::S390 | A::S390x | A::Ppc | A::Ppc64 | A::Ppc64le | A::Mips | A::Mipsel
    )
}

fn share(multiplexer: &str, name: &str) -> Option<u64> {
    const SOCKET: &str = "socket bind connect listen accept getsockname getpeername socketpair send recv sendto \
        recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg";
    const IPC: [(&str, u64); 12] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    if multiplexer == "ipc" {
        return IPC.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    }
    (1..).zip(SOCKET.split_whitespace()).find(|(_, known)| *known == name).map(|(number, _)| number)
}

fn holds(rule: &SeccompRule, about: &About, is_wide: bool, point: &Point) -> bool {
    let test = |arg: &SeccompArg| compares(arg, is_wide, point.arguments[usize::from(arg.index)]);
    let repeats = |arg: &SeccompArg| rule.args.iter().filter(|o| o.index == arg.index).count() > 1;
    let is_split = rule.args.iter().any(repeats);
    let by_number = about.direct
        && if is_split { rule.args.iter().any(test) } else { rule.args.iter().all(test) };
    let first = if is_wide { point.arguments[0] } else { point.arguments[0] & 0xffff_ffff };
    let by_share = about.shares.contains(&first)
        && if is_split {
            rule.args.iter().any(|arg| arg.index == 0 || test(arg))
        } else {
            rule.args.iter().all(|arg| arg.index == 0 || test(arg))
        };
    by_number || by_share
}

fn compares(arg: &SeccompArg, is_wide: bool, argument: u64) -> bool {
    let cut = |word: u64| if is_wide { word } else { word & 0xffff_ffff };
    let (argument, value, two) = (cut(argument), cut(arg.value), cut(arg.value_two));
    match arg.op {
        SeccompOperator::Equal => argument == value,
        SeccompOperator::GreaterEqual => argument >= value,
        SeccompOperator::GreaterThan => argument > value,
        SeccompOperator::LessEqual => argument <= value,
        SeccompOperator::LessThan => argument < value,
        SeccompOperator::MaskedEqual => argument & value == two & value,
        SeccompOperator::NotEqual => argument != value,
    }
}
