//! The entries of a directory become those of a root that is put together.

use std::fs;
use std::io;

use crate::config::{PathComponent, RootEntry, RootEntryKind};
use crate::types::HostPath;

/// Lists a directory for [`Root::entries`](crate::config::Root::entries), by name.
///
/// What is neither a directory, a file nor a symbolic link is left out, and so is a name that is not UTF-8.
///
/// # Errors
/// When the directory cannot be read.
///
/// ```no_run
/// use nsplan::{apply, config::Config, types::HostPath};
/// let entries = apply::root_entries(&HostPath::new("/").expect("a path"))?;
/// let config = Config::host_sandbox(entries, vec!["id".into()], true);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn root_entries(directory: &HostPath) -> io::Result<Vec<RootEntry>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory.as_str())? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| PathComponent::new(name).ok()) else {
            continue;
        };
        let kind = entry.file_type()?;
        let kind = if kind.is_dir() {
            RootEntryKind::Directory
        } else if kind.is_file() {
            RootEntryKind::File
        } else if kind.is_symlink()
            && let Some(target) = fs::read_link(entry.path())?.to_str()
        {
            RootEntryKind::Link(target.to_owned())
        } else {
            continue;
        };
        found.push(RootEntry { name, kind });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
