//! Removes what a container left, and with force the container first.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::args::ContainerId;
use super::report::{EXIT_OWN, Failure, Problem};
use crate::apply::{StateError, sweep};
use crate::types::HostPath;

/// How long a launcher that was told to end may take to clean up by itself.
const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Finishes the undo of the container `id` below `root`; one that runs is ended first if `force` says so.
///
/// # Errors
/// When there is none of that name, when it runs, or something cannot be undone.
pub fn delete(root: &HostPath, id: &ContainerId, force: bool) -> Result<(), Failure> {
    let directory = Path::new(root.as_str()).join(id.as_str());
    if !directory.is_dir() {
        let hint = format!("state is looked for in {root}; --root DIR says another place");
        return Err(Problem::of(&StateError::Absent { id: id.to_string() }).hint(hint).into());
    }
    let journal = directory.join("journal");
    if let Some(launcher) = launcher(&journal) {
        if !force {
            let text = format!("{id}: running, started by process {launcher}");
            return Err(Problem::new(text).hint("--force ends it").into());
        }
        end(launcher, &journal);
    }
    let swept = sweep(Path::new(root.as_str())).into_iter().find(|swept| swept.id == id.as_str());
    let left = swept.map(|swept| swept.left_behind).unwrap_or_default();
    let problems = left.iter().map(|left| Problem::new(left.to_string()).at(id));
    let mut problems: Vec<Problem> = problems.collect();
    if problems.is_empty() && directory.is_dir() && journal.exists() {
        problems.push(Problem::new(format!("{id}: still in use")));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Failure { exit: EXIT_OWN, problems }),
    }
}

/// The process that holds the lock on a journal.
fn launcher(journal: &Path) -> Option<i32> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(journal).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let device = found.dev();
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    holder(&locks, &format!("{major:02x}:{minor:02x}:{}", found.ino()))
}

/// The pid in the line of `/proc/locks` about a file; 0 and -1 stand for processes that cannot be seen from here.
fn holder(locks: &str, file: &str) -> Option<i32> {
    let mut lines = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|words| words.get(1) == Some(&"FLOCK") && words.get(5) == Some(&file))?;
    line.get(4)?.parse().ok().filter(|pid| *pid > 1)
}

/// Asks a launcher to end, which ends its container and cleans up; one that does not is killed, and its container dies
/// with it.
fn end(launcher: i32, journal: &Path) {
    let pid = Pid::from_raw(launcher);
    for (signal, patience) in [(Signal::SIGTERM, GRACE), (Signal::SIGKILL, GRACE)] {
        let _ = kill(pid, signal);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            // The lock says whose process it is; the pid alone might be another's by now.
            if self::launcher(journal) != Some(launcher) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 fe:00:42 0 EOF\n\
             2: FLOCK  ADVISORY  WRITE 4711 fe:00:42 0 EOF\n2: -> FLOCK ADVISORY WRITE 5 fe:00:42 0 EOF\n\
             3: FLOCK  ADVISORY  WRITE 0 fe:00:43 0 EOF\n";
        assert_eq!(holder(locks, "fe:00:42"), Some(4711));
        assert_eq!(holder(locks, "fe:00:43"), None);
        assert_eq!(holder(locks, "fe:00:4"), None);
    }
}
