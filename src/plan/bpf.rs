//! Device rules become an eBPF program that a v2 cgroup runs on every access to a device node.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v2.rst`, "Device controller"; `struct bpf_cgroup_dev_ctx` in `linux/bpf.h`.

use serde::{Deserialize, Serialize};

/// One eBPF instruction, as `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u8, u8, i16, i32)", from = "(u8, u8, i16, i32)")]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination register in the low half, source register in the high one.
    pub registers: u8,
    /// Signed offset: of a jump, or of a memory access.
    pub offset: i16,
    /// Immediate value.
    pub immediate: i32,
}

impl From<Instruction> for (u8, u8, i16, i32) {
    fn from(i: Instruction) -> Self {
        (i.code, i.registers, i.offset, i.immediate)
    }
}

impl From<(u8, u8, i16, i32)> for Instruction {
    fn from((code, registers, offset, immediate): (u8, u8, i16, i32)) -> Self {
        Self {
            code,
            registers,
            offset,
            immediate,
        }
    }
}
