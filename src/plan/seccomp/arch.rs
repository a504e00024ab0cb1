//! An architecture → what a filter must know of it: its word in `seccomp_data`, its table, how wide and in which order its
//! arguments are, which of its calls stand for many.

use super::table::{self, NO};
use crate::config::SeccompArch;

/// The bit that tells x32's calls from those of x86-64, with which it shares everything else.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// What a filter must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits {
    /// `AUDIT_ARCH_*`, `linux/audit.h`: what the kernel puts into `seccomp_data.arch`.
    pub(super) audit: u32,
    /// Column of the table.
    column: usize,
    /// Whether arguments are compared as 64 bits.
    pub(super) is_wide: bool,
    /// Whether the upper half of an argument comes first.
    pub(super) is_big_endian: bool,
    /// Numbers of `socketcall(2)` and `ipc(2)`, which stand for many calls.
    pub(super) multiplexers: Option<(u32, u32)>,
    /// Whether call 0 is how the kernel shows a number that it does not know.
    pub(super) hides_unknown_as_zero: bool,
}

const MACHINE_64: u32 = 0x8000_0000;
const LITTLE: u32 = 0x4000_0000;
const N32: u32 = 0x2000_0000;

/// What a filter must know of `arch`.
pub(super) const fn traits(arch: SeccompArch) -> Traits {
    use SeccompArch as A;
    let (elf, column) = match arch {
        A::X86_64 => (62, 0),
        A::X86 => (3, 1),
        A::X32 => (62, 2),
        A::Aarch64 => (183, 3),
        A::Arm => (40, 4),
        A::Riscv64 => (243, 5),
        A::Loongarch64 => (258, 6),
        A::S390x => (22, 7),
        A::S390 => (22, 8),
        A::Ppc64le | A::Ppc64 => (21, 9),
        A::Ppc => (20, 10),
        A::Mips | A::Mipsel => (8, 11),
        A::Mips64 | A::Mipsel64 => (8, 12),
        A::Mips64n32 | A::Mipsel64n32 => (8, 13),
    };
    let is_big_endian =
        matches!(arch, A::S390x | A::S390 | A::Ppc64 | A::Ppc | A::Mips | A::Mips64 | A::Mips64n32);
    // x32 has 32-bit pointers in 64-bit registers; its kernel side is that of x86-64.
    let is_narrow = matches!(
        arch,
        A::X86
            | A::X32
            | A::Arm
            | A::S390
            | A::Ppc
            | A::Mips
            | A::Mipsel
            | A::Mips64n32
            | A::Mipsel64n32
    );
    let says_64 = !is_narrow || matches!(arch, A::X32 | A::Mips64n32 | A::Mipsel64n32);
    let convention = if matches!(arch, A::Mips64n32 | A::Mipsel64n32) { N32 } else { 0 };
    let audit = elf
        | if says_64 { MACHINE_64 } else { 0 }
        | if is_big_endian { 0 } else { LITTLE }
        | convention;
    let multiplexers = match arch {
        A::X86 | A::S390x | A::S390 | A::Ppc64le | A::Ppc64 | A::Ppc => Some((102, 117)),
        A::Mips | A::Mipsel => Some((4102, 4117)),
        _ => None,
    };
    let hides_unknown_as_zero = matches!(arch, A::S390x | A::S390);
    Traits {
        audit,
        column,
        is_wide: !is_narrow,
        is_big_endian,
        multiplexers,
        hides_unknown_as_zero,
    }
}

impl Traits {
    /// The number of a row in this architecture's column, with x32's bit.
    pub(super) fn number(&self, numbers: &[u32; table::COLUMNS]) -> Option<u32> {
        let number = numbers[self.column];
        let is_x32 = self.column == X32_COLUMN;
        (number != NO).then_some(if is_x32 { number | X32_BIT } else { number })
    }
}

const X32_COLUMN: usize = traits(SeccompArch::X32).column;

/// The architecture of a machine, by `uname -m`.
pub(super) fn native(machine: &str) -> Option<SeccompArch> {
    Some(match machine {
        "x86_64" => SeccompArch::X86_64,
        "i386" | "i486" | "i586" | "i686" => SeccompArch::X86,
        "aarch64" => SeccompArch::Aarch64,
        "riscv64" => SeccompArch::Riscv64,
        "loongarch64" => SeccompArch::Loongarch64,
        "s390x" => SeccompArch::S390x,
        "ppc64le" => SeccompArch::Ppc64le,
        "ppc64" => SeccompArch::Ppc64,
        "ppc" => SeccompArch::Ppc,
        other if other.starts_with("armv") => SeccompArch::Arm,
        _ => return None,
    })
}

/// The call that stands for the row's on an architecture with `multiplexers`, and the first argument that tells it.
pub(super) fn shared(
    numbers: &[u32; table::COLUMNS],
    (socketcall, ipc): (u32, u32),
) -> Option<(u32, u64)> {
    match numbers[table::SHARED] {
        NO => None,
        number @ 0..200 => Some((socketcall, u64::from(number - 100))),
        number => Some((ipc, u64::from(number - 200))),
    }
}
