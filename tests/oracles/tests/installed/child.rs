//! The process under test: installs two filters, makes the calls it is given, writes down what each gives. From its first
//! filter on it is answered for every call by somebody else, so it makes none but these, by instructions of its own, and
//! neither allocates nor panics.

use std::arch::asm;
use std::sync::atomic::{AtomicI64, Ordering::Release};

use crate::asked::{Entry, Question};

/// `struct sock_fprog`.
#[repr(C)]
pub(crate) struct Program {
    length: u16,
    filter: *const libc::sock_filter,
}

impl Program {
    /// Of instructions that must live as long.
    pub(crate) fn new(filter: &[libc::sock_filter]) -> Self {
        let length = u16::try_from(filter.len()).expect("at most 4096 instructions");
        Self { length, filter: filter.as_ptr() }
    }
}

/// What the child tells, in memory that both see.
#[repr(C)]
pub(crate) struct Told {
    /// The listener's descriptor in the child and 1, or what went wrong; 0 until there is one.
    pub(crate) listener: AtomicI64,
    /// 1 once the filter is installed, or what went wrong.
    pub(crate) installed: AtomicI64,
    /// How many calls have come back.
    pub(crate) done: AtomicI64,
}

/// Goes on until it is killed.
pub(crate) fn run(
    asking: &Program,
    tested: &Program,
    told: &Told,
    questions: &[Question],
    results: &[AtomicI64],
) -> ! {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let (kill, core) = (u64::from(libc::SIGKILL.cast_unsigned()), u64::from(libc::RLIMIT_CORE));
    call(libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as u64, kill, 0, 0, 0, 0]);
    call(libc::SYS_prlimit64, [0, core, (&raw const none).addr() as u64, 0, 0, 0]);
    call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0, 0, 0]);
    let listener = install(asking, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    told.listener.store(if listener < 0 { listener } else { listener + 1 }, Release);
    if listener >= 0 {
        let installed = install(tested, 0);
        told.installed.store(if installed < 0 { installed } else { 1 }, Release);
        if installed == 0 {
            for (question, result) in questions.iter().zip(results) {
                result.store(question.make(), Release);
                told.done.fetch_add(1, Release);
            }
        }
    }
    loop {
        std::hint::spin_loop();
    }
}

fn install(program: &Program, flags: u64) -> i64 {
    let mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
    call(libc::SYS_seccomp, [mode, flags, std::ptr::from_ref(program).addr() as u64, 0, 0, 0])
}

fn call(number: i64, arguments: [u64; 6]) -> i64 {
    // SAFETY: the calls of `run`, whose pointers are to structures that live through them.
    unsafe { syscall(number.cast_unsigned(), arguments) }
}

impl Question {
    fn make(&self) -> i64 {
        // SAFETY: no call is carried out: a filter is installed that has each answered by the supervisor.
        match self.entry {
            Entry::Syscall => unsafe { syscall(self.number.into(), self.arguments) },
            Entry::Int80 => i64::from(unsafe { int80(self.number, &self.arguments) }),
        }
    }
}

/// The instruction of 64-bit programs.
///
/// # Safety
/// What the call does must be right for this process.
#[inline(always)]
unsafe fn syscall(number: u64, [a, b, c, d, e, f]: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the registers are those of the kernel's convention, and what it clobbers is named; the caller answers for
    // what the call does.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// The instruction of 32-bit programs: the lower halves of the arguments.
///
/// # Safety
/// What the call does must be right for this process.
#[inline(never)]
unsafe fn int80(number: u32, arguments: &[u64; 6]) -> i32 {
    let result;
    // SAFETY: rbx and rbp, which cannot be named, are put back; the arguments are read through r12, which the kernel keeps;
    // the caller answers for what the call does.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov ebx, [r12]",
            "mov ecx, [r12 + 8]",
            "mov edx, [r12 + 16]",
            "mov esi, [r12 + 24]",
            "mov edi, [r12 + 32]",
            "mov ebp, [r12 + 40]",
            "int 0x80",
            "pop rbp",
            "pop rbx",
            inlateout("eax") number => result,
            in("r12") arguments.as_ptr(),
            out("rcx") _, out("rdx") _, out("rsi") _, out("rdi") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    result
}
