//! A profile's names, rules and conditions → ranges of numbers with their answers, architecture by architecture.
//!
//! What a profile means is what runc and crun have libseccomp make of it:
//!
//! - a rule whose action is the default one adds nothing, and is left out;
//! - a rule without conditions decides its calls alone, the first one if there are several; of rules with conditions the
//!   first whose conditions all hold decides;
//! - a rule with two conditions on one argument stands for one rule for each of its conditions;
//! - a name that an architecture lacks says nothing there;
//! - on architectures where `socketcall(2)` and `ipc(2)` stand for many calls, a rule about one of these is about its
//!   share of them too. What their further arguments point to cannot be seen, so conditions on the first argument are
//!   left out and the others are compared with the multiplexer's own;
//! - unless calls are allowed by default, one newer than every call that the profile names has not been thought of by its
//!   author: it answers `ENOSYS`, upon which programs go on with an older call (runc's rule);
//! - a call of an architecture that is not meant kills the thread.

use alloc::vec;
use alloc::vec::Vec;

use super::Remark;
use super::arch::{self, Traits, X32_BIT};
use super::table;
use crate::config::{
    Seccomp, SeccompAction, SeccompArch, SeccompArg, SeccompOperator, SeccompRule,
};

/// A filter, call by call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// The native architecture.
    pub(super) native: Traits,
    /// The native architecture's first.
    pub(super) sections: Vec<Section>,
    /// What [`Verdict::Tested`] refers to.
    pub(super) tested: Vec<Tested>,
}

/// The answers of one `seccomp_data.arch`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) audit: u32,
    pub(super) is_big_endian: bool,
    /// Where each range begins, from 0, and its answer; neighbours differ.
    pub(super) ranges: Vec<(u32, Verdict)>,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Whatever the arguments.
    Plain(SeccompAction),
    /// By its arguments: position in [`Filter::tested`].
    Tested(usize),
}

/// Rules with conditions, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tested {
    pub(super) is_wide: bool,
    pub(super) rules: Vec<(Vec<SeccompArg>, SeccompAction)>,
    pub(super) otherwise: SeccompAction,
}

/// What a call of an architecture that is not meant gets, as with libseccomp.
pub(super) const FOREIGN: SeccompAction = SeccompAction::KillThread;

/// For calls that the profile's author cannot have known.
const UNKNOWN: SeccompAction = SeccompAction::Errno(38);

/// Resolves the profile on a machine whose own architecture is `native`.
pub(super) fn resolve(profile: &Seccomp, native: SeccompArch) -> (Filter, Vec<Remark>) {
    let mut arches = vec![native];
    for &arch in &profile.architectures {
        if !arches.contains(&arch) {
            arches.push(arch);
        }
    }
    let mut resolution = Resolution {
        profile,
        tables: arches.iter().map(|arch| Table::new(arch::traits(*arch))).collect(),
        filter: Filter { native: arch::traits(native), sections: Vec::new(), tested: Vec::new() },
        remarks: Vec::new(),
    };
    for (index, rule) in profile.rules.iter().enumerate() {
        resolution.look_up(index, rule);
    }
    for at in 0..arches.len() {
        resolution.section(at, &arches);
    }
    (resolution.filter, resolution.remarks)
}

/// The rules about the calls of one architecture.
struct Table {
    traits: Traits,
    entries: Vec<Entry>,
    /// The highest number that the profile names.
    last: Option<u32>,
}

impl Table {
    fn new(traits: Traits) -> Self {
        Self { traits, entries: Vec::with_capacity(512), last: None }
    }
}

/// One rule about one number.
#[derive(Clone, Copy)]
struct Entry {
    number: u32,
    rule: usize,
    /// The first argument that is this call's share of a multiplexer.
    share: Option<u64>,
}

struct Resolution<'a> {
    profile: &'a Seccomp,
    tables: Vec<Table>,
    filter: Filter,
    remarks: Vec<Remark>,
}

