//! A program's words in memory that a child shares with its launcher: written once, after the clone, before the child is told.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::raw::{Fault, Outcome, Sysno, Word, call};
use crate::types::Errno;

/// Room for the words: as much as most programs are given; only pages that are touched cost anything.
const ROOM: NonZeroUsize = NonZeroUsize::new(256 * 1024).unwrap();
/// Where the working directory, the candidates, the arguments and the environment are.
const HEAD: usize = 4;

/// Nothing until it is written; the child has the mapping at the same address, as its memory is a copy of the launcher's.
#[derive(Debug)]
pub(crate) struct Late(NonNull<AtomicUsize>);

// SAFETY: the pointer is to a mapping that lives as long as this does. What is behind the first word is written before that
// word is set and never changed after; whoever reads it has seen the word set.
unsafe impl Send for Late {}
// SAFETY: as for `Send`; the launcher writes once, which the word tells.
unsafe impl Sync for Late {}

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) cwd: CString,
    pub(crate) candidates: Vec<CString>,
    pub(crate) args: Vec<CString>,
    pub(crate) env: Vec<CString>,
}

impl Late {
    pub(crate) fn new() -> Outcome<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice replaces nothing of ours.
        let map = unsafe { mmap_anonymous(None, ROOM, access, flags) };
        let map = map.map_err(|error| Fault::new(Sysno::mmap, Errno(error as i32)))?;
        Ok(Self(map.cast()))
    }

    /// Lays the words out as `execve(2)` takes them. `E2BIG` when there is no room, `EEXIST` the second time.
    pub(crate) fn write(&self, words: &Words) -> Outcome {
        let refuse = |errno| Fault::new(Sysno::execve, errno);
        if self.first().load(Ordering::Acquire) != 0 {
            return Err(refuse(Errno::EEXIST));
        }
        let lists = [&words.candidates, &words.args, &words.env];
        let count = HEAD + lists.iter().map(|list| list.len() + 1).sum::<usize>();
        let base = self.0.as_ptr().expose_provenance();
        let mut strings: Vec<u8> = Vec::new();
        let mut put = |text: &CString| {
            let at = base + count * size_of::<usize>() + strings.len();
            strings.extend_from_slice(text.as_bytes_with_nul());
            at
        };
        let cwd = put(&words.cwd);
        let mut table = Vec::from([0; HEAD]);
        for (list, place) in lists.into_iter().zip(1..HEAD) {
            table[place] = base + table.len() * size_of::<usize>();
            table.extend(list.iter().map(&mut put));
            table.push(0);
        }
        if size_of_val(&table[..]) + strings.len() > ROOM.get() {
            return Err(refuse(Errno(libc::E2BIG)));
        }
        // SAFETY: the mapping has room for the table, as was just looked, and nobody reads it before the first word is set,
        // which it is not yet: the table begins with zero.
        unsafe { ptr::copy_nonoverlapping(table.as_ptr(), self.0.as_ptr().cast(), table.len()) };
        let behind = ptr::with_exposed_provenance_mut::<u8>(base + count * size_of::<usize>());
        // SAFETY: as above, for the strings behind the table.
        unsafe { ptr::copy_nonoverlapping(strings.as_ptr(), behind, strings.len()) };
        self.first().store(cwd, Ordering::Release);
        Ok(())
    }

    /// The working directory, if words were written. Makes no call and allocates nothing, like all below.
    pub(crate) fn cwd(&self) -> Option<&CStr> {
        let at = self.first().load(Ordering::Acquire);
        // SAFETY: the word was set, so it is the address of a C string in the mapping, which nothing changes any more.
        (at != 0).then(|| unsafe { CStr::from_ptr(ptr::with_exposed_provenance(at)) })
    }

    /// The places where the program is looked for, if words were written.
    pub(crate) fn candidates(&self) -> Option<impl Iterator<Item = &CStr>> {
        self.cwd()?;
        let list: *const *const c_char = ptr::with_exposed_provenance(self.head(1));
        let each = (0..).map(move |n| {
            // SAFETY: a table in the mapping that ends in null, which is not read past: the iterator ends there.
            unsafe { *list.wrapping_add(n) }
        });
        // SAFETY: what is not null is a C string in the mapping, which nothing changes any more.
        Some(each.take_while(|at| !at.is_null()).map(|at| unsafe { CStr::from_ptr(at) }))
    }

    /// `execve(2)` with the words' arguments and environment; returns only when it has failed.
    pub(crate) fn execve(&self, path: &CStr) -> Fault {
        let (args, env) = (self.head(2), self.head(3));
        // SAFETY: `path` is NUL-terminated; both arrays are in the mapping, end in null and point to NUL-terminated strings
        // in it, and it outlives the call. On success nothing of this memory is used by this task again.
        let answer = unsafe { call!(execve, path, args.word(), env.word()) };
        answer.err().unwrap_or(Fault::new(Sysno::execve, Errno(0)))
    }

    fn first(&self) -> &AtomicUsize {
        // SAFETY: a mapping begins at a page, is longer than the word, is zeroed, which is a value of the type, and stays
        // until `drop`. All access to this word but the copy of zero over zero is atomic.
        unsafe { self.0.as_ref() }
    }

    /// A word of the head behind the first, which callers have seen set.
    fn head(&self, place: usize) -> usize {
        let at = self.0.as_ptr().cast::<usize>().wrapping_add(place);
        // SAFETY: within the mapping, which is page-aligned; not written any more once the first word is set, and zero
        // before.
        unsafe { at.read() }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        // SAFETY: what `new` has mapped, by its only owner; a child that still runs has a mapping of its own.
        let _ = unsafe { munmap(self.0.cast(), ROOM.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(arg: usize) -> Words {
        let text = |text: &str| CString::new(text).expect("no NUL");
        let candidates = [text("/bin/a"), text("/usr/bin/a")].into();
        let args = [text("a"), CString::new(vec![b'x'; arg]).expect("no NUL")].into();
        Words { cwd: text("/here"), candidates, args, env: [text("A=B")].into() }
    }

    #[test]
    fn what_was_written_is_found_and_written_once() {
        let late = Late::new().expect("a mapping");
        assert!(late.cwd().is_none() && late.candidates().is_none());
        late.write(&words(3)).expect("there is room");
        assert_eq!(late.cwd(), Some(c"/here"));
        let candidates: Vec<_> = late.candidates().expect("some").collect();
        assert_eq!(candidates, [c"/bin/a", c"/usr/bin/a"]);
        let again = late.write(&words(3)).expect_err("the child may be reading");
        assert!(again.is(Errno::EEXIST));
    }

    #[test]
    fn what_has_no_room_is_refused_whole() {
        let late = Late::new().expect("a mapping");
        let fault = late.write(&words(ROOM.get())).expect_err("too long");
        assert!(fault.is(Errno(libc::E2BIG)));
        assert!(late.cwd().is_none());
        assert!(late.execve(c"/nowhere/at/all").is(Errno::ENOENT));
    }
}
