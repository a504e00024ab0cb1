//! A command becomes the same command with fewer system calls, or with the rights of an ordinary user.

use std::os::unix::process::CommandExt;
use std::process::Command;

pub fn without(features: &str, command: &[&str]) -> Result<(), String> {
    let mut calls = Vec::new();
    for feature in features.split(',') {
        calls.extend(calls_of(feature)?);
    }
    hide(&calls)?;
    exec(command, |_| ())
}

pub fn as_user(uid: &str, gid: &str, command: &[&str]) -> Result<(), String> {
    let number = |text: &str| text.parse::<u32>().map_err(|error| format!("`{text}`: {error}"));
    let (uid, gid) = (number(uid)?, number(gid)?);
    exec(command, |command| {
        // The standard library drops the supplementary groups when root sets a uid, then sets the gid, then the uid.
        command.gid(gid).uid(uid);
    })
}

fn exec(command: &[&str], prepare: impl FnOnce(&mut Command)) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("expected a program after `--`")?;
    let mut command = Command::new(program);
    command.args(arguments);
    prepare(&mut command);
    Err(format!("{program}: {}", command.exec()))
}

fn calls_of(feature: &str) -> Result<Vec<libc::c_long>, String> {
    Ok(match feature {
        "openat2" => vec![libc::SYS_openat2],
        "clone3" => vec![libc::SYS_clone3],
        "close_range" => vec![libc::SYS_close_range],
        "mount_setattr" => vec![libc::SYS_mount_setattr],
        "pidfd" => vec![libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal, libc::SYS_pidfd_getfd],
        "mount-api" => vec![
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
        ],
        _ => return Err(format!("no calls are known for the feature `{feature}`")),
    })
}

/// Installs a filter for this process and all it starts. As root it needs no `no_new_privs`, so setuid programs still
/// work below it.
fn hide(calls: &[libc::c_long]) -> Result<(), String> {
    let number = |call: &libc::c_long| u32::try_from(*call).map_err(|error| error.to_string());
    let numbers = calls.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let count = u8::try_from(numbers.len()).map_err(|error| error.to_string())?;
    let is_equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let verdict = libc::BPF_RET | libc::BPF_K;
    // `seccomp_data`: the call's number is at 0.
    let mut filter = vec![instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (at, number) in (0u8..).zip(numbers) {
        filter.push(instruction(is_equal, number, count - at));
    }
    filter.push(instruction(verdict, libc::SECCOMP_RET_ALLOW, 0));
    filter.push(instruction(verdict, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0));
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|error| error.to_string())?,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `program` points to `filter`, which lives through the call and has `len` instructions; the kernel copies
    // and checks it, and takes nothing else.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    match result {
        0 => Ok(()),
        _ => Err(format!("prctl(PR_SET_SECCOMP): {}", std::io::Error::last_os_error())),
    }
}

fn instruction(code: u32, k: u32, if_true: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: if_true, jf: 0, k }
}
