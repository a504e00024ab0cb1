//! A terminal of the container's own: opened in its devpts, given to the launcher, made descriptors 0, 1 and 2.

use super::Child;
use super::path::Links;
use crate::apply::message::Message;
use crate::apply::program::Place;
use crate::plan::{MountApi, Resolver, Token};
use crate::sys::abi::{
    self, O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_PATH, O_RDWR, O_WRONLY, WinSize,
};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, channel, fd, file, mount, terminal};
use crate::types::Errno;

impl Child<'_> {
    /// Of a container that was joined: its root is this process's own by now.
    pub(super) fn find_devpts(self, place: Place) -> Outcome {
        let flags = O_PATH | O_DIRECTORY;
        let found = match self.program.resolver {
            Resolver::Openat2 => {
                fd::openat2(Fd::CWD, c"/dev/pts", flags, abi::RESOLVE_NO_MAGICLINKS)?
            }
            Resolver::PartByPart => fd::openat(Fd::CWD, c"/dev/pts", flags | O_NOFOLLOW, 0)?,
        };
        if fd::fstatfs(found.fd())?.magic != abi::DEVPTS_SUPER_MAGIC {
            return Err(Fault::new(Sysno::fstatfs, Errno::ENODEV));
        }
        self.keep(place, found);
        Ok(())
    }

    pub(super) fn open_terminal(
        self,
        devpts: Place,
        (size, owner): (Option<WinSize>, Option<u32>),
        console: bool,
    ) -> Outcome {
        let devpts = self.at(devpts)?;
        let master = fd::openat(devpts, c"ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0)?;
        terminal::unlock(master.fd())?;
        let slave = terminal::open_peer(master.fd())?;
        verify(slave.fd())?;
        // The launcher's own, as far as it has one, while it is still descriptor 0.
        let size = size.or_else(|| terminal::size(Fd(0)).ok());
        if let Some(size) = size {
            terminal::set_size(slave.fd(), size)?;
        }
        // Before anybody inside has it. The group stays the one of terminals.
        if let Some(uid) = owner {
            file::fchown(slave.fd(), uid)?;
        }
        let told = Message::Token(Token::Terminal).encode();
        channel::send(self.channel, &told, Some(master.fd()))?;
        if console {
            self.bind_console(&slave)?;
        }
        for number in 0..3 {
            fd::dup3(slave.fd(), Fd(number))?;
        }
        terminal::make_controlling(Fd(0))
    }

    /// The mount is of the terminal that was opened, not of a name below `/dev/pts`.
    fn bind_console(self, slave: &Handle) -> Outcome {
        let dev = self.resolve(&self.program.dev, Links::Refused)?;
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
        match fd::openat(dev.fd(), c"console", flags, 0o600) {
            Err(fault) if !fault.is(Errno::EEXIST) => return Err(fault),
            _ => {}
        }
        let console = fd::openat(dev.fd(), c"console", O_PATH | O_NOFOLLOW, 0)?;
        if fd::fstat(console.fd())?.is_symlink() {
            return Err(Fault::new(Sysno::openat, Errno::ELOOP));
        }
        if self.program.api == MountApi::Classic {
            return self.put(slave, &console, false).map(drop);
        }
        let copy = mount::clone_tree(slave.fd(), c"", false)?;
        self.put(&copy, &console, false).map(drop)
    }
}

fn verify(slave: Fd) -> Outcome {
    let kind = fd::fstat(slave)?;
    let majors = abi::UNIX98_SLAVE_MAJOR..abi::UNIX98_SLAVE_MAJOR + 8;
    if kind.file_type() == abi::S_IFCHR && majors.contains(&kind.device.major) {
        return Ok(());
    }
    Err(Fault::new(Sysno::fstat, Errno::ENODEV))
}
