//! A seccomp filter that hides a call hides the feature, whatever the kernel's version; a user namespace is seen as one.
#![allow(unsafe_code, reason = "installs a filter on a thread of the test")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use nsplan::apply::probe::probe;
use nsplan::facts::{CgroupFacts, Feature, HostFacts, Needs};

use crate::skip;

/// Probes in a thread in which the calls `hidden` give `errno`.
fn probe_without(hidden: &[libc::c_long], errno: i32) -> HostFacts {
    let filter = filter(hidden, errno);
    let thread = std::thread::spawn(move || {
        nix::sys::prctl::set_no_new_privs().unwrap();
        let program = libc::sock_fprog {
            len: filter.len().try_into().unwrap(),
            filter: filter.as_ptr().cast_mut(),
        };
        // SAFETY: `program` points to `filter`, which lives through the call; the kernel copies it and checks it. The
        // filter covers this thread alone, which ends here.
        let result =
            unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
        assert_eq!(result, 0, "no filter: {}", std::io::Error::last_os_error());
        probe(&Needs::default()).unwrap()
    });
    thread.join().unwrap()
}

fn filter(hidden: &[libc::c_long], errno: i32) -> Vec<libc::sock_filter> {
    let instruction = |code: u32, k: u32, jt: u8| libc::sock_filter {
        code: code.try_into().unwrap(),
        jt,
        jf: 0,
        k,
    };
    let count = u8::try_from(hidden.len()).unwrap();
    let mut program = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (at, number) in (0u8..).zip(hidden) {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        program.push(instruction(equal, u32::try_from(*number).unwrap(), count - at));
    }
    let verdict = libc::BPF_RET | libc::BPF_K;
    program.push(instruction(verdict, libc::SECCOMP_RET_ALLOW, 0));
    program.push(instruction(verdict, libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap(), 0));
    program
}

#[test]
fn a_hidden_call_is_an_absent_feature_whatever_error_hides_it() {
    let open = probe(&Needs::default()).unwrap();
    if !open.has(Feature::Seccomp) {
        return skip("hidden calls", "seccomp filters");
    }
    for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
        for (call, features) in [
            (libc::SYS_openat2, vec![Feature::Openat2]),
            (
                libc::SYS_clone3,
                vec![Feature::Clone3, Feature::ClearSighand, Feature::CloneIntoCgroup],
            ),
            (libc::SYS_close_range, vec![Feature::CloseRange, Feature::CloseRangeCloexec]),
            (libc::SYS_open_tree, vec![Feature::DetachedMounts]),
            (libc::SYS_fsconfig, vec![Feature::DetachedMounts]),
            (libc::SYS_mount_setattr, vec![Feature::MountSetattr]),
            (libc::SYS_pidfd_open, vec![Feature::Pidfd]),
            (libc::SYS_pidfd_send_signal, vec![Feature::Pidfd]),
            (
                libc::SYS_seccomp,
                vec![Feature::Seccomp, Feature::SeccompNotify, Feature::SeccompWaitKillable],
            ),
        ] {
            let mut expected = open.kernel.features.clone();
            expected.retain(|feature| !features.contains(feature));
            let seen = probe_without(&[call], errno).kernel.features;
            assert_eq!(seen, expected, "call {call} gives {errno}");
        }
    }
}

/// What [`report_the_namespace`] prints in a user namespace with this map, which this process writes.
fn report_with_map(map: &str, setgroups: &str) -> std::io::Result<String> {
    let exe = std::env::current_exe()?;
    let test =
        format!("exec {exe:?} restricted::report_the_namespace --exact --ignored --nocapture");
    let mut child = Command::new("unshare")
        .args(["--user", "sh", "-c", &format!("echo; read go; {test}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new())?;
    for (file, text) in [("setgroups", setgroups), ("uid_map", map), ("gid_map", map)] {
        fs::write(format!("/proc/{}/{file}", child.id()), text)?;
    }
    child.stdin.take().unwrap().write_all(b"\n")?;
    let mut text = String::new();
    stdout.read_to_string(&mut text)?;
    child.wait()?;
    Ok(text)
}

#[test]
fn a_user_namespace_is_seen_as_one_even_with_the_map_of_the_first() {
    for (map, setgroups, expected) in [
        ("0 0 4294967295", "allow", "initial false, uids 0 0 4294967295, setgroups true"),
        ("7 0 1", "deny", "initial false, uids 7 0 1, setgroups false"),
    ] {
        match report_with_map(map, setgroups) {
            Ok(text) => assert!(text.contains(expected), "{text}"),
            Err(error) => skip(
                "a user namespace",
                &format!("`unshare --user` and the right to write its maps: {error}"),
            ),
        }
    }
}

/// The caller's cgroups, as they are without the mount table, and with it.
fn with_and_without_the_table() -> [Option<CgroupFacts>; 2] {
    [false, true]
        .map(|mounts| probe(&Needs { cgroup: true, mounts, ..Needs::default() }).unwrap().cgroup)
}

#[test]
fn cgroups_are_the_same_without_the_mount_table() {
    let [without, with] = with_and_without_the_table();
    assert_eq!(without, with);
    let member = fs::read_to_string("/proc/self/cgroup").unwrap();
    let is_only_tree = member.lines().count() == 1 && member.starts_with("0::");
    if !is_only_tree || !nix::unistd::geteuid().is_root() {
        return;
    }
    let top = "/sys/fs/cgroup/nsplan-test-probe";
    let exe = std::env::current_exe().unwrap();
    let enters = format!("mkdir {top}-$$ && echo $$ > {top}-$$/cgroup.procs");
    let test = format!("{exe:?} restricted::cgroups_seen_from_a_namespace --exact --ignored");
    let script = format!("{enters} && exec {test}");
    let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let status = child.wait().unwrap();
    fs::remove_dir(format!("{top}-{}", child.id())).unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "run inside a cgroup of its own by the test above"]
fn cgroups_seen_from_a_namespace() {
    let before = fs::read_to_string("/proc/thread-self/cgroup").unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP).unwrap();
    assert_ne!(fs::read_to_string("/proc/thread-self/cgroup").unwrap(), before);
    let [without, with] = with_and_without_the_table();
    assert_eq!(without, with);
}

#[test]
#[ignore = "run inside a user namespace by the test above"]
fn report_the_namespace() {
    let caller = probe(&Needs::default()).unwrap().caller;
    let map = caller.uid_map[0];
    println!(
        "initial {}, uids {} {} {}, setgroups {}",
        caller.in_initial_userns, map.container_id, map.host_id, map.size, caller.setgroups_allowed
    );
}
