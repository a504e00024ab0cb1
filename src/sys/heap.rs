//! Memory for a program that starts a container and then waits: handed out one piece after the other, used again by size.
//!
//! A start allocates some thousand small pieces and lives for a millisecond; a general allocator's bookkeeping is a third
//! of what it computes, and a page that is touched for the first time costs as much as a hundred of them. This one does as
//! little as it can, and cuts new pieces off the largest that was given back before it goes on to a fresh page.

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
/// What is given back and at least as long is worth cutting up: the buffers that a vector has grown out of.
const SCRAP: usize = 512;

/// The first chunk: zero pages of the program's own, which cost nothing until they are touched.
#[repr(C, align(4096))]
struct First(UnsafeCell<[u8; CHUNK]>);

// SAFETY: only its address is ever taken; what is in it belongs to whom the heap gave it.
unsafe impl Sync for First {}

static FIRST: First = First(UnsafeCell::new([0; CHUNK]));
/// Whether a heap has it.
static FIRST_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The allocator of the `nsplan` command; others have no use for it.
#[doc(hidden)]
pub struct Heap {
    taken: AtomicBool,
    pieces: UnsafeCell<Pieces>,
}

struct Pieces {
    /// The rest of the chunk at hand.
    fresh: Rest,
    /// The rest of a piece that was given back.
    scrap: Rest,
    /// By size: pieces given back, each holding the address of the next.
    free: [*mut u8; CLASSES],
}

/// Memory that is nobody's, in whole grains.
#[derive(Clone, Copy)]
struct Rest {
    next: *mut u8,
    left: usize,
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
        let pieces = Pieces { fresh: Rest::NONE, scrap: Rest::NONE, free };
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

impl Rest {
    const NONE: Self = Self { next: ptr::null_mut(), left: 0 };

    fn cut(&mut self, size: usize) -> Option<*mut u8> {
        let left = self.left.checked_sub(size)?;
        let piece = self.next;
        *self = Self { next: piece.wrapping_add(size), left };
        Some(piece)
    }

    /// Lengthens the piece that was cut off last.
    fn grow(&mut self, piece: *mut u8, from: usize, to: usize) -> bool {
        let is_last = piece.wrapping_add(from) == self.next;
        is_last && to > from && self.cut(to - from).is_some()
    }
}

impl Pieces {
    /// The piece of this class that was given back last, or a new one; null when the system has no more.
    fn take(&mut self, class: usize) -> *mut u8 {
        let found = self.free[class];
        if !found.is_null() {
            // SAFETY: a piece in the list is nobody's, at least a grain long and aligned to it; `keep` wrote a pointer.
            self.free[class] = unsafe { found.cast::<*mut u8>().read() };
            return found;
        }
        let size = bytes(class);
        let piece = self.scrap.cut(size).or_else(|| self.fresh.cut(size));
        piece.or_else(|| self.refill()?.cut(size)).unwrap_or(ptr::null_mut())
    }

    fn refill(&mut self) -> Option<&mut Rest> {
        let next = if FIRST_IS_TAKEN.swap(true, Ordering::Relaxed) {
            let layout = Layout::from_size_align(CHUNK, GRAIN).ok()?;
            // SAFETY: the layout is not empty.
            unsafe { System.alloc(layout) }
        } else {
            let first = FIRST.0.get().cast();
            populate(first);
            first
        };
        let rest = Rest { next, left: CHUNK };
        let chunk = (!next.is_null()).then_some(rest)?;
        let old = core::mem::replace(&mut self.fresh, chunk);
        self.cut_up(old);
        Some(&mut self.fresh)
    }

    fn give(&mut self, piece: *mut u8, class: usize) {
        let size = bytes(class);
        if size < SCRAP || size <= self.scrap.left {
            return self.keep(piece, class);
        }
        let old = core::mem::replace(&mut self.scrap, Rest { next: piece, left: size });
        self.cut_up(old);
    }

    fn keep(&mut self, piece: *mut u8, class: usize) {
        // SAFETY: the piece is nobody's any more, at least a grain long and aligned to it.
        unsafe { piece.cast::<*mut u8>().write(self.free[class]) };
        self.free[class] = piece;
    }

    /// Keeps a rest, as the fewest pieces that make it up.
    fn cut_up(&mut self, mut rest: Rest) {
        while let Some(class) = largest_within(rest.left) {
            let Some(piece) = rest.cut(bytes(class)) else { return };
            self.keep(piece, class);
        }
    }

    /// Lengthens in place the piece that was handed out last.
    fn grow(&mut self, piece: *mut u8, from: usize, to: usize) -> bool {
        let (from, to) = (bytes(from), bytes(to));
        self.scrap.grow(piece, from, to) || self.fresh.grow(piece, from, to)
    }
}

/// What every start needs, mapped in one call (Linux 5.14) where each page would fault.
fn populate(first: *mut u8) {
    const SOME: usize = 144 * 1024;
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

/// The class of the largest piece that can be cut off so much.
fn largest_within(left: usize) -> Option<usize> {
    match left / GRAIN {
        grains if grains <= SMALL_CLASSES => grains.checked_sub(1),
        _ => {
            let doublings = (left / SMALL).ilog2() as usize;
            Some(SMALL_CLASSES - 1 + doublings.min(DOUBLINGS))
        }
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
    fn a_rest_is_cut_into_the_fewest_pieces() {
        for left in (0..LARGEST * 3).step_by(GRAIN) {
            let Some(class) = largest_within(left) else {
                assert_eq!(left, 0);
                continue;
            };
            assert!(bytes(class) <= left, "{left}");
            assert!(class + 1 == CLASSES || bytes(class + 1) > left, "{left}");
        }
    }

    #[test]
    fn small_pieces_are_cut_off_what_a_vector_has_grown_out_of() {
        let heap = Heap::new();
        // SAFETY: the layout is not empty.
        let of = |size| unsafe { heap.alloc(layout(size)) };
        let old = of(SCRAP * 2);
        let behind = of(64);
        // SAFETY: it came from this heap with this layout, and nobody has it.
        unsafe { heap.dealloc(old, layout(SCRAP * 2)) };
        let within: Vec<_> = (0..SCRAP * 2 / 32).map(|_| of(32).addr()).collect();
        let place = old.addr()..old.addr() + SCRAP * 2;
        assert!(within.iter().all(|address| place.contains(address)));
        assert_eq!(of(32).addr(), behind.addr() + 64);
    }

    /// A program that stays and does the same again and again takes no more memory for it.
    #[test]
    fn the_same_again_takes_no_more_memory() {
        let heap = Heap::new();
        let mut reach = Vec::new();
        for _ in 0..40 {
            let mut draw = numbers();
            let mut live = Vec::new();
            for _ in 0..300 {
                let size = 1 + draw(5_000);
                // SAFETY: the layout is not empty.
                live.push((unsafe { heap.alloc(layout(size)) }, size));
                let (piece, size) = live.swap_remove(draw(live.len()));
                if draw(3) > 0 {
                    // SAFETY: it came from this heap with this layout, and nobody has it.
                    unsafe { heap.dealloc(piece, layout(size)) };
                } else {
                    live.push((piece, size));
                }
            }
            for (piece, size) in live {
                // SAFETY: as above.
                unsafe { heap.dealloc(piece, layout(size)) };
            }
            reach.push(heap.locked(|pieces| pieces.fresh.next.addr()));
        }
        assert_eq!(reach[20..], vec![reach[39]; 20]);
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
