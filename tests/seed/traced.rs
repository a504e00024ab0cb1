//! A process that joins a container, stopped at each of its steps, and one inside that may trace whatever can be traced.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use nix::sys::{ptrace, signal, wait};
use nix::unistd::Pid;
use nsplan::apply::{Io, Stdio, probe, spawn};
use nsplan::config::{Config, EnvVar, NamespaceSource, Process};
use nsplan::namespaces::{Start, exec_in};
use nsplan::plan::{Op, Plan, ProcessOp, Record, Step, SyncOp, Token, Undo, join, join_needs};
use nsplan::types::{CapSet, Capability, NamespaceKind, Pointer};

use crate::exec::{range_of, template};
use crate::join::beside;
use crate::support::{is_root, rootfs, wait_for};

/// What makes this test program the tracer; its value is not looked at.
const TRACER: &str = "NSPLAN_TEST_TRACER";

/// What can be got of a process, by name.
fn got(pid: Pid) -> Vec<&'static str> {
    let file = |name: &str| format!("/proc/{pid}/{name}");
    let mut got = Vec::new();
    if ptrace::attach(pid).is_ok() {
        let _ = wait::waitpid(pid, None);
        let _ = ptrace::detach(pid, None);
        got.push("attach");
    }
    for name in ["mem", "environ", "maps", "auxv"] {
        // `mem` is refused when it is opened, others when they are read.
        let read = fs::File::open(file(name)).and_then(|mut file| {
            let mut byte = [0];
            if name == "mem" { Ok(0) } else { std::io::Read::read(&mut file, &mut byte) }
        });
        got.extend(read.is_ok_and(|length| name == "mem" || length > 0).then_some(name));
    }
    let of_memory = got.len();
    for name in ["exe", "cwd", "root", "ns/mnt"] {
        got.extend(fs::read_link(file(name)).is_ok().then_some(name));
    }
    let descriptor = |fd: i32| fs::read_link(file(&format!("fd/{fd}"))).is_ok();
    got.extend((fs::read_dir(file("fd")).is_ok() || (0..64).any(descriptor)).then_some("fd"));
    // Who is at its end has given its memory back, and with it what forbids a look at the names of what else it has.
    if is_ending(pid) {
        got.truncate(of_memory);
    }
    got
}

/// `PF_EXITING` among the flags of `/proc/PID/stat`, or gone.
fn is_ending(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(6)?.parse().ok());
    flags.is_none_or(|flags: u64| flags & 4 != 0)
}

/// Inside: for each line on standard input, what it can get of its own container's first process, and of all others.
#[test]
fn the_tracer() {
    if std::env::var_os(TRACER).is_none() {
        return;
    }
    let own = Pid::this();
    for line in std::io::stdin().lines() {
        line.unwrap();
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let others: Vec<_> =
            pids.map(Pid::from_raw).filter(|pid| pid.as_raw() > 1 && *pid != own).collect();
        let of_others: Vec<_> = others.iter().flat_map(|pid| got(*pid)).collect();
        let first = got(Pid::from_raw(1));
        println!(
            "\nseen {}: first {} others {}",
            others.len(),
            first.join(","),
            of_others.join(",")
        );
        std::io::stdout().flush().unwrap();
    }
}

