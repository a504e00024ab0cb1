//! What a caller is told of the program's end.

use nsplan::types::Errno;

use crate::support::{rootfs, run, shell, try_run};

#[test]
fn the_program_decides_the_exit_code() {
    let root = rootfs("exit");
    for code in [0, 1, 42, 255] {
        assert_eq!(run(&shell(&root, &format!("exit {code}"))).status.code(), code);
    }
}

#[test]
fn a_signal_is_128_and_its_number() {
    let root = rootfs("signal");
    for signal in [9, 15] {
        // The first process of a pid namespace does not get signals from inside, so a child is asked.
        let mut config = shell(&root, &format!("kill -{signal} $$"));
        config.namespaces.remove(&nsplan::types::NamespaceKind::Pid);
        config.readonly_paths.clear();
        config.masked_paths.clear();
        assert_eq!(run(&config).status.code(), 128 + signal, "signal {signal}");
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error_of_execve_and_127() {
    let root = rootfs("missing");
    let mut config = shell(&root, "");
    config.process.as_mut().unwrap().args = vec!["no-such-program".into()];
    let error = try_run(&config).expect_err("no such program");
    assert_eq!((error.errno(), error.exit_code()), (Some(Errno::ENOENT), Some(127)), "{error}");
    assert!(error.to_string().contains("execve"), "{error}");
}

#[test]
fn a_program_that_may_not_be_run_is_126() {
    let root = rootfs("denied");
    std::fs::write(root.path().join("bin/text"), "no program").unwrap();
    let mut config = shell(&root, "");
    config.process.as_mut().unwrap().args = vec!["/bin/text".into()];
    let error = try_run(&config).expect_err("not executable");
    assert_eq!((error.errno(), error.exit_code()), (Some(Errno::EACCES), Some(126)), "{error}");
}
