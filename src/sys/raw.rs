//! Arguments become machine words, and the word that comes back becomes a value or a [`Fault`].

use core::ffi::CStr;
use core::fmt;

pub(crate) use syscalls::Sysno;

use crate::types::Errno;

/// A system call and why the kernel refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(crate) call: Sysno,
    /// Why.
    pub errno: Errno,
}

pub(crate) type Outcome<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) const fn new(call: Sysno, errno: Errno) -> Self {
        Self { call, errno }
    }

    /// The call's name, as strace shows it.
    #[must_use]
    pub fn call(&self) -> &'static str {
        self.call.name()
    }

    /// Whether the kernel gave this reason.
    pub(crate) fn is(self, errno: Errno) -> bool {
        self.errno == errno
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call, errno) = (self.call(), self.errno);
        write!(f, "{call}: {errno} ({})", errno.meaning())
    }
}

impl core::error::Error for Fault {}

/// A value that fits into one argument register.
pub(crate) trait Word {
    fn word(self) -> usize;
}

impl Word for usize {
    fn word(self) -> usize {
        self
    }
}

impl Word for u64 {
    fn word(self) -> usize {
        // Both are eight bytes on every machine that `clone.rs` knows.
        usize::from_ne_bytes(self.to_ne_bytes())
    }
}

impl Word for u32 {
    fn word(self) -> usize {
        u64::from(self).word()
    }
}

impl Word for i32 {
    fn word(self) -> usize {
        i64::from(self).cast_unsigned().word()
    }
}

impl<T> Word for *const T {
    fn word(self) -> usize {
        self.expose_provenance()
    }
}

impl<T> Word for *mut T {
    fn word(self) -> usize {
        self.expose_provenance()
    }
}

impl Word for &CStr {
    fn word(self) -> usize {
        self.as_ptr().word()
    }
}

/// What the kernel answered: values from -4095 to -1 are errors, everything else is the result.
pub(crate) const fn outcome(call: Sysno, answer: usize) -> Outcome<usize> {
    match answer.cast_signed() {
        error @ -4095..=-1 => Err(Fault::new(call, Errno(narrow(-error)))),
        _ => Ok(answer),
    }
}

/// The low half of a word, for results the kernel documents to be an `int`.
pub(crate) const fn narrow(word: isize) -> i32 {
    let bytes = word.to_le_bytes();
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Makes one system call by name; each argument is a [`Word`].
macro_rules! call {
    (@ $number:ident $call:ident) => {
        ::syscalls::raw::$number($crate::sys::Sysno::$call as usize)
    };
    (@ $number:ident $call:ident $($arg:expr),+) => {
        ::syscalls::raw::$number($crate::sys::Sysno::$call as usize, $($crate::sys::raw::Word::word($arg)),+)
    };
    ($call:ident) => { call!(=> $call, call!(@ syscall0 $call)) };
    ($call:ident, $a:expr) => { call!(=> $call, call!(@ syscall1 $call $a)) };
    ($call:ident, $a:expr, $b:expr) => { call!(=> $call, call!(@ syscall2 $call $a, $b)) };
    ($call:ident, $a:expr, $b:expr, $c:expr) => { call!(=> $call, call!(@ syscall3 $call $a, $b, $c)) };
    ($call:ident, $a:expr, $b:expr, $c:expr, $d:expr) => {
        call!(=> $call, call!(@ syscall4 $call $a, $b, $c, $d))
    };
    ($call:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        call!(=> $call, call!(@ syscall5 $call $a, $b, $c, $d, $e))
    };
    ($call:ident, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        call!(=> $call, call!(@ syscall6 $call $a, $b, $c, $d, $e, $f))
    };
    (=> $call:ident, $answer:expr) => {
        $crate::sys::raw::outcome($crate::sys::Sysno::$call, $answer)
    };
}
pub(crate) use call;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_an_error_in_the_last_page_only() {
        let answer = |value: isize| outcome(Sysno::read, value.cast_unsigned());
        assert_eq!(answer(-1), Err(Fault::new(Sysno::read, Errno::EPERM)));
        assert_eq!(answer(-4095), Err(Fault::new(Sysno::read, Errno(4095))));
        assert_eq!(answer(-4096), Ok((-4096_isize).cast_unsigned()));
        assert_eq!(answer(0), Ok(0));
    }
}
