//! A hostile root cannot make the prober read outside of it, wait, or hold more than a limit.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use nsplan::apply::probe::{ProbeError, probe};
use nsplan::facts::{AccountFacts, Feature, Needs};
use nsplan::types::HostPath;

/// A root of its own, removed at the end.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nsplan-probe-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("etc")).unwrap();
        Self(path)
    }

    fn etc(&self, name: &str) -> PathBuf {
        self.0.join("etc").join(name)
    }

    fn read(&self) -> Result<AccountFacts, ProbeError> {
        read(&self.0)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn read(root: &Path) -> Result<AccountFacts, ProbeError> {
    let root = HostPath::new(root.to_str().unwrap()).unwrap();
    let facts = probe(&Needs { accounts: Some(root), ..Needs::default() })?;
    Ok(facts.accounts.unwrap())
}

#[test]
fn files_of_the_root_are_read_and_missing_ones_are_none() {
    let root = Root::new("plain");
    fs::write(root.etc("passwd"), b"caf\xe9:x:1:2::/:\n").unwrap();
    let accounts = root.read().unwrap();
    assert_eq!(accounts.passwd.as_deref(), Some("caf\u{fffd}:x:1:2::/:\n"));
    assert_eq!(accounts.group, None);
    fs::remove_dir_all(root.0.join("etc")).unwrap();
    assert_eq!(root.read(), Ok(AccountFacts::default()));
}

#[test]
fn links_are_followed_inside_the_root_and_never_leave_it() {
    let root = Root::new("links");
    fs::create_dir(root.0.join("usr")).unwrap();
    fs::write(root.0.join("usr/passwd"), "inside:x:1:1::/:\n").unwrap();
    symlink("/usr/passwd", root.etc("passwd")).unwrap();
    symlink("../../../../../../../../etc/group", root.etc("group")).unwrap();
    let error = root.read().unwrap_err().to_string();
    if !probe(&Needs::default()).unwrap().has(Feature::Openat2) {
        // Part by part no link is followed, wherever it leads.
        assert!(error.ends_with("/etc/passwd = ELOOP"), "{error}");
        return;
    }
    assert!(error.ends_with("/etc/group = ELOOP"), "a link to itself, inside: {error}");
    fs::remove_file(root.etc("group")).unwrap();
    symlink("../../../../../../../../etc/hostname", root.etc("group")).unwrap();
    let accounts = root.read().unwrap();
    assert_eq!(accounts.passwd.as_deref(), Some("inside:x:1:1::/:\n"));
    assert_eq!(accounts.group, None, "that of the host was read");
}

#[test]
fn nothing_but_a_regular_file_is_read_and_nothing_is_waited_for() {
    let root = Root::new("kinds");
    mkfifo(&root.etc("passwd"), Mode::S_IRUSR).unwrap();
    let error = root.read().unwrap_err().to_string();
    assert!(error.ends_with("/etc/passwd: not a regular file"), "{error}");
    fs::remove_file(root.etc("passwd")).unwrap();
    fs::create_dir(root.etc("passwd")).unwrap();
    assert!(matches!(root.read(), Err(ProbeError::Account { .. })));
}

#[test]
fn a_file_larger_than_the_limit_is_refused() {
    let root = Root::new("large");
    fs::write(root.etc("passwd"), vec![b'\n'; 1024 * 1024]).unwrap();
    assert!(root.read().is_ok());
    fs::write(root.etc("passwd"), vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    let error = root.read().unwrap_err().to_string();
    assert!(error.ends_with("/etc/passwd: larger than 1 MiB"), "{error}");
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let error = read(Path::new("/no/such/root")).unwrap_err().to_string();
    assert_eq!(error, "open(\"/no/such/root\", O_PATH) = ENOENT");
}
