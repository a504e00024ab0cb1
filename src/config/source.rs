//! Leads from a place in the canonical config back to what the user wrote.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use crate::types::Pointer;

/// Where the user asked for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file.
    File {
        /// Place in the file's own structure.
        pointer: Pointer,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// On the command line: the option as it is spelled there.
    Option(String),
    /// Nobody did: it is a default, of this name.
    Default(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { pointer, line, column } => write!(f, "{line}:{column}: {pointer}"),
            Self::Option(option) => f.write_str(option),
            Self::Default(name) => write!(f, "{name} (default)"),
        }
    }
}

/// For places in a [`Config`](crate::config::Config), where the user asked for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    entries: BTreeMap<Pointer, Origin>,
}

impl SourceMap {
    /// Notes where the thing at `pointer` of the canonical form came from.
    pub fn insert(&mut self, pointer: Pointer, origin: Origin) {
        self.entries.insert(pointer, origin);
    }

    /// The origin of `pointer`, or of the nearest thing around it that has one.
    #[must_use]
    pub fn find(&self, pointer: &Pointer) -> Option<&Origin> {
        let mut at = Some(pointer.clone());
        while let Some(here) = at {
            if let Some(origin) = self.entries.get(&here) {
                return Some(origin);
            }
            at = here.parent();
        }
        None
    }

    /// All entries in the order of their pointers.
    pub fn iter(&self) -> impl Iterator<Item = (&Pointer, &Origin)> {
        self.entries.iter()
    }
}
