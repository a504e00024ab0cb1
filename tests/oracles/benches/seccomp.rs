//! How long a profile takes to become a program, and a program to be installed: ours beside libseccomp's, in turns.
//!
//! `cargo bench --manifest-path tests/oracles/Cargo.toml --target-dir target/oracles [ROUNDS]`. Of libseccomp's programs the
//! linear one is what runc and crun install; the tree is what it makes when it is asked to (`SCMP_FLTATR_CTL_OPTIMIZE` 2).
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so by panicking")]

#[path = "../../seccomp/oci.rs"]
mod oci;

use std::io::Error;
use std::time::{Duration, Instant};

use nsplan::config::{Seccomp, SeccompArch};
use nsplan::plan::seccomp::{FilterInstruction, compile};
use nsplan_oracles::{add_rules, context_here, export, instructions};

/// How they are called in the table.
const NAMES: [&str; 3] = ["nsplan", "libseccomp", "libseccomp, tree"];

fn main() {
    let rounds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(300);
    println!(
        "profile            what      program           instructions  median µs  of libseccomp's"
    );
    for name in ["podman-default", "docker-default"] {
        let file = format!("{}/../data/seccomp/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let profile = oci::profile(&std::fs::read_to_string(file).unwrap());
        let programs = [0, 1, 2].map(|which| program(&profile, which));
        let lengths = programs.each_ref().map(Vec::len);
        let compiled = turns(rounds, |which| {
            let begin = Instant::now();
            let made = program(&profile, which);
            let taken = begin.elapsed();
            assert_eq!(made.len(), lengths[which]);
            taken
        });
        print(name, "compile", lengths, compiled);
        let ready = programs.each_ref().map(|program| instructions(program));
        let installed = turns(rounds, |which| install(&ready[which]));
        print(name, "install", lengths, installed);
    }
}

fn program(profile: &Seccomp, which: usize) -> Vec<FilterInstruction> {
    if which == 0 {
        return compile(profile, "x86_64").unwrap().program;
    }
    let mut context = context_here(profile);
    if which == 2 {
        context.set_ctl_optimize(2).unwrap();
    }
    add_rules(&mut context, profile);
    export(&context, SeccompArch::X86_64)
}

/// The median of each, one after the other in every round, beginning with another each time.
fn turns(rounds: usize, mut measure: impl FnMut(usize) -> Duration) -> [Duration; 3] {
    let mut samples = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for turn in 0..3 {
            let which = (round + turn) % 3;
            samples[which].push(measure(which));
        }
    }
    samples.map(|mut samples| {
        samples.sort();
        samples[samples.len() / 2]
    })
}

fn print(profile: &str, what: &str, lengths: [usize; 3], medians: [Duration; 3]) {
    let micros = medians.map(|median| median.as_secs_f64() * 1e6);
    for (which, name) in NAMES.into_iter().enumerate() {
        let (length, median, ratio) = (lengths[which], micros[which], micros[which] / micros[1]);
        println!("{profile:18} {what:9} {name:17} {length:12} {median:10.1} {ratio:15.3}");
    }
}

/// `seccomp(SECCOMP_SET_MODE_FILTER)` in a process of its own, which says how long it took.
fn install(program: &[libc::sock_filter]) -> Duration {
    let mut pipe = [0; 2];
    // SAFETY: the kernel writes two descriptors.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0, "{}", Error::last_os_error());
    // SAFETY: the child neither allocates nor locks.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        child(program, pipe[1]);
    }
    assert!(pid > 0, "{}", Error::last_os_error());
    let mut answer = [0_u8; 8];
    let (mut status, length) = (0, answer.len());
    // SAFETY: the descriptors are ours, `answer` and `status` are written to their lengths.
    let read = unsafe {
        libc::close(pipe[1]);
        let read = libc::read(pipe[0], answer.as_mut_ptr().cast(), length);
        libc::close(pipe[0]);
        libc::waitpid(pid, &raw mut status, 0);
        read
    };
    assert_eq!(read, 8, "the child ended with {status:#x} before it had told");
    Duration::from_nanos(u64::from_ne_bytes(answer))
}

fn child(program: &[libc::sock_filter], out: libc::c_int) -> ! {
    let length = u16::try_from(program.len()).unwrap_or(0);
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the filter is as long as it says, and only read; what was timed is written from this frame.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        let begin = Instant::now();
        let done =
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const filter);
        let taken = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(0).to_ne_bytes();
        if done == 0 {
            libc::write(out, taken.as_ptr().cast(), taken.len());
        }
        // As an engine's profile allows it.
        libc::syscall(libc::SYS_exit_group, i64::from(done != 0));
    }
    unreachable!("exit_group does not return")
}
