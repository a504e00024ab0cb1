//! Device rules become an eBPF program that a v2 cgroup runs on every access to a device node.
//!
//! # References
//! `Documentation/admin-guide/cgroup-v2.rst`, "Device controller"; `struct bpf_cgroup_dev_ctx` in `linux/bpf.h`.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::DeviceRule;
use crate::types::{DeviceAccess, DeviceKind, DeviceNumber};

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

impl Instruction {
    /// As it is in memory.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        let ([a, b], [c, d, e, f]) = (self.offset.to_ne_bytes(), self.immediate.to_ne_bytes());
        [self.code, self.registers, a, b, c, d, e, f]
    }
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
/// Both numbers in one, as the kernel keeps them: the major one above the 20 bits of the minor.
const NUMBER: u8 = 7;

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const AND32: u8 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const SHIFT_RIGHT32: u8 = 0x74; // BPF_ALU | BPF_RSH | BPF_K
const MOVE32: u8 = 0xbc; // BPF_ALU | BPF_MOV | BPF_X
const SET64: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const SHIFT_LEFT64: u8 = 0x67; // BPF_ALU64 | BPF_LSH | BPF_K
const OR64: u8 = 0x4f; // BPF_ALU64 | BPF_OR | BPF_X
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
/// The kernel's verifier follows every conditional jump both ways, some 5 µs each, which is most of what such a program costs
/// to load. So there are few: rules about all access that follow each other and say the same are asked in any order, those for
/// one kind of device behind one question for the kind, and a device with both numbers is one question.
///
/// `None`: too many rules.
pub(super) fn compile(rules: &[DeviceRule]) -> Option<Vec<Instruction>> {
    if rules.len() > MAX_RULES {
        return None;
    }
    let rules = of_both_kinds(rules);
    let mut program = Program::reading(rules.iter().any(|rule| number(rule).is_some()));
    for run in rules.chunk_by(|a, b| is_whole(a) && is_whole(b) && a.allow == b.allow) {
        if let Some(rule) =
            run.iter().find(|rule| is_whole(rule) && is_any(rule) && kind(rule).is_none())
        {
            // The verifier refuses instructions that are never reached.
            return program.end(rule.allow);
        }
        match run {
            [rule] if !is_whole(rule) => program.part(rule)?,
            _ => program.run(run)?,
        }
    }
    program.end(false)
}

/// From the last to the first that grants anything, where neighbours that differ in the kind of device alone are one: there are only two.
fn of_both_kinds(rules: &[DeviceRule]) -> Vec<DeviceRule> {
    let mut all: Vec<DeviceRule> = Vec::with_capacity(rules.len());
    for rule in rules.iter().rev() {
        let both = DeviceRule { kind: None, ..*rule };
        match all.last_mut() {
            Some(last) if last.kind != rule.kind && DeviceRule { kind: None, ..*last } == both => {
                *last = both;
            }
            _ => all.push(*rule),
        }
    }
    // What nothing has granted is refused anyway.
    while all.pop_if(|rule| !rule.allow).is_some() {}
    all
}

fn is_whole(rule: &DeviceRule) -> bool {
    rule.access == DeviceAccess::all()
}

/// Whether it is about every device of its kind.
fn is_any(rule: &DeviceRule) -> bool {
    rule.major.is_none() && rule.minor.is_none()
}

/// The word of the context for the kind of device, where a rule is about one.
fn kind(rule: &DeviceRule) -> Option<i32> {
    match rule.kind {
        Some(DeviceKind::Block) => Some(1),
        Some(DeviceKind::Char) => Some(2),
        Some(DeviceKind::Fifo) | None => None,
    }
}

/// Both numbers in one, if they fit what an instruction can compare with.
fn number(rule: &DeviceRule) -> Option<i32> {
    let (major, minor) = (rule.major?, rule.minor?);
    let fits = major <= DeviceNumber::MAX_MAJOR && minor <= DeviceNumber::MAX_MINOR;
    i32::try_from(major << 20 | minor).ok().filter(|_| fits)
}

/// A number as an instruction compares with it.
fn word(number: u32) -> Option<i32> {
    i32::try_from(number).ok()
}

/// Instructions, and the jumps among them to an answer, which is written last.
struct Program {
    code: Vec<Instruction>,
    answers: Vec<(usize, bool)>,
}

