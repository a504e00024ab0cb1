//! A command becomes its plan and the trace of its run.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nsplan::plan::Plan;

use crate::compare::compare;
use crate::events::{Actors, events};
use crate::expected::{Around, Item, expected};
use crate::strace::parse;
use crate::support::{Scratch, USER, is_root, rootfs, skip};

/// Whether strace may trace here; says so if not.
pub(crate) fn can_trace() -> bool {
    if !is_root() {
        return false;
    }
    let answer = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let can = answer.is_ok_and(|output| output.status.success());
    if !can {
        skip("strace (package strace) is missing or may not trace");
    }
    can
}

/// Where a command is run, and as whom.
pub(crate) struct Scene {
    scratch: Scratch,
    program: PathBuf,
    user: Option<u32>,
}

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
        let scratch = Scratch::new(&format!("trace-{name}"));
        Self { scratch, program: env!("CARGO_BIN_EXE_nsplan").into(), user: None }
    }

    /// With a copy of the program where the user may read it.
    pub(crate) fn of_user(name: &str) -> Self {
        let mut scene = Self::new(name);
        let copy = scene.path("nsplan");
        let status = Command::new("cp").arg(&scene.program).arg(&copy).status().unwrap();
        assert!(status.success());
        nix::unistd::chown(scene.scratch.path(), Some(USER.into()), Some(USER.into())).unwrap();
        (scene.program, scene.user) = (copy, Some(USER));
        scene
    }

    /// A name that no other test's cgroup has.
    pub(crate) fn unique(&self, name: &str) -> String {
        format!("trace-{name}-{}", std::process::id())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn state(&self) -> String {
        self.path("state").to_str().unwrap().to_owned()
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.stdin(Stdio::null()).current_dir("/").env("HOME", "/");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn plan(&self, args: &[&str]) -> Plan {
        let mut command = self.command(&self.program);
        let output = command.args(["plan", "--json"]).args(args).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        Plan::from_json(&String::from_utf8_lossy(&output.stdout)).unwrap()
    }

    fn trace(&self, args: &[&str]) -> Actors {
        let file = self.path("trace");
        let mut command = self.command("strace");
        command.args(["-f", "-s", "65536", "-o"]).arg(&file);
        command.arg(&self.program).args(["--root", &self.state()]).args(args);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        read(&file)
    }

    /// What a command writes where whoever forks gets on with it only when the child has long done so.
    pub(crate) fn with_late_parents(&self, args: &[&str]) -> String {
        let mut command = self.command("strace");
        command.args(["-f", "-o", "/dev/null", "-e", "inject=clone:delay_exit=300000"]);
        command.arg(&self.program).args(["--root", &self.state()]).args(args);
        let output = command.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the command does before the plan and beside it.
    ///
    /// The program's own file is put out of the reach of a container that could write to it (`apply/seal.rs`).
    fn around(&self, id: &str, is_exposed: bool) -> Around {
        let mut before = vec![Item::Do(format!("execve {}", self.program.display()))];
        if is_exposed {
            let own = "mount(host:/proc/self/exe)";
            let calls = [
                format!("open_tree {own}"),
                format!("mount_setattr {own} +MOUNT_ATTR_RDONLY -"),
                "prctl PR_SET_MM PR_SET_MM_MAP".to_owned(),
            ];
            before.extend(calls.map(Item::Do));
        }
        before.push(Item::Do(format!("mkdir host:{} 0700", self.state())));
        // Of a terminal, the end of the caller's input is passed on.
        let after = vec![Item::May("write master \"\\u{4}\"".into())];
        Around { before, after, state: Some((self.state(), id.to_owned())), is_sealed: is_exposed }
    }

    /// `nsplan do`: the same words as for `nsplan plan`.
    pub(crate) fn check(&self, args: &[&str]) {
        let name = args.iter().skip_while(|arg| **arg != "--name").nth(1).unwrap();
        let plan = self.plan(&args[1..]);
        let around = self.around(name, self.user.is_none());
        let answer = compare(&expected(&plan, &around), &self.trace(args));
        answer.unwrap_or_else(|why| panic!("{args:?}\n{plan}\n{why}"));
    }

    /// `nsplan run` of one of the seed's samples, whose cgroup gets a name of its own.
    pub(crate) fn check_sample(&self, name: &str) {
        let root = rootfs(&format!("trace-{name}"));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sample = format!("tests/configs/libcontainer/seed-2015-02/{name}.json");
        let text = fs::read_to_string(folder.join(sample)).unwrap();
        let text = text.replace("docker-koye", &self.unique(name));
        fs::write(root.path().join("container.json"), text).unwrap();
        if name == "userns" {
            nix::unistd::chown(root.path(), Some(1000.into()), Some(1000.into())).unwrap();
        }
        let bundle = root.path().to_str().unwrap();
        let plan = self.plan(&["--bundle", bundle, "--", "true"]);
        let trace = self.trace(&["run", "--bundle", bundle, "one", "--", "true"]);
        let around = self.around("one", true);
        let answer = compare(&expected(&plan, &around), &trace);
        answer.unwrap_or_else(|why| panic!("{name}\n{plan}\n{why}"));
    }
}

fn read(file: &Path) -> Actors {
    let text = fs::read(file).unwrap();
    let calls = parse(&String::from_utf8_lossy(&text)).unwrap_or_else(|error| panic!("{error}"));
    events(&calls)
}

/// Before the helper spawns, it only begins.
pub(crate) fn of_helper() -> Vec<Item> {
    vec![Item::Do(format!("execve {}", std::env::current_exe().unwrap().display()))]
}

/// The plan carried out by the library, in a test program of its own.
pub(crate) fn helper_trace(plan: &Plan) -> Actors {
    let scratch = Scratch::new("trace-helper");
    let file = scratch.path().join("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-s", "65536", "-o"]).arg(&file);
    command.arg(std::env::current_exe().unwrap()).args(["helper", "--exact", "--nocapture"]);
    command.env("NSPLAN_TRACE_PLAN", plan.to_json()).stdin(Stdio::null());
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    read(&file)
}
