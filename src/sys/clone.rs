//! The moment of the clone: a child that begins on a stack of its own, in shared or copied memory.
//!
//! What makes it sound: the child gets one shared reference and never returns; memory it shares with the launcher
//! is freed only against a proof that it no longer uses it ([`Gone`]), and leaked otherwise ([`Nursery`]).

use alloc::boxed::Box;
use core::arch::asm;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::{self, NonNull};

use super::abi::{self, CloneArgs};
use super::fd::{Fd, Handle};
use super::host;
use super::process::Pid;
use super::raw::{Fault, Outcome, Sysno, Word, narrow, outcome};
use super::shared::Newborn;
use crate::types::{CloneFlags, Errno};

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("nsplan knows how to begin a process on x86_64 and aarch64 only");

/// Room for a child's calls; only pages that are touched cost anything.
const STACK: usize = 256 * 1024;

/// A stack for one child: anonymous memory above a page that faults.
#[derive(Debug)]
pub(crate) struct Stack {
    map: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone and is only ever named by address; it is unmapped once, by `drop`.
unsafe impl Send for Stack {}
// SAFETY: a shared reference gives out nothing but the address and the length.
unsafe impl Sync for Stack {}

impl Stack {
    /// Maps one.
    pub(crate) fn new() -> Outcome<Self> {
        let map = host::map_stack(STACK)?;
        Ok(Self { map, length: STACK })
    }

    fn base(&self) -> u64 {
        address(self.map.as_ptr())
    }

    /// Where it is.
    pub(crate) fn range(&self) -> Range<usize> {
        let start = self.map.addr().get();
        start..start + self.length
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        host::unmap(self.map, self.length);
    }
}

/// Proof that a child uses the launcher's memory no more: its end of the channel reached end of file (`execve`
/// changes memory before it closes descriptors, and so does `exit`), or it was waited for.
#[derive(Debug)]
pub(crate) struct Gone(());

impl Gone {
    /// The channel whose last holder was the child has reached end of file.
    pub(crate) const fn by_end_of_file(received: &super::channel::Received) -> Option<Self> {
        match received {
            super::channel::Received::End => Some(Self(())),
            super::channel::Received::Message(..) => None,
        }
    }

    /// `waitid(2)` has reported the child's end.
    pub(super) const fn by_wait() -> Self {
        Self(())
    }
}

/// Owns what a child works with, from before the clone until the child is proven gone. Dropped without proof, it
/// leaks its content: a leak is harmless, a child that runs on freed memory is not.
#[derive(Debug)]
pub(crate) struct Nursery<T> {
    content: ManuallyDrop<Box<T>>,
}

impl<T: Sync + 'static> Nursery<T> {
    pub(crate) fn new(content: T) -> Self {
        Self { content: ManuallyDrop::new(Box::new(content)) }
    }

    /// Changes it where it is, before a child is started.
    pub(crate) fn content(&mut self) -> &mut T {
        &mut self.content
    }

    /// As the child sees it, if that shares memory.
    pub(crate) fn shared(&self) -> &T {
        &self.content
    }

    /// Frees it, if no child was ever started or `gone` proves that it has left.
    pub(crate) fn release(self, _gone: &Gone) {
        drop(ManuallyDrop::into_inner(self.content));
    }

    /// Frees it when no child was started.
    pub(crate) fn release_unused(self) {
        drop(ManuallyDrop::into_inner(self.content));
    }

    /// Clones: the child calls `run` with the content, on the stack that `request` gives it from there.
    pub(crate) fn start(
        &self,
        request: &Request<'_>,
        stack: fn(&T) -> &Stack,
        run: extern "C" fn(&T) -> !,
    ) -> Outcome<Child> {
        let content: &T = &self.content;
        // SAFETY: `content` is on the heap behind a `ManuallyDrop` and goes away only by `release`, against proof.
        // It is `Sync`, so that two tasks may read it at once. The stack is part of it and no other child runs on
        // it, since each actor is started once.
        unsafe { clone(request, stack(content), run, content) }
    }
}

