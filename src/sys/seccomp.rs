//! `seccomp(2)`: a filter for the calling thread.

use core::ptr;

use super::abi;
use super::fd::Handle;
use super::raw::{Fault, Outcome, Sysno, call};
use crate::types::{Errno, FilterFlags};

/// `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct SockFilter {
    pub(crate) code: u16,
    pub(crate) if_true: u8,
    pub(crate) if_false: u8,
    pub(crate) value: u32,
}

/// `struct sock_fprog`.
#[repr(C)]
struct SockFprog {
    length: u16,
    filter: *const SockFilter,
}

/// `seccomp(SECCOMP_SET_MODE_FILTER)`, raw: for this thread alone. Answers with the listener that a flag asks for, which is
/// close-on-exec.
pub(crate) fn set_filter(flags: FilterFlags, program: &[SockFilter]) -> Outcome<Option<Handle>> {
    let Ok(length) = u16::try_from(program.len()) else {
        return Err(Fault::new(Sysno::seccomp, Errno::EINVAL));
    };
    let fprog = SockFprog { length, filter: ptr::from_ref(program).cast() };
    // SAFETY: `fprog` is laid out as `struct sock_fprog` and lives through the call; it points to as many instructions as
    // it tells, borrowed and only read. A filter binds the calling thread, which is the child's only one, and touches no
    // memory.
    let answer =
        unsafe { call!(seccomp, abi::SECCOMP_SET_MODE_FILTER, flags.bits(), &raw const fprog) }?;
    let listens = flags.contains(FilterFlags::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    Ok(listens.then(|| Handle::opened(answer)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_laid_out_as_libc_has_them() {
        assert_eq!(size_of::<SockFilter>(), size_of::<libc::sock_filter>());
        assert_eq!(size_of::<SockFprog>(), size_of::<libc::sock_fprog>());
        assert_eq!(
            core::mem::offset_of!(SockFprog, filter),
            core::mem::offset_of!(libc::sock_fprog, filter)
        );
    }
}
