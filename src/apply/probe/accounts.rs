//! A root file system becomes the texts of its `etc/passwd` and `etc/group`.
//!
//! The root is hostile: no link in it leads out of it, nothing but a regular file is opened for reading, nothing is waited
//! for, and no more than a limit is read.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use super::{ProbeError, file_type};
use crate::facts::AccountFacts;
use crate::types::HostPath;

/// More than any system has, and less than a hostile image may make us hold.
const LIMIT: u64 = 1024 * 1024;
const TRIES: usize = 16;

pub(super) fn read(root: &HostPath, has_openat2: bool) -> Result<AccountFacts, ProbeError> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = open(root.as_str(), flags, Mode::empty())
        .map_err(|errno| ProbeError::call(format!("open({:?}, O_PATH)", root.as_str()), errno))?;
    let text = |name| -> Result<_, ProbeError> {
        let found = if has_openat2 { find(&dir, name) } else { walk(&dir, name) };
        match found {
            Ok(file) => text_of(&file, &format!("{root}/etc/{name}")).map(Some),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(ProbeError::call(format!("open {root}/etc/{name}"), errno)),
        }
    };
    Ok(AccountFacts { passwd: text("passwd")?, group: text("group")? })
}

/// Finds `etc/NAME`, links resolved as if `root` were `/`.
fn find(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = format!("etc/{name}");
    // EAGAIN: somebody renamed something while `..` was followed.
    for _ in 0..TRIES {
        match openat2(root, path.as_str(), how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            result => return result,
        }
    }
    Err(Errno::EAGAIN)
}

/// Finds `etc/NAME` part by part, for a kernel without `openat2`: a link on the way is refused (`ELOOP`), since without that
/// call nothing keeps it inside.
fn walk(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let step = |dir: &OwnedFd, part: &str| {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = openat(dir, part, flags, Mode::empty())?;
        let is_link = file_type(fstat(&found)?.st_mode) == SFlag::S_IFLNK;
        if is_link { Err(Errno::ELOOP) } else { Ok(found) }
    };
    step(&step(root, "etc")?, name)
}

/// The text behind an `O_PATH` descriptor. What kind of file it is was seen before it is opened for reading: opening a
/// device may already do something, and opening a fifo waits.
fn text_of(file: &OwnedFd, name: &str) -> Result<String, ProbeError> {
    let refused = |fault| ProbeError::Account { file: name.to_owned(), fault };
    let failed = |errno| ProbeError::call(format!("open {name}"), errno);
    if file_type(fstat(file).map_err(failed)?.st_mode) != SFlag::S_IFREG {
        return Err(refused("not a regular file"));
    }
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = open(link.as_str(), flags, Mode::empty()).map_err(failed)?;
    let mut bytes = Vec::new();
    File::from(opened).take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| {
        ProbeError::call(format!("read {name}"), Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LIMIT) {
        return Err(refused("larger than 1 MiB"));
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn without_openat2_plain_files_are_read_and_links_refused() {
        let dir = std::env::temp_dir().join(format!("nsplan-walk-{}", std::process::id()));
        fs::create_dir_all(dir.join("etc")).unwrap();
        fs::write(dir.join("etc/passwd"), "a:x:1:1::/:\n").unwrap();
        let root = HostPath::new(dir.to_str().unwrap()).unwrap();
        let plain = read(&root, false);
        symlink("passwd", dir.join("etc/group")).unwrap();
        let last_is_link = read(&root, false).map_err(|error| error.to_string());
        fs::rename(dir.join("etc"), dir.join("usr")).unwrap();
        symlink("usr", dir.join("etc")).unwrap();
        let first_is_link = read(&root, false).map_err(|error| error.to_string());
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(plain, read_as("a:x:1:1::/:\n"));
        assert!(last_is_link.is_err_and(|error| error.ends_with("/etc/group = ELOOP")));
        assert!(first_is_link.is_err_and(|error| error.ends_with("/etc/passwd = ELOOP")));
    }

    fn read_as(passwd: &str) -> Result<AccountFacts, ProbeError> {
        Ok(AccountFacts { passwd: Some(passwd.to_owned()), group: None })
    }
}
