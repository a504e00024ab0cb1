//! How long a profile takes to become a program: an engine's default profile.
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use nsplan::plan::seccomp::compile;

#[path = "../tests/seccomp/oci.rs"]
mod oci;

fn compiling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seccomp");
    for name in ["podman-default", "docker-default"] {
        let file = format!("{}/tests/data/seccomp/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let profile = oci::profile(&std::fs::read_to_string(file).expect("a profile"));
        group.bench_function(name, |bencher| {
            bencher.iter(|| compile(black_box(&profile), "x86_64").expect("short enough"));
        });
    }
    group.finish();
}

criterion_group!(benches, compiling);
criterion_main!(benches);
