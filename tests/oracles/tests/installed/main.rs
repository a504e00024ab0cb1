//! What the kernel answers under our programs it answers under libseccomp's: both are installed, and it is asked about every
//! call with every entry that the machine has.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod asked;
mod child;
#[path = "../../../seccomp/oci.rs"]
mod oci;

use std::collections::BTreeSet;

use libseccomp::ScmpSyscall;
use nsplan::config::{Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator};
use nsplan::plan::seccomp::{
    Call, FilterInstruction, answer, audit_arch, calls, compile, interpret,
};
use nsplan_oracles::{add_rules, context_here, export, scmp_arch};

use asked::{Answer, Entry, Question, ask};

#[test]
fn podmans_default_profile_is_answered_as_under_libseccomp() {
    let known = every_call_is_answered_as_under_libseccomp("podman-default.json");
    assert_eq!(known, 0, "the profile says ENOSYS itself");
}

#[test]
fn dockers_default_profile_is_answered_as_under_libseccomp() {
    let known = every_call_is_answered_as_under_libseccomp("docker-default.json");
    assert!(known > 0, "the profile says EPERM to calls that its author did not know");
}

/// How many calls are answered otherwise because runc has a rule that libseccomp has not.
fn every_call_is_answered_as_under_libseccomp(file: &str) -> usize {
    let profile = profile(file);
    let arches = [SeccompArch::X86_64, SeccompArch::X32]
        .into_iter()
        .chain(has_int80().then_some(SeccompArch::X86));
    let (mut known, mut seen) = (0, BTreeSet::new());
    for arch in arches {
        let questions = about(arch, &profile);
        let (ours, theirs) = ask_both(&profile, &questions);
        let newest = newest_named(&profile, arch);
        let mut allowed = 0;
        for ((question, &found), &theirs) in questions.iter().zip(&ours).zip(&theirs) {
            // runc's rule, before libseccomp's program: what is newer than all of the profile's calls is unknown.
            let is_newer = question.number & !X32 > newest;
            let expected = if is_newer { Answer::Errno(libc::ENOSYS.into()) } else { theirs };
            assert_eq!(found, expected, "{question:x?}; libseccomp's: {theirs:?}");
            known += usize::from(expected != theirs);
            allowed += usize::from(found == Answer::Allowed);
            seen.insert(found);
        }
        println!("{file}, {}: {} calls compared, {allowed} allowed", arch.name(), questions.len());
    }
    let actions = profile.rules.iter().map(|rule| rule.action).chain([profile.default_action]);
    for action in actions {
        assert!(seen.contains(&as_answer(answer(action))), "{action:?} was never given");
    }
    known
}

#[test]
fn a_call_of_an_architecture_that_is_not_meant_kills_under_both() {
    let profile = Seccomp { architectures: vec![], ..profile("podman-default.json") };
    let mut questions = Vec::new();
    for number in [0, 1, 39, 511, 1023] {
        let arguments = [0; 6];
        questions.push(Question { entry: Entry::Syscall, number: number | X32, arguments });
        if has_int80() {
            questions.push(Question { entry: Entry::Int80, number, arguments });
        }
    }
    let killed = vec![Answer::Killed(libc::SIGSYS); questions.len()];
    assert_eq!(ask_both(&profile, &questions), (killed.clone(), killed));
}

/// What the kernel answers under our program and under libseccomp's. Under ours it is what the interpreter answers, of which
/// other tests make use.
fn ask_both(profile: &Seccomp, questions: &[Question]) -> (Vec<Answer>, Vec<Answer>) {
    let (ours, theirs) = (compile(profile, "x86_64").unwrap().program, reference(profile));
    let (found, expected) = std::thread::scope(|scope| {
        let found = scope.spawn(|| ask(&ours, questions));
        let expected = ask(&theirs, questions);
        (found.join().unwrap(), expected)
    });
    let unfiltered: Vec<_> = calls(SeccompArch::X86_64)
        .filter_map(|(name, number)| UNFILTERED.contains(&name).then_some(number))
        .collect();
    for (question, &found) in questions.iter().zip(&found) {
        if question.entry == Entry::Int80 || !unfiltered.contains(&question.number) {
            let word = interpret(&ours, &question.as_filtered()).unwrap();
            assert_eq!(found, as_answer(word), "{question:x?}; interpreted: {word:#x}");
        }
    }
    (found, expected)
}

/// Which a kernel that has them takes from its own trampolines only, and asks no filter about.
const UNFILTERED: [&str; 2] = ["uretprobe", "uprobe"];

/// What a word of a filter's comes to in a process that is alone.
fn as_answer(word: u32) -> Answer {
    match word & libc::SECCOMP_RET_ACTION_FULL {
        libc::SECCOMP_RET_ALLOW => Answer::Allowed,
        libc::SECCOMP_RET_ERRNO => Answer::Errno((word & libc::SECCOMP_RET_DATA).into()),
        libc::SECCOMP_RET_KILL_THREAD => Answer::Killed(libc::SIGSYS),
        _ => panic!("{word:#x} is in none of the profiles"),
    }
}

