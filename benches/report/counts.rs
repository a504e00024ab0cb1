//! What one run takes: calls as strace sees them, faults and memory as the kernel accounts for them.

use std::fs;

use crate::bundle::Variant;
use crate::contender::Kind;
use crate::gate::{Words, program};
use crate::machine::{Machine, Word};
use crate::measure::Bench;
use crate::samples::Counts;

/// One run of each of the default container, or of that without a cgroup for those that make none.
pub(crate) fn counts(bench: &mut Bench) {
    let id = "nsplan-report";
    let mut able = bench.able(Variant::Default, "exits", id);
    let others = bench.able(Variant::NoCgroup, "exits", id);
    able.extend(
        others
            .into_iter()
            .filter(|(found, _)| !found.kind.is_runtime() && found.kind != Kind::Floor),
    );
    for (found, words) in able {
        let traced = traced(bench, &words);
        let Some((faults, peak)) = accounted(bench, &words) else { continue };
        bench.sitting.counts.push(Counts {
            layout: bench.layout.name().into(),
            program: found.name().into(),
            calls: traced.map(|(calls, ..)| calls),
            clones: traced.map(|(_, clones, _)| clones),
            execs: traced.map(|(.., execs)| execs),
            faults,
            peak,
        });
    }
}

fn traced(bench: &Bench, words: &Words) -> Option<(u64, u64, u64)> {
    let strace = program("strace")?;
    let file = bench.place.at.join("trace");
    let head = [strace.display().to_string(), "-f".into(), "-qq".into(), "-o".into()];
    let head = head.into_iter().chain([file.display().to_string()]);
    let status = Words(head.chain(words.0.clone()).collect()).command().status().ok()?;
    let text = String::from_utf8_lossy(&fs::read(file).ok()?).into_owned();
    // A call that others interrupt has two lines; the second says so.
    let calls: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.1.trim_start()))
        .filter(|call| !call.starts_with(['<', '-', '+']))
        .collect();
    let of = |names: &[&str]| {
        let is = |call: &&&str| names.iter().any(|name| call.starts_with(name));
        u64::try_from(calls.iter().filter(is).count()).unwrap_or(0)
    };
    status.success().then(|| {
        (of(&[""]), of(&["clone(", "clone3(", "fork(", "vfork("]) - probes(&calls), of(&["execve"]))
    })
}

/// Calls that ask whether there is such a call, and cannot work.
fn probes(calls: &[&str]) -> u64 {
    let is = |call: &&&str| call.starts_with("clone") && call.contains("= -1 E");
    u64::try_from(calls.iter().filter(is).count()).unwrap_or(0)
}

/// Minor faults and the largest resident set in KiB, of the command and what it waited for: asked by a program too small to
/// have a share in either.
fn accounted(bench: &Bench, words: &Words) -> Option<(u64, u64)> {
    let file = bench.place.at.join("meter").display().to_string();
    crate::write_program(&file, &meter(words)).ok()?;
    let output = Words::new([file]).command().output().ok()?;
    let word = |at: usize| {
        let bytes = output.stdout.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    // `ru_minflt` and `ru_maxrss` of a `struct rusage`.
    Some((word(64)?, word(32)?))
}

fn meter(words: &Words) -> Vec<u8> {
    const VM_VFORK: u64 = 0x100 | 0x4000;
    let mut machine = Machine::default();
    let usage = machine.bytes(&[0; 144]);
    let child_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    let request = machine.words(&[VM_VFORK, 0, 0, 0, child_signal, 0, 0, 0, 0, 0, 0]);
    let (path, args) = (machine.text(&words.0[0]), machine.table(&words.0));
    let env = machine.table(&["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
    let jump = machine.fork(libc::SYS_clone3, &[request, 88.into()]);
    machine.attempt(libc::SYS_execve, &[path, args, env]);
    machine.attempt(libc::SYS_exit_group, &[127.into()]);
    let pid = machine.join(jump);
    machine.call(libc::SYS_wait4, &[Word::Of(pid), 0.into(), 0.into(), usage]);
    machine.call(libc::SYS_write, &[1.into(), usage, 144.into()]);
    machine.call(libc::SYS_exit_group, &[0.into()]);
    machine.finish()
}
