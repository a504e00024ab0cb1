//! Device rules become an eBPF program that a v2 cgroup runs on every access to a device node.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v2.rst`, "Device controller"; `struct bpf_cgroup_dev_ctx` in `linux/bpf.h`.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::DeviceRule;
use crate::types::{DeviceAccess, DeviceKind};

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
        Self { code, registers, offset, immediate }
    }
}

/// Rules beyond this do not fit what a verifier of every supported kernel takes (4096 instructions before 5.2).
const MAX_RULES: usize = 500;

// Registers, `Documentation/bpf/standardization/instruction-set.rst`.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const AND32: u8 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const SHIFT_RIGHT32: u8 = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const MOVE32: u8 = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const SET64: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const JUMP_EQUAL: u8 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_UNEQUAL: u8 = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

fn with(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: to | (from << 4), offset, immediate }
}

/// Compiles the rules. Each kind of access (read, write, mknod) is decided by the last rule that covers it and matches the
/// device, so the program looks at the rules from the last to the first and crosses off what is granted; a refusal of
/// anything still asked for ends it.
///
/// The context holds `access_type` (access in the upper 16 bits, kind in the lower), `major`, `minor`.
///
/// `None`: too many rules.
pub(super) fn compile(rules: &[DeviceRule]) -> Option<Vec<Instruction>> {
    if rules.len() > MAX_RULES {
        return None;
    }
    let mut program = vec![
        with(LOAD_WORD, KIND, CONTEXT, 0, 0),
        with(AND32, KIND, 0, 0, 0xffff),
        with(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        with(SHIFT_RIGHT32, ACCESS, 0, 0, 16),
        with(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        with(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let block = block(rule)?;
        // Without a condition a block decides everything.
        let decides_everything = block.len() == 2;
        program.extend(block);
        if decides_everything {
            // The verifier refuses instructions that are never reached.
            return Some(program);
        }
    }
    program.push(with(SET64, RESULT, 0, 0, 0));
    program.push(with(EXIT, 0, 0, 0, 0));
    Some(program)
}

/// One rule: conditions that jump behind the block when they fail, then the answer.
fn block(rule: &DeviceRule) -> Option<Vec<Instruction>> {
    let mut block = Vec::new();
    match rule.kind {
        Some(DeviceKind::Block) => block.push(with(JUMP_UNEQUAL, KIND, 0, 0, 1)),
        Some(DeviceKind::Char) => block.push(with(JUMP_UNEQUAL, KIND, 0, 0, 2)),
        Some(DeviceKind::Fifo) | None => {}
    }
    let bits = i32::try_from(rule.access.bits()).ok()?;
    for (register, number) in [(MAJOR, rule.major), (MINOR, rule.minor)] {
        if let Some(number) = number {
            block.push(with(JUMP_UNEQUAL, register, 0, 0, i32::try_from(number).ok()?));
        }
    }
    if rule.access != DeviceAccess::all() {
        if rule.allow {
            // What is granted need not be asked of earlier rules; with nothing left to ask, the answer is yes.
            block.push(with(AND32, ACCESS, 0, 0, !bits & 7));
            block.push(with(JUMP_UNEQUAL, ACCESS, 0, 0, 0));
        } else {
            block.push(with(MOVE32, SCRATCH, ACCESS, 0, 0));
            block.push(with(AND32, SCRATCH, 0, 0, bits));
            block.push(with(JUMP_EQUAL, SCRATCH, 0, 0, 0));
        }
    }
    block.push(with(SET64, RESULT, 0, 0, i32::from(rule.allow)));
    block.push(with(EXIT, 0, 0, 0, 0));
    // A failed condition goes on with what follows the block.
    let length = i16::try_from(block.len()).ok()?;
    for (at, instruction) in (0i16..).zip(&mut block) {
        if matches!(instruction.code, JUMP_UNEQUAL | JUMP_EQUAL) {
            instruction.offset = length - at - 1;
        }
    }
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::DeviceNumber;

    /// Runs a program the way the kernel does, over the handful of instructions it may hold.
    fn run(
        program: &[Instruction],
        kind: DeviceKind,
        number: DeviceNumber,
        access: DeviceAccess,
    ) -> bool {
        let kind = if kind == DeviceKind::Block { 1 } else { 2 };
        let context = [kind | (access.bits() << 16), number.major, number.minor];
        let (mut registers, mut at) = ([0u32; 10], 0usize);
        loop {
            let i = program[at];
            let (to, from) = (usize::from(i.registers & 0xf), usize::from(i.registers >> 4));
            let immediate = u32::from_ne_bytes(i.immediate.to_ne_bytes());
            let jump = match i.code {
                LOAD_WORD => {
                    registers[to] = context[usize::try_from(i.offset).expect("forward") / 4];
                    false
                }
                AND32 => {
                    registers[to] &= immediate;
                    false
                }
                SHIFT_RIGHT32 => {
                    registers[to] >>= immediate;
                    false
                }
                MOVE32 => {
                    registers[to] = registers[from];
                    false
                }
                SET64 => {
                    registers[to] = immediate;
                    false
                }
                JUMP_UNEQUAL => registers[to] != immediate,
                JUMP_EQUAL => registers[to] == immediate,
                EXIT => return registers[0] != 0,
                other => panic!("no such instruction: {other:#x}"),
            };
            at += 1 + if jump { usize::try_from(i.offset).expect("forward") } else { 0 };
        }
    }

    /// The meaning, said without a machine: every access asked for is decided by the last rule about it.
    fn meaning(
        rules: &[DeviceRule],
        kind: DeviceKind,
        number: DeviceNumber,
        access: DeviceAccess,
    ) -> bool {
        access.iter().all(|bit| {
            rules
                .iter()
                .rev()
                .find(|rule| {
                    rule.access.contains(bit)
                        && rule.kind.is_none_or(|k| k == kind)
                        && rule.major.is_none_or(|m| m == number.major)
                        && rule.minor.is_none_or(|m| m == number.minor)
                })
                .is_some_and(|rule| rule.allow)
        })
    }

    proptest::proptest! {
        #[test]
        fn the_program_means_what_the_rules_say(
            raw in proptest::collection::vec((0..2u8, 0..3u8, 0..3u32, 0..3u32, 0..8u32), 0..12),
        ) {
            let rules: Vec<_> = raw.into_iter().map(|(allow, kind, major, minor, access)| DeviceRule {
                allow: allow == 1,
                kind: [None, Some(DeviceKind::Block), Some(DeviceKind::Char)][usize::from(kind)],
                major: major.checked_sub(1),
                minor: minor.checked_sub(1),
                access: DeviceAccess::from_bits_truncate(access),
            }).collect();
            let program = compile(&rules).expect("few rules");
            for kind in [DeviceKind::Block, DeviceKind::Char] {
                for major in 0..3 {
                    for minor in 0..3 {
                        for bits in 1..8 {
                            let number = DeviceNumber { major, minor };
                            let access = DeviceAccess::from_bits_truncate(bits);
                            proptest::prop_assert_eq!(
                                run(&program, kind, number, access),
                                meaning(&rules, kind, number, access)
                            );
                        }
                    }
                }
            }
        }
    }
}
