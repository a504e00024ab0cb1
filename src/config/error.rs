//! Says what is wrong with a configuration: where it stands, what was found, what was expected.
//!
//! A [`Problem`] is exact, so that a test or a program can tell one refusal from another; its strings hold nothing but
//! what the user wrote. All problems of a document are reported together.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use super::expected::Expected;
use crate::types::{IdMapError, NamespaceKind, PathError, Pointer};

/// Everything that is wrong with one document, in the order of the text; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Place in the document's own structure; the whole document where the text is not even JSON.
    pub pointer: Pointer,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A key says what an earlier key of the object said, by the same or by another name.
    Duplicate {
        /// The later key.
        key: String,
        /// The earlier key.
        first: String,
        /// Line of the earlier key.
        line: usize,
        /// Column of the earlier key.
        column: usize,
    },
    /// A map with a key that is empty.
    EmptyName,
    /// `freezer` is a state of a running container and cannot be asked for at its start.
    FreezerAtStart,
    /// The ranges are not an id map.
    IdMap(IdMapError),
    /// A key that the kernel takes for no interface's name.
    InterfaceName,
    /// The right type, but not one of its meaningful values.
    Invalid {
        /// What stands there.
        found: Found,
        /// What is taken.
        expected: Expected,
    },
    /// A `\u` escape for half a character.
    LoneSurrogate,
    /// A key that has to be there is not.
    Missing {
        /// The key.
        key: &'static str,
    },
    /// Addresses of both families in one route.
    MixedFamilies,
    /// A mount in `/proc` would hide what the kernel is told there (`attr/exec`).
    MountInProc,
    /// Without a new namespace of this kind the value would change the host.
    NeedsNamespace(NamespaceKind),
    /// Name and parent of the cgroup are empty: it would be the host's own.
    NoCgroupName,
    /// Nothing here does what it asks for.
    NoEquivalent,
    /// A key that names no file of a cgroup.
    NoFileName,
    /// A new user namespace without a mapping of this kind of ids.
    NoMappings {
        /// The key that is absent or empty.
        key: &'static str,
    },
    /// A number beyond what is taken, where zero means nothing special.
    NotInRange {
        /// The number as written.
        found: String,
        /// The smallest that is taken.
        min: i64,
        /// The largest that is taken.
        max: u64,
    },
    /// The text is not UTF-8.
    NotUtf8,
    /// A NUL byte in what becomes a C string.
    Nul,
    /// A part of the format that is about another platform.
    OtherPlatform {
        /// Which.
        name: &'static str,
    },
    /// A number beyond what is taken; zero is none.
    OutOfRange {
        /// The number as written.
        found: String,
        /// The smallest that is taken.
        min: i64,
        /// The largest that is taken.
        max: u64,
    },
    /// Not a path.
    Path(PathError),
    /// `/` where a place below it is meant: it would hide or replace the root.
    RootItself,
    /// No range covers id 0 inside.
    RootUnmapped,
    /// A route without destination, source and gateway.
    RouteToNowhere,
    /// A soft limit above its hard limit.
    SoftAboveHard {
        /// The soft limit.
        soft: u64,
        /// The hard limit.
        hard: u64,
    },
    /// A limit of memory and swap together that is below the one of memory alone.
    SwapBelowMemory {
        /// The limit of both.
        swap: u64,
        /// The limit of memory.
        memory: u64,
    },
    /// A limit of memory and swap together without one of memory, which the kernel refuses.
    SwapWithoutMemory,
    /// Not JSON.
    Syntax {
        /// The character there; `None` at the end of the text.
        found: Option<char>,
        /// What JSON has there.
        expected: &'static str,
    },
    /// Too many arrays and objects in one another.
    TooDeep {
        /// How many are taken.
        limit: usize,
    },
    /// A text that is too long.
    TooLarge {
        /// Its bytes.
        size: usize,
        /// How many are taken.
        limit: usize,
    },
    /// A list says one thing twice.
    Twice {
        /// What.
        found: String,
    },
    /// A key that the format does not have.
    UnknownKey {
        /// The key.
        key: String,
        /// A key of the format that is spelled alike.
        nearest: Option<&'static str>,
    },
    /// Bits of a flag word that mean nothing here.
    UnknownMountFlags {
        /// Those bits.
        bits: u64,
    },
    /// Another JSON type.
    WrongType {
        /// What stands there.
        found: Found,
        /// What is taken.
        expected: Expected,
    },
}

/// A JSON value as far as a message shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// `true` or `false`.
    Bool(bool),
    /// An array.
    List,
    /// `null`.
    Null,
    /// A number as written.
    Number(String),
    /// An object.
    Object,
    /// A string.
    Text(String),
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{error}")?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigErrors {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.pointer.as_str().is_empty() {
            write!(f, "{}: ", Plain(self.pointer.as_str()))?;
        }
        self.problem.fmt(f)
    }
}

