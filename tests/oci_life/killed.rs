//! Commands at once, and commands that are killed: the container is what one of them made of it, and others' stay as they are.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{Life, ended};
use crate::support::{fewer, is_root};

#[test]
fn of_two_creations_at_once_one_wins_and_the_other_says_so() {
    if !is_root() {
        return;
    }
    let life = Life::new("race", "exit 8");
    for _ in 0..5 {
        let create = || life.leaves(&["create", "--bundle", &life.here(), &life.id]);
        let outputs: Vec<_> = thread::scope(|scope| {
            let many: Vec<_> = (0..4).map(|_| scope.spawn(create)).collect();
            many.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let won = outputs.iter().filter(|(is_done, _)| *is_done).count();
        assert_eq!(won, 1, "{outputs:?}");
        for (_, error) in outputs.iter().filter(|(is_done, _)| !is_done) {
            assert!(error.contains("in use"), "{error}");
        }
        life.is("created");
        life.done(&["delete", &life.id]);
        life.is_gone();
    }
}

#[test]
fn of_many_starts_at_once_one_starts_it() {
    if !is_root() {
        return;
    }
    let life = Life::new("starts", "echo once; exec sleep 100");
    let pid = life.created();
    let start = || life.output(&["start", &life.id]);
    let outputs: Vec<_> = thread::scope(|scope| {
        let many: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
        many.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let won = outputs.iter().filter(|output| output.status.success()).count();
    assert_eq!(won, 1, "{outputs:?}");
    life.is("running");
    life.done(&["delete", "--force", &life.id]);
    assert_eq!(ended(pid), 137);
    assert_eq!(life.printed(), "once\n");
    life.is_gone();
}

#[test]
fn a_deletion_while_it_is_started_leaves_nothing() {
    if !is_root() {
        return;
    }
    let life = Life::new("delete-start", "exec sleep 100");
    for _ in 0..10 {
        let pid = life.created();
        thread::scope(|scope| {
            let started = scope.spawn(|| life.output(&["start", &life.id]));
            let deleted = scope.spawn(|| life.output(&["delete", "--force", &life.id]));
            let deleted = deleted.join().unwrap();
            assert!(deleted.status.success(), "{deleted:?}");
            started.join().unwrap();
        });
        assert_eq!(ended(pid), 137);
        life.is_gone();
    }
}

#[test]
fn commands_killed_at_any_moment_leave_what_a_deletion_removes() {
    if !is_root() {
        return;
    }
    let other = Life::new("bystander", "exit 9");
    let pid = other.created();
    let life = Life::new("random", "exec sleep 100");
    for round in (0..40_u64).step_by(usize::try_from(fewer()).unwrap()) {
        let here = life.here();
        let mut create = life.bundle.command(&["create", "--bundle", &here, &life.id]);
        killed_after(create.stdout(Stdio::null()).stderr(Stdio::null()), round * 400);
        life.done(&["delete", "--force", &life.id]);
        life.is_gone();
        life.created();
        let mut start = life.bundle.command(&["start", &life.id]);
        killed_after(start.stderr(Stdio::null()), round * 100);
        let status = life.state()["status"].as_str().unwrap().to_owned();
        assert!(matches!(&*status, "created" | "running"), "{status}");
        let mut delete = life.bundle.command(&["delete", "--force", &life.id]);
        killed_after(delete.stderr(Stdio::null()), round * 100);
        life.done(&["delete", "--force", &life.id]);
        life.is_gone();
    }
    other.is("created");
    other.done(&["start", &other.id]);
    assert_eq!(ended(pid), 9);
}

fn killed_after(command: &mut std::process::Command, micros: u64) {
    let mut child = command.spawn().unwrap();
    thread::sleep(Duration::from_micros(micros));
    let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    child.wait().unwrap();
}
