//! `exec_in`: upstream's tests of joined processes with their values, and what a joined process has of the first one.

use std::fs;
use std::io::Read as _;

use nsplan::apply::{ExitStatus, Io, Running, Stdio, probe, spawn};
use nsplan::config::{Config, EnvVar, NamespaceSource, Process};
use nsplan::facts::LsmFacts;
use nsplan::namespaces::{ExecError, Start, exec, exec_in};
use nsplan::plan::{Op, PrivilegeOp, ProcessOp, Record, Refusal, Step, join, join_needs};
use nsplan::types::{NamespaceKind, Resource, Rlimit, Signal};

use crate::exec::{passes_two_files_on, range_of, template, written};
use crate::support::{Scratch, is_root, rootfs, rounds};

/// A container that sleeps, and what is looked at in it while it runs.
fn beside_a_sleeper(look: impl FnOnce(&Record)) {
    let root = rootfs("exec-in");
    beside(&template(&root), look);
}

/// The same with another config.
pub(crate) fn beside(config: &Config, look: impl FnOnce(&Record)) {
    let place = Scratch::new("exec-in-state");
    let data_path = place.path().join("one");
    let started = |container: &mut nsplan::apply::Container| {
        let running = Running::open(place.path(), "one").unwrap();
        look(running.record());
        container.kill(Signal::KILL).unwrap();
    };
    let start = Start {
        data_path: Some(data_path),
        started: Some(Box::new(started)),
        stdio: [Stdio::Null, Stdio::Null, Stdio::Inherit],
        ..Start::default()
    };
    assert_eq!(exec(config, &["sleep", "1000"], start).unwrap(), 128 + 9);
}

/// Runs a command beside it: its code and what it wrote.
fn joined(record: &Record, args: &[&str]) -> Result<(u8, String), ExecError> {
    joined_as(record, None, args)
}

/// The same as somebody else.
fn joined_as(
    record: &Record,
    process: Option<&Process>,
    args: &[&str],
) -> Result<(u8, String), ExecError> {
    written(|start| exec_in(record, process, args, start))
}

#[test]
fn test_exec_in() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let (code, seen) = joined(record, &["ps"]).unwrap();
        assert_eq!(code, 0, "{seen}");
        assert!(seen.contains("sleep 10") && seen.contains(" ps"), "{seen}");
    });
}

#[test]
fn test_exec_in_rlimit() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        assert_eq!(joined(record, &["sh", "-c", "ulimit -n"]).unwrap(), (0, "1025\n".into()));
    });
}

#[test]
fn test_exec_in_error() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let error = joined(record, &["no-such-program"]).unwrap_err();
        let ExecError::Start(error) = error else { panic!("{error}") };
        assert_eq!(error.exit_code(), Some(127), "{error}");
    });
}

#[test]
fn a_joined_process_that_a_signal_ends_is_128_and_its_number() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        assert_eq!(joined(record, &["sh", "-c", "kill -KILL $$"]).unwrap().0, 128 + 9);
        assert_eq!(joined(record, &["sh", "-c", "exit 5"]).unwrap().0, 5);
    });
}

#[test]
fn nobody_joins_by_way_of_a_program_of_the_hosts() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let create = Some(Box::new(nsplan::namespaces::default_create_command) as _);
        let start = Start { create, ..Start::default() };
        let error = exec_in(record, None, &["true"], start).unwrap_err();
        assert!(matches!(error, ExecError::Command { .. }), "{error}");
    });
}

#[test]
fn test_exec_in_tty() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let process = Process { terminal: true, ..record.planned.process.clone() };
        let mut seen = Vec::new();
        let read = |container: &mut nsplan::apply::Container| {
            let mut master = fs::File::from(container.terminal.take().unwrap());
            // Until all have closed the other side, which is no end of file but EIO. It may come before words that were written
            // right before the end and are still under way; then they are there after it.
            for _ in 0..2 {
                let error = master.read_to_end(&mut seen).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EIO as i32));
            }
        };
        let start = Start { started: Some(Box::new(read)), ..Start::default() };
        assert_eq!(exec_in(record, Some(&process), &["ps"], start).unwrap(), 0);
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.contains("sleep 10") && seen.contains(" ps\r\n"), "{seen}");
    });
}

#[test]
fn test_exec_in_environment() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let variable =
            |(name, value): (&str, &str)| EnvVar { name: name.into(), value: value.into() };
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let given = [("PATH", path), ("DEBUG", "true"), ("DEBUG", "false"), ("ENV", "test")];
        let env = given.map(variable).to_vec();
        let process = Process { env, ..record.planned.process.clone() };
        let (code, seen) = joined_as(record, Some(&process), &["env"]).unwrap();
        let mut lines: Vec<_> = seen.lines().collect();
        lines.sort_unstable();
        let path = format!("PATH={path}");
        assert_eq!((code, lines), (0, vec!["DEBUG=false", "ENV=test", "HOME=/root", &path]));
    });
}

