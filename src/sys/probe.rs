//! Calls that cannot succeed, made to hear which error the kernel gives: whether it has the call at all.
//!
//! nix has none of these, or would not let their arguments be wrong.
#![allow(unsafe_code, reason = "the calls are made with arguments that safe wrappers refuse")]

use crate::types::Errno;
use syscalls::Sysno;

/// A call with arguments that make it fail before it does anything, and the error that says it is there.
///
/// Values are made in this file only: that is what makes [`answers`] safe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    call: Sysno,
    arguments: [usize; 5],
    expected: Errno,
}

/// An argument that is no descriptor, as the kernel sees it (-1).
const NO_FD: usize = usize::MAX;
/// Every flag of 32, some of which no call knows.
const ALL_FLAGS: usize = 0xffff_ffff;

impl Question {
    const fn new(call: Sysno, arguments: [usize; 5], expected: Errno) -> Self {
        Self { call, arguments, expected }
    }

    /// `open_tree(-1, NULL, ~0)`: flags are looked at first, also before privilege.
    pub(crate) const OPEN_TREE: Self =
        Self::new(Sysno::open_tree, [NO_FD, 0, ALL_FLAGS, 0, 0], Errno::EINVAL);
    /// `fsconfig(-1, 0, NULL, NULL, 0)`: a negative descriptor is refused first.
    pub(crate) const FSCONFIG: Self =
        Self::new(Sysno::fsconfig, [NO_FD, 0, 0, 0, 0], Errno::EINVAL);
    /// `mount_setattr(-1, NULL, ~0, NULL, 0)`: flags are looked at first.
    pub(crate) const MOUNT_SETATTR: Self =
        Self::new(Sysno::mount_setattr, [NO_FD, 0, ALL_FLAGS, 0, 0], Errno::EINVAL);
    /// `openat2(-1, NULL, NULL, 0)`: a structure of no bytes is too small.
    pub(crate) const OPENAT2: Self = Self::new(Sysno::openat2, [NO_FD, 0, 0, 0, 0], Errno::EINVAL);
    /// `pidfd_open(0, ~0)`: unknown flags, and no process has number 0.
    pub(crate) const PIDFD_OPEN: Self =
        Self::new(Sysno::pidfd_open, [0, ALL_FLAGS, 0, 0, 0], Errno::EINVAL);
    /// `pidfd_send_signal(-1, 0, NULL, ~0)`: unknown flags; signal 0 would send nothing.
    pub(crate) const PIDFD_SEND_SIGNAL: Self =
        Self::new(Sysno::pidfd_send_signal, [NO_FD, 0, 0, ALL_FLAGS, 0], Errno::EINVAL);
    /// `seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL)`: the filter is read before anything is changed.
    pub(crate) const SECCOMP_FILTER: Self = Self::new(Sysno::seccomp, [1, 0, 0, 0, 0], Errno(14));
    /// The same with `SECCOMP_FILTER_FLAG_NEW_LISTENER`: a flag that is unknown is refused before the filter is read.
    pub(crate) const SECCOMP_NOTIFY: Self = Self::new(Sysno::seccomp, [1, 8, 0, 0, 0], Errno(14));
    /// The same with `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV` too.
    pub(crate) const SECCOMP_WAIT_KILLABLE: Self =
        Self::new(Sysno::seccomp, [1, 0x28, 0, 0, 0], Errno(14));
    /// `close_range(2, 1, 0)`: a range that ends before it begins.
    pub(crate) const CLOSE_RANGE: Self =
        Self::new(Sysno::close_range, [2, 1, 0, 0, 0], Errno::EINVAL);
    /// `close_range(~0, ~0, CLOSE_RANGE_CLOEXEC)`: marks a descriptor that cannot be; 0 is success.
    pub(crate) const CLOSE_RANGE_CLOEXEC: Self =
        Self::new(Sysno::close_range, [ALL_FLAGS, ALL_FLAGS, 4, 0, 0], Errno(0));
}

/// Whether the kernel gives the error by which it shows that it has the call. Any other, also `EPERM` from a filter
/// and `ENOSYS`, is a no.
pub(crate) fn answers(question: Question) -> bool {
    let [a, b, c, d, e] = question.arguments;
    // SAFETY: every `Question` is a constant above whose pointers are all NULL with a length of 0 or are refused before
    // they are read, so no memory is touched; and whose arguments are refused before the call changes any state, for
    // the reason given beside it. `close_range` with CLOEXEC succeeds on descriptor 4294967295, which no process can
    // have (`fs.nr_open` stays below 2^31).
    let result = unsafe { syscalls::syscall5(question.call, a, b, c, d, e) };
    errno_of(result) == question.expected
}

/// How much of `clone3` the kernel knows, by the size of the arguments it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Clone3 {
    /// No such call, or a filter hides it.
    Absent,
    /// 64 bytes: Linux 5.3.
    Plain,
    /// 80 bytes with `set_tid`: Linux 5.5, the release that has `CLONE_CLEAR_SIGHAND`.
    SetTid,
    /// 88 bytes with `cgroup`, which came with `CLONE_INTO_CGROUP`: Linux 5.7.
    Cgroup,
}

/// Asks for a process that no kernel makes, and takes from the error how many of the argument's bytes it knows: `E2BIG`
/// says that one it does not know is not 0, `EINVAL` that it knows them all and refuses.
pub(crate) fn clone3() -> Clone3 {
    match (impossible_clone3(11), impossible_clone3(10)) {
        (Errno::EINVAL, _) => Clone3::Cgroup,
        (E2BIG, Errno::EINVAL) => Clone3::SetTid,
        (E2BIG, E2BIG) => Clone3::Plain,
        _ => Clone3::Absent,
    }
}

const E2BIG: Errno = Errno(7);

/// `clone3` with `words` words of arguments, at most 11: an unknown flag, an exit signal that is none, and every word after
/// the first eight not 0.
fn impossible_clone3(words: usize) -> Errno {
    let mut arguments = [0u64; 11];
    arguments[0] = 1 << 63;
    arguments[4] = u64::MAX;
    arguments[8..].fill(u64::MAX);
    let size = words.min(arguments.len()) * 8;
    // SAFETY: `arguments` lives through the call and is at least `size` bytes long; the kernel only reads it. No
    // process is made, so no child runs in our memory: flag 1 << 63 was never defined, an exit signal above 255 is
    // refused, and a `set_tid` array of more than 32 is refused, each by every kernel that takes the structure and each
    // before anything is copied or made.
    let result = unsafe { syscalls::syscall2(Sysno::clone3, arguments.as_ptr().addr(), size) };
    errno_of(result)
}

/// Whether capability `number` exists (`PR_CAPBSET_READ`).
pub(crate) fn has_capability(number: u8) -> bool {
    const PR_CAPBSET_READ: usize = 23;
    // SAFETY: this `prctl` takes a number, no pointer, and only reads a bit of the caller's credentials.
    let result = unsafe { syscalls::syscall2(Sysno::prctl, PR_CAPBSET_READ, usize::from(number)) };
    result.is_ok()
}

fn errno_of(result: Result<usize, syscalls::Errno>) -> Errno {
    Errno(result.map_or_else(syscalls::Errno::into_raw, |_| 0))
}