/// What to clone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Namespaces, `CLONE_VM`, `CLONE_PARENT`, `CLONE_PIDFD`, `CLONE_INTO_CGROUP`.
    pub(crate) flags: CloneFlags,
    /// For `CLONE_INTO_CGROUP`.
    pub(crate) cgroup: Option<Fd>,
    /// Where the child's number is to be before it runs.
    pub(crate) newborn: Option<&'a Newborn>,
}

/// What came of it, in the caller.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    /// From Linux 5.2, if asked for.
    pub(crate) pidfd: Option<Handle>,
}

/// Clones from inside a child: the new process runs on `stack` in a copy of the caller's memory.
pub(crate) fn clone_copied<T: Sync>(
    request: &Request<'_>,
    stack: &Stack,
    run: extern "C" fn(&T) -> !,
    content: &T,
) -> Outcome<Child> {
    let copied = Request { flags: request.flags.difference(CloneFlags::CLONE_VM), ..*request };
    // SAFETY: without `CLONE_VM` the child has its own copy of `content` and `stack`, which nobody else can free.
    unsafe { clone(&copied, stack, run, content) }
}

/// # Safety
/// With `CLONE_VM`, `content` and `stack` stay untouched and alive until the child has exec'ed or ended, and no
/// other task runs on `stack`. `run` neither allocates, locks, nor uses thread-local storage: the thread pointer is
/// the caller's.
unsafe fn clone<T: Sync>(
    request: &Request<'_>,
    stack: &Stack,
    run: extern "C" fn(&T) -> !,
    content: &T,
) -> Outcome<Child> {
    let mut pidfd = -1_i32;
    let mut flags = request.flags;
    let wants_pidfd = flags.contains(CloneFlags::CLONE_PIDFD);
    let has_parent_signal = flags.contains(CloneFlags::CLONE_PARENT);
    // Not one of a plan's flags: it changes nothing but what the launcher knows.
    let number = request.newborn.map_or(0, |_| abi::CLONE_PARENT_SETTID);
    let mut args = CloneArgs {
        flags: flags.bits() | number,
        pidfd: if wants_pidfd { address(&raw mut pidfd) } else { 0 },
        parent_tid: request.newborn.map_or(0, |newborn| address(newborn.address())),
        // A sibling inherits the signal of the process that clones it.
        exit_signal: if has_parent_signal { 0 } else { u64::from(abi::SIGCHLD.cast_unsigned()) },
        stack: stack.base(),
        stack_size: u64::try_from(stack.length).unwrap_or(0),
        cgroup: request.cgroup.map_or(0, |fd| u64::from(fd.0.cast_unsigned())),
        ..CloneArgs::default()
    };
    let child = Begin { entry: run as *const () as usize, content: ptr::from_ref(content).word() };
    // SAFETY: handed on: the caller keeps stack and content alive. `args` is complete and lives on this frame; the
    // kernel writes nothing but `pidfd`, which does too, and the word of `newborn`, which its owner keeps.
    let mut answer = unsafe { clone3(&args, child) };
    if answer.is_err_and(|fault| fault.is(Errno::EINVAL))
        && flags.contains(CloneFlags::CLONE_CLEAR_SIGHAND)
    {
        // Linux 5.3 and 5.4 do not know it; the child resets its dispositions in any case.
        flags.remove(CloneFlags::CLONE_CLEAR_SIGHAND);
        args.flags = flags.bits() | number;
        // SAFETY: as before.
        answer = unsafe { clone3(&args, child) };
    }
    if answer.is_err_and(|fault| fault.is(Errno::ENOSYS)) {
        flags.remove(CloneFlags::CLONE_CLEAR_SIGHAND);
        args.flags = flags.bits() | number;
        // SAFETY: as before.
        answer = unsafe { clone2(&args, child) };
    }
    let number = narrow(answer?.cast_signed());
    let pid = Pid::new(number).ok_or(Fault::new(Sysno::clone3, Errno::ESRCH))?;
    // Before Linux 5.2 `clone` ignores the flag and writes nothing.
    let pidfd = (pidfd >= 0).then(|| Handle::opened(pidfd.word()));
    Ok(Child { pid, pidfd })
}

