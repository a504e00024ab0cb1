//! A terminal around the binary: raw while the container runs, of the caller's size, put back, and read to the end.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};

use crate::binary::text;
use crate::containers::is_root;
use crate::running::Place;

/// The kernel's settings alone: a C library leaves the rest of its structure as it finds it.
fn settings(of: &Termios) -> impl PartialEq + std::fmt::Debug {
    let flags = (of.input_flags, of.output_flags, of.control_flags, of.local_flags);
    (flags, of.control_chars[..19].to_vec())
}

/// Runs with a terminal of 40 by 100; what was seen on it, and its exit code. `type_in` is typed when `ready` was seen.
fn on_a_terminal(place: &Place, args: &[&str], type_in: &str) -> (String, Option<i32>) {
    let size = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(&size, None).unwrap();
    let before = tcgetattr(&pty.slave).unwrap();
    let end = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut command = place.command("exec", args);
    command.env("TERM", "vt100").stdin(end()).stdout(end()).stderr(end());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut master = std::fs::File::from(pty.master);
    let (mut seen, mut bytes) = (Vec::new(), [0; 4096]);
    if !type_in.is_empty() {
        while !text(&seen).contains("ready") {
            let count = master.read(&mut bytes).unwrap();
            seen.extend_from_slice(&bytes[..count]);
        }
        // Raw: keys are the container's terminal's to understand.
        let now = tcgetattr(pty.slave.as_fd()).unwrap();
        assert!(
            !now.local_flags.intersects(LocalFlags::ICANON | LocalFlags::ISIG | LocalFlags::ECHO)
        );
        master.write_all(type_in.as_bytes()).unwrap();
    }
    let after = std::thread::spawn({
        let slave = pty.slave.try_clone().unwrap();
        move || {
            let code = child.wait().unwrap().code();
            (code, tcgetattr(&slave).unwrap())
        }
    });
    drop(pty.slave);
    while let Ok(count) = master.read(&mut bytes) {
        if count == 0 {
            break;
        }
        seen.extend_from_slice(&bytes[..count]);
    }
    let (code, after) = after.join().unwrap();
    assert_eq!(settings(&after), settings(&before), "the terminal is as before");
    (text(&seen), code)
}

#[test]
fn the_terminal_has_the_caller_s_size_and_is_put_back() {
    if !is_root() {
        return;
    }
    let place = Place::new("terminal");
    let (seen, code) =
        on_a_terminal(&place, &["-t", "sh", "-c", "tty; stty size; echo $TERM; exit 5"], "");
    assert_eq!((seen.as_str(), code), ("/dev/pts/0\r\n40 100\r\nvt100\r\n", Some(5)));
}

#[test]
fn the_last_words_of_a_program_are_not_lost() {
    if !is_root() {
        return;
    }
    let place = Place::new("last-words");
    let script = "n=0; while [ $n -lt 3000 ]; do echo line $n; n=$((n+1)); done; printf last";
    let (seen, code) = on_a_terminal(&place, &["--tty", "sh", "-c", script], "");
    assert_eq!(code, Some(0));
    assert!(seen.ends_with("line 2999\r\nlast"), "{:?}", &seen[seen.len().saturating_sub(40)..]);
    assert_eq!(seen.matches("line ").count(), 3000);
}

#[test]
fn keys_are_the_container_s() {
    if !is_root() {
        return;
    }
    let place = Place::new("keys");
    let script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    for init in [&["-t"][..], &["-t", "--init"]] {
        let args = [init, &["sh", "-c", script]].concat();
        let (seen, code) = on_a_terminal(&place, &args, "\x03");
        assert_eq!(code, Some(3), "{init:?}: {seen}");
        assert_eq!(seen.matches("interrupted").count(), 1, "{seen}");
    }
}

#[test]
fn a_program_that_joins_has_a_terminal_of_its_own() {
    if !is_root() {
        return;
    }
    let place = Place::new("joined-terminal");
    let mut child = place.started(&["sh", "-c", "echo ready; exec sleep 1000"]);
    let script = "stty size; test -t 0 && echo terminal; n=0; while [ $n -lt 500 ]; do echo $n; n=$((n+1)); done; exit 6";
    let (seen, code) = on_a_terminal(&place, &["-t", "sh", "-c", script], "");
    assert_eq!(code, Some(6), "{seen}");
    assert!(seen.starts_with("40 100\r\nterminal\r\n0\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n499\r\n"), "{seen}");
    child.kill().unwrap();
    child.wait().unwrap();
}