impl Program {
    fn reading(numbers: bool) -> Self {
        let mut code = vec![
            with(LOAD_WORD, KIND, CONTEXT, 0, 0),
            with(MOVE32, ACCESS, KIND, 0, 0),
            with(AND32, KIND, 0, 0, 0xffff),
            with(SHIFT_RIGHT32, ACCESS, 0, 0, 16),
            with(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
            with(LOAD_WORD, MINOR, CONTEXT, 8, 0),
        ];
        if numbers {
            code.push(with(MOVE32, NUMBER, MAJOR, 0, 0));
            code.push(with(SHIFT_LEFT64, NUMBER, 0, 0, 20));
            code.push(with(OR64, NUMBER, MINOR, 0, 0));
        }
        Self { code, answers: Vec::new() }
    }

    /// A jump to an answer.
    fn answer(&mut self, code: u8, register: u8, immediate: i32, allow: bool) {
        self.answers.push((self.code.len(), allow));
        self.code.push(with(code, register, 0, 0, immediate));
    }

    /// Rules about all access that say the same.
    fn run(&mut self, run: &[DeviceRule]) -> Option<()> {
        for wanted in [None, Some(1), Some(2)] {
            let mut rules = run.iter().filter(|rule| kind(rule) == wanted).peekable();
            let Some(allow) = rules.peek().map(|rule| rule.allow) else { continue };
            match wanted {
                Some(kind) if rules.clone().any(is_any) => {
                    self.answer(JUMP_EQUAL, KIND, kind, allow);
                    continue;
                }
                Some(kind) => self.code.push(with(JUMP_UNEQUAL, KIND, 0, 0, kind)),
                None => {}
            }
            let first = self.code.len();
            for rule in rules {
                self.device(rule)?;
            }
            if wanted.is_some() {
                self.code[first - 1].offset = i16::try_from(self.code.len() - first).ok()?;
            }
        }
        Some(())
    }

    /// A device, whose kind is asked already.
    fn device(&mut self, rule: &DeviceRule) -> Option<()> {
        match (number(rule), rule.major, rule.minor) {
            (Some(number), ..) => self.answer(JUMP_EQUAL, NUMBER, number, rule.allow),
            (None, Some(major), Some(minor)) => {
                self.code.push(with(JUMP_UNEQUAL, MAJOR, 0, 1, word(major)?));
                self.answer(JUMP_EQUAL, MINOR, word(minor)?, rule.allow);
            }
            (None, Some(major), None) => {
                self.answer(JUMP_EQUAL, MAJOR, word(major)?, rule.allow);
            }
            (None, None, minor) => {
                self.answer(JUMP_EQUAL, MINOR, word(minor?)?, rule.allow);
            }
        }
        Some(())
    }

    /// A rule about some kinds of access: conditions that jump behind it when they fail, then its answer.
    fn part(&mut self, rule: &DeviceRule) -> Option<()> {
        let first = self.code.len();
        let kind = kind(rule).map(|kind| (KIND, kind));
        let major = rule.major.map(|number| Some((MAJOR, word(number)?)));
        let minor = rule.minor.map(|number| Some((MINOR, word(number)?)));
        for condition in kind.map(Some).into_iter().chain(major).chain(minor) {
            let (register, value) = condition?;
            self.code.push(with(JUMP_UNEQUAL, register, 0, 0, value));
        }
        let conditions = first..self.code.len();
        let bits = i32::try_from(rule.access.bits()).ok()?;
        if rule.allow {
            // What is granted need not be asked of earlier rules; with nothing left to ask, the answer is yes.
            self.code.push(with(AND32, ACCESS, 0, 0, !bits & 7));
            self.answer(JUMP_EQUAL, ACCESS, 0, true);
        } else {
            self.code.push(with(MOVE32, SCRATCH, ACCESS, 0, 0));
            self.code.push(with(AND32, SCRATCH, 0, 0, bits));
            self.answer(JUMP_UNEQUAL, SCRATCH, 0, false);
        }
        let end = self.code.len();
        for at in conditions {
            self.code[at].offset = i16::try_from(end - at - 1).ok()?;
        }
        Some(())
    }

    /// The answers: first the one that is left when no jump was taken.
    fn end(mut self, otherwise: bool) -> Option<Vec<Instruction>> {
        let is_asked = |allow| self.answers.iter().any(|answer| answer.1 == allow);
        let other = Some(!otherwise).filter(|allow| is_asked(*allow));
        for allow in [Some(otherwise), other].into_iter().flatten() {
            let place = self.code.len();
            self.code.push(with(SET64, RESULT, 0, 0, i32::from(allow)));
            self.code.push(with(EXIT, 0, 0, 0, 0));
            for (at, _) in self.answers.iter().filter(|answer| answer.1 == allow) {
                self.code[*at].offset = i16::try_from(place - at - 1).ok()?;
            }
        }
        Some(self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program the way the kernel does, over the handful of instructions it may hold.
    fn run(
        program: &[Instruction],
        kind: DeviceKind,
        number: DeviceNumber,
        access: DeviceAccess,
    ) -> bool {
        let kind = if kind == DeviceKind::Block { 1 } else { 2 };
        let context = [kind | (access.bits() << 16), number.major, number.minor];
        let (mut registers, mut at) = ([0u64; 10], 0usize);
        loop {
            let i = program[at];
            let (to, from) = (usize::from(i.registers & 0xf), usize::from(i.registers >> 4));
            let immediate = i64::from(i.immediate).cast_unsigned();
            let low = |value: u64| value & 0xffff_ffff;
            let jump = match i.code {
                LOAD_WORD => {
                    let word = usize::try_from(i.offset).expect("forward") / 4;
                    registers[to] = context[word].into();
                    false
                }
                AND32 => {
                    registers[to] &= low(immediate);
                    false
                }
                SHIFT_RIGHT32 => {
                    registers[to] >>= immediate;
                    false
                }
                MOVE32 => {
                    registers[to] = low(registers[from]);
                    false
                }
                SET64 => {
                    registers[to] = immediate;
                    false
                }
                SHIFT_LEFT64 => {
                    registers[to] <<= immediate;
                    false
                }
                OR64 => {
                    registers[to] |= registers[from];
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

    /// Numbers of devices: small ones, about half of what the kernel has room for, and all of it.
    const MAJORS: [u32; 6] = [0, 1, 2, 2047, 2048, DeviceNumber::MAX_MAJOR];
    const MINORS: [u32; 4] = [0, 1, 2, DeviceNumber::MAX_MINOR];

    /// One of those, one that no device has, or any.
    fn of(numbers: &[u32], at: usize) -> Option<u32> {
        let last = numbers.len() - 1;
        (at <= numbers.len()).then(|| numbers.get(at).copied().unwrap_or(numbers[last] + 1))
    }

    proptest::proptest! {
        #[test]
        fn the_program_means_what_the_rules_say(
            raw in proptest::collection::vec((0..2u8, 0..3u8, 0..9usize, 0..7usize, 0..12u32), 0..12),
        ) {
            let rules: Vec<_> = raw.into_iter().map(|(allow, kind, major, minor, access)| DeviceRule {
                allow: allow == 1,
                kind: [None, Some(DeviceKind::Block), Some(DeviceKind::Char)][usize::from(kind)],
                major: of(&MAJORS, major),
                minor: of(&MINORS, minor),
                access: DeviceAccess::from_bits_truncate(access.min(7)),
            }).collect();
            let program = compile(&rules).expect("few rules");
            for kind in [DeviceKind::Block, DeviceKind::Char] {
                for (major, minor) in MAJORS.into_iter().flat_map(|major| MINORS.map(|minor| (major, minor))) {
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

    #[test]
    fn the_devices_of_every_container_are_few_questions() {
        let all = DeviceAccess::all();
        let device =
            |kind, major, minor, access| DeviceRule { allow: true, kind, major, minor, access };
        let (block, char) = (Some(DeviceKind::Block), Some(DeviceKind::Char));
        let mut rules = vec![
            DeviceRule { allow: false, ..device(None, None, None, all) },
            device(char, None, None, DeviceAccess::MKNOD),
            device(block, None, None, DeviceAccess::MKNOD),
        ];
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)] {
            rules.push(device(char, Some(major), Some(minor), all));
        }
        rules.push(device(char, Some(136), None, all));
        let program = compile(&rules).expect("few rules");
        let asks = |it: &&Instruction| matches!(it.code, JUMP_EQUAL | JUMP_UNEQUAL);
        // The kind, eight devices, and whether more is asked for than a node.
        assert_eq!(program.iter().filter(asks).count(), 10);
        assert_eq!(program.len(), 24);
    }
}
