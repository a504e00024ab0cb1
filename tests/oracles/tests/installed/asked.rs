//! Calls × a filter that is really installed → what the kernel gives each of them. None is carried out.
//!
//! A child installs two filters: first one that has us asked about every call, then the one in question. Of two answers the
//! kernel takes the stricter one. So what the filter refuses is refused; about what it allows we are asked, and answer with
//! an errno that no filter here uses. `SECCOMP_RET_LOG` and `SECCOMP_RET_TRACE` are as lenient as allowing, and cannot be
//! told from it.

use std::io::Error;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicI64, Ordering::Acquire};
use std::time::Duration;

use nsplan::plan::seccomp::FilterInstruction;
use nsplan_oracles::instructions;

use crate::child::{self, Program, Told};

/// A call to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) entry: Entry,
    pub(crate) number: u32,
    pub(crate) arguments: [u64; 6],
}

/// The instruction that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `syscall`: x86-64 and, with their bit, x32.
    Syscall,
    /// `int $0x80`: i386, whose arguments are 32 bits.
    Int80,
}

/// What it gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Allowed,
    Errno(i64),
    /// The process died of that signal.
    Killed(i32),
    /// The kernel carried it out without asking a filter.
    Unasked(i64),
}

/// What a call gives that we are asked about: an errno that nothing else has (`MAX_ERRNO` is 4095).
const ALLOWED: i32 = -4000;

/// Asks about all of them, with a new child wherever one is killed.
pub(crate) fn ask(program: &[FilterInstruction], questions: &[Question]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(questions.len());
    while answers.len() < questions.len() {
        let rest = &questions[answers.len()..];
        answers.extend(Child::start(program, rest).serve(rest));
    }
    answers
}

/// A child, killed and waited for when it is dropped.
struct Child {
    pid: i32,
    pidfd: OwnedFd,
    shared: Shared,
}