impl Resolution<'_> {
    /// Enters a rule under all its numbers.
    fn look_up(&mut self, index: usize, rule: &SeccompRule) {
        let is_redundant = rule.action == self.profile.default_action;
        let (mut unknown, mut hidden) = (Vec::new(), Vec::new());
        for name in &rule.names {
            if let Ok(number) = name.parse::<u32>() {
                // A number is the native architecture's, whose table is the first.
                self.tables[0].last = self.tables[0].last.max(Some(number));
                if !is_redundant {
                    self.tables[0].entries.push(Entry { number, rule: index, share: None });
                }
                continue;
            }
            let Some(numbers) = table::numbers(name) else {
                unknown.push(name.clone());
                continue;
            };
            for table in &mut self.tables {
                let number = table.traits.number(numbers);
                table.last = table.last.max(number);
                if is_redundant {
                    continue;
                }
                if let Some(number) = number {
                    table.entries.push(Entry { number, rule: index, share: None });
                }
                let shared = table.traits.multiplexers.and_then(|both| arch::shared(numbers, both));
                if let Some((number, share)) = shared {
                    table.entries.push(Entry { number, rule: index, share: Some(share) });
                    if !rule.args.is_empty() && !hidden.contains(name) {
                        hidden.push(name.clone());
                    }
                }
            }
        }
        if !unknown.is_empty() {
            self.remarks.push(Remark::UnknownCalls { rule: index, names: unknown });
        }
        if !hidden.is_empty() {
            self.remarks.push(Remark::HiddenArguments { rule: index, names: hidden });
        }
        if is_split(&rule.args) {
            self.remarks.push(Remark::Split { rule: index });
        }
    }

    /// Adds the ranges of one architecture; x32's are behind those of x86-64 in one section.
    fn section(&mut self, at: usize, arches: &[SeccompArch]) {
        let arch = arches[at];
        let both = [SeccompArch::X86_64, SeccompArch::X32];
        let is_shared = both.contains(&arch);
        let is_second = is_shared && arches[..at].iter().any(|other| both.contains(other));
        if is_second {
            return;
        }
        let traits = self.tables[at].traits;
        let mut ranges = Ranges(Vec::new());
        if is_shared {
            let position = |wanted| arches.iter().position(|arch| *arch == wanted);
            match position(SeccompArch::X86_64) {
                Some(at) => self.zone(at, 0, &mut ranges),
                None => ranges.push(0, Verdict::Plain(FOREIGN)),
            }
            match position(SeccompArch::X32) {
                Some(at) => self.zone(at, X32_BIT, &mut ranges),
                None => {
                    ranges.push(X32_BIT, Verdict::Plain(FOREIGN));
                    // What a tracer makes of a call that it skips.
                    ranges.push(u32::MAX, Verdict::Plain(self.profile.default_action));
                }
            }
        } else {
            self.zone(at, 0, &mut ranges);
        }
        let section =
            Section { audit: traits.audit, is_big_endian: traits.is_big_endian, ranges: ranges.0 };
        self.filter.sections.push(section);
    }

    /// Adds the ranges from `start` that one table decides.
    fn zone(&mut self, at: usize, start: u32, ranges: &mut Ranges) {
        let default = Verdict::Plain(self.profile.default_action);
        let mut entries = in_order(&self.tables[at].entries);
        let (traits, last) = (self.tables[at].traits, self.tables[at].last);
        let tells_unknown = is_strict(self.profile.default_action);
        ranges.push(start, default);
        if tells_unknown && traits.hides_unknown_as_zero {
            ranges.push(start, Verdict::Plain(UNKNOWN));
            ranges.push(start + 1, default);
            entries.retain(|entry| entry.number != start);
        }
        // A multiplexer that only its shares are named of may be newer than all that is named.
        let mut beyond = last.and_then(|last| last.checked_add(1)).filter(|_| tells_unknown);
        let mut rest = default;
        for group in entries.chunk_by(|a, b| a.number == b.number) {
            let number = group[0].number;
            let verdict = self.verdict(group, traits.is_wide);
            if let Some(first) = beyond.take_if(|first| *first <= number) {
                rest = Verdict::Plain(UNKNOWN);
                ranges.push(first, rest);
            }
            ranges.push(number, verdict);
            if let Some(next) = number.checked_add(1) {
                ranges.push(next, rest);
            }
        }
        if let Some(first) = beyond {
            ranges.push(first, Verdict::Plain(UNKNOWN));
        }
    }

    /// What the rules about one number come to.
    fn verdict(&mut self, group: &[Entry], is_wide: bool) -> Verdict {
        let profile = self.profile;
        let rule = |entry: &Entry| &profile.rules[entry.rule];
        let decides = |entry: &&Entry| entry.share.is_none() && rule(entry).args.is_empty();
        if let Some(entry) = group.iter().find(decides) {
            let action = rule(entry).action;
            for other in group.iter().filter(|other| rule(other).action != action) {
                let remark = Remark::Overruled { rule: other.rule, by: entry.rule };
                if !self.remarks.contains(&remark) {
                    self.remarks.push(remark);
                }
            }
            return Verdict::Plain(action);
        }
        let mut rules = Vec::new();
        for entry in group {
            let SeccompRule { args, action, .. } = rule(entry);
            if is_split(args) {
                rules.extend(args.iter().map(|arg| (conditions(entry.share, &[*arg]), *action)));
            } else {
                rules.push((conditions(entry.share, args), *action));
            }
        }
        let tested = Tested { is_wide, rules, otherwise: self.profile.default_action };
        let known = self.filter.tested.iter().position(|other| *other == tested);
        Verdict::Tested(known.unwrap_or_else(|| {
            self.filter.tested.push(tested);
            self.filter.tested.len() - 1
        }))
    }
}

/// A rule's conditions, with the first argument taken for a multiplexer's share.
fn conditions(share: Option<u64>, args: &[SeccompArg]) -> Vec<SeccompArg> {
    let Some(value) = share else { return args.to_vec() };
    let share = SeccompArg { index: 0, op: SeccompOperator::Equal, value, value_two: 0 };
    core::iter::once(share).chain(args.iter().copied().filter(|arg| arg.index != 0)).collect()
}

/// By number, those of one in the order of their rules. Numbers alone are sorted, each with its place in the low half: of an
/// engine's filter 72,000 instructions, where moving the entries took 163,000.
fn in_order(entries: &[Entry]) -> Vec<Entry> {
    let keyed = entries.iter().zip(0_u64..).map(|(entry, at)| u64::from(entry.number) << 32 | at);
    let mut keys: Vec<u64> = keyed.collect();
    keys.sort_unstable();
    let place = |key: &u64| usize::try_from(key & u64::from(u32::MAX)).ok();
    keys.iter().filter_map(|key| entries.get(place(key)?).copied()).collect()
}

/// Whether two conditions are on one argument.
fn is_split(args: &[SeccompArg]) -> bool {
    args.iter().enumerate().any(|(at, arg)| args[..at].iter().any(|other| other.index == arg.index))
}

/// Whether calls that no rule names do not just run: a tracer is one that answers for them.
fn is_strict(default: SeccompAction) -> bool {
    !matches!(default, SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace(_))
}

/// Where ranges begin; what is pushed goes to the end of all numbers, or to what is pushed next.
struct Ranges(Vec<(u32, Verdict)>);

impl Ranges {
    fn push(&mut self, start: u32, verdict: Verdict) {
        if self.0.last().is_some_and(|(last, _)| *last == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|(_, last)| *last != verdict) {
            self.0.push((start, verdict));
        }
    }
}
