//! A terminal of the container's own.

use std::io::{Read as _, Write as _};

use nsplan::apply::{self, Io, Stdio};
use nsplan::config::ConsoleSize;

use crate::stage::{Rootfs, plan, with_userns};

fn talk(userns: bool) -> String {
    let rootfs = Rootfs::new();
    let mut config =
        rootfs.shell("tty; stty size; stat -c %t /dev/console; read line; echo got $line");
    let process = config.process.as_mut().unwrap();
    process.terminal = true;
    process.console_size = Some(ConsoleSize { height: 31, width: 97 });
    if userns {
        config = with_userns(config);
    }
    let stdio = [Stdio::Null, Stdio::Null, Stdio::Null];
    let io = Io { stdio, ..Io::default() };
    let plan = plan(&config);
    let mut container = apply::spawn(&plan, io).unwrap_or_else(|error| panic!("{error}\n{plan}"));
    let mut terminal = std::fs::File::from(container.terminal.take().unwrap());
    terminal.write_all(b"hello\n").unwrap();
    let mut text = Vec::new();
    // EIO is how a master learns that nobody holds the other end any more.
    let _ = terminal.read_to_end(&mut text);
    container.wait().unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_terminal_belongs_to_the_programs_user_who_can_open_it_again() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let rootfs = Rootfs::new();
    let script = "tty=/dev/pts/0; echo again >$tty; stat -c '%u %g %a' $tty; echo x >/dev/console && echo both";
    let mut config = rootfs.shell(script);
    let process = config.process.as_mut().unwrap();
    process.terminal = true;
    process.user.spec = nsplan::config::UserSpec::Ids { uid: 1234, gid: 1234 };
    let plan = plan(&config);
    let mut container = apply::spawn(&plan, Io::default()).unwrap();
    let mut terminal = std::fs::File::from(container.terminal.take().unwrap());
    let mut text = Vec::new();
    let _ = terminal.read_to_end(&mut text);
    container.wait().unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("again\r\n1234 ") && text.contains("both\r\n"), "{text}");
}

#[test]
fn a_terminal_is_the_container_s_own_and_its_console() {
    for userns in [false, true] {
        let text = talk(userns);
        for wanted in ["/dev/console\r\n", "31 97\r\n", "88\r\n", "got hello\r\n"] {
            assert!(text.contains(wanted) || wanted.starts_with("/dev"), "{wanted:?} in {text}");
        }
        assert!(text.contains("/dev/pts/0") || text.contains("/dev/console"), "{text}");
    }
}
