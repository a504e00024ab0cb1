//! The words that the door knows, as lists: the same tables that it reads by, for whoever says what can be read.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::{extras, linux, options, seccomp};
use crate::config::{SeccompArch, SeccompFlag};
use crate::types::{Capability, MemoryPolicyFlag, MemoryPolicyMode};

/// Makes of one table a function from a word to its meaning, and the list of the words.
macro_rules! words {
    ($(#[$about:meta])* fn $name:ident, $list:ident -> $Meaning:ty {
        $($word:literal => $meaning:expr,)*
    }) => {
        $(#[$about])*
        fn $name(word: &str) -> Option<$Meaning> {
            Some(match word {
                $($word => $meaning,)*
                _ => return None,
            })
        }

        pub(super) const $list: &[&str] = &[$($word),*];
    };
}

pub(super) use words;

/// Words of a `config.json`, each list sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OciWords {
    /// Keys of `hooks`.
    pub hooks: Vec<String>,
    /// `mounts[].options` that are not a file system's own.
    pub mount_options: Vec<String>,
    /// `linux.namespaces[].type`.
    pub namespaces: Vec<String>,
    /// `process.capabilities`.
    pub capabilities: Vec<String>,
    /// `linux.seccomp` actions.
    pub seccomp_actions: Vec<String>,
    /// `linux.seccomp` operators.
    pub seccomp_operators: Vec<String>,
    /// `linux.seccomp.architectures`.
    pub seccomp_archs: Vec<String>,
    /// `linux.seccomp.flags`.
    pub seccomp_flags: Vec<String>,
    /// `linux.memoryPolicy.mode`.
    pub memory_policy_modes: Vec<String>,
    /// `linux.memoryPolicy.flags`.
    pub memory_policy_flags: Vec<String>,
}

impl OciWords {
    /// All that the door knows.
    #[must_use]
    pub fn known() -> Self {
        let words = |words: &[&str]| sorted(words.iter().copied());
        Self {
            hooks: words(&extras::HOOKS),
            mount_options: sorted(options::names()),
            namespaces: sorted(linux::namespace_words()),
            capabilities: Capability::named().map(|one| one.to_string()).collect(),
            seccomp_actions: words(seccomp::ACTIONS),
            seccomp_operators: words(seccomp::OPERATORS),
            seccomp_archs: sorted(SeccompArch::ALL.iter().map(|arch| arch.name())),
            seccomp_flags: sorted(SeccompFlag::ALL.iter().map(|flag| flag.name())),
            memory_policy_modes: sorted(MemoryPolicyMode::ALL.iter().map(|mode| mode.name())),
            memory_policy_flags: sorted(MemoryPolicyFlag::ALL.iter().map(|flag| flag.name())),
        }
    }
}

fn sorted<T: Into<String>>(words: impl Iterator<Item = T>) -> Vec<String> {
    let mut words: Vec<String> = words.map(Into::into).collect();
    words.sort();
    words
}
