//! The init that stays: what the program leaves to it, what it tells of the end, and what nobody inside gets from it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use nsplan::apply::{self, Container, Io, Stdio};
use nsplan::config::{CapabilitySets, Config, NamespaceSource};
use nsplan::facts::parse_stat;
use nsplan::plan::{Op, ProcessOp, Refusal, Topology};
use nsplan::types::{Capability, NamespaceKind, Signal};

use crate::support::{Scratch, as_user, is_root, planned, rootfs, run, shell, try_run};

/// A container with an init that stays.
fn with_init(root: &Scratch, script: &str) -> Config {
    let mut config = shell(root, script);
    config.process.as_mut().unwrap().init = true;
    config
}

/// Started, after its first line was read; the rest of its output.
fn started(config: &Config) -> (Container, std::io::PipeReader) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stdio = [Stdio::Null, Stdio::Fd(writer.into()), Stdio::Inherit];
    let container = apply::spawn(&planned(config).unwrap(), Io { stdio, ..Io::default() }).unwrap();
    let mut line = [0; 6];
    reader.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"ready\n");
    (container, reader)
}

/// The children of a process, with their states.
fn children(pid: u32) -> Vec<(u32, char)> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let stat = |pid: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        parse_stat(&text).ok().map(|stat| (stat.pid, stat.state))
    };
    list.split_whitespace().filter_map(stat).collect()
}

#[track_caller]
fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "it did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn trap_34_orphans_are_the_init_s_business_and_not_the_program_s() {
    let root = rootfs("trap34");
    // The orphan's parent says so and is gone; the program waits for nobody.
    let script = "sh -c 'sleep 0.1 & echo ready'; exec sleep 1000";
    let (mut plain, _output) = started(&shell(&root, script));
    wait_until(|| children(plain.pid()).iter().any(|(_, state)| *state == 'Z'));
    plain.kill(Signal::KILL).unwrap();
    plain.wait().unwrap();

    let (mut container, _output) = started(&with_init(&root, script));
    let program = children(container.pid())[0].0;
    wait_until(|| children(container.pid()).iter().all(|(pid, _)| *pid == program));
    container.kill(Signal::KILL).unwrap();
    assert_eq!(container.wait().unwrap().code(), 137);
}

