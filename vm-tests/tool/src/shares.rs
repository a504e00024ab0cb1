//! The kernel's trace of one start becomes how long who did what: every nanosecond is in one class, and of ours in one step.
//!
//! There is one processor, so between two events one task runs, and what it does is known from the events before.

use std::collections::{BTreeMap, HashMap};

use crate::steps::{BEFORE, PROGRAM};

/// Nanoseconds by class and by step.
#[derive(Debug, Default)]
pub struct Shares {
    pub classes: BTreeMap<String, u64>,
    pub steps: BTreeMap<String, u64>,
}

impl Shares {
    pub fn add(&mut self, other: Self) {
        for (name, time) in other.classes {
            *self.classes.entry(name).or_default() += time;
        }
        for (name, time) in other.steps {
            *self.steps.entry(name).or_default() += time;
        }
    }
}

/// The classes in the order of a report.
pub const CLASSES: [&str; 12] = [
    "exec",
    "own-code",
    "namespaces",
    "mounts",
    "files",
    "privileges",
    "memory",
    "waiting-calls",
    "exit",
    "bench",
    "kernel-threads",
    "idle",
];

/// What is known of a task that belongs to the start.
#[derive(Clone, Debug)]
struct Task {
    class: &'static str,
    step: String,
    /// The process that the bench started, which goes on after its last step; others become another program.
    is_launcher: bool,
}

/// The shares of the one start that is between the marks of a trace, made by the process `bench`.
pub fn shares(trace: &str, bench: u32) -> Result<Shares, String> {
    let own = Task { class: "bench", step: "bench".into(), is_launcher: false };
    let mut reader = Reader {
        bench,
        tasks: [(bench, own)].into(),
        shares: Shares::default(),
        last: None,
        is_done: false,
    };
    for line in trace.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let event = event(line).ok_or_else(|| format!("not a line of a trace: {line}"))?;
        reader.event(&event).ok_or_else(|| format!("not an event as expected: {line}"))?;
    }
    if reader.is_done {
        Ok(reader.shares)
    } else {
        Err("the trace has no end: its buffer was too small".into())
    }
}

/// `comm-pid [cpu] flags time: name: body`.
struct Event<'a> {
    pid: u32,
    time: u64,
    name: &'a str,
    body: &'a str,
}

fn event(line: &str) -> Option<Event<'_>> {
    let (task, rest) = line.split_once(" [")?;
    let pid = task.trim_end().rsplit('-').next()?.parse().ok()?;
    let (_cpu_and_flags, rest) =
        rest.split_once("] ").and_then(|(cpu, rest)| Some((cpu, rest.split_once(' ')?.1)))?;
    let (time, rest) = rest.trim_start().split_once(": ")?;
    let (name, body) = rest.split_once(": ")?;
    Some(Event { pid, time: time.parse().ok()?, name, body: body.trim_end() })
}

/// The number after `key=` in the body of an event.
fn field(body: &str, key: &str) -> Option<u32> {
    let (_, rest) =
        body.split(' ').filter_map(|word| word.split_once('=')).find(|(name, _)| *name == key)?;
    rest.parse().ok()
}

struct Reader {
    bench: u32,
    tasks: HashMap<u32, Task>,
    shares: Shares,
    /// When the last event was, and who ran after it.
    last: Option<(u64, u32)>,
    is_done: bool,
}

impl Reader {
    fn event(&mut self, event: &Event<'_>) -> Option<()> {
        if event.name == "tracing_mark_write" && event.body == "begin" {
            self.last = Some((event.time, event.pid));
            return Some(());
        }
        let Some((since, runner)) = self.last else { return Some(()) };
        if self.is_done {
            return Some(());
        }
        self.charge(runner, event.time.saturating_sub(since));
        let mut next = event.pid;
        match event.name {
            "tracing_mark_write" => self.is_done = event.body == "end",
            "sched_switch" => next = field(event.body, "next_pid")?,
            "sched_process_fork" => {
                self.fork(field(event.body, "pid")?, field(event.body, "child_pid")?)
            }
            "sys_enter" => {
                let number = event.body.strip_prefix("NR ")?.split(' ').next()?.parse().ok()?;
                self.change(event.pid, |task| task.class = class(number));
            }
            "sys_exit" => self.change(event.pid, |task| task.class = "own-code"),
            "sched_process_exec" => self.change(event.pid, |task| {
                task.step = if task.is_launcher { BEFORE } else { PROGRAM }.into();
            }),
            "sched_process_exit" => self.change(event.pid, |task| {
                task.class = "exit";
                if task.is_launcher {
                    task.step = "exit".into();
                }
            }),
            "step_mark" => {
                let actor =
                    ["parent", "intermediate", "init"].get(field(event.body, "actor")? as usize)?;
                let undo = if field(event.body, "moment")? == 1 { "undo:" } else { "" };
                let step = format!("{undo}{actor}/{}", field(event.body, "index")?);
                self.change(event.pid, |task| task.step = step);
            }
            _ => {}
        }
        self.last = Some((event.time, next));
        Some(())
    }

