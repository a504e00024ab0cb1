//! A word in memory that a child shares with its launcher, also when it has a copy of everything else.

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use std::os::fd::AsFd;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::raw::{Fault, Outcome, Sysno};
use crate::types::Errno;

/// What a child leaves when it can make no call any more; 0 until then.
#[derive(Debug)]
pub(crate) struct LastWords(NonNull<AtomicU64>);

const LENGTH: NonZeroUsize = NonZeroUsize::new(size_of::<AtomicU64>()).unwrap();

// SAFETY: the pointer is to an atomic in a mapping that lives as long as this does, and is used for nothing else.
unsafe impl Send for LastWords {}
// SAFETY: as for `Send`.
unsafe impl Sync for LastWords {}

impl LastWords {
    pub(crate) fn new() -> Outcome<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice replaces nothing of ours.
        let map = unsafe { mmap_anonymous(None, LENGTH, access, MapFlags::MAP_SHARED) };
        let map = map.map_err(|error| Fault::new(Sysno::mmap, Errno(error as i32)))?;
        Ok(Self(map.cast()))
    }

    /// In a file of as many bytes at least, for one who has no part in the memory.
    pub(crate) fn in_file(file: impl AsFd) -> Outcome<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a mapping at an address of the kernel's choice replaces nothing of ours; the file is not made shorter, since
        // only its maker's user can, in whose directory it is.
        let map = unsafe { mmap(None, LENGTH, access, MapFlags::MAP_SHARED, file, 0) };
        let map = map.map_err(|error| Fault::new(Sysno::mmap, Errno(error as i32)))?;
        Ok(Self(map.cast()))
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: a mapping begins at a page, is as long as the word at least, holds bytes, which are a value of the type, and
        // stays until `drop`. All access to it is atomic, in this process and in the child.
        unsafe { self.0.as_ref() }
    }

    /// Makes no call and allocates nothing.
    pub(crate) fn leave(&self, message: [u8; 8]) {
        self.word().store(u64::from_ne_bytes(message), Ordering::Release);
    }

    /// What was left, if anything was.
    pub(crate) fn read(&self) -> Option<[u8; 8]> {
        let word = self.word().load(Ordering::Acquire);
        (word != 0).then(|| word.to_ne_bytes())
    }
}

impl Drop for LastWords {
    fn drop(&mut self) {
        // SAFETY: what `new` has mapped, by its only owner; a child that still runs has a mapping of its own, or the launcher
        // keeps this until it is gone.
        let _ = unsafe { munmap(self.0.cast(), LENGTH.get()) };
    }
}
