//! Instructions of classic BPF as a filter uses them, and where `seccomp_data` has what.
//!
//! # References
//! `seccomp(2)`; `linux/filter.h`, `linux/bpf_common.h`, `linux/seccomp.h`.

use serde::{Deserialize, Serialize};

use crate::config::SeccompAction;

/// One instruction, as `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u16, u8, u8, u32)", from = "(u16, u8, u8, u32)")]
pub struct FilterInstruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a condition holds.
    pub if_true: u8,
    /// Instructions to skip when it does not.
    pub if_false: u8,
    /// Operand.
    pub value: u32,
}

impl From<FilterInstruction> for (u16, u8, u8, u32) {
    fn from(i: FilterInstruction) -> Self {
        (i.code, i.if_true, i.if_false, i.value)
    }
}

impl From<(u16, u8, u8, u32)> for FilterInstruction {
    fn from((code, if_true, if_false, value): (u16, u8, u8, u32)) -> Self {
        Self { code, if_true, if_false, value }
    }
}

/// `BPF_MAXINSNS`.
pub(super) const MAX_LENGTH: usize = 4096;

pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const JUMP_ABOVE: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
pub(super) const JUMP_NOT_BELOW: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in `struct seccomp_data`.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCH: u32 = 4;
pub(super) const ARGUMENTS: u32 = 16;
/// `sizeof(struct seccomp_data)`.
pub(super) const DATA_SIZE: u32 = 64;

/// The word by which a filter answers with `action`.
pub(super) const fn answer(action: SeccompAction) -> u32 {
    match action {
        SeccompAction::KillProcess => 0x8000_0000,
        SeccompAction::KillThread => 0,
        SeccompAction::Trap => 0x0003_0000,
        SeccompAction::Errno(errno) => 0x0005_0000 | errno as u32,
        SeccompAction::Notify => 0x7fc0_0000,
        SeccompAction::Trace(message) => 0x7ff0_0000 | message as u32,
        SeccompAction::Log => 0x7ffc_0000,
        SeccompAction::Allow => 0x7fff_0000,
    }
}

/// 32 bits of `word`, from bit `shift`.
pub(super) const fn half(word: u64, shift: u32) -> u32 {
    let bytes = (word >> shift).to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