    fn charge(&mut self, pid: u32, time: u64) {
        let (class, step) = match self.tasks.get(&pid) {
            Some(task) => (task.class, &*task.step),
            None if pid == 0 => ("idle", "idle"),
            None => ("kernel-threads", "kernel"),
        };
        *self.shares.classes.entry(class.to_owned()).or_default() += time;
        // There is no plan yet to say what that is about.
        let step = if step == BEFORE { format!("{BEFORE}:{class}") } else { step.to_owned() };
        *self.shares.steps.entry(step).or_default() += time;
    }

    fn fork(&mut self, parent: u32, child: u32) {
        let Some(of) = self.tasks.get(&parent) else { return };
        let is_launcher = parent == self.bench;
        let step = if is_launcher { "exec" } else { "born" };
        let task = Task {
            class: if is_launcher { "exec" } else { of.class },
            step: step.into(),
            is_launcher,
        };
        self.tasks.insert(child, task);
    }

    /// The bench itself stays what it is.
    fn change(&mut self, pid: u32, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.tasks.get_mut(&pid).filter(|_| pid != self.bench) {
            change(task);
        }
    }
}

fn class(number: libc::c_long) -> &'static str {
    match number {
        libc::SYS_execve | libc::SYS_execveat => "exec",
        libc::SYS_clone
        | libc::SYS_clone3
        | libc::SYS_fork
        | libc::SYS_vfork
        | libc::SYS_unshare
        | libc::SYS_setns => "namespaces",
        libc::SYS_mount
        | libc::SYS_umount2
        | libc::SYS_pivot_root
        | libc::SYS_chroot
        | libc::SYS_open_tree
        | libc::SYS_move_mount
        | libc::SYS_fsopen
        | libc::SYS_fsconfig
        | libc::SYS_fsmount
        | libc::SYS_fspick
        | libc::SYS_mount_setattr => "mounts",
        libc::SYS_prctl
        | libc::SYS_capset
        | libc::SYS_capget
        | libc::SYS_seccomp
        | libc::SYS_setuid
        | libc::SYS_setgid
        | libc::SYS_setresuid
        | libc::SYS_setresgid
        | libc::SYS_setgroups
        | libc::SYS_setfsuid
        | libc::SYS_setfsgid
        | libc::SYS_bpf => "privileges",
        libc::SYS_mmap
        | libc::SYS_munmap
        | libc::SYS_mprotect
        | libc::SYS_mremap
        | libc::SYS_madvise
        | libc::SYS_brk => "memory",
        libc::SYS_wait4
        | libc::SYS_waitid
        | libc::SYS_poll
        | libc::SYS_ppoll
        | libc::SYS_epoll_wait
        | libc::SYS_epoll_pwait
        | libc::SYS_futex
        | libc::SYS_nanosleep
        | libc::SYS_clock_nanosleep
        | libc::SYS_recvmsg
        | libc::SYS_recvfrom
        | libc::SYS_sched_yield => "waiting-calls",
        libc::SYS_exit | libc::SYS_exit_group => "exit",
        _ => "files",
    }
}

#[cfg(test)]
mod tests {
    use super::shares;

    const TRACE: &str = "# tracer: nop
 bench-10      [000] .....   100: tracing_mark_write: begin
 bench-10      [000] .....   110: sched_process_fork: comm=bench pid=10 child_comm=bench child_pid=11
 bench-10      [000] d..2.   115: sched_switch: prev_comm=bench prev_pid=10 prev_prio=120 prev_state=D ==> next_comm=bench next_pid=11 next_prio=120
 nsplan-11     [000] .....   145: sched_process_exec: filename=/usr/bin/nsplan pid=11 old_pid=11
 nsplan-11     [000] .....   150: sys_exit: NR 59 = 0
 nsplan-11     [000] .....   250: step_mark: (0x55) actor=0 index=4 moment=0
 nsplan-11     [000] .....   260: sys_enter: NR 435 (1, 2, 3, 4, 5, 6)
 nsplan-11     [000] d..2.   275: sched_switch: prev_comm=nsplan prev_pid=11 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
 <idle>-0      [000] d..2.   280: sched_switch: prev_comm=swapper/0 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=bench next_pid=10 next_prio=120
 bench-10      [000] .....   290: tracing_mark_write: end
";

    #[test]
    fn every_nanosecond_is_in_one_class_and_in_one_step() {
        let found = shares(TRACE, 10).expect("a whole trace");
        for parts in [&found.classes, &found.steps] {
            assert_eq!(parts.values().sum::<u64>(), 190);
        }
        assert_eq!(found.classes["namespaces"], 15);
        assert_eq!(found.steps["before:own-code"], 100);
        assert_eq!(found.steps["parent/4"], 25);
        assert_eq!(found.steps["idle"], 5);
    }

    #[test]
    fn a_trace_without_its_end_is_refused() {
        let cut = &TRACE[..TRACE.rfind(" bench-10").expect("a last line")];
        assert!(shares(cut, 10).is_err());
    }
}
