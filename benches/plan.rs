//! How long deciding takes: text to config, config to plan, plan to program, for small and large configs.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use nsplan::config::{BindSource, Config, Mount, MountKind, from_libcontainer};
use nsplan::facts::{HostFacts, PathFact};
use nsplan::plan::plan;
use nsplan::types::{HostPath, IdMap, IdMapping, MountFlags};

const SIZES: [u16; 3] = [10, 100, 1000];

fn root() -> HostPath {
    HostPath::new("/srv/root").expect("a path")
}

/// A config file with `mounts` tmpfs mounts.
fn text(mounts: u16) -> String {
    let mut text = String::from(
        r#"{"namespaces":[{"type":"NEWNS"},{"type":"NEWPID"},{"type":"NEWUTS"}],"hostname":"bench",
        "cgroups":{"name":"bench","memory":1048576},"mount_config":{"mounts":["#,
    );
    for n in 0..mounts {
        let comma = if n == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"type":"tmpfs","destination":"/m/{n}"}}"#).expect("memory");
    }
    text.push_str("]}}");
    text
}

/// A sandbox with `mounts` more bind mounts and as many id ranges as the kernel takes.
fn sandbox(mounts: u16) -> (Config, HostFacts) {
    let mut config = Config::sandbox(root(), vec!["true".into()], true);
    let mut facts = HostFacts::example();
    for n in 0..mounts {
        let source = HostPath::new(&format!("/srv/data/{n}")).expect("a path");
        facts.paths.insert(source.clone(), PathFact::Directory);
        let template = Mount::filesystem(&format!("/m/{n}"), "tmpfs", MountFlags::MS_RDONLY, &[]);
        let kind = MountKind::Bind(BindSource { source, recursive: true });
        config.mounts.push(Mount { kind, ..template });
    }
    let ranges = (0..u32::from(mounts.min(340))).map(|n| IdMapping {
        container_id: n * 2,
        host_id: 100_000 + n * 2,
        size: 1,
    });
    config.uid_mappings = IdMap::new(ranges.collect()).expect("disjoint");
    config.gid_mappings = config.uid_mappings.clone();
    (config, facts)
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for size in SIZES {
        let text = text(size);
        group.bench_with_input(BenchmarkId::new("mounts", size), &text, |bencher, text| {
            bencher.iter(|| from_libcontainer(black_box(text.as_bytes()), &root()).expect("valid"));
        });
    }
    group.finish();
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for size in SIZES {
        let input = sandbox(size);
        let id = BenchmarkId::new("mounts-and-ranges", size);
        group.bench_with_input(id, &input, |bencher, (config, facts)| {
            bencher.iter(|| plan(black_box(config), black_box(facts)).expect("a plan"));
        });
    }
    group.finish();
}

#[cfg(feature = "apply")]
fn lower(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lower");
    for size in SIZES {
        let (config, facts) = sandbox(size);
        let plan = plan(&config, &facts).expect("a plan");
        let id = BenchmarkId::new("mounts-and-ranges", size);
        group.bench_with_input(id, &plan, |bencher, plan| {
            bencher.iter(|| nsplan::apply::lower(black_box(plan)).expect("a program"));
        });
    }
    group.finish();
}

#[cfg(not(feature = "apply"))]
fn lower(_: &mut Criterion) {}

criterion_group!(benches, parse, decide, lower);
criterion_main!(benches);