/// A container whose root may trace everything of its own, beside a copy of this test program.
fn config() -> (crate::support::Scratch, Config) {
    let root = rootfs("traced");
    // The test program and what it is linked with; a guest's is static, and has no program that would say so.
    let own = std::env::current_exe().unwrap();
    let linked = std::process::Command::new("ldd").arg(&own).output();
    let linked = linked.map_or_else(|_| Vec::new(), |output| output.stdout);
    let linked = String::from_utf8(linked).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.map(Path::new) {
        let to = root.path().join(file.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    let status =
        std::process::Command::new("cp").arg(&own).arg(root.path().join("bin/tracer")).status();
    assert!(status.unwrap().success());
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    let mut config = template(&root);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    (config.uid_mappings, config.gid_mappings) = (range_of(100_000, 1000), range_of(100_000, 1000));
    let sets = config.process.as_mut().unwrap().capabilities.as_mut().unwrap();
    let all = CapSet::from_bits((1 << 38) - 1);
    assert!(all.contains(Capability::SYS_PTRACE));
    (sets.bounding, sets.effective, sets.permitted) = (all, all, all);
    (root, config)
}

/// The plan with a wait for what nobody says, before the step at that place of init's script.
fn stopped(plan: &Plan, at: usize) -> Plan {
    let mut plan = plan.clone();
    let op = Op::Sync(SyncOp::Await(Token::Placed));
    plan.init.insert(at, Step { op, origin: Pointer::root(), undo: Undo::Nothing });
    plan
}

/// The child of this process's that sits in the container's pid namespace and is none of `known`.
fn joiner(record: &Record, known: &[Pid]) -> Option<Pid> {
    let namespace = fs::read_link(record.namespace_path(NamespaceKind::Pid).as_str()).unwrap();
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<Pid> = lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .map(Pid::from_raw)
        .collect();
    children.into_iter().find(|pid| {
        let own = fs::read_link(format!("/proc/{pid}/ns/pid"));
        !known.contains(pid) && own.is_ok_and(|own| own == namespace) && is_waiting(*pid)
    })
}

/// Whether it waits at its channel.
fn is_waiting(pid: Pid) -> bool {
    let call = fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    call.split(' ').next() == Some(&*libc::SYS_recvmsg.to_string())
}

#[test]
fn where_a_change_of_ids_would_open_memory_nobody_joins() {
    if !is_root() {
        return;
    }
    let root = rootfs("suid-dumpable");
    let mut config = template(&root);
    beside(&config, |record| {
        let process = &record.planned.process;
        let mut facts = probe::probe(&join_needs(process, record)).unwrap();
        let host = fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap();
        assert_eq!(facts.kernel.suid_dumpable.to_string(), host.trim());
        for safe in [0, 2] {
            facts.kernel.suid_dumpable = safe;
            assert_eq!(join(process, record, &facts).unwrap().notes, []);
        }
        facts.kernel.suid_dumpable = 1;
        let errors = join(process, record, &facts).unwrap_err();
        assert!(errors[0].to_string().contains("fs.suid_dumpable is 1"), "{}", errors[0]);
    });
    // Where there is no user namespace, the right to trace is one over the host: it is said.
    let sets = config.process.as_mut().unwrap().capabilities.as_mut().unwrap();
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        set.insert(Capability::SYS_PTRACE);
    }
    beside(&config, |record| {
        let process = &record.planned.process;
        let facts = probe::probe(&join_needs(process, record)).unwrap();
        let notes = join(process, record, &facts).unwrap().notes;
        assert!(notes.iter().any(|note| note.text.contains("CAP_SYS_PTRACE")), "{notes:?}");
    });
}

#[test]
fn who_joins_can_never_be_traced_from_inside() {
    if !is_root() {
        return;
    }
    let (_root, config) = config();
    beside(&config, |record| {
        let (inner, mut ask) = std::io::pipe().unwrap();
        let (answers, out) = std::io::pipe().unwrap();
        let mut answers = BufReader::new(answers).lines();
        let mut tracer = record.planned.process.clone();
        let variable = |name: &str, value: &str| EnvVar { name: name.into(), value: value.into() };
        tracer.env.push(variable(TRACER, "1"));
        tracer.env.push(variable("RUST_TEST_THREADS", "1"));
        let started = |container: &mut nsplan::apply::Container| {
            let known = [
                Pid::from_raw(container.pid().cast_signed()),
                Pid::from_raw(record.pid.cast_signed()),
            ];
            let mut asked = || {
                ask.write_all(b"\n").unwrap();
                answers.by_ref().map(Result::unwrap).find(|line| line.starts_with("seen ")).unwrap()
            };
            // It may do all of this to the container's own.
            let first = "first attach,mem,environ,maps,auxv,exe,cwd,root,ns/mnt,fd others ";
            assert_eq!(asked(), format!("seen 0: {first}"));
            let args = ["true"].map(String::from).to_vec();
            let process = Process { args, ..record.planned.process.clone() };
            let facts = probe::probe(&join_needs(&process, record)).unwrap();
            let plan = join(&process, record, &facts).unwrap();
            let execute = plan
                .init
                .iter()
                .position(|step| matches!(step.op, Op::Process(ProcessOp::Execute { .. })));
            for at in 0..=execute.unwrap() {
                let plan = stopped(&plan, at);
                std::thread::scope(|scope| {
                    let start = scope.spawn(|| {
                        // Killed after it has said that it is ready, it has run as far as anybody knows.
                        if let Ok(mut joined) = spawn(&plan, Io::default()) {
                            joined.wait().unwrap();
                        }
                    });
                    let joiner = wait_for(|| joiner(record, &known));
                    let seen = asked();
                    signal::kill(joiner, signal::Signal::SIGKILL).unwrap();
                    start.join().unwrap();
                    assert_eq!(
                        seen,
                        format!("seen 1: {first}"),
                        "stopped before {}",
                        plan.init[at + 1].op
                    );
                });
            }
            drop(ask);
        };
        let stdio = [Stdio::Fd(inner.into()), Stdio::Fd(out.into()), Stdio::Inherit];
        let start = Start { stdio, started: Some(Box::new(started)), ..Start::default() };
        let args = ["/bin/tracer", "traced::the_tracer", "--exact", "--nocapture"];
        assert_eq!(exec_in(record, Some(&tracer), &args, start).unwrap(), 0);
    });
}
