//! Bytes become a profile and calls: the body of the fuzz target `seccomp`, whose seeds are replayed by a test.

use nsplan::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompRule,
};
use nsplan::plan::seccomp::{
    Call, CompileError, answer, audit_arch, calls, check, compile, interpret,
};

use crate::meaning::{Point, meaning};

/// Reads values off a slice; after its end everything is zero.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u64 {
        // Small words meet each other, large ones reach the upper halves.
        match self.byte() {
            small @ 0..=127 => small.into(),
            128..=191 => u64::from(self.byte()) << 32 | u64::from(self.byte()),
            _ => (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte())),
        }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte()) % from.len()].clone()
    }
}

const MACHINES: [(&str, SeccompArch); 4] = [
    ("x86_64", SeccompArch::X86_64),
    ("aarch64", SeccompArch::Aarch64),
    ("s390x", SeccompArch::S390x),
    ("ppc64", SeccompArch::Ppc64),
];

fn action(from: &mut Reader<'_>) -> SeccompAction {
    use SeccompAction as A;
    let errno = u16::from(from.byte());
    let all = [A::Allow, A::KillProcess, A::KillThread, A::Log, A::Notify, A::Trap];
    let all = all.into_iter().chain([A::Errno(errno), A::Trace(errno)]).collect::<Vec<_>>();
    from.pick(&all)
}

fn name(from: &mut Reader<'_>) -> String {
    let all: Vec<_> = calls(SeccompArch::X86).chain(calls(SeccompArch::X86_64)).collect();
    match from.byte() {
        0..=3 => "no_such_call".into(),
        4..=7 => from.byte().to_string(),
        high => {
            let at = (usize::from(high) << 8 | usize::from(from.byte())) % all.len();
            all[at].0.into()
        }
    }
}

fn rule(from: &mut Reader<'_>) -> SeccompRule {
    let names = (0..=from.byte() % 4).map(|_| name(from)).collect();
    let args = (0..from.byte() % 4).map(|_| SeccompArg {
        index: from.byte() % 6,
        op: from.pick(&SeccompOperator::ALL),
        value: from.word(),
        value_two: from.word(),
    });
    let args = args.collect();
    SeccompRule { names, action: action(from), args }
}

/// # Panics
/// Where the program does not hold what the profile says: the fuzzer's signal.
pub(crate) fn program(data: &[u8]) {
    let mut from = Reader(data);
    let (machine, native) = from.pick(&MACHINES);
    let architectures = (0..from.byte() % 3).map(|_| from.pick(SeccompArch::ALL)).collect();
    let default_action = action(&mut from);
    let rules = (0..from.byte() % 16).map(|_| rule(&mut from)).collect();
    let (flags, listener_path, listener_metadata) = (Vec::new(), None, None);
    let profile =
        Seccomp { default_action, architectures, flags, listener_path, listener_metadata, rules };
    let program = match compile(&profile, machine) {
        Ok(compiled) => compiled.program,
        Err(CompileError::Length(4097..)) => return,
        Err(error) => panic!("{error:?} of {profile:?}"),
    };
    assert_eq!(check(&program), Ok(()), "{profile:?}");
    for _ in 0..32 {
        let arch = from.pick(SeccompArch::ALL);
        let number = u32::from(from.byte()) << 2 | u32::from(from.byte());
        let arguments = core::array::from_fn(|_| from.word());
        let point = Point { audit: audit_arch(arch), number, arguments };
        let found = interpret(&program, &Call::new(point.audit, point.number, arguments));
        let expected = answer(meaning(&profile, native, &point));
        assert_eq!(found, Some(expected), "{point:x?} of {profile:?}");
    }
}

/// Replays the seeds.
#[cfg(test)]
#[test]
fn seeds_and_old_crashes_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/seccomp");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    assert!(!entries.is_empty());
    for entry in entries {
        program(&std::fs::read(entry.path()).unwrap());
    }
}
