//! Memory for a program that starts a container and then waits: handed out one piece after the other, used again by size.
//!
//! A start allocates some thousand small pieces and lives for a millisecond; a general allocator's bookkeeping is a third
//! of what it computes. This one does as little as it can and still gives back what a program that stays needs again.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::alloc::System;

use nix::sys::mman::{MmapAdvise, madvise};

/// Small pieces are multiples of this; all are on its boundary.
const GRAIN: usize = 16;
const SMALL: usize = 4096;
const SMALL_CLASSES: usize = SMALL / GRAIN;
/// Beyond the small ones the sizes double; those above this are the system's, which gives each a mapping of its own.
const LARGEST: usize = SMALL << DOUBLINGS;
const DOUBLINGS: usize = 4;
const CLASSES: usize = SMALL_CLASSES + DOUBLINGS;
/// As much is taken from the system at a time, when the first is used up.
const CHUNK: usize = 512 * 1024;

/// The first chunk: zero pages of the program's own, which cost nothing until they are touched.
#[repr(C, align(4096))]
struct First(UnsafeCell<[u8; CHUNK]>);

// SAFETY: only its address is ever taken; what is in it belongs to whom the heap gave it.
unsafe impl Sync for First {}

static FIRST: First = First(UnsafeCell::new([0; CHUNK]));

/// The allocator of the `nsplan` command; others have no use for it.
#[doc(hidden)]
pub struct Heap {
    taken: AtomicBool,
    pieces: UnsafeCell<Pieces>,
}

struct Pieces {
    /// The rest of the chunk at hand.
    next: *mut u8,
    left: usize,
    begun: bool,
    /// By size: pieces given back, each holding the address of the next.
    free: [*mut u8; CLASSES],
}

// SAFETY: `pieces` is only reached through `locked`, one thread at a time.
unsafe impl Sync for Heap {}

impl core::fmt::Debug for Heap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Heap").finish_non_exhaustive()
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Heap {
    /// Nothing is taken yet.
    #[must_use]
    pub const fn new() -> Self {
        let free = [ptr::null_mut(); CLASSES];
        let pieces = Pieces { next: ptr::null_mut(), left: 0, begun: false, free };
        Self { taken: AtomicBool::new(false), pieces: UnsafeCell::new(pieces) }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Pieces) -> T) -> T {
        while self.taken.swap(true, Ordering::Acquire) {
            spin_loop();
        }
        // SAFETY: whoever set `taken` is alone until it is cleared below; `work` neither unwinds nor allocates.
        let answer = work(unsafe { &mut *self.pieces.get() });
        self.taken.store(false, Ordering::Release);
        answer
    }
}

impl Pieces {
    /// The piece of this class that was given back last, or a new one; null when the system has no more.
    fn take(&mut self, class: usize) -> *mut u8 {
        let found = self.free[class];
        if !found.is_null() {
            // SAFETY: a piece in the list is nobody's, at least a grain long and aligned to it; `give` wrote a pointer.
            self.free[class] = unsafe { found.cast::<*mut u8>().read() };
            return found;
        }
        let size = bytes(class);
        if self.left < size && !self.refill() {
            return ptr::null_mut();
        }
        let piece = self.next;
        self.advance(size);
        piece
    }

    fn advance(&mut self, size: usize) {
        self.next = self.next.wrapping_add(size);
        self.left -= size;
    }

    fn refill(&mut self) -> bool {
        if !self.begun {
            self.begun = true;
            let first = FIRST.0.get().cast();
            populate(first);
            (self.next, self.left) = (first, CHUNK);
            return true;
        }
        let Ok(layout) = Layout::from_size_align(CHUNK, GRAIN) else { return false };
        // SAFETY: the layout is not empty.
        let chunk = unsafe { System.alloc(layout) };
        if chunk.is_null() {
            return false;
        }
        (self.next, self.left) = (chunk, CHUNK);
        true
    }

