//! A bundle for a test: the template of `nsplan spec`, changed as the test likes, around a root of busybox.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{Scratch, rootfs};

/// A bundle, the program beside it for all to read, and who runs it.
pub(crate) struct Bundle {
    root: Scratch,
    beside: Scratch,
    config: Value,
    user: Option<u32>,
}

impl Bundle {
    /// What root starts.
    pub(crate) fn new(name: &str) -> Self {
        Self::of(name, None)
    }

    /// What `user` starts, to whom all of it belongs.
    pub(crate) fn rootless(name: &str, user: u32) -> Self {
        Self::of(name, Some(user))
    }

    fn of(name: &str, user: Option<u32>) -> Self {
        let root = rootfs(&format!("oci-{name}"));
        let beside = Scratch::new("oci-beside");
        let status = Command::new("cp")
            .args([Path::new(env!("CARGO_BIN_EXE_nsplan")), &beside.path().join("nsplan")])
            .status();
        assert!(status.unwrap().success());
        let mut bundle = Self { root, beside, config: Value::Null, user };
        for scratch in [&bundle.root, &bundle.beside] {
            if let Some(user) = user {
                let mut chown = Command::new("chown");
                chown.args(["-hR", &format!("{user}:{user}")]).arg(scratch.path());
                assert!(chown.status().unwrap().success());
            }
        }
        let here = bundle.beside.path().to_str().unwrap().to_owned();
        let mut spec = bundle.command(&["spec", "--bundle", &here]);
        said(&spec.args(user.map(|_| "--rootless")).output().unwrap());
        let text = fs::read_to_string(bundle.file()).unwrap();
        bundle.config = serde_json::from_str(&text).unwrap();
        bundle.config["process"]["terminal"] = json!(false);
        bundle.config["root"] = json!({ "path": bundle.root.path() });
        bundle
    }

    /// The root file system.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// Where the configuration and what else a test needs is.
    pub(crate) fn directory(&self) -> &Path {
        self.beside.path()
    }

    fn file(&self) -> PathBuf {
        self.beside.path().join("config.json")
    }

    /// A name that no other test's container has.
    pub(crate) fn id(&self) -> String {
        self.path().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Sets what the JSON pointer leads to; missing objects on the way are made.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let place = parent.split('/').skip(1).fold(&mut self.config, |at, key| &mut at[key]);
        place[key] = value;
        self
    }

    /// Adds to the array that the JSON pointer leads to.
    pub(crate) fn push(mut self, pointer: &str, value: Value) -> Self {
        let place = pointer.split('/').skip(1).fold(&mut self.config, |at, key| &mut at[key]);
        match place {
            Value::Array(items) => items.push(value),
            other => *other = json!([value]),
        }
        self
    }

    /// The mounts but for the one on `destination`.
    pub(crate) fn without_mount(mut self, destination: &str) -> Self {
        let mounts = self.config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["destination"] != destination);
        self
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.beside.path().join("nsplan"));
        command.arg("--root").arg(self.beside.path().join("state")).args(args);
        command.stdin(Stdio::null()).current_dir("/").env_remove("XDG_RUNTIME_DIR");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// The command that runs `script`, or what the configuration says.
    pub(crate) fn runner(&self, script: Option<&str>) -> Command {
        let text = serde_json::to_string_pretty(&self.config).unwrap();
        fs::write(self.file(), text).unwrap();
        let here = self.beside.path().to_str().unwrap().to_owned();
        let mut command = self.command(&["run", "--bundle", &here, &self.id()]);
        if let Some(script) = script {
            command.args(["--", "sh", "-c", script]);
        }
        command
    }

    /// The container at work: it says one line and stays until it is dropped.
    #[track_caller]
    pub(crate) fn start(&self) -> Running<'_> {
        let mut command = self.runner(Some("echo up; exec sleep 1000"));
        let mut launcher = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(launcher.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let running = Running { bundle: self, launcher };
        assert_eq!(line, "up\n");
        running
    }

    /// What the script says, to its end.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> String {
        said(&self.runner(Some(script)).output().unwrap())
    }

    /// Exit code and standard error of what cannot be started.
    pub(crate) fn refusal(&self) -> (i32, String) {
        let output = self.runner(Some("true")).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The plan, as text.
    #[track_caller]
    pub(crate) fn plan(&self) -> String {
        let _ = self.runner(None);
        let here = self.beside.path().to_str().unwrap().to_owned();
        said(&self.command(&["plan", "--bundle", &here]).output().unwrap())
    }
}

/// A container at work.
pub(crate) struct Running<'a> {
    bundle: &'a Bundle,
    launcher: Child,
}

impl Running<'_> {
    /// The command that has started it.
    pub(crate) fn launcher(&self) -> u32 {
        self.launcher.id()
    }

    /// The command that runs `script` in it beside its own program.
    pub(crate) fn joiner(&self, script: &str) -> Command {
        self.bundle.command(&["exec", &self.bundle.id(), "sh", "-c", script])
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.bundle.command(&["kill", &self.bundle.id(), "KILL"]).status();
        let _ = self.launcher.wait();
    }
}

#[track_caller]
pub(crate) fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {text}\n{error}", output.status);
    text
}

/// A shell that becomes that command once it has done something to itself.
pub(crate) fn after(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}