/// Where a child begins: `entry(content)`, with a reference that the C calling convention passes as a pointer.
#[derive(Clone, Copy)]
struct Begin {
    entry: usize,
    content: usize,
}

/// `clone3(2)` (Linux 5.3).
///
/// # Safety
/// As `clone`.
unsafe fn clone3(args: &CloneArgs, child: Begin) -> Outcome<usize> {
    let at = ptr::from_ref(args).word();
    let words = [at, size_of::<CloneArgs>(), 0, 0, 0];
    // SAFETY: handed on; `args` is a whole `clone_args` of the size that is told.
    let answer = unsafe { enter_kernel(Sysno::clone3 as usize, words, child) };
    outcome(Sysno::clone3, answer)
}

/// `clone(2)`, which has no room for flags above 32 bits, and one for a pidfd and a number.
///
/// # Safety
/// As `clone`.
unsafe fn clone2(args: &CloneArgs, child: Begin) -> Outcome<usize> {
    if args.flags >> 32 != 0 || args.flags & CloneFlags::CLONE_NEWTIME.bits() != 0 {
        return Err(Fault::new(Sysno::clone3, Errno::ENOSYS));
    }
    let top = args.stack + args.stack_size;
    let flags = args.flags | args.exit_signal;
    let third = if args.parent_tid == 0 { args.pidfd } else { args.parent_tid };
    let words = [flags.word(), top.word(), third.word(), 0, 0];
    // SAFETY: handed on; the stack grows down from `top`, and the third word is where the pidfd goes, or the number.
    let answer = unsafe { enter_kernel(Sysno::clone as usize, words, child) };
    outcome(Sysno::clone, answer)
}

/// Makes the call; the caller gets the answer, and the child, whose stack pointer the kernel has set, calls its entry.
///
/// # Safety
/// `number` is `clone` or `clone3` with a stack given in `words`, and all of `clone`'s conditions hold.
#[cfg(target_arch = "x86_64")]
unsafe fn enter_kernel(number: usize, words: [usize; 5], child: Begin) -> usize {
    let answer;
    // SAFETY: the kernel keeps every register but rax, rcx and r11, in both tasks, so the child finds its entry and
    // its arguments in the registers they were put in. It has an aligned stack of its own and leaves this function
    // by the call, never by its end; the caller's stack is not written. Memory is clobbered by default.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp", // the outermost frame, for whoever walks the stack
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") number => answer,
            in("rdi") words[0],
            in("rsi") words[1],
            in("rdx") words[2],
            in("r10") words[3],
            in("r8") words[4],
            in("r12") child.content,
            in("r13") child.entry,
            out("rcx") _,
            out("r11") _,
        );
    }
    answer
}

/// As for x86_64.
///
/// # Safety
/// As for x86_64.
#[cfg(target_arch = "aarch64")]
unsafe fn enter_kernel(number: usize, words: [usize; 5], child: Begin) -> usize {
    let answer;
    // SAFETY: the kernel keeps every register but x0, in both tasks, so the child finds its entry and its arguments
    // in the registers they were put in. It has an aligned stack of its own and leaves this function by the branch,
    // never by its end; the caller's stack is not written. Memory is clobbered by default.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr", // the outermost frame, for whoever walks the stack
            "mov x30, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") number,
            inlateout("x0") words[0] => answer,
            in("x1") words[1],
            in("x2") words[2],
            in("x3") words[3],
            in("x4") words[4],
            in("x20") child.content,
            in("x21") child.entry,
        );
    }
    answer
}

fn address<T>(pointer: *const T) -> u64 {
    u64::from_ne_bytes(pointer.word().to_ne_bytes())
}
