//! A container's terminal, and pidfds, go to whoever listens for them.

use std::fs::File;
use std::io::{IoSliceMut, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::is_root;

fn terminal(name: &str) -> Life {
    let bundle = Bundle::new(name)
        .set("/process/terminal", json!(true))
        .set("/process/consoleSize", json!({"height": 33, "width": 77}))
        .set("/process/args", json!(["sh", "-c", "tty; stty size"]));
    Life::of(bundle)
}

#[test]
fn the_master_of_the_terminal_is_sent_to_the_socket() {
    if !is_root() {
        return;
    }
    let life = terminal("console");
    let path = life.bundle.directory().join("console.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = path.to_str().unwrap();
    let words = ["create", "--bundle", &life.here(), "--console-socket", socket, &life.id];
    assert_eq!(life.leaves(&words), (true, String::new()));
    let (stream, _) = listener.accept().unwrap();
    let (mut master, name) = received(&stream);
    assert_eq!(name, "/dev/ptmx");
    life.done(&["start", &life.id]);
    let mut said = Vec::new();
    // EIO at the end: everybody has closed it.
    let _ = master.read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    assert_eq!(said, "/dev/pts/0\r\n33 77\r\n");
}

#[test]
fn a_terminal_without_anybody_for_it_is_refused_before_anything_is_made() {
    if !is_root() {
        return;
    }
    let life = terminal("no-console");
    let (_, error) = life.refused(&["create", "--bundle", &life.here(), &life.id]);
    assert!(error.contains("--console-socket"), "{error}");
    let nowhere = life.bundle.directory().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let words = ["create", "--bundle", &life.here(), "--console-socket", nowhere, &life.id];
    let (_, error) = life.refused(&words);
    assert!(error.contains("No such file"), "{error}");
    let words = ["run", "--bundle", &life.here(), "--console-socket", nowhere, &life.id];
    let (_, error) = life.refused(&words);
    assert!(error.contains("only with --detach"), "{error}");
    life.is_gone();
}

#[test]
fn a_pidfd_is_sent_of_what_is_created_and_of_what_joins_it() {
    if !is_root() {
        return;
    }
    let life = Life::new("pidfd", "exec sleep 100");
    let path = life.bundle.directory().join("pidfd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = ["--pidfd-socket", path.to_str().unwrap()];
    let here = life.here();
    let create = [&["create", "--bundle", &here], &socket[..], &[&*life.id]].concat();
    assert_eq!(life.leaves(&create), (true, String::new()));
    let pid_of = |pidfd: &File| {
        let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Pid:\t").map(str::to_owned)).unwrap()
    };
    let (pidfd, name) = received(&listener.accept().unwrap().0);
    assert_eq!(name, "standard");
    assert_eq!(life.state()["pid"].to_string(), pid_of(&pidfd));
    life.done(&["start", &life.id]);
    let exec = [&["exec", "-d"], &socket[..], &[&life.id, "sleep", "100"]].concat();
    assert_eq!(life.leaves(&exec), (true, String::new()));
    let (joined, name) = received(&listener.accept().unwrap().0);
    assert_eq!(name, "setns");
    let pids = life.done(&["ps", "--format", "json", &life.id]);
    assert!(pids.contains(&pid_of(&joined)), "{pids}");
    // The first process of a pid namespace ends after all others were waited for.
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(Pid::from_raw(pid_of(&joined).parse().unwrap())), 137);
    assert_eq!(ended(Pid::from_raw(pid_of(&pidfd).parse().unwrap())), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

fn received(stream: &std::os::unix::net::UnixStream) -> (File, String) {
    let mut name = [0; 64];
    let mut parts = [IoSliceMut::new(&mut name)];
    let mut space = nix::cmsg_space!(i32);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), flags).unwrap();
    let fd = message.cmsgs().unwrap().find_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    // SAFETY: the kernel has just made the descriptor for this process, and nobody else knows its number.
    #[allow(unsafe_code, reason = "descriptors come as numbers in a message")]
    let fd = unsafe { OwnedFd::from_raw_fd(fd.unwrap()) };
    let length = message.bytes;
    (File::from(fd), String::from_utf8_lossy(&name[..length]).into_owned())
}