#[test]
fn test_exec_in_pass_extra_files() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        passes_two_files_on(|args, start| exec_in(record, None, args, start));
    });
}

#[test]
fn a_joined_process_has_the_maps_and_limits_of_the_first() {
    if !is_root() {
        return;
    }
    let root = rootfs("exec-in-userns");
    nix::unistd::chown(root.path(), Some(100_000.into()), Some(100_000.into())).unwrap();
    let mut config = template(&root);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    (config.uid_mappings, config.gid_mappings) = (range_of(100_000, 1000), range_of(100_000, 1000));
    beside(&config, |record| {
        let files = ["uid_map", "gid_map", "limits", "setgroups", "cgroup", "attr/current"];
        let of = |process: &str| {
            let read = |file: &str| format!("echo {file}; cat /proc/{process}/{file} 2>/dev/null;");
            joined(record, &["sh", "-c", &files.map(read).concat()]).unwrap().1
        };
        let first = of("1");
        assert!(first.contains("100000") && first.contains("1025"), "{first}");
        assert_eq!(of("self"), first);
    });
}

#[test]
fn a_joined_process_gets_its_label_where_somebody_enforces_it() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let label = Some("docker-default".to_owned());
        let process = Process { apparmor_profile: label, ..record.planned.process.clone() };
        let mut facts = probe::probe(&join_needs(&process, record)).unwrap();
        facts.lsm = Some(LsmFacts::default());
        let errors = join(&process, record, &facts).unwrap_err();
        assert_eq!(errors[0].refusal, Refusal::ModuleMissing { module: "AppArmor" });
        facts.lsm = Some(LsmFacts { apparmor: true, ..LsmFacts::default() });
        let plan = join(&process, record, &facts).unwrap();
        // Into a procfs that the launcher has held since before anything was joined.
        let held = |step: &Step| step.op == Op::Process(ProcessOp::HoldProc);
        let clone = |step: &Step| matches!(step.op, Op::Process(ProcessOp::Clone { .. }));
        assert!(
            plan.parent.iter().position(held).unwrap()
                < plan.parent.iter().position(clone).unwrap()
        );
        let labels = |step: &Step| match &step.op {
            Op::Privilege(PrivilegeOp::ExecLabel { label, .. }) => Some(label.clone()),
            _ => None,
        };
        assert_eq!(plan.init.iter().find_map(labels).as_deref(), Some("docker-default"));
    });
}

#[test]
fn a_joined_process_asks_for_the_limits_that_its_own_are_held_against() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let mut process = record.planned.process.clone();
        let own = fs::read_to_string("/proc/self/limits").unwrap();
        let own = own.lines().find_map(|line| line.strip_prefix("Max locked memory")).unwrap();
        process.rlimits.insert(Resource::Memlock, Rlimit { soft: 0, hard: 0 });
        let facts = probe::probe(&join_needs(&process, record)).unwrap();
        let hard = own.split_whitespace().nth(1).unwrap().parse().unwrap_or(u64::MAX);
        let found = facts.caller.rlimits.get(&Resource::Memlock).map_or(u64::MAX, |it| it.hard);
        assert_eq!(found, hard);
    });
}

#[test]
fn a_joined_process_ends_with_its_launcher_as_the_first_does() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        let args = ["sleep", "1000"].map(String::from).to_vec();
        let process = Process { args, ..record.planned.process.clone() };
        assert_eq!(process.parent_death_signal, Some(Signal::KILL));
        let facts = probe::probe(&join_needs(&process, record)).unwrap();
        let plan = join(&process, record, &facts).unwrap();
        // The signal is the launching thread's to send, by its end.
        let joined = std::thread::scope(|scope| {
            scope.spawn(|| spawn(&plan, Io::default()).unwrap()).join().unwrap()
        });
        let mut joined = joined;
        assert_eq!(joined.wait().unwrap(), ExitStatus::Signaled(Signal::KILL));
    });
}

#[test]
fn trap_11_no_code_of_5000_short_lived_ones_is_lost() {
    if !is_root() {
        return;
    }
    beside_a_sleeper(|record| {
        // In the original a handler for all children was there first, now and then. So: several at once, in one program.
        let launch = |first: u8| {
            for run in 0..rounds(2500) {
                let code = first + u8::try_from(run % 120).unwrap();
                let script = format!("exit {code}");
                let start =
                    Start { stdio: [Stdio::Null, Stdio::Null, Stdio::Inherit], ..Start::default() };
                let seen = exec_in(record, None, &["sh", "-c", &script], start).unwrap();
                assert_eq!(seen, code, "run {run}");
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| launch(0));
            scope.spawn(|| launch(100));
        });
    });
}