fn profile(file: &str) -> Seccomp {
    let path = format!("{}/../data/seccomp/{file}", env!("CARGO_MANIFEST_DIR"));
    oci::profile(&std::fs::read_to_string(path).unwrap())
}

fn reference(profile: &Seccomp) -> Vec<FilterInstruction> {
    let mut context = context_here(profile);
    add_rules(&mut context, profile);
    export(&context, SeccompArch::X86_64)
}

/// The highest number of all that the profile names, as libseccomp numbers them.
fn newest_named(profile: &Seccomp, arch: SeccompArch) -> u32 {
    let arch = scmp_arch(arch).unwrap();
    let names = profile.rules.iter().flat_map(|rule| &rule.names);
    let numbers = names.filter_map(|name| ScmpSyscall::from_name_by_arch(name, arch).ok());
    // What the architecture lacks has a number below 0.
    numbers.filter_map(|call| u32::try_from(call.as_raw_syscall()).ok()).max().unwrap() & !X32
}

/// Whether the kernel takes calls of 32-bit programs (`CONFIG_IA32_EMULATION`).
fn has_int80() -> bool {
    let everything = FilterInstruction {
        code: 0x06,
        if_true: 0,
        if_false: 0,
        value: answer(SeccompAction::Allow),
    };
    let getpid = Question { entry: Entry::Int80, number: 20, arguments: [0; 6] };
    let has = ask(&[everything], &[getpid]) == [Answer::Allowed];
    assert!(has || std::env::var_os("NSPLAN_NO_SKIP").is_none(), "no 32-bit calls here");
    if !has {
        eprintln!("left out: this kernel takes no 32-bit calls");
    }
    has
}

impl Question {
    /// As a filter sees it.
    fn as_filtered(&self) -> Call {
        match self.entry {
            Entry::Syscall => {
                Call::new(audit_arch(SeccompArch::X86_64), self.number, self.arguments)
            }
            Entry::Int80 => {
                let arguments = self.arguments.map(|argument| argument & 0xffff_ffff);
                Call::new(audit_arch(SeccompArch::X86), self.number, arguments)
            }
        }
    }
}

/// The bit that tells calls of x32.
const X32: u32 = 0x4000_0000;

/// Every number of an architecture with every sample of arguments; and the number of a call that a tracer has skipped.
fn about(arch: SeccompArch, profile: &Seccomp) -> Vec<Question> {
    let (entry, numbers) = match arch {
        SeccompArch::X86 => (Entry::Int80, 0..1024),
        SeccompArch::X32 => (Entry::Syscall, X32..X32 + 1024),
        _ => (Entry::Syscall, 0..1024),
    };
    let samples = samples(profile);
    let mut questions = Vec::with_capacity(samples.len() * 1025);
    for number in numbers.chain([u32::MAX]) {
        questions.extend(samples.iter().map(|&arguments| Question { entry, number, arguments }));
    }
    questions
}

/// Arguments on both sides of everything that the profile compares: all six alike, one alone, those of one rule together.
fn samples(profile: &Seccomp) -> BTreeSet<[u64; 6]> {
    let args = || profile.rules.iter().flat_map(|rule| &rule.args);
    let mut words: BTreeSet<_> = args().flat_map(around).collect();
    words.extend([0, 1, u32::MAX.into(), u64::MAX]);
    let mut samples: BTreeSet<_> = words.iter().map(|word| [*word; 6]).collect();
    for index in args().map(|arg| arg.index).collect::<BTreeSet<_>>() {
        samples.extend(words.iter().map(|word| with([0; 6], index, *word)));
    }
    for rule in &profile.rules {
        let mut together = vec![[0; 6]];
        for arg in &rule.args {
            let one = |sample| around(arg).into_iter().map(move |w| with(sample, arg.index, w));
            together = together.into_iter().flat_map(one).collect();
        }
        samples.extend(together);
    }
    samples
}

fn with(mut sample: [u64; 6], index: u8, word: u64) -> [u64; 6] {
    sample[usize::from(index)] = word;
    sample
}

/// The word that a condition compares with, its neighbours, the same with high bits; of a mask each bit.
fn around(arg: &SeccompArg) -> Vec<u64> {
    let word = arg.value;
    let (below, above) = (word.wrapping_sub(1), word.wrapping_add(1));
    let mut found = vec![word, below, above, word | 1 << 32, word | 1 << 63];
    if arg.op == SeccompOperator::MaskedEqual {
        found.extend([arg.value_two, !word]);
        found.extend((0..64).map(|bit| word & 1 << bit));
    }
    found
}
