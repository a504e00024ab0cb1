//! What the command line is defined in: verbs, groups of options, values, operands.
//!
//! Pure. The tables are in `options` and `verbs`; parsing, `--help`, completions and man pages all read them.

use super::options::OptId;
use super::verbs::NSPLAN;

/// One option.
#[derive(Debug)]
pub struct Opt {
    /// Which.
    pub id: OptId,
    /// Its name after `--`.
    pub long: &'static str,
    /// Its letter after `-`.
    pub short: Option<char>,
    /// Its value.
    pub takes: Takes,
    /// What it does: whole sentences, the first one enough for a list.
    pub help: &'static str,
}

/// The value of an option.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// None: it is a switch.
    Nothing,
    /// One, as `--name VALUE` or `--name=VALUE`; this is what help calls it.
    Value(Value),
    /// None, or one as `--name=VALUE`.
    Maybe(&'static str),
}

/// A value that must be there.
#[derive(Clone, Copy, Debug)]
pub struct Value {
    /// What help calls it.
    pub name: &'static str,
    /// Whether the option may be given again and adds up. Of others the last one counts.
    pub many: bool,
    /// What a shell offers for it.
    pub complete: Complete,
}

/// What a shell offers for a value.
#[derive(Clone, Copy, Debug)]
pub enum Complete {
    /// Nothing.
    Nothing,
    /// Files.
    Files,
    /// Directories.
    Directories,
    /// These words.
    Words(&'static [&'static str]),
}

impl Takes {
    const fn of(name: &'static str, complete: Complete) -> Self {
        Self::Value(Value { name, many: false, complete })
    }

    /// Free text.
    pub(super) const fn value(name: &'static str) -> Self {
        Self::of(name, Complete::Nothing)
    }

    /// The path of a file.
    pub(super) const fn file(name: &'static str) -> Self {
        Self::of(name, Complete::Files)
    }

    /// The path of a directory.
    pub(super) const fn directory(name: &'static str) -> Self {
        Self::of(name, Complete::Directories)
    }

    /// Mostly one of these words.
    pub(super) const fn words(name: &'static str, words: &'static [&'static str]) -> Self {
        Self::of(name, Complete::Words(words))
    }

    /// The same, and the option may be given again.
    pub(super) const fn many(self) -> Self {
        match self {
            Self::Value(value) => Self::Value(Value { many: true, ..value }),
            other => other,
        }
    }

    /// What a shell offers for it.
    #[must_use]
    pub const fn complete(self) -> Complete {
        match self {
            Self::Value(value) => value.complete,
            Self::Nothing | Self::Maybe(_) => Complete::Nothing,
        }
    }
}

/// Options that belong together.
#[derive(Debug)]
pub struct Group {
    /// Its heading.
    pub title: &'static str,
    /// The options.
    pub options: &'static [Opt],
}

/// The words that are no options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Up to this many, the first `least` of them required. Options may stand between them.
    Words {
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// So many words, then a command with its arguments. Option parsing stops at the command's first word.
    Command {
        /// How many words come before it.
        before: usize,
        /// Whether there must be one.
        required: bool,
    },
    /// The container's name, then words that are for another program, options too.
    Passed,
}

/// Which verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerbId {
    /// `do`
    Do,
    /// `run`
    Run,
    /// `create`.
    Create,
    /// `start`.
    Start,
    /// `plan`
    Plan,
    /// `probe`
    Probe,
    /// `config`
    Config,
    /// `spec`
    Spec,
    /// `exec`
    Exec,
    /// `list`
    List,
    /// `state`
    State,
    /// `kill`
    Kill,
    /// `ps`
    Ps,
    /// `events`
    Events,
    /// `update`
    Update,
    /// `pause`
    Pause,
    /// `resume`
    Resume,
    /// `checkpoint`
    Checkpoint,
    /// `restore`
    Restore,
    /// `delete`
    Delete,
    /// `features`
    Features,
    /// `help`
    Help,
    /// `completions`
    Completions,
    /// `man`
    Man,
}

/// One verb of a program, whose verbs are told apart by `I`.
#[derive(Debug)]
pub struct Verb<I: 'static = VerbId> {
    /// Which.
    pub id: I,
    /// Its name.
    pub name: &'static str,
    /// How it is called, without the program's name and its own, one form a line.
    pub usage: &'static [&'static str],
    /// One line, lower case.
    pub summary: &'static str,
    /// Paragraphs.
    pub about: &'static [&'static str],
    /// Command lines, without the program's name, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
    /// Its options.
    pub groups: &'static [&'static Group],
    /// Its other words.
    pub operands: Operands,
    /// What a shell offers for its words.
    pub complete: Complete,
}

/// A program: everything that can be said to it.
#[derive(Debug)]
pub struct Tool<I: 'static = VerbId> {
    /// Its name.
    pub name: &'static str,
    /// What it does: a predicate without a period.
    pub summary: &'static str,
    /// Command lines for the overview, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
    /// Its verbs, in the order of help.
    pub verbs: &'static [Verb<I>],
    /// The options that all verbs have.
    pub global: &'static Group,
    /// Exit codes of its own, and what they mean.
    pub exit_codes: &'static [(&'static str, &'static str)],
    /// The verb that runs a program: what was meant where a program stands in a verb's place.
    pub runs: &'static str,
    /// Other spellings of options.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Options of other programs, and what to do instead.
    pub foreign: &'static [(&'static str, &'static str)],
    /// The verbs at which those are expected.
    pub foreign_in: &'static [&'static str],
}

impl<I> Tool<I> {
    /// All options of a verb, with the global ones last.
    pub fn options(&'static self, verb: &Verb<I>) -> impl Iterator<Item = &'static Opt> {
        let groups = verb.groups.iter().copied().chain([self.global]);
        groups.flat_map(|group| group.options)
    }

    /// The verb of that name.
    #[must_use]
    pub fn verb(&'static self, name: &str) -> Option<&'static Verb<I>> {
        self.verbs.iter().find(|verb| verb.name == name)
    }

    /// The names of its verbs.
    pub fn verb_names(&'static self) -> impl Iterator<Item = &'static str> {
        self.verbs.iter().map(|verb| verb.name)
    }
}

impl Verb {
    /// All its options with the global ones last.
    pub fn options(&self) -> impl Iterator<Item = &'static Opt> {
        NSPLAN.options(self)
    }
}
