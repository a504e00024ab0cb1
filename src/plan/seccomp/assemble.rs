//! Ranges with their answers → a program of classic BPF.
//!
//! A program is written from its end, so that where a jump goes is known when it is written. For each architecture it
//! searches the ranges by halves; every way out of the search ends in a leaf: a return, shared by all that end alike, or
//! the tests of some arguments.

use alloc::vec;
use alloc::vec::Vec;

use super::filter::{FOREIGN, Filter, Section, Tested, Verdict};
use super::instruction::{self as bpf, FilterInstruction};
use crate::config::{SeccompAction, SeccompArg, SeccompOperator};

/// Writes the program, however long.
pub(super) fn assemble(filter: &Filter) -> Vec<FilterInstruction> {
    let mut writer = Writer { code: Vec::with_capacity(1024), returns: Vec::new() };
    let entries: Vec<_> = filter.sections.iter().map(|part| writer.section(filter, part)).collect();
    let mut next = writer.leaf(FOREIGN);
    for (section, entry) in filter.sections.iter().zip(entries).rev() {
        next = writer.branch(bpf::JUMP_EQUAL, section.audit, entry, next);
    }
    writer.go_to(next);
    writer.write(bpf::LOAD, bpf::ARCH);
    writer.code.reverse();
    writer.code
}

/// Where an instruction stands, counted from the end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Label(usize);

/// How far a conditional jump goes at most, past the next instruction.
const REACH: usize = 255;

struct Writer {
    /// Last instruction first.
    code: Vec<FilterInstruction>,
    /// The nearest return of each action.
    returns: Vec<(SeccompAction, Label)>,
}

impl Writer {
    fn write(&mut self, code: u16, value: u32) -> Label {
        self.code.push(FilterInstruction { code, if_true: 0, if_false: 0, value });
        Label(self.code.len() - 1)
    }

    /// A return of `action` that is near.
    fn leaf(&mut self, action: SeccompAction) -> Label {
        let here = self.code.len();
        let known = self.returns.iter().position(|(other, _)| *other == action);
        if let Some(at) = known {
            let label = self.returns[at].1;
            if self.is_near(label, 3) {
                return label;
            }
            self.returns.swap_remove(at);
        }
        self.returns.push((action, Label(here)));
        self.write(bpf::RETURN, bpf::answer(action))
    }

    /// Whether a jump written after `more` further instructions reaches `label`.
    fn is_near(&self, label: Label, more: usize) -> bool {
        self.code.len() + more - label.0 - 1 <= REACH
    }

    /// Makes what is written next come right before `label`.
    fn go_to(&mut self, label: Label) {
        let distance = self.code.len() - label.0 - 1;
        if distance > 0 {
            self.write(bpf::JUMP, u32::try_from(distance).unwrap_or(u32::MAX));
        }
    }

    /// A place near enough from which `label` is reached.
    fn near(&mut self, label: Label) -> Label {
        // Two more may be written before the jump: the other way's, and this one.
        if self.is_near(label, 2) {
            return label;
        }
        let target = self.code[label.0];
        if target.code == bpf::RETURN {
            return self.write(bpf::RETURN, target.value);
        }
        self.go_to(label);
        Label(self.code.len() - 1)
    }

