//! Where the arguments and the environment of this program are, as the kernel remembers them for `/proc/PID/cmdline`.
//!
//! # References
//! `proc_pid_stat(5)`, fields 48 to 51.

use core::ops::Range;
use core::ptr;

use super::raw::{Fault, Outcome, Sysno};
use crate::types::Errno;

/// What is shown instead of the arguments.
const NAME: &[u8] = b"init";
/// The state is field 3 of the file and the first after the program's name.
const ARG_START: usize = 48 - 3;

/// The two places, in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Words {
    arguments: Range<usize>,
    environment: Range<usize>,
}

impl Words {
    /// Those of this process.
    pub(crate) fn own() -> Outcome<Self> {
        let text = std::fs::read_to_string("/proc/self/stat").map_err(|error| {
            Fault::new(Sysno::openat, error.raw_os_error().map_or(Errno::EIO, Errno))
        })?;
        read(&text).ok_or(Fault::new(Sysno::read, Errno::EINVAL))
    }

    /// Overwrites both with the name `init` and zeros, in this process's memory: for a child with a copy of its own.
    pub(crate) fn overwrite(&self) {
        for place in [&self.arguments, &self.environment] {
            let start = ptr::with_exposed_provenance_mut::<u8>(place.start);
            // SAFETY: the kernel put the strings of this program there, on its first stack, when it was executed, and
            // named the place; that stack is never unmapped. In the child's copy nobody reads them any more: it runs on
            // another stack, and nothing of the launcher's goes on in it.
            unsafe { ptr::write_bytes(start, 0, place.len()) };
        }
        let count = NAME.len().min(self.arguments.len().saturating_sub(1));
        let start = ptr::with_exposed_provenance_mut::<u8>(self.arguments.start);
        // SAFETY: as above, and `count` bytes are within the place.
        unsafe { ptr::copy_nonoverlapping(NAME.as_ptr(), start, count) };
    }
}

fn read(text: &str) -> Option<Words> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut numbers = fields.split_ascii_whitespace().skip(ARG_START).map(str::parse);
    let mut place = || {
        let (start, end) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        // Zeros stand for what one may not see.
        (start > 0 && end >= start).then_some(start..end)
    };
    Some(Words { arguments: place()?, environment: place()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_argument_is_where_the_kernel_says() {
        let words = Words::own().expect("this process's own");
        let first = std::env::args_os().next().expect("a name").into_encoded_bytes();
        let start = ptr::with_exposed_provenance::<u8>(words.arguments.start);
        assert!(words.arguments.len() > first.len());
        // SAFETY: the test harness leaves its arguments where the kernel put them.
        let found = unsafe { core::slice::from_raw_parts(start, first.len()) };
        assert_eq!(found, first);
    }

    #[test]
    fn what_one_may_not_see_is_no_place() {
        let text = |last: &str| format!("1 (a) b) S {}{last}", "7 ".repeat(ARG_START - 1));
        assert!(read(&text("8 9 10 11")).is_some());
        assert!(read(&text("0 0 0 0")).is_none());
        assert!(read(&text("9 8 10 11")).is_none());
        assert!(read("1 (a)").is_none());
    }
}