impl core::error::Error for ConfigError {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { key, first, line, column } => {
                let (key, first) = (Plain(key), Plain(first));
                write!(f, "key `{key}` repeats `{first}` of {line}:{column}")
            }
            Self::IdMap(error) => error.fmt(f),
            Self::Invalid { found, expected } | Self::WrongType { found, expected } => {
                write!(f, "found {found}, expected {expected}")
            }
            Self::Missing { key } => write!(f, "found no `{key}`"),
            Self::NeedsNamespace(kind) => {
                write!(f, "needs a new {kind} namespace, which `namespaces` does not ask for")
            }
            Self::NoMappings { key } => write!(f, "a new user namespace needs `{key}`"),
            Self::NotInRange { found, min, max } => {
                write!(f, "found {}, expected a number from {min} to {max}", Plain(found))
            }
            Self::OtherPlatform { name } => {
                write!(f, "found a part that is for {name}, expected one for linux")
            }
            Self::OutOfRange { found, min, max } => out_of_range(f, found, *min, *max),
            Self::Path(error) => error.fmt(f),
            Self::SoftAboveHard { soft, hard } => {
                write!(f, "soft limit {soft} is above the hard limit {hard}")
            }
            Self::SwapBelowMemory { swap, memory } => {
                write!(
                    f,
                    "found {swap} bytes of memory and swap, expected at least the {memory} of memory"
                )
            }
            Self::Syntax { found, expected } => match found {
                Some(c) => write!(f, "found `{}`, expected {expected}", c.escape_debug()),
                None => write!(f, "found the end of the text, expected {expected}"),
            },
            Self::TooDeep { limit } => {
                write!(f, "more than {limit} arrays and objects in one another")
            }
            Self::TooLarge { size, limit } => write!(f, "{size} bytes, expected at most {limit}"),
            Self::Twice { found } => write!(f, "{} for the second time", Quoted(found)),
            Self::UnknownKey { key, nearest } => {
                write!(f, "unknown key `{}`", Plain(key))?;
                nearest.map_or(Ok(()), |nearest| write!(f, ", did you mean `{nearest}`"))
            }
            Self::UnknownMountFlags { bits } => write!(f, "unknown mount flags {bits:#x}"),
            fixed => f.write_str(fixed.sentence()),
        }
    }
}

impl Problem {
    /// The message of a problem that needs no data.
    fn sentence(&self) -> &'static str {
        match self {
            Self::EmptyName => "found an empty name",
            Self::InterfaceName => {
                "expected a name of 1 to 15 bytes without `/`, `:` and white space"
            }
            Self::FreezerAtStart => "a container cannot be frozen at its start, leave it empty",
            Self::LoneSurrogate => "half of a surrogate pair, expected both or none",
            Self::MixedFamilies => "IPv4 and IPv6 in one route",
            Self::MountInProc => "a mount in /proc would hide what the kernel is told there",
            Self::NoCgroupName => "name and parent are empty, which is the host's own cgroup",
            Self::NoEquivalent => "nothing here does what this asks for",
            Self::NoFileName => "expected the name of a file in a cgroup, without `/`",
            Self::NotUtf8 => "not UTF-8",
            Self::Nul => "a NUL byte, which no kernel interface takes",
            Self::RootItself => "found / itself, expected a place below it",
            Self::RootUnmapped => "no range covers id 0 inside, which is the container's root",
            Self::RouteToNowhere => "found no `destination`, `source` or `gateway`",
            Self::SwapWithoutMemory => "a limit of memory and swap needs one of `memory`",
            _ => "refused",
        }
    }
}

fn out_of_range(f: &mut fmt::Formatter<'_>, found: &str, min: i64, max: u64) -> fmt::Result {
    let zero = if min > 0 { "0 (leave alone) or " } else { "" };
    write!(f, "found {}, expected {zero}a number from {min} to {max}", Plain(found))
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::List => f.write_str("an array"),
            Self::Null => f.write_str("null"),
            Self::Number(text) => write!(f, "the number {}", Plain(text)),
            Self::Object => f.write_str("an object"),
            Self::Text(text) => write!(f, "the string {}", Quoted(text)),
        }
    }
}

/// User text on one line: control characters escaped, the end of a long one left out.
struct Plain<'a>(&'a str);

/// The same between double quotes.
struct Quoted<'a>(&'a str);

/// How much of a user's text a message shows, in characters.
const SHOWN: usize = 80;

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(SHOWN) {
            if c == '"' || c == '\'' || c == '\\' {
                write!(f, "{c}")?;
            } else {
                write!(f, "{}", c.escape_debug())?;
            }
        }
        if self.0.chars().nth(SHOWN).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Plain(self.0))
    }
}
