//! Words in memory that a child shares with its launcher, also when it has a copy of everything else.

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::fs::File;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use super::process::Pid;
use super::raw::{Fault, Outcome, Sysno};
use crate::types::Errno;

/// What a child leaves when it can make no call any more; 0 until then.
#[derive(Debug)]
pub(crate) struct LastWords(Mapping<AtomicU64>);

impl LastWords {
    pub(crate) fn new() -> Outcome<Self> {
        Mapping::new().map(Self)
    }

    /// In the first word of a file in memory, for a child that executes another program in between.
    pub(crate) fn in_file(file: &File) -> Outcome<Self> {
        Mapping::of_file(file).map(Self)
    }

    /// Makes no call and allocates nothing.
    pub(crate) fn leave(&self, message: [u8; 8]) {
        self.0.word().store(u64::from_ne_bytes(message), Ordering::Release);
    }

    /// What was left, if anything was.
    pub(crate) fn read(&self) -> Option<[u8; 8]> {
        let word = self.0.word().load(Ordering::Acquire);
        (word != 0).then(|| word.to_ne_bytes())
    }
}

/// Where the kernel writes the number of a process before that runs (`CLONE_PARENT_SETTID`), so that it is known also when
/// whoever has cloned it is killed before it could tell; 0 until then.
#[derive(Debug)]
pub(crate) struct Newborn(Mapping<AtomicI32>);

impl Newborn {
    pub(crate) fn new() -> Outcome<Self> {
        Mapping::new().map(Self)
    }

    /// Where it is written. The page is there from now on: a task that is being killed could not fetch it any more.
    pub(super) fn address(&self) -> *mut i32 {
        self.0.word().store(0, Ordering::Relaxed);
        self.0.word().as_ptr()
    }

    /// The process, once it was cloned.
    pub(crate) fn pid(&self) -> Option<Pid> {
        Pid::new(self.0.word().load(Ordering::Acquire))
    }
}

/// One word.
#[derive(Debug)]
struct Mapping<T>(NonNull<T>);

/// A kind of word that any bytes are a value of, and that several processes may use at once.
trait Shareable: Sync {}

impl Shareable for AtomicU64 {}
impl Shareable for AtomicI32 {}

// SAFETY: the pointer is to an atomic in a mapping that lives as long as this does, and is used for nothing else.
unsafe impl<T: Shareable> Send for Mapping<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Shareable> Sync for Mapping<T> {}

/// Of either word; the kernel rounds it up to a page.
const LENGTH: NonZeroUsize = NonZeroUsize::new(size_of::<AtomicU64>()).unwrap();

impl<T: Shareable> Mapping<T> {
    fn new() -> Outcome<Self> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice replaces nothing of ours.
        let map = unsafe { mmap_anonymous(None, LENGTH, access, MapFlags::MAP_SHARED) };
        let map = map.map_err(|error| Fault::new(Sysno::mmap, Errno(error as i32)))?;
        Ok(Self(map.cast()))
    }

    /// The file is as long as the word, so that no access can be beyond its end.
    fn of_file(file: &File) -> Outcome<Self> {
        let length = u64::try_from(LENGTH.get()).unwrap_or(u64::MAX);
        if !file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() >= length) {
            return Err(Fault::new(Sysno::mmap, Errno::EINVAL));
        }
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a mapping at an address of the kernel's choice replaces nothing of ours; the file is not made shorter, since
        // only its maker's user can.
        let map = unsafe { mmap(None, LENGTH, access, MapFlags::MAP_SHARED, file, 0) };
        let map = map.map_err(|error| Fault::new(Sysno::mmap, Errno(error as i32)))?;
        Ok(Self(map.cast()))
    }

    fn word(&self) -> &T {
        // SAFETY: a mapping begins at a page, is as long as the longest word, holds bytes, which are a value of the type, and
        // stays until `drop`. All access to it is atomic, in this process and in the child, or the kernel's one store.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: what `new` has mapped, by its only owner; a child that still runs has a mapping of its own, or the launcher
        // keeps this until it is gone.
        let _ = unsafe { munmap(self.0.cast(), LENGTH.get()) };
    }
}