    fn give(&mut self, piece: *mut u8, class: usize) {
        // SAFETY: the piece is nobody's any more, at least a grain long and aligned to it.
        unsafe { piece.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = piece;
    }

    /// Lengthens the piece that was handed out last, in place.
    fn grow(&mut self, piece: *mut u8, from: usize, to: usize) -> bool {
        let more = bytes(to).saturating_sub(bytes(from));
        let is_last = piece.wrapping_add(bytes(from)) == self.next;
        let fits = is_last && more > 0 && more <= self.left;
        if fits {
            self.advance(more);
        }
        fits
    }
}

/// What every start needs, mapped in one call (Linux 5.14) where each page would fault.
fn populate(first: *mut u8) {
    const SOME: usize = 64 * 1024;
    let Some(first) = ptr::NonNull::new(first.cast()) else { return };
    let advice = MmapAdvise::MADV_POPULATE_WRITE;
    // SAFETY: the range is the beginning of `FIRST`, whole pages that are all zero, and stays as it is. Older kernels know
    // no such advice and do nothing.
    let _ = unsafe { madvise(first, SOME, advice) };
}

/// The class of pieces of that layout; `None` is the system's.
fn class(layout: Layout) -> Option<usize> {
    let fits = layout.size() <= LARGEST && layout.align() <= GRAIN && layout.size() > 0;
    fits.then(|| match (layout.size() - 1) / GRAIN {
        small if small < SMALL_CLASSES => small,
        _ => {
            (0..).find(|doublings| layout.size() <= SMALL << doublings).unwrap_or(0) + SMALL_CLASSES
                - 1
        }
    })
}

const fn bytes(class: usize) -> usize {
    match class.checked_sub(SMALL_CLASSES) {
        None => (class + 1) * GRAIN,
        Some(doublings) => SMALL << (doublings + 1),
    }
}

// SAFETY: a piece is as large as its class, which its layout's size fits into, on the boundary of a grain, and handed out
// to one owner at a time: it is cut off the chunk once, and then only leaves a list of free pieces, to which its owner gave
// it back. What the classes do not cover is the system's, by the same test on every way.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => self.locked(|pieces| pieces.take(class)),
            // SAFETY: the caller's conditions are those of the system's allocator.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match class(layout) {
            Some(class) => self.locked(|pieces| pieces.give(piece, class)),
            // SAFETY: of this layout it came from the system's allocator.
            None => unsafe { System.dealloc(piece, layout) },
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        match (class(layout), class(wanted)) {
            (Some(from), Some(to)) if from == to => return piece,
            (Some(from), Some(to)) if self.locked(|pieces| pieces.grow(piece, from, to)) => {
                return piece;
            }
            // SAFETY: both are the system's; the caller's conditions are its own.
            (None, None) => return unsafe { System.realloc(piece, layout, size) },
            _ => {}
        }
        // SAFETY: `wanted` is not empty, as the caller must not ask for nothing.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both are at least as long as the shorter, and different pieces.
            unsafe { ptr::copy_nonoverlapping(piece, moved, layout.size().min(size)) };
            // SAFETY: the caller gives the old one up, with the layout it has.
            unsafe { self.dealloc(piece, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    /// Numbers that look random and are the same every time.
    fn numbers() -> impl FnMut(usize) -> usize {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state >> 33).unwrap() % below
        }
    }

    fn is_filled(piece: *mut u8, with: u8, length: usize) -> bool {
        // SAFETY: the piece is the test's own and that long.
        let read = |at| unsafe { piece.wrapping_add(at).read() };
        [0, length / 2, length - 1].into_iter().all(|at| read(at) == with)
    }

    #[test]
    fn every_piece_is_its_owners_alone() {
        let heap = Heap::new();
        let mut draw = numbers();
        let mut live: Vec<(*mut u8, usize, u8)> = Vec::new();
        for round in 0..2_000_usize {
            let mark = u8::try_from(round % 251).unwrap();
            match draw(3) {
                0 if !live.is_empty() => {
                    let (piece, size, with) = live.swap_remove(draw(live.len()));
                    assert!(is_filled(piece, with, size));
                    // SAFETY: it came from this heap with this layout.
                    unsafe { heap.dealloc(piece, layout(size)) };
                }
                1 if !live.is_empty() => {
                    let (piece, size, with) = live.swap_remove(draw(live.len()));
                    let wanted = 1 + draw(90_000);
                    // SAFETY: it came from this heap with this layout.
                    let moved = unsafe { heap.realloc(piece, layout(size), wanted) };
                    assert!(is_filled(moved, with, size.min(wanted)));
                    // SAFETY: the piece is that long.
                    unsafe { moved.write_bytes(mark, wanted) };
                    live.push((moved, wanted, mark));
                }
                _ => {
                    let size = 1 + draw(if round % 19 == 0 { 90_000 } else { 200 });
                    // SAFETY: the layout is not empty.
                    let piece = unsafe { heap.alloc(layout(size)) };
                    assert!(!piece.is_null() && piece.addr() % 8 == 0);
                    // SAFETY: the piece is that long.
                    unsafe { piece.write_bytes(mark, size) };
                    live.push((piece, size, mark));
                }
            }
            assert!(live.len() < 2_000);
        }
        assert!(live.iter().all(|&(piece, size, with)| is_filled(piece, with, size)));
    }

    #[test]
    fn what_is_given_back_is_used_again() {
        let heap = Heap::new();
        let addresses = (0..100_000).map(|_| {
            // SAFETY: the layout is not empty.
            let piece = unsafe { heap.alloc(layout(100)) };
            // SAFETY: it came from this heap with this layout, and nobody has it.
            unsafe { heap.dealloc(piece, layout(100)) };
            piece.addr()
        });
        let addresses: std::collections::BTreeSet<_> = addresses.collect();
        assert_eq!(addresses.len(), 1);
    }
}
