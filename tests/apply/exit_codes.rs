//! How a program ends is how its container ends.

use nsplan::apply::ExitStatus;
use nsplan::types::Signal;

use crate::stage::{Rootfs, plan, run, start, with_userns};

#[test]
fn an_exit_code_comes_through() {
    let rootfs = Rootfs::new();
    for code in [0, 1, 42, 255] {
        let plan = plan(&rootfs.shell(&format!("exit {code}")));
        assert_eq!(run(&plan).0, ExitStatus::Exited(code));
    }
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    let rootfs = Rootfs::new();
    // The first process of a pid namespace gets no signal of its own making; a child's death is told by the shell.
    for (signal, code) in [("KILL", 137), ("TERM", 143)] {
        let plan = plan(&rootfs.shell(&format!("sh -c 'kill -{signal} $$'; exit $?")));
        assert_eq!(run(&plan).0.code(), code);
    }
    let plan = plan(&rootfs.config(&["sleep", "1000"]));
    let (mut container, _output) = start(&plan).unwrap();
    container.kill(Signal::KILL).unwrap();
    assert_eq!(container.wait(), Ok(ExitStatus::Signaled(Signal::KILL)));
    assert_eq!(container.wait().unwrap().code(), 137);
    assert!(container.kill(Signal::KILL).is_err());
}

#[test]
fn a_program_that_is_not_there_is_127_and_one_that_cannot_run_is_126() {
    let rootfs = Rootfs::new();
    std::fs::write(rootfs.path().join("bin/text"), "no program").unwrap();
    for (program, code) in
        [("nothing", 127), ("/bin/nothing", 127), ("/bin/text", 126), ("text", 126), ("/etc", 126)]
    {
        let error = start(&plan(&rootfs.config(&[program]))).err().unwrap();
        assert_eq!(error.exit_code(), Some(code), "{error}");
        assert_eq!(error.call(), Some("execve"));
    }
}

#[test]
fn it_works_in_a_user_namespace_too() {
    let rootfs = Rootfs::new();
    let plan = plan(&with_userns(rootfs.shell("id -u; exit 42")));
    assert_eq!(run(&plan), (ExitStatus::Exited(42), "0\n".into()));
}