impl Child {
    fn start(program: &[FilterInstruction], questions: &[Question]) -> Self {
        // BPF_RET | BPF_K: one answer to everything.
        let user_notif = libc::SECCOMP_RET_USER_NOTIF;
        let asking = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: user_notif }];
        let tested = instructions(program);
        let (asking, tested) = (Program::new(&asking), Program::new(&tested));
        let shared = Shared::new(questions.len());
        // SAFETY: the child runs `child::run` and nothing else, which neither allocates nor locks.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0, "{}", Error::last_os_error());
        if pid == 0 {
            child::run(&asking, &tested, shared.told(), questions, shared.results());
        }
        // SAFETY: no memory is involved; the child is ours and not waited for.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        Self { pid, pidfd: owned(pidfd), shared }
    }

    /// Answers for the child until it has made every call or is dead.
    fn serve(self, questions: &[Question]) -> Vec<Answer> {
        let listener = self.listener();
        // Linux 6.6: whoever is woken runs where the other has run, as the two never run at once.
        // SAFETY: the request takes a word by value.
        unsafe { libc::ioctl(listener.as_raw_fd(), SET_FLAGS, SYNC_WAKE_UP) };
        loop {
            let [asks, is_dead] = poll([&listener, &self.pidfd]);
            if asks {
                self.answer(&listener, questions);
            } else if is_dead || self.done() == questions.len() {
                break;
            }
        }
        let results = &self.shared.results()[..self.done()];
        let mut answers: Vec<_> = results.iter().map(|word| answer(word.load(Acquire))).collect();
        if answers.len() < questions.len() {
            let installed = self.shared.told().installed.load(Acquire);
            assert_eq!(installed, 1, "the filter is not installed");
            answers.push(Answer::Killed(self.signal()));
        }
        answers
    }

    fn done(&self) -> usize {
        usize::try_from(self.shared.told().done.load(Acquire)).expect("a count")
    }

    /// The child's descriptor; it cannot send it, as we would have to let it.
    fn listener(&self) -> OwnedFd {
        loop {
            match self.shared.told().listener.load(Acquire) {
                0 => std::thread::sleep(Duration::from_micros(50)),
                fd @ 1.. => {
                    // SAFETY: no memory is involved.
                    let ours = unsafe {
                        libc::syscall(libc::SYS_pidfd_getfd, self.pidfd.as_raw_fd(), fd - 1, 0)
                    };
                    return owned(ours);
                }
                error => panic!("a filter that asks: errno {}", -error),
            }
        }
    }

    /// Lets the call pass that installs the filter in question, and answers every other.
    fn answer(&self, listener: &OwnedFd, questions: &[Question]) {
        // SAFETY: all zeros are valid, and what the kernel wants.
        let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        if !control(listener, RECV, &mut asked) {
            return;
        }
        let told = self.shared.told();
        let mut answer =
            libc::seccomp_notif_resp { id: asked.id, val: 0, error: ALLOWED, flags: 0 };
        if told.installed.load(Acquire) == 0 {
            assert_eq!(i64::from(asked.data.nr), libc::SYS_seccomp);
            (answer.error, answer.flags) = (0, CONTINUE);
        } else {
            questions[self.done()].is_what(&asked.data);
        }
        control(listener, SEND, &mut answer);
    }

    fn signal(&self) -> i32 {
        // SAFETY: all zeros are valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let how = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: `info` is of the type that is written.
        let waited =
            unsafe { libc::waitid(libc::P_PID, self.pid.cast_unsigned(), &raw mut info, how) };
        assert_eq!((waited, info.si_code), (0, libc::CLD_KILLED), "an end by a signal");
        // SAFETY: `waitid` has filled it in, for a child.
        unsafe { info.si_status() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: the child is ours and not waited for, so the pid is its own; no memory is involved.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: no status is written.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

impl Question {
    /// Whether the kernel has seen the call that was meant.
    fn is_what(&self, seen: &libc::seccomp_data) {
        let (arch, mask) = match self.entry {
            Entry::Syscall => (0xc000_003e, u64::MAX),
            Entry::Int80 => (0x4000_0003, 0xffff_ffff),
        };
        let arguments = self.arguments.map(|argument| argument & mask);
        let found = (seen.arch, seen.nr.cast_unsigned(), seen.args);
        assert_eq!(found, (arch, self.number, arguments), "the kernel has seen another call");
    }
}

fn answer(result: i64) -> Answer {
    match result {
        _ if result == i64::from(ALLOWED) => Answer::Allowed,
        -4095..=0 => Answer::Errno(-result),
        _ => Answer::Unasked(result),
    }
}

/// Memory that parent and child share: what is told, then a word for each call.
struct Shared {
    start: *mut libc::c_void,
    length: usize,
    count: usize,
}

impl Shared {
    fn new(count: usize) -> Self {
        let length = size_of::<Told>() + count * size_of::<AtomicI64>();
        let (access, how) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a mapping of its own wherever the kernel likes.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, access, how, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED, "{}", Error::last_os_error());
        Self { start, length, count }
    }

    fn told(&self) -> &Told {
        // SAFETY: the mapping begins on a page, is large enough, zeroed, and mapped as long as `self` lives; atomics are
        // all that is in it.
        unsafe { &*self.start.cast() }
    }

    fn results(&self) -> &[AtomicI64] {
        // SAFETY: as for `told`; the words come right behind it.
        let first = unsafe { self.start.byte_add(size_of::<Told>()) }.cast();
        // SAFETY: `count` words are in the mapping.
        unsafe { std::slice::from_raw_parts(first, self.count) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: our mapping, to which no reference outlives `self`.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

/// Whether each is readable, at the latest after some milliseconds: a child that is done says so in memory only.
fn poll(fds: [&OwnedFd; 2]) -> [bool; 2] {
    let one = |fd: &OwnedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled = fds.map(one);
    // SAFETY: two structures of our own.
    unsafe { libc::poll(polled.as_mut_ptr(), 2, 5) };
    polled.map(|one| one.revents & libc::POLLIN != 0)
}

/// Whether the child was there to be asked or answered.
fn control<T>(listener: &OwnedFd, request: u64, value: &mut T) -> bool {
    // SAFETY: the request says how large the structure is that it reads and writes, which is `T`.
    let done = unsafe { libc::ioctl(listener.as_raw_fd(), request, std::ptr::from_mut(value)) };
    let error = Error::last_os_error();
    assert!(done == 0 || error.raw_os_error() == Some(libc::ENOENT), "{error}");
    done == 0
}

fn owned(fd: i64) -> OwnedFd {
    assert!(fd >= 0, "{}", Error::last_os_error());
    // SAFETY: the kernel has just made the descriptor for us.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor")) }
}

/// `SECCOMP_IOCTL_NOTIF_RECV`, `_IOWR('!', 0, struct seccomp_notif)`.
const RECV: u64 = 0xc000_2100 | (size_of::<libc::seccomp_notif>() as u64) << 16;
/// `SECCOMP_IOCTL_NOTIF_SEND`, `_IOWR('!', 1, struct seccomp_notif_resp)`.
const SEND: u64 = 0xc000_2101 | (size_of::<libc::seccomp_notif_resp>() as u64) << 16;
/// `SECCOMP_IOCTL_NOTIF_SET_FLAGS`, `_IOW('!', 4, __u64)`, and `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SET_FLAGS: u64 = 0x4008_2104;
const SYNC_WAKE_UP: u64 = 1;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`.
const CONTINUE: u32 = 1;
