//! An allocator that ends the process when it is asked for anything in a child.
//!
//! A child is known by its process id: the launcher's is noted once, and asking for one allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, Ordering};

/// Guards every test of this program.
pub(crate) struct Guarded;

static LAUNCHER: AtomicU32 = AtomicU32::new(0);
/// The code a child ends with that allocates; shared memory tells the launcher, too.
pub(crate) const ALLOCATED: i32 = 99;
pub(crate) static SEEN: AtomicU32 = AtomicU32::new(0);

/// From now on other processes in this program may not allocate.
pub(crate) fn arm() {
    LAUNCHER.store(std::process::id(), Ordering::SeqCst);
}

pub(crate) fn disarm() {
    LAUNCHER.store(0, Ordering::SeqCst);
}

fn check() {
    let launcher = LAUNCHER.load(Ordering::SeqCst);
    if launcher == 0 {
        return;
    }
    // The C library does not remember the process id: it asks the kernel.
    if std::process::id() != launcher {
        SEEN.fetch_add(1, Ordering::SeqCst);
        // SAFETY: ends the process without running anything of it.
        unsafe { libc::_exit(ALLOCATED) };
    }
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check();
        // SAFETY: the caller's conditions are those of the callee.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        check();
        // SAFETY: the caller's conditions are those of the callee.
        unsafe { System.dealloc(pointer, layout) }
    }
}
