//! What the test program is when it is executed again: a good init, a bad one, or a process with a duty of its own.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use nix::sys::signal::{Signal, raise};
use nsplan::apply::probe::probe;
use nsplan::apply::{DeathSignal, Running, Stage};
use nsplan::config::{Config, EnvVar, Process, UserSpec};
use nsplan::namespaces::{
    finalize_namespace, finalize_setns, init, load_container_environment, pipe,
    restore_parent_death_signal, setup_container, setup_user,
};
use nsplan::plan::{join, join_needs, needs, plan};
use nsplan::types::{HostPath, NamespaceKind};

use crate::tests;

/// The code of a role that went wrong and has said why on standard error.
const WRONG: u8 = 99;

pub(crate) fn play(role: &str) -> Option<ExitCode> {
    let answer: Result<(), String> = match role {
        "init" => Err(init(pipe().expect("a pipe")).to_string()),
        "init-looks-at-its-ids" => {
            print!("{}", std::fs::read_to_string("/proc/self/uid_map").unwrap());
            Err(init(pipe().expect("a pipe")).to_string())
        }
        "launch-with-mapped-ids" => {
            tests::launch_with_mapped_ids();
            Ok(())
        }
        "init-gives-up" => {
            let stage = Stage::receive(pipe().expect("a pipe")).expect("a plan");
            stage.give_up("something bad happened");
            Ok(())
        }
        "init-dies" => {
            let _stage = Stage::receive(pipe().expect("a pipe")).expect("a plan");
            raise(Signal::SIGKILL).unwrap();
            Ok(())
        }
        "init-says-nothing" => Ok(()),
        "init-with-threads" => {
            let other =
                std::thread::spawn(|| std::thread::sleep(std::time::Duration::from_secs(60)));
            let answer = Err(init(pipe().expect("a pipe")).to_string());
            drop(other);
            answer
        }
        "init-step-by-step" => step_by_step(),
        "init-looks-at-itself" => {
            look_at_itself();
            Err(init(pipe().expect("a pipe")).to_string())
        }
        "become-a-user" => become_a_user(),
        "load-an-environment" => load_an_environment(),
        "load-with-threads" => load_with_threads(),
        "join-by-itself" => join_by_itself(),
        "restore-a-death-signal" => restore_a_death_signal(),
        "restore-after-a-death" => restore_after_a_death(),
        _ => return None,
    };
    Some(match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where the container's terminal is closed already there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(WRONG)
        }
    })
}

fn step_by_step() -> Result<(), String> {
    let say = |error: nsplan::apply::StageError| error.to_string();
    let mut stage = Stage::receive(pipe().map_err(say)?).map_err(say)?;
    setup_container(&mut stage).map_err(say)?;
    // The root is changed, and the ids are not.
    std::fs::write("/tmp/made-by-init", "here").map_err(|error| error.to_string())?;
    let signal = DeathSignal::remember().map_err(|fault| fault.to_string())?;
    finalize_namespace(&mut stage).map_err(say)?;
    restore_parent_death_signal(&signal).map_err(|fault| fault.to_string())?;
    Err(stage.finish().to_string())
}

/// Says whether its own file could be written to.
fn look_at_itself() {
    let own = std::fs::File::open("/proc/self/exe").unwrap();
    let flags = nix::sys::statvfs::fstatvfs(&own).unwrap().flags();
    let seals = nix::fcntl::fcntl(own.as_fd(), nix::fcntl::FcntlArg::F_GET_SEALS);
    let is_sealed = seals.is_ok_and(|seals| {
        nix::fcntl::SealFlag::from_bits_truncate(seals).contains(nix::fcntl::SealFlag::F_SEAL_WRITE)
    });
    let is_read_only = flags.contains(nix::sys::statvfs::FsFlags::ST_RDONLY);
    println!("out of reach: {}", is_sealed || is_read_only);
}

fn config() -> Config {
    let root = HostPath::new("/").expect("absolute");
    Config::sandbox(root, vec!["true".into()], false)
}

/// The duty of `SetupUser` alone, in the host's root.
fn become_a_user() -> Result<(), String> {
    let mut config = config();
    let process = config.process.as_mut().expect("a process");
    process.user.spec = UserSpec::Ids { uid: 1234, gid: 2345 };
    process.user.additional_gids = vec![7, 8];
    let facts = probe(&needs(&config)).map_err(|error| error.to_string())?;
    let plan = plan(&config, &facts).map_err(|errors| errors[0].to_string())?;
    let mut stage = Stage::alone(plan).map_err(|error| error.to_string())?;
    setup_user(&mut stage).map_err(|error| error.to_string())?;
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    for line in status.lines().filter(|line| line.contains("id:\t") || line.starts_with("Groups")) {
        println!("{line}");
    }
    Ok(())
}

