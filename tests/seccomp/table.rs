//! Our table of system calls against the one of the crate `syscalls`.

use std::collections::BTreeSet;

use nsplan::config::SeccompArch;
use nsplan::plan::seccomp::calls;

/// What only one side has: private calls of 32-bit ARM, whose kernel has no table of them; names of numbers that no kernel
/// ever used, or of calls that are gone; those of the other table that a 64-bit machine has under another name or not.
fn is_known(arch: SeccompArch, name: &str, number: u32) -> bool {
    let is_arm = arch == SeccompArch::Arm && number >= 0xf_0000;
    let is_64_bit_time = (403..=423).contains(&number);
    let is_unused = name.starts_with("unused") || name.starts_with("reserved");
    let is_alias = ["fstatat", "newfstatat"].contains(&name) && number == 79;
    let is_missing = ["memfd_secret", "set_mempolicy_home_node"].contains(&name);
    is_arm
        || is_unused
        || is_alias
        || is_missing
        || arch == SeccompArch::Aarch64 && is_64_bit_time
        || arch == SeccompArch::Loongarch64 && is_64_bit_time
}

macro_rules! compare {
    ($($arch:ident = $module:ident;)*) => {
        $(
            let theirs: BTreeSet<(String, u32)> = syscalls::$module::Sysno::iter()
                .chain([syscalls::$module::Sysno::last()])
                .map(|call| (call.name().trim_start_matches("r#").to_owned(), u32::try_from(call.id()).unwrap()))
                .collect();
            let ours: BTreeSet<_> =
                calls(SeccompArch::$arch).map(|(name, number)| (name.to_owned(), number)).collect();
            assert!(ours.len() > 300, "{}", SeccompArch::$arch.name());
            let differing = ours.symmetric_difference(&theirs);
            let unknown: Vec<_> = differing
                .filter(|(name, number)| !is_known(SeccompArch::$arch, name, *number))
                .collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", SeccompArch::$arch.name());
        )*
    };
}

#[test]
fn calls_have_the_numbers_of_another_table() {
    compare! {
        X86_64 = x86_64;
        X86 = x86;
        Aarch64 = aarch64;
        Arm = arm;
        Riscv64 = riscv64;
        Loongarch64 = loongarch64;
        S390x = s390x;
        Ppc64le = powerpc64;
        Ppc = powerpc;
        Mips = mips;
        Mips64 = mips64;
    }
}

#[test]
fn tables_without_a_witness_agree_where_the_kernel_has_one_number_for_all() {
    // From pidfd_send_signal on, `scripts/syscall.tbl` and the architectures' own tables go together.
    let common: BTreeSet<_> = calls(SeccompArch::Aarch64).filter(|(_, n)| *n >= 424).collect();
    let tables =
        [(SeccompArch::X32, 0x4000_0000), (SeccompArch::S390, 0), (SeccompArch::Mips64n32, 6000)];
    for (arch, base) in tables {
        let own: BTreeSet<_> = calls(arch)
            .map(|(name, n)| (name, n - base))
            .filter(|(_, n)| (424..=469).contains(n))
            .collect();
        let differing: Vec<_> = own.symmetric_difference(&common).collect();
        let missing = ["memfd_secret", "map_shadow_stack"];
        assert!(
            differing.iter().all(|(name, _)| missing.contains(name)),
            "{arch:?}: {differing:?}"
        );
    }
}
