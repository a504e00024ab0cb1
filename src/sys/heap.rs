//! Memory for a program that starts a container and then waits: handed out one piece after the other, used again by size.
//!
//! A start allocates some thousand small pieces and lives for a millisecond; a general allocator's bookkeeping is a third
//! of what it computes, and a page that is touched for the first time costs as much as a hundred of them. This one does as
//! little as it can, and cuts new pieces off the largest that was given back before it goes on to a fresh page.
//!
//! It is the first thread's, which starts containers: so it needs no lock, which would take half of its time. Other threads
//! have the system's. What they give back of the first thread's is lost to it until the program ends.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, UnsafeCell};
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
/// What is given back and at least as long is worth cutting up: the buffers that a vector has grown out of.
const SCRAP: usize = 512;
/// How many bytes are mapped at once: a start of a default container takes 105 KiB on cgroup v2 and 143 on v1, one with an
/// engine's filter 345.
const AHEAD: usize = 32 * 1024;
/// More than a start has ever taken; when it is used up, the rest comes from the system. Less than a huge page, which the kernel
/// would fill with zeros as soon as the first byte was touched (`Documentation/admin-guide/mm/transhuge.rst`).
const REGION: usize = 1 << 20;

/// Zero pages of the program's own, which cost nothing until they are touched.
#[repr(C, align(4096))]
struct Region(UnsafeCell<[u8; REGION]>);

// SAFETY: only its address is ever taken; what is in it belongs to whom the heap gave it.
unsafe impl Sync for Region {}

static MEMORY: Region = Region(UnsafeCell::new([0; REGION]));

/// The allocator of the `nsplan` command; others have no use for it.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Heap;

/// What the heap of the first thread has, which is all that there is.
struct Owned(UnsafeCell<Pieces>);

// SAFETY: reached through `with_own` alone, which only the one thread that owns it gets to.
unsafe impl Sync for Owned {}

static PIECES: Owned = Owned(UnsafeCell::new(Pieces::none()));
static HAS_OWNER: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy)]
enum Thread {
    Unknown,
    Owner,
    Other,
}

thread_local! {
    static THREAD: Cell<Thread> = const { Cell::new(Thread::Unknown) };
}

/// Does something to the heap, if it is this thread's.
fn with_own<T>(work: impl FnOnce(&mut Pieces) -> T) -> Option<T> {
    let is_owner = match THREAD.get() {
        Thread::Owner => true,
        other => becomes_owner(other),
    };
    // SAFETY: one thread alone is ever the owner, and `work` neither unwinds nor comes here again.
    is_owner.then(|| work(unsafe { &mut *PIECES.0.get() }))
}

/// The first thread to ask for memory is the program's first: its runtime does before any other can be started.
#[cold]
fn becomes_owner(thread: Thread) -> bool {
    if matches!(thread, Thread::Other) || HAS_OWNER.swap(true, Ordering::Relaxed) {
        THREAD.set(Thread::Other);
        return false;
    }
    let first = MEMORY.0.get().cast();
    // SAFETY: as nobody was the owner before, nobody has reached it; from here on this thread alone does.
    unsafe { *PIECES.0.get() = Pieces::of(first, REGION) };
    THREAD.set(Thread::Owner);
    true
}

/// Whether a piece is out of the heap, whoever has it now.
fn is_of_heap(piece: *mut u8) -> bool {
    piece.addr().wrapping_sub(MEMORY.0.get().addr()) < REGION
}

impl Heap {
    /// Nothing is taken yet.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

struct Pieces {
    /// What was never handed out.
    fresh: Rest,
    /// Up to where the kernel was asked for pages.
    mapped: *mut u8,
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
    const fn none() -> Self {
        let free = [ptr::null_mut(); CLASSES];
        Self { fresh: Rest::NONE, mapped: ptr::null_mut(), scrap: Rest::NONE, free }
    }

    /// Of memory that is nobody else's, on a boundary of a grain.
    fn of(memory: *mut u8, length: usize) -> Self {
        Self { fresh: Rest { next: memory, left: length }, mapped: memory, ..Self::none() }
    }

    /// The piece of this class that was given back last, or a new one; null when there is no more.
    fn take(&mut self, class: usize) -> *mut u8 {
        let found = self.free[class];
        if !found.is_null() {
            // SAFETY: a piece in the list is nobody's, at least a grain long and aligned to it; `keep` wrote a pointer.
            self.free[class] = unsafe { found.cast::<*mut u8>().read() };
            return found;
        }
        let size = bytes(class);
        self.scrap.cut(size).or_else(|| self.take_fresh(size)).unwrap_or(ptr::null_mut())
    }

    fn take_fresh(&mut self, size: usize) -> Option<*mut u8> {
        let piece = self.fresh.cut(size)?;
        self.map_ahead();
        Some(piece)
    }

