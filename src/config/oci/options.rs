//! Turns one word of `mounts[].options` into what it does to a mount.
//!
//! # References
//! OCI runtime-spec, `config-linux.md`, "Linux mount options"; `mount(8)`.

use alloc::format;
use alloc::string::String;

use super::words::words;
use crate::types::{MountFlags as F, Propagation, PropagationKind};

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// The source is bound, with what is mounted below it or without.
    Bind { recursive: bool },
    /// Flags are set.
    Set(F),
    /// Flags are cleared.
    Clear(F),
    /// Flags are set on the whole tree.
    SetTree(F),
    /// Flags are cleared on the whole tree.
    ClearTree(F),
    /// Propagation changes.
    Propagate(Propagation),
    /// Ids are mapped, of the mounts below too or not.
    IdMap { recursive: bool },
    /// A tmpfs is filled with what it covers.
    CopyUp,
    /// As without it.
    Nothing,
    /// The mount that is there changes.
    Remount,
}

/// The effect of `word`; `None` for one that is the file system's own.
pub(super) fn effect(word: &str) -> Option<Effect> {
    special(word).or_else(|| of_mount(word)).or_else(|| propagation(word).map(Effect::Propagate))
}

/// Every word that has an effect.
pub(super) fn names() -> impl Iterator<Item = String> {
    let with_tree = |names: &'static [&str]| {
        let plain = names.iter().map(|&name| String::from(name));
        plain.chain(names.iter().map(|name| format!("r{name}")))
    };
    let special = SPECIAL.iter().map(|&name| String::from(name));
    special.chain(with_tree(ATTRIBUTES)).chain(with_tree(PROPAGATIONS))
}

words! {
    fn special, SPECIAL -> Effect {
        "defaults" => Effect::Nothing,
        "bind" => Effect::Bind { recursive: false },
        "rbind" => Effect::Bind { recursive: true },
        "idmap" => Effect::IdMap { recursive: false },
        "ridmap" => Effect::IdMap { recursive: true },
        "tmpcopyup" => Effect::CopyUp,
        "remount" => Effect::Remount,
        "async" => Effect::Clear(F::MS_SYNCHRONOUS),
        "sync" => Effect::Set(F::MS_SYNCHRONOUS),
        "dirsync" => Effect::Set(F::MS_DIRSYNC),
        "silent" => Effect::Set(F::MS_SILENT),
        "loud" => Effect::Clear(F::MS_SILENT),
        "mand" => Effect::Set(F::MS_MANDLOCK),
        "nomand" => Effect::Clear(F::MS_MANDLOCK),
        "iversion" => Effect::Set(F::MS_I_VERSION),
        "noiversion" => Effect::Clear(F::MS_I_VERSION),
        "lazytime" => Effect::Set(F::MS_LAZYTIME),
        "nolazytime" => Effect::Clear(F::MS_LAZYTIME),
    }
}

/// Words about one mount, which with an `r` before them are about its whole tree.
fn of_mount(word: &str) -> Option<Effect> {
    if let Some((flag, is_set)) = attribute(word) {
        return Some(if is_set { Effect::Set(flag) } else { Effect::Clear(flag) });
    }
    let (flag, is_set) = attribute(word.strip_prefix('r')?)?;
    Some(if is_set { Effect::SetTree(flag) } else { Effect::ClearTree(flag) })
}

words! {
    /// The flag, and whether the word sets it.
    fn attribute, ATTRIBUTES -> (F, bool) {
        "ro" => (F::MS_RDONLY, true),
        "rw" => (F::MS_RDONLY, false),
        "nosuid" => (F::MS_NOSUID, true),
        "suid" => (F::MS_NOSUID, false),
        "nodev" => (F::MS_NODEV, true),
        "dev" => (F::MS_NODEV, false),
        "noexec" => (F::MS_NOEXEC, true),
        "exec" => (F::MS_NOEXEC, false),
        "nodiratime" => (F::MS_NODIRATIME, true),
        "diratime" => (F::MS_NODIRATIME, false),
        "nosymfollow" => (F::MS_NOSYMFOLLOW, true),
        "symfollow" => (F::MS_NOSYMFOLLOW, false),
        "noatime" => (F::MS_NOATIME, true),
        "atime" => (F::MS_NOATIME, false),
        "relatime" => (F::MS_RELATIME, true),
        "norelatime" => (F::MS_RELATIME, false),
        "strictatime" => (F::MS_STRICTATIME, true),
        "nostrictatime" => (F::MS_STRICTATIME, false),
    }
}

words! {
    fn propagation_kind, PROPAGATIONS -> PropagationKind {
        "private" => PropagationKind::Private,
        "shared" => PropagationKind::Shared,
        "slave" => PropagationKind::Slave,
        "unbindable" => PropagationKind::Unbindable,
    }
}

/// The propagation of that name.
pub(super) fn propagation(word: &str) -> Option<Propagation> {
    let plain = propagation_kind(word).map(|kind| Propagation { kind, recursive: false });
    plain.or_else(|| {
        let kind = propagation_kind(word.strip_prefix('r')?)?;
        Some(Propagation { kind, recursive: true })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_r_before_a_word_means_the_whole_tree() {
        assert_eq!(effect("ro"), Some(Effect::Set(F::MS_RDONLY)));
        assert_eq!(effect("rro"), Some(Effect::SetTree(F::MS_RDONLY)));
        assert_eq!(effect("rrw"), Some(Effect::ClearTree(F::MS_RDONLY)));
        assert_eq!(effect("relatime"), Some(Effect::Set(F::MS_RELATIME)));
        assert_eq!(effect("rrelatime"), Some(Effect::SetTree(F::MS_RELATIME)));
        let tree = Propagation { kind: PropagationKind::Slave, recursive: true };
        assert_eq!(effect("rslave"), Some(Effect::Propagate(tree)));
        assert_eq!(effect("rsync"), None);
        assert_eq!(effect("size=64k"), None);
    }
}
