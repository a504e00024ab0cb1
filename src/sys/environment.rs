//! The environment of the calling process, replaced as a whole while nobody else can look.

use std::ffi::{OsStr, OsString};

/// Replaces every variable. Refused, with the number of threads, in a program that has more than one.
///
/// Names are not empty and hold neither `=` nor NUL, values no NUL: anything else makes the standard library panic.
pub(crate) fn replace<'a>(
    variables: impl Iterator<Item = (&'a OsStr, &'a OsStr)>,
) -> Result<(), usize> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(usize::MAX, Iterator::count);
    if threads != 1 {
        return Err(threads);
    }
    let names: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
    for name in names {
        // SAFETY: the kernel has just counted one thread, which is this one and starts no other meanwhile: nobody reads
        // or writes the environment at the same time.
        unsafe { std::env::remove_var(name) };
    }
    for (name, value) in variables {
        // SAFETY: as above.
        unsafe { std::env::set_var(name, value) };
    }
    Ok(())
}
