//! What is handed out runs the program that was asked for, once, and nothing of another's.

use std::collections::BTreeSet;
use std::io::Read as _;

use nsplan::apply::{Payload, PoolError, PoolOptions};
use nsplan::config::EnvVar;
use nsplan::types::RootPath;

use crate::support::{is_root, rootfs, wait_for};
use crate::{Begun, begun, into, pool, run, start, template, unique};

#[test]
fn a_program_gets_its_own_words_and_descriptors() {
    let Some(Begun { pool, .. }) = &begun("words", 2) else { return };
    for n in 0..6 {
        let (read, write) = nix::unistd::pipe().unwrap();
        let script = format!("echo $0 $1 $A {n}; pwd; ls /proc/self/fd | wc -l; exit {n}");
        let payload = Payload {
            args: ["sh", "-c", &script, "zero", "one"].map(String::from).to_vec(),
            env: Some(vec![EnvVar { name: "A".into(), value: format!("b{n}") }]),
            cwd: Some(RootPath::new("/tmp").unwrap()),
            stdio: into(write),
        };
        let mut container = pool.start(payload).unwrap();
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        // The fourth is the directory that `ls` reads.
        assert_eq!(text, format!("zero one b{n} {n}\n/tmp\n4\n"));
        assert_eq!(container.wait().unwrap().code(), n);
    }
}

#[test]
fn without_words_the_template_runs() {
    let Some(Begun { pool, .. }) = &begun("template", 1) else { return };
    let (read, write) = nix::unistd::pipe().unwrap();
    let mut container = pool.start(Payload { stdio: into(write), ..Payload::default() }).unwrap();
    let mut text = String::new();
    std::fs::File::from(read).read_to_string(&mut text).unwrap();
    assert_eq!(text, "the template\n");
    assert_eq!(container.wait().unwrap().code(), 0);
}

#[test]
fn no_two_programs_share_a_container() {
    let Some(Begun { pool, .. }) = &begun("once", 3) else { return };
    // What one leaves in its memory file system, and in the name of its host, no other sees; nor is any namespace the same.
    let script = "hostname; hostname used; ls /dev/shm; touch /dev/shm/used; echo $$; \
                  for n in mnt uts ipc pid net; do readlink /proc/self/ns/$n; done";
    let mut seen = BTreeSet::new();
    let mut before: Option<Vec<String>> = None;
    let mut keep = Vec::new();
    for _ in 0..8 {
        let (container, mut out) = start(pool, &format!("{script}; sleep 100"));
        let text = wait_for(|| {
            let mut bytes = [0; 512];
            let length = out.read(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
        });
        let mut text = text;
        while text.matches('\n').count() < 7 {
            let mut bytes = [0; 512];
            let length = out.read(&mut bytes).unwrap();
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        let lines: Vec<String> = text.lines().map(Into::into).collect();
        assert_eq!(lines[1], "1", "{text}");
        assert_ne!(lines[0], "used");
        let links = &lines[2..];
        assert!(links.iter().all(|link| seen.insert(link.clone())), "{links:?} again");
        if let Some(before) = &before {
            assert_eq!(before[0], lines[0]);
        }
        before = Some(lines);
        keep.push(container);
    }
    for container in &mut keep {
        container.kill(nsplan::types::Signal::KILL).unwrap();
        container.wait().unwrap();
    }
}

#[test]
fn a_program_that_is_not_there_is_told_of_and_the_pool_goes_on() {
    let Some(Begun { pool, .. }) = &begun("absent", 1) else { return };
    let payload = Payload { args: vec!["/bin/none".into()], ..Payload::default() };
    let Err(PoolError::Apply(error)) = pool.start(payload) else { panic!("it ran") };
    assert_eq!(error.exit_code(), Some(127), "{error}");
    assert!(error.left_behind.is_empty());
    let cwd = Some(RootPath::new("/no/such/place").unwrap());
    let Err(PoolError::Apply(error)) = pool.start(Payload { cwd, ..Payload::default() }) else {
        panic!("it ran")
    };
    assert_eq!(error.call(), Some("chdir"));
    let long = vec!["true".to_owned(), "x".repeat(300 * 1024)];
    let Err(PoolError::Apply(error)) = pool.start(Payload { args: long, ..Payload::default() })
    else {
        panic!("it ran")
    };
    assert_eq!(error.errno(), Some(nsplan::types::Errno(libc::E2BIG)));
    assert_eq!(run(pool, "echo still here"), ("still here\n".into(), 0));
}

#[test]
fn a_filter_and_an_unprivileged_user_hold_from_the_first_instruction() {
    if !is_root() {
        return;
    }
    let root = rootfs("pool-rights");
    let name = unique("rights");
    let mut config = template(&root, &name);
    let process = config.process.as_mut().unwrap();
    process.user.spec = nsplan::config::UserSpec::Ids { uid: 77, gid: 78 };
    let pool = pool(&config, PoolOptions::new(&name, 1));
    for _ in 0..3 {
        let (text, code) = run(&pool, "id -u; id -g; grep -E '^Cap(Eff|Prm)' /proc/self/status");
        assert_eq!(code, 0);
        let zeros = "0".repeat(16);
        assert!(text.starts_with("77\n78\n"), "{text}");
        assert_eq!(text.matches(&zeros).count(), 2, "{text}");
    }
}