    /// Pages for what was handed out, and some for what will be.
    #[inline]
    fn map_ahead(&mut self) {
        let missing = self.fresh.next.addr().saturating_sub(self.mapped.addr());
        if missing > 0 {
            let length = missing.next_multiple_of(AHEAD);
            populate(self.mapped, length);
            self.mapped = self.mapped.wrapping_add(length);
        }
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
        let grows = self.scrap.grow(piece, from, to) || self.fresh.grow(piece, from, to);
        self.map_ahead();
        grows
    }
}

/// Maps pages in one call (Linux 5.14) where each would fault.
#[cold]
fn populate(first: *mut u8, length: usize) {
    let Some(first) = ptr::NonNull::new(first.cast()) else { return };
    let advice = MmapAdvise::MADV_POPULATE_WRITE;
    // SAFETY: the range is a part of `MEMORY` in whole pages, as that has whole `AHEAD`s, and stays as it is. Older kernels
    // know no such advice and do nothing.
    let _ = unsafe { madvise(first, length, advice) };
}

/// The class of pieces of that layout; `None` is the system's.
#[inline]
fn class(layout: Layout) -> Option<usize> {
    // No layout is of nothing.
    let last = layout.size().wrapping_sub(1);
    if last < SMALL && layout.align() <= GRAIN { Some(last / GRAIN) } else { large_class(layout) }
}

#[cold]
fn large_class(layout: Layout) -> Option<usize> {
    let fits = layout.size() <= LARGEST && layout.align() <= GRAIN;
    let doublings = (0..=DOUBLINGS).find(|doublings| layout.size() <= SMALL << doublings)?;
    fits.then_some(SMALL_CLASSES - 1 + doublings)
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

/// What the heap does not have. Not inline, so that what it has needs no more registers than it does.
///
/// # Safety
/// As for the system's allocator.
#[cold]
unsafe fn elsewhere(layout: Layout) -> *mut u8 {
    // SAFETY: the caller's conditions.
    unsafe { System.alloc(layout) }
}

// SAFETY: a piece is as large as its class, which its layout's size fits into, on the boundary of a grain, and handed out
// to one owner at a time: it is cut off the region once, and then only leaves a list of free pieces, to which its owner gave
// it back. Whatever is not in the region is the system's, and goes back to it.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(class) = class(layout)
            && let Some(piece) = with_own(|pieces| pieces.take(class))
            && !piece.is_null()
        {
            return piece;
        }
        // SAFETY: the caller's conditions are those of the system's allocator.
        unsafe { elsewhere(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if !is_of_heap(piece) {
            // SAFETY: what is not of the heap came from the system's allocator, of this layout.
            return unsafe { System.dealloc(piece, layout) };
        }
        if let Some(class) = class(layout) {
            with_own(|pieces| pieces.give(piece, class));
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_of_heap(piece) {
            // SAFETY: as in `dealloc`; the caller's conditions are its own.
            return unsafe { System.realloc(piece, layout, size) };
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        if let (Some(from), Some(to)) = (class(layout), class(wanted))
            && (from == to || with_own(|pieces| pieces.grow(piece, from, to)) == Some(true))
        {
            return piece;
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
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// With the heap as it is at first, and this thread as its owner.
    fn owning<T>(work: impl FnOnce(&Heap) -> T) -> T {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        HAS_OWNER.store(true, Ordering::Relaxed);
        // SAFETY: only whose turn it is has the heap, as no other thread can become its owner, and what the last one had of it
        // is used no more.
        unsafe { *PIECES.0.get() = Pieces::of(MEMORY.0.get().cast(), REGION) };
        THREAD.set(Thread::Owner);
        let answer = work(&Heap);
        THREAD.set(Thread::Other);
        answer
    }

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
        owning(|heap| {
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
        });
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
        owning(|heap| {
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
        });
    }

    /// A program that stays and does the same again and again takes no more memory for it.
    #[test]
    fn the_same_again_takes_no_more_memory() {
        owning(|heap| {
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
                reach.push(with_own(|pieces| pieces.fresh.next.addr()).unwrap());
            }
            assert_eq!(reach[20..], vec![reach[39]; 20]);
        });
    }

    #[test]
    fn what_is_given_back_is_used_again() {
        owning(|heap| {
            let addresses = (0..100_000).map(|_| {
                // SAFETY: the layout is not empty.
                let piece = unsafe { heap.alloc(layout(100)) };
                // SAFETY: it came from this heap with this layout, and nobody has it.
                unsafe { heap.dealloc(piece, layout(100)) };
                piece.addr()
            });
            let addresses: std::collections::BTreeSet<_> = addresses.collect();
            assert_eq!(addresses.len(), 1);
        });
    }

    #[test]
    fn other_threads_and_what_is_too_much_have_the_systems() {
        owning(|heap| {
            let of = |size| {
                // SAFETY: the layout is not empty.
                let piece = unsafe { heap.alloc(layout(size)) };
                assert!(!piece.is_null());
                piece.addr()
            };
            let first = of(100);
            assert!(is_of_heap(ptr::without_provenance_mut(first)));
            let others = std::thread::scope(|scope| {
                scope.spawn(|| [of(100), of(100)]).join().expect("no panic")
            });
            assert!(others.into_iter().all(|at| !is_of_heap(ptr::without_provenance_mut(at))));
            let many: Vec<_> = (0..=REGION / LARGEST).map(|_| of(LARGEST)).collect();
            let (last, most) = many.split_last().expect("many");
            assert!(!is_of_heap(ptr::without_provenance_mut(*last)));
            assert!(most[..most.len() - 1].iter().all(|at| (at - first) < REGION));
        });
    }

    /// As a vector does that grows, in another thread than made it.
    #[test]
    fn what_another_thread_has_of_the_heap_stays_whole() {
        owning(|heap| {
            // SAFETY: the layout is not empty.
            let piece = unsafe { heap.alloc(layout(40)) };
            // SAFETY: the piece is that long.
            unsafe { piece.write_bytes(7, 40) };
            let at = piece.expose_provenance();
            let moved = std::thread::scope(|scope| {
                let grow = || {
                    let piece = ptr::with_exposed_provenance_mut(at);
                    // SAFETY: it came from this heap with this layout, and nobody else uses it.
                    unsafe { heap.realloc(piece, layout(40), 400) }.expose_provenance()
                };
                scope.spawn(grow).join().expect("no panic")
            });
            let moved = ptr::with_exposed_provenance_mut(moved);
            assert!(!is_of_heap(moved) && is_filled(moved, 7, 40));
            // SAFETY: it came from this heap with this layout, and nobody has it.
            unsafe { heap.dealloc(moved, layout(400)) };
        });
    }
}
