//! The launcher's dumpable flag, which a child that shares its memory takes away, is put back.
//!
//! While any such child is at work the flag protects it from being traced by its new user, so it is put back when the
//! last one has left, and to what it was before the first one came.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::privilege;

#[derive(Debug)]
struct Shared {
    children: usize,
    before: i32,
}

static SHARED: Mutex<Shared> = Mutex::new(Shared { children: 0, before: 1 });

fn shared() -> MutexGuard<'static, Shared> {
    // Two integers that are never half changed.
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One child at work in the launcher's memory. Forgotten, the flag stays as the child left it: the safe side.
#[derive(Debug)]
pub(crate) struct Dumpable(());

impl Dumpable {
    pub(crate) fn keep() -> Self {
        let mut shared = shared();
        if shared.children == 0 {
            shared.before = privilege::dumpable().unwrap_or(1);
        }
        shared.children += 1;
        Self(())
    }

    /// The child has exec'ed or ended.
    pub(crate) fn restore(self) {
        let mut shared = shared();
        shared.children = shared.children.saturating_sub(1);
        if shared.children == 0 && privilege::dumpable().is_ok_and(|now| now != shared.before) {
            // Only 0 and 1 can be set; 2 was then not taken away either.
            let _ = privilege::set_dumpable(shared.before);
        }
    }
}