    /// A conditional jump.
    fn branch(&mut self, code: u16, value: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            self.go_to(yes);
            return Label(self.code.len() - 1);
        }
        let (yes, no) = (self.near(yes), self.near(no));
        let here = self.code.len();
        let offset = |label: Label| u8::try_from(here - label.0 - 1).unwrap_or(u8::MAX);
        let (if_true, if_false) = (offset(yes), offset(no));
        self.code.push(FilterInstruction { code, if_true, if_false, value });
        Label(here)
    }

    fn section(&mut self, filter: &Filter, section: &Section) -> Label {
        let mut known = vec![None; filter.tested.len()];
        let root = self.search(filter, section, &section.ranges, &mut known);
        self.go_to(root);
        self.write(bpf::LOAD, bpf::NUMBER)
    }

    /// Halves the ranges until one is left.
    fn search(
        &mut self,
        filter: &Filter,
        section: &Section,
        ranges: &[(u32, Verdict)],
        known: &mut [Option<Label>],
    ) -> Label {
        if let [(_, verdict)] = ranges {
            return match *verdict {
                Verdict::Plain(action) => self.leaf(action),
                Verdict::Tested(at) => match known[at] {
                    Some(label) => label,
                    None => {
                        let label = self.tests(&filter.tested[at], section.is_big_endian);
                        known[at] = Some(label);
                        label
                    }
                },
            };
        }
        let (below, above) = ranges.split_at(ranges.len() / 2);
        let yes = self.search(filter, section, above, known);
        let no = self.search(filter, section, below, known);
        self.branch(bpf::JUMP_NOT_BELOW, above[0].0, yes, no)
    }

    /// Rules one after the other; each one's conditions until one fails.
    fn tests(&mut self, tested: &Tested, is_big_endian: bool) -> Label {
        let mut next = self.leaf(tested.otherwise);
        for (conditions, action) in tested.rules.iter().rev() {
            let mut holds = self.leaf(*action);
            for condition in conditions.iter().rev() {
                let halves = Halves::of(condition, tested.is_wide, is_big_endian);
                holds = self.test(condition, &halves, holds, next);
            }
            next = holds;
        }
        next
    }

    fn test(&mut self, test: &SeccompArg, halves: &Halves, yes: Label, no: Label) -> Label {
        match test.op {
            SeccompOperator::Equal | SeccompOperator::MaskedEqual => self.equal(halves, yes, no),
            SeccompOperator::NotEqual => self.equal(halves, no, yes),
            SeccompOperator::GreaterEqual => self.above(halves, bpf::JUMP_NOT_BELOW, yes, no),
            SeccompOperator::GreaterThan => self.above(halves, bpf::JUMP_ABOVE, yes, no),
            SeccompOperator::LessThan => self.above(halves, bpf::JUMP_NOT_BELOW, no, yes),
            SeccompOperator::LessEqual => self.above(halves, bpf::JUMP_ABOVE, no, yes),
        }
    }

    /// The lower half first, as it is written last.
    fn equal(&mut self, halves: &Halves, yes: Label, no: Label) -> Label {
        let mut next = yes;
        for half in [Some(halves.low), halves.high].into_iter().flatten() {
            if half.mask == 0 {
                continue;
            }
            self.branch(bpf::JUMP_EQUAL, half.value, next, no);
            if half.mask != u32::MAX {
                self.write(bpf::AND, half.mask);
            }
            next = self.write(bpf::LOAD, half.offset);
        }
        next
    }

    /// The upper half decides unless it is equal.
    fn above(&mut self, halves: &Halves, low: u16, yes: Label, no: Label) -> Label {
        self.branch(low, halves.low.value, yes, no);
        let next = self.write(bpf::LOAD, halves.low.offset);
        let Some(high) = halves.high else { return next };
        let equal = self.branch(bpf::JUMP_EQUAL, high.value, next, no);
        self.branch(bpf::JUMP_ABOVE, high.value, yes, equal);
        self.write(bpf::LOAD, high.offset)
    }
}

/// An argument and what it is compared with, 32 bits at a time.
struct Halves {
    low: Half,
    high: Option<Half>,
}

#[derive(Clone, Copy)]
struct Half {
    offset: u32,
    mask: u32,
    value: u32,
}

impl Halves {
    fn of(test: &SeccompArg, is_wide: bool, is_big_endian: bool) -> Self {
        let (mask, value) = match test.op {
            SeccompOperator::MaskedEqual => (test.value, test.value_two & test.value),
            _ => (u64::MAX, test.value),
        };
        let first = bpf::ARGUMENTS + 8 * u32::from(test.index);
        let (low, high) = if is_big_endian { (first + 4, first) } else { (first, first + 4) };
        let half = |offset, shift: u32| Half {
            offset,
            mask: bpf::half(mask, shift),
            value: bpf::half(value, shift),
        };
        Self { low: half(low, 0), high: is_wide.then(|| half(high, 32)) }
    }
}