/// The duty of `FinalizeSetns`: this process has entered a container by itself, the one whose state `STATE` holds.
fn join_by_itself() -> Result<(), String> {
    use nix::sched::{CloneFlags, setns};
    let place =
        std::path::PathBuf::from(std::env::var("STATE").map_err(|error| error.to_string())?);
    let running = Running::open(&place, "one").map_err(|error| error.to_string())?;
    let record = running.record();
    let mut process = record.planned.process.clone();
    // It may not mount, though root has started it.
    let script = "ulimit -n; hostname; id -u; mount -t tmpfs x /tmp 2>&-; echo $?; exit 3";
    process.args = ["sh", "-c", script].map(String::from).to_vec();
    let facts = probe(&join_needs(&process, record)).map_err(|error| error.to_string())?;
    let plan = join(&process, record, &facts).map_err(|errors| errors[0].to_string())?;
    let stage = Stage::alone(plan).map_err(|error| error.to_string())?;
    let kinds = [
        (NamespaceKind::Uts, CloneFlags::CLONE_NEWUTS),
        (NamespaceKind::Net, CloneFlags::CLONE_NEWNET),
        (NamespaceKind::Mnt, CloneFlags::CLONE_NEWNS),
    ];
    for (kind, flag) in kinds {
        let file = std::fs::File::open(record.namespace_path(kind).as_str());
        setns(file.map_err(|error| error.to_string())?, flag).map_err(|errno| errno.to_string())?;
    }
    Err(finalize_setns(stage).to_string())
}

fn with_environment(pairs: &[(&str, &str)]) -> Config {
    let mut config = config();
    let variable =
        |(name, value): &(&str, &str)| EnvVar { name: (*name).into(), value: (*value).into() };
    config.process.get_or_insert_with(|| Process::sandbox(Vec::new())).env =
        pairs.iter().map(variable).collect();
    config
}

fn load_an_environment() -> Result<(), String> {
    let config = with_environment(&[("A", "1"), ("B", "x=y"), ("A", "2")]);
    load_container_environment(&config).map_err(|error| error.to_string())?;
    for (name, value) in std::env::vars() {
        println!("{name}={value}");
    }
    let empty = with_environment(&[("", "1")]);
    match load_container_environment(&empty) {
        Err(_) if std::env::var("A").as_deref() == Ok("2") => Ok(()),
        answer => Err(format!("{answer:?}")),
    }
}

fn load_with_threads() -> Result<(), String> {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || receiver.recv());
    let answer = load_container_environment(&with_environment(&[("A", "1")]));
    drop(sender);
    let _ = other.join();
    match answer {
        Err(error) if std::env::var("A").is_err() => {
            println!("{error}");
            Ok(())
        }
        answer => Err(format!("{answer:?}")),
    }
}

/// A change of ids clears the signal; the parent lives, so it is set again and nobody dies.
fn restore_a_death_signal() -> Result<(), String> {
    use nix::sys::prctl::{get_pdeathsig, set_pdeathsig};
    set_pdeathsig(Signal::SIGTERM).map_err(|errno| errno.to_string())?;
    let old = DeathSignal::remember().map_err(|fault| fault.to_string())?;
    set_pdeathsig(None).map_err(|errno| errno.to_string())?;
    restore_parent_death_signal(&old).map_err(|fault| fault.to_string())?;
    println!("{:?}", get_pdeathsig().map_err(|errno| errno.to_string())?);
    Ok(())
}

/// A process whose parent dies between the two: it gets the signal that it missed. Says so from a grandchild.
fn restore_after_a_death() -> Result<(), String> {
    use nix::sys::prctl::set_pdeathsig;
    use nix::unistd::getppid;
    set_pdeathsig(Signal::SIGUSR1).map_err(|errno| errno.to_string())?;
    let old = DeathSignal::remember().map_err(|fault| fault.to_string())?;
    set_pdeathsig(None).map_err(|errno| errno.to_string())?;
    // Before the word: the parent ends at it.
    let parent = getppid();
    println!("ready");
    while getppid() == parent {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    restore_parent_death_signal(&old).map_err(|fault| fault.to_string())?;
    println!("alive");
    Ok(())
}