#[test]
fn many_orphans_at_once_are_all_waited_for() {
    let root = rootfs("orphans");
    // Until there are but init and the shell: an orphan that still runs is to be waited for too.
    let script = "n=0; while [ $n -lt 300 ]; do sh -c 'true & true &'; n=$((n+1)); done
        n=0; while set -- /proc/[0-9]*; [ $# -gt 2 ] && [ $n -lt 400 ]; do n=$((n+1)); sleep 0.05; done
        echo $#; grep -s '^State' /proc/[3-9]*/status";
    assert_eq!(run(&with_init(&root, script)).out, "2\n");
}

#[test]
fn the_exit_code_is_the_program_s() {
    let root = rootfs("codes");
    for (script, code) in [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 42", 42),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("sleep 1000 & exit 3", 3),
    ] {
        assert_eq!(run(&with_init(&root, script)).status.code(), code, "{script}");
    }
    for (program, code) in [("/nowhere", 127), ("nowhere", 127), ("/etc/passwd", 126)] {
        let mut config = with_init(&root, "");
        config.process.as_mut().unwrap().args = vec![program.into()];
        assert_eq!(try_run(&config).expect_err("no program").exit_code(), Some(code), "{program}");
    }
}

#[test]
fn signals_reach_the_program() {
    let root = rootfs("signals");
    for (number, name) in [(10, "USR1"), (1, "HUP"), (15, "TERM"), (28, "WINCH"), (40, "40")] {
        let script = format!("trap 'exit 9' {name}; echo ready; while :; do sleep 0.02; done");
        let (mut container, _output) = started(&with_init(&root, &script));
        container.kill(Signal::from_number(number).unwrap()).unwrap();
        assert_eq!(container.wait().unwrap().code(), 9, "{name}");
    }
    // And end it where it does not mind them, though the first process of a pid namespace would not be.
    let (mut container, _output) = started(&with_init(&root, "echo ready; exec sleep 1000"));
    container.kill(Signal::TERM).unwrap();
    assert_eq!(container.wait().unwrap().code(), 143);
}

#[test]
fn the_program_starts_with_nothing_blocked_or_ignored() {
    let root = rootfs("mask");
    let script = "exec grep -E 'SigBlk|SigIgn' /proc/self/status";
    let expected = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
    assert_eq!(run(&with_init(&root, script)).ok(), expected);
}

#[test]
fn the_init_holds_no_descriptor_and_no_word_of_the_launcher_s() {
    if !is_root() {
        return;
    }
    let root = rootfs("nothing-held");
    let (mut container, _output) = started(&with_init(&root, "echo ready; exec sleep 1000"));
    let init = format!("/proc/{}", container.pid());
    wait_until(|| fs::read_to_string(format!("{init}/comm")).unwrap() == "init\n");
    // All but KILL, CHLD and STOP: whoever looks sees that a signal reaches it.
    let status = fs::read_to_string(format!("{init}/status")).unwrap();
    assert!(status.contains("SigIgn:\tfffffffffffafeff\n"), "{status}");
    assert_eq!(fs::read_dir(format!("{init}/fd")).unwrap().count(), 0);
    let words = |file: &str| {
        let bytes = fs::read(format!("{init}/{file}")).unwrap();
        String::from_utf8(bytes).unwrap().trim_end_matches('\0').to_owned()
    };
    assert_eq!(words("cmdline"), "init");
    assert_eq!(words("environ"), "");
    container.kill(Signal::KILL).unwrap();
    container.wait().unwrap();
}

/// What a curious program finds of the first process.
const PRY: &str = "(exec 3</proc/1/mem) 2>/dev/null && echo mem
    for file in environ maps auxv; do
        head -c 1 /proc/1/$file >/dev/null 2>&1 && echo $file
    done
    for link in exe cwd root ns/mnt fd/0; do ls -L /proc/1/$link >/dev/null 2>&1 && echo $link; done
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/1/status >/tmp/init
    grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/self/status >/tmp/own
    cmp /tmp/init /tmp/own && echo as the program";

#[test]
fn nobody_inside_sees_into_the_init() {
    let root = rootfs("pry");
    assert_eq!(run(&with_init(&root, PRY)).ok(), "as the program\n");
    // The control: a first process that is a program like others is open to them.
    let plain = run(&shell(&root, PRY)).out;
    assert!(plain.contains("mem\nenviron\n"), "{plain}");
}

#[test]
fn not_even_with_every_capability_in_a_user_namespace() {
    if !as_user("minimal_init::not_even_with_every_capability_in_a_user_namespace") {
        return;
    }
    let root = rootfs("pry-all");
    let mut config = with_init(&root, PRY);
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    let all = CapabilitySets::of(Capability::named().filter(|c| c.number() <= 40).collect());
    config.process.as_mut().unwrap().capabilities = Some(all);
    assert_eq!(run(&config).ok(), "as the program\n");
}

/// Process group, session and the terminal's foreground group, as `/proc/PID/stat` shows them.
fn groups(pid: u32) -> [u32; 3] {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = text.rsplit_once(')').unwrap();
    let fields: Vec<_> = fields.split_whitespace().collect();
    [fields[2], fields[3], fields[5]].map(|field| field.parse().unwrap())
}

#[test]
fn the_program_is_alone_in_the_foreground_of_its_terminal() {
    let root = rootfs("foreground");
    // A signal right before the shell waits for input is seen to only when it waits no more.
    let script =
        "trap 'echo hit' INT; echo ready; while ! read -t 1 word; do :; done; echo got $word";
    let mut config = with_init(&root, script);
    config.process.as_mut().unwrap().terminal = true;
    let plan = planned(&config).unwrap();
    let mut container = apply::spawn(&plan, Io::default()).unwrap();
    let mut terminal = fs::File::from(container.terminal.take().unwrap());
    let mut seen = String::new();
    let mut read_until = |terminal: &mut fs::File, needle: &str| {
        let mut bytes = [0; 256];
        while !seen.contains(needle) {
            let count = terminal.read(&mut bytes).unwrap_or(0);
            assert!(count > 0, "{seen:?}");
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    };
    read_until(&mut terminal, "ready");
    let (init, program) = (container.pid(), children(container.pid())[0].0);
    // What is typed reaches the program from the terminal, and not once more from init.
    assert_eq!(groups(program), [program, init, program]);
    assert_eq!(groups(init), [init, init, program]);
    terminal.write_all(b"\x03").unwrap();
    read_until(&mut terminal, "hit");
    terminal.write_all(b"it\n").unwrap();
    read_until(&mut terminal, "got it");
    assert_eq!(container.wait().unwrap().code(), 0);
}

#[test]
fn it_is_a_step_after_all_rights_are_given_up() {
    let root = rootfs("planned");
    let plan = planned(&with_init(&root, "true")).unwrap();
    assert_ne!(plan.topology, Topology::SharedMemory);
    let stays = |op: &Op| matches!(op, Op::Process(ProcessOp::Supervise { .. }));
    let at = plan.init.iter().position(|step| stays(&step.op)).expect("the step");
    assert!(matches!(plan.init[at - 1].op, Op::Process(ProcessOp::CloseDescriptors)));
    assert_eq!(plan.init[at].origin.as_str(), "/process/init");
}

#[test]
fn it_is_refused_where_it_would_be_no_first_process_or_an_open_book() {
    if !is_root() {
        return;
    }
    let root = rootfs("refused");
    let refusals = |config: &Config| -> Vec<Refusal> {
        planned(config).expect_err("refused").into_iter().map(|error| error.refusal).collect()
    };
    let mut config = with_init(&root, "true");
    config.namespaces.remove(&NamespaceKind::Pid);
    let needs = Refusal::NeedsNamespace { kind: NamespaceKind::Pid };
    assert!(refusals(&config).contains(&needs));
    let mut config = with_init(&root, "true");
    let process = config.process.as_mut().unwrap();
    let mut set = process.capabilities.unwrap().bounding;
    set.insert(Capability::SYS_PTRACE);
    process.capabilities = Some(CapabilitySets::of(set));
    let [Refusal::Contradiction { reason }] = refusals(&config)[..] else { panic!("one refusal") };
    assert!(reason.contains("CAP_SYS_PTRACE"), "{reason}");
}
