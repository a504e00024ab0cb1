//! A sample becomes a bundle: its file and a root file system of busybox, run and planned by the command.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nsplan::apply::probe;
use nsplan::config::from_libcontainer;
use nsplan::plan::{needs, plan};
use nsplan::types::HostPath;

use crate::support::{Scratch, rootfs};

/// Nobody's number.
const NOBODY: u32 = 65_534;

pub(crate) struct Bundle {
    root: Scratch,
    /// The program and the state, for all to read.
    beside: Scratch,
}

/// A container that runs.
pub(crate) struct Running(Child);

impl Bundle {
    /// As the seed has it, but for the cgroup's name: other runs of the same sample must not meet this one.
    pub(crate) fn new(name: &str) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = format!("tests/configs/libcontainer/seed-2015-02/{name}.json");
        let text = fs::read_to_string(top.join(file)).unwrap();
        let bundle = Self::of(name, text.as_bytes());
        let text = text.replace("docker-koye", &bundle.unique());
        fs::write(bundle.config(), text).unwrap();
        bundle
    }

    /// With that text for a config.
    pub(crate) fn of(name: &str, text: &[u8]) -> Self {
        let root = rootfs(&format!("sample-{name}"));
        let beside = Scratch::new("sample-beside");
        let status = Command::new("cp")
            .args([Path::new(env!("CARGO_BIN_EXE_nsplan")), &beside.path().join("nsplan")])
            .status();
        assert!(status.unwrap().success());
        let bundle = Self { root, beside };
        fs::write(bundle.config(), text).unwrap();
        bundle
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("container.json")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.beside.path().join("state")
    }

    /// A name that no other test's cgroup has.
    pub(crate) fn unique(&self) -> String {
        self.path().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// The root file system becomes that user's, with all that is in it.
    pub(crate) fn give_to(&self, id: u32) {
        let mut chown = Command::new("chown");
        chown.args(["-hR", &format!("{id}:{id}")]).arg(self.path());
        assert!(chown.status().unwrap().success());
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.beside.path().join("nsplan"));
        command.arg("--root").arg(self.state()).args(args).stdin(Stdio::null());
        command
    }

    fn shell(&self, verb: &[&str], script: &str) -> Command {
        let mut command = self.command(verb);
        command.args(["--bundle", self.path().to_str().unwrap()]);
        command.args((verb[0] == "run").then_some("one"));
        command.args(["--", "sh", "-c", script]);
        command
    }

    pub(crate) fn start(&self, script: &str) -> Running {
        let mut command = self.shell(&["run"], script);
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// What the script says, to its end.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> String {
        self.start(script).end()
    }

    /// Exit code and standard error of a run that is refused.
    pub(crate) fn refusal(&self, script: &str) -> (i32, String) {
        let output = self.shell(&["run"], script).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The plan that nobody prints, twice, is that of the library, and the one that is run.
    #[track_caller]
    pub(crate) fn is_planned_alike(&self) {
        let base = HostPath::new(self.path().to_str().unwrap()).unwrap();
        let text = fs::read(self.config()).unwrap();
        let mut config = from_libcontainer(&text, &base).unwrap().config;
        let process = config.process.as_mut().unwrap();
        process.args = ["sh", "-c", "true"].map(String::from).to_vec();
        let mut facts = probe::probe(&needs(&config)).unwrap();
        // The command has one, this test has more.
        facts.caller.threads = 1;
        let computed = plan(&config, &facts).unwrap();

        let file = self.beside.path().join("facts.json");
        fs::write(&file, serde_json::to_string(&facts).unwrap()).unwrap();
        let host = file.to_str().unwrap();
        let printed = || {
            let mut command = self.shell(&["plan", "--json", "--host", host], "true");
            said(&command.uid(NOBODY).gid(NOBODY).current_dir("/").output().unwrap())
        };
        let (first, second) = (printed(), printed());
        assert_eq!(first, second, "printed twice");
        assert_eq!(first, computed.to_json(), "printed without privilege, and computed");
        assert_eq!(said(&self.shell(&["plan", "--json"], "true").output().unwrap()), first, "here");
        let run = self.shell(&["run", "--debug"], "true").output().unwrap();
        let (_, run) = (said(&run), String::from_utf8_lossy(&run.stderr).into_owned());
        assert_eq!(run, computed.to_string(), "run");
    }
}

#[track_caller]
fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Running {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Who the container's first process is, seen from outside.
    pub(crate) fn uids(&self) -> Vec<u32> {
        let pid = self.0.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let uid = |child: &str| {
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
            let mut all: Vec<u32> = line.split_whitespace().map(|id| id.parse().unwrap()).collect();
            // Real, effective, saved and of the file system.
            all.dedup();
            all
        };
        children.split_whitespace().flat_map(uid).collect()
    }

    /// What it said on its terminal, which ends lines as a terminal does.
    #[track_caller]
    pub(crate) fn end(mut self) -> String {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let mut error = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}: {text}\n{error}");
        text.replace("\r\n", "\n")
    }
}
