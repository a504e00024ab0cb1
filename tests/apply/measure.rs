//! How long a container takes from `spawn` to reaped. Run with `--release -- --ignored --nocapture measure`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use nsplan::apply::{self, Io, Stdio};
use nsplan::plan::Plan;

use crate::stage::{Rootfs, cgroup_name, plan, with_cgroup, with_userns};

/// The smallest program: `exit(0)`, nine bytes of code behind one program header.
fn tiny() -> Vec<u8> {
    let mut elf = Vec::new();
    elf.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    elf.extend(2_u16.to_le_bytes());
    elf.extend(62_u16.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    elf.extend(0x40_0078_u64.to_le_bytes());
    elf.extend(64_u64.to_le_bytes());
    elf.extend(0_u64.to_le_bytes());
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes());
    elf.extend(5_u32.to_le_bytes());
    for word in [0, 0x40_0000, 0x40_0000, 0x81_u64, 0x81, 0x1000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(b"\xb8\x3c\0\0\0\x31\xff\x0f\x05");
    elf
}

#[allow(clippy::print_stdout, reason = "a measurement is for a reader")]
fn measure(name: &str, plan: &Plan) {
    let rounds = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let (mut totals, mut execs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let io = Io { stdio: [Stdio::Inherit, Stdio::Inherit, Stdio::Inherit], ..Io::default() };
        let begin = Instant::now();
        let mut container = apply::spawn(plan, io).unwrap_or_else(|error| panic!("{error}"));
        execs.push(begin.elapsed());
        container.wait().unwrap();
        totals.push(begin.elapsed());
        std::thread::sleep(Duration::from_micros(200));
    }
    totals.sort();
    execs.sort();
    let micros = |list: &[Duration], at: usize| list[at].as_micros();
    let middle = rounds / 2;
    println!(
        "{name}: to exec min {} median {}, to reaped min {} median {} µs",
        micros(&execs, 0),
        micros(&execs, middle),
        micros(&totals, 0),
        micros(&totals, middle)
    );
}

#[test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::print_stdout, reason = "a measurement is for a reader")]
fn measure_spawn_to_reaped() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let rootfs = Rootfs::alone();
    let path = rootfs.path().join("bin/tiny");
    fs::write(&path, tiny()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let full = rootfs.config(&["/bin/tiny"]);
    let mut bare = full.clone();
    bare.mounts.clear();
    bare.devices.clear();
    bare.device_links.clear();
    bare.masked_paths.clear();
    bare.readonly_paths.clear();
    bare.networks.clear();
    let mut no_net = bare.clone();
    no_net.namespaces.remove(&nsplan::types::NamespaceKind::Net);
    measure("all namespaces, root only", &plan(&bare));
    measure("the same without net", &plan(&no_net));
    measure("sandbox", &plan(&full));
    measure("sandbox in a user namespace", &plan(&with_userns(full.clone())));
    measure("sandbox with cgroup", &plan(&with_cgroup(full.clone(), &cgroup_name())));
    let sandbox = plan(&full);
    let begin = Instant::now();
    for _ in 0..1000 {
        std::hint::black_box(apply::lower(&sandbox).unwrap());
    }
    println!("lower: {} ns", begin.elapsed().as_nanos() / 1000);
}
