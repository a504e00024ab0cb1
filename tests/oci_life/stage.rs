//! A container by its name, and the commands of its life.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::bundle::{Bundle, said};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A container; what is left of it at the end of a test is ended.
pub(crate) struct Life {
    pub(crate) bundle: Bundle,
    pub(crate) id: String,
}

impl Life {
    /// Of the program `sh -c script`. Its process becomes this one's child once the command that makes it has gone, as it
    /// becomes an engine's.
    pub(crate) fn new(name: &str, script: &str) -> Self {
        Self::of(Bundle::new(name).set("/process/args", json!(["sh", "-c", script])))
    }

    pub(crate) fn of(bundle: Bundle) -> Self {
        set_child_subreaper(true).unwrap();
        let _ = bundle.runner(None);
        let id = bundle.id();
        Self { bundle, id }
    }

    /// A command about it.
    pub(crate) fn output(&self, words: &[&str]) -> Output {
        self.bundle.command(words).output().unwrap()
    }

    /// The same, that must work.
    #[track_caller]
    pub(crate) fn done(&self, words: &[&str]) -> String {
        said(&self.output(words))
    }

    /// Exit code and standard error of one that must not.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) -> (i32, String) {
        let output = self.output(words);
        assert!(!output.status.success(), "{words:?} was done");
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn here(&self) -> String {
        self.bundle.directory().to_str().unwrap().to_owned()
    }

    pub(crate) fn created(&self) -> Pid {
        let file = self.bundle.directory().join("pid");
        let words = ["create", "--bundle", &self.here(), "--pid-file", file.to_str().unwrap()];
        // Standard output is the container's too: a pipe would be waited for until its end.
        let mut command = self.bundle.command(&words);
        let out = fs::File::create(self.out()).unwrap();
        let status = command.arg(&self.id).stdout(out).status().unwrap();
        assert!(status.success(), "{status}");
        let pid = fs::read_to_string(file).unwrap();
        Pid::from_raw(pid.parse().unwrap())
    }

    /// Runs a command whose streams the container keeps, which goes on after it: not by pipes, they would be waited for.
    pub(crate) fn leaves(&self, words: &[&str]) -> (bool, String) {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = self.bundle.directory().join(format!("error-{number}"));
        let mut command = self.bundle.command(words);
        command.stdout(Stdio::null()).stderr(fs::File::create(&file).unwrap());
        (command.status().unwrap().success(), fs::read_to_string(file).unwrap())
    }

    /// What its program prints goes there.
    pub(crate) fn out(&self) -> PathBuf {
        self.bundle.directory().join("out")
    }

    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(self.out()).unwrap()
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&self.done(&["state", &self.id])).unwrap()
    }

    #[track_caller]
    pub(crate) fn is(&self, status: &str) {
        assert_eq!(self.state()["status"], status);
    }

    /// Nothing is left on the host that has its name.
    #[track_caller]
    pub(crate) fn is_gone(&self) {
        let state = self.bundle.directory().join("state");
        let left: Vec<_> = fs::read_dir(&state).map_or_else(
            |_| Vec::new(),
            |entries| entries.map(|entry| entry.unwrap().file_name()).collect(),
        );
        assert!(!left.iter().any(|name| name == self.id.as_str()), "{left:?}");
        assert_eq!(cgroups_named(&self.id), Vec::<PathBuf>::new());
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.output(&["delete", "--force", &self.id]);
    }
}

/// How it ended; the exit code, or the number of the signal and 128.
pub(crate) fn ended(pid: Pid) -> i32 {
    match waitpid(pid, None).unwrap() {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        other => panic!("{other:?}"),
    }
}

/// The directories of that name in the trees of control groups, one level down: where a bundle that names no place is put.
fn cgroups_named(id: &str) -> Vec<PathBuf> {
    let trees = fs::read_dir("/sys/fs/cgroup").unwrap().map(|tree| tree.unwrap().path().join(id));
    let whole = PathBuf::from("/sys/fs/cgroup").join(id);
    trees.chain([whole]).filter(|directory| directory.exists()).collect()
}
