//! How long starting takes: spawn to reaped, by the namespaces that are created, from a process that is already there.
//!
//! `nothing` is the floor of the table: the same program with the standard library, no namespace at all.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use nsplan::apply::{Io, Payload, Pool, PoolOptions, probe, spawn};
use nsplan::config::{Config, NamespaceSource};
use nsplan::plan::{Plan, needs, plan};
use nsplan::types::{HostPath, NamespaceKind};

/// What each line of the table creates.
const SETS: [(&str, &[NamespaceKind]); 6] = [
    ("mnt", &[NamespaceKind::Mnt]),
    ("mnt+pid", &[NamespaceKind::Mnt, NamespaceKind::Pid]),
    (
        "mnt+pid+ipc+uts",
        &[NamespaceKind::Mnt, NamespaceKind::Pid, NamespaceKind::Ipc, NamespaceKind::Uts],
    ),
    ("mnt+pid+net", &[NamespaceKind::Mnt, NamespaceKind::Pid, NamespaceKind::Net]),
    (
        "all",
        &[
            NamespaceKind::Mnt,
            NamespaceKind::Pid,
            NamespaceKind::Ipc,
            NamespaceKind::Uts,
            NamespaceKind::Net,
            NamespaceKind::Cgroup,
        ],
    ),
    (
        "all+user",
        &[
            NamespaceKind::Mnt,
            NamespaceKind::Pid,
            NamespaceKind::Ipc,
            NamespaceKind::Uts,
            NamespaceKind::Net,
            NamespaceKind::Cgroup,
            NamespaceKind::User,
        ],
    ),
];

/// The host's root read-only, the sandbox's mounts, and only these namespaces.
fn planned(kinds: &[NamespaceKind]) -> Plan {
    let config = sandbox(kinds);
    let facts = probe::probe(&needs(&config)).expect("facts");
    plan(&config, &facts).unwrap_or_else(|errors| panic!("cannot be planned here: {errors:?}"))
}

fn sandbox(kinds: &[NamespaceKind]) -> Config {
    let root = HostPath::new("/").expect("a path");
    let mut config = Config::sandbox(root, vec!["/bin/true".into()], true);
    config.namespaces =
        kinds.iter().map(|&kind| (kind, NamespaceSource::Create)).collect::<BTreeMap<_, _>>();
    if !config.creates(NamespaceKind::Uts) {
        config.hostname = None;
    }
    if !config.creates(NamespaceKind::Net) {
        config.networks.clear();
    }
    config
}

fn spawn_to_reaped(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("spawn");
    group.bench_function("nothing", |bencher| {
        bencher.iter(|| Command::new("/bin/true").status().expect("true"));
    });
    for (name, kinds) in SETS {
        let plan = planned(kinds);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut container = spawn(&plan, Io::default()).expect("a container");
                container.wait().expect("its end")
            });
        });
    }
    group.finish();
}

/// The same container from a program as it is, and from the same program grown large: a fork would copy its page tables.
fn from_a_large_program(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("caller");
    let plan = planned(SETS[4].1);
    let start = || spawn(&plan, Io::default()).expect("a container").wait().expect("its end");
    group.bench_function("small", |bencher| bencher.iter(start));
    let mut memory = vec![0u8; 1 << 30];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    let is_over = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(Duration::from_millis(50));
                }
            })
        })
        .collect();
    group.bench_function("8-threads-1-GiB", |bencher| bencher.iter(start));
    is_over.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
    black_box(memory);
    group.finish();
}

/// A container that was made ahead, beside a full start. The next one is made while this one runs and, where it was not yet,
/// before the next is timed.
fn out_of_a_pool(criterion: &mut Criterion) {
    const SIZE: usize = 4;
    let mut group = criterion.benchmark_group("pool");
    let mut config = sandbox(SETS[4].1);
    config.process.as_mut().expect("a sandbox has one").parent_death_signal = None;
    let facts = probe::probe(&needs(&config)).expect("facts");
    let planned = plan(&config, &facts).expect("a plan");
    group.bench_function("full", |bencher| {
        bencher.iter(|| spawn(&planned, Io::default()).expect("one").wait().expect("its end"));
    });
    let pool = Pool::new(config, facts, PoolOptions::new("nsplan-bench", SIZE)).expect("a pool");
    group.bench_function("handed-out", |bencher| {
        bencher.iter_custom(|count| {
            let mut all = Duration::ZERO;
            for _ in 0..count {
                while pool.ready() < SIZE {
                    std::thread::yield_now();
                }
                let begin = Instant::now();
                let mut container = pool.start(Payload::default()).expect("a container");
                container.wait().expect("its end");
                all += begin.elapsed();
            }
            all
        });
    });
    group.finish();
}

criterion_group!(benches, spawn_to_reaped, from_a_large_program, out_of_a_pool);
criterion_main!(benches);
