//! What the tests here need: a running container with its cgroup, a cgroup of processes of our own, a load, patience.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio as Std};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nsplan::apply::{self, CgroupHandle, Container, Io, Stdio};
use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, PathComponent, Resources,
};
use nsplan::facts::{CgroupFacts, HostFacts, Needs};
use nsplan::types::{HostPath, Signal};

use crate::support::{Scratch, planned, shell, skip};

/// Long enough for anything that happens at all, on any machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A name that no other test has.
pub(crate) fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("nsplan-test-cg-{}-{number}", std::process::id())
}

/// Waits for what must come.
#[track_caller]
pub(crate) fn wait_for(what: &str, is_so: impl FnMut() -> bool) {
    assert!(comes(is_so), "{what}: not after {LONG:?}");
}

pub(crate) fn comes(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + LONG;
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

pub(crate) fn cgroup_facts() -> CgroupFacts {
    let needs = Needs { cgroup: true, mounts: true, ..Needs::default() };
    let facts: HostFacts = apply::probe::probe(&needs).expect("facts of this host");
    facts.cgroup.expect("the cgroup tree")
}

/// Whether this host has v1 hierarchies with these controllers; says so when it does not.
#[track_caller]
pub(crate) fn has_v1(controllers: &[&str]) -> bool {
    let facts = cgroup_facts();
    let missing = controllers.iter().find(|controller| facts.v1(controller).is_none());
    if let Some(controller) = missing {
        skip(&format!("no v1 hierarchy with {controller}"));
    }
    missing.is_none()
}

/// `config` in a cgroup of its own below the root of each hierarchy.
pub(crate) fn limited(mut config: Config, resources: Resources) -> Config {
    let parts = vec![PathComponent::new(&name()).unwrap()];
    let path = CgroupPath { base: CgroupBase::Root, parts };
    config.cgroup = Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources });
    config
}

/// A running container. Dropped, it goes on if it was frozen, is killed, and is undone.
pub(crate) struct Running {
    pub(crate) container: Container,
    pub(crate) cgroup: CgroupHandle,
    input: std::io::PipeWriter,
    output: std::io::PipeReader,
    _root: Scratch,
}

impl Running {
    /// A shell script in a container with such limits.
    pub(crate) fn new(root: Scratch, script: &str, resources: Resources) -> Self {
        let config = limited(shell(&root, script), resources);
        Self::of(root, &config)
    }

    pub(crate) fn of(root: Scratch, config: &Config) -> Self {
        let plan = planned(config).unwrap_or_else(|errors| panic!("no plan: {errors:#?}"));
        let cgroup = CgroupHandle::of(&plan).expect("a cgroup of its own");
        let (input_reader, input) = std::io::pipe().expect("a pipe");
        let (output, output_writer) = std::io::pipe().expect("a pipe");
        let errors = output_writer.try_clone().expect("a copy");
        let stdio = [
            Stdio::Fd(input_reader.into()),
            Stdio::Fd(output_writer.into()),
            Stdio::Fd(errors.into()),
        ];
        let container = apply::spawn(&plan, Io { stdio, ..Io::default() });
        let container = container.unwrap_or_else(|error| panic!("cannot start: {error}"));
        Self { container, cgroup, input, output, _root: root }
    }

    /// What `read` in the script waits for.
    pub(crate) fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("somebody who reads");
    }

    /// What is written up to and with `word`.
    #[track_caller]
    pub(crate) fn hear(&mut self, word: &str) -> String {
        let mut text = String::new();
        let mut byte = [0];
        while !text.contains(word) {
            let length = self.output.read(&mut byte).expect("what was written");
            assert_ne!(length, 0, "ended without `{word}`: {text}");
            text.push(char::from(byte[0]));
        }
        text
    }

    /// A file of its cgroup, from whichever directory has it.
    #[track_caller]
    pub(crate) fn file(&self, name: &str) -> String {
        let found = self.cgroup.directories().iter().map(|directory| directory.child(name));
        let text = found.filter_map(|path| fs::read_to_string(path.as_str()).ok()).next();
        text.unwrap_or_else(|| panic!("no {name} in {:?}", self.cgroup)).trim().to_owned()
    }

    /// The end of it: killed, waited for, undone.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.container.kill(Signal::KILL).expect("it runs");
        self.container.wait().expect("its end, and everything undone");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.cgroup.thaw(LONG);
        let _ = self.container.kill(Signal::KILL);
        let _ = self.container.wait();
    }
}

/// A cgroup for processes that are children of the test. Dropped, it takes them with it.
pub(crate) struct Group {
    pub(crate) cgroup: CgroupHandle,
    children: Vec<Child>,
}

impl Group {
    /// In the v1 hierarchies of these controllers.
    pub(crate) fn v1(controllers: &[&str]) -> Self {
        let (facts, name) = (cgroup_facts(), name());
        let directory = |controller: &&str| {
            facts.v1(controller).expect("the hierarchy").mount_point.child(&name)
        };
        Self::with(CgroupHandle::v1(controllers.iter().map(directory)))
    }

    /// In the v2 tree, if there is one; says so if there is none.
    #[track_caller]
    pub(crate) fn v2() -> Option<Self> {
        let unified = cgroup_facts().unified;
        if unified.is_none() {
            skip("no v2 tree");
        }
        let directory = unified?.mount_point.child(&name());
        Some(Self::with(CgroupHandle::v2(directory)))
    }

    fn with(cgroup: CgroupHandle) -> Self {
        for directory in cgroup.directories() {
            fs::create_dir(directory.as_str()).unwrap_or_else(|e| panic!("{directory}: {e}"));
        }
        Self { cgroup, children: Vec::new() }
    }

    /// One directory, as a path of the standard library.
    pub(crate) fn directory(&self, index: usize) -> &HostPath {
        &self.cgroup.directories()[index]
    }

    /// Runs a script in it: the shell waits until it is there.
    pub(crate) fn run(&mut self, script: &str) -> u32 {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("read go; {script}")]).stdin(Std::piped());
        let mut child = command.stdout(Std::null()).stderr(Std::null()).spawn().expect("sh");
        let pid = child.id();
        self.take(pid);
        child.stdin.take().expect("a pipe").write_all(b"go\n").expect("it reads");
        self.children.push(child);
        pid
    }

    /// Moves a child of ours into it.
    pub(crate) fn take(&self, pid: u32) {
        for directory in self.cgroup.directories() {
            let file = directory.child("cgroup.procs");
            fs::write(file.as_str(), pid.to_string()).unwrap_or_else(|e| panic!("{file}: {e}"));
        }
    }

    pub(crate) fn adopt(&mut self, child: Child) {
        self.take(child.id());
        self.children.push(child);
    }

    /// What is waited for is no zombie any more.
    pub(crate) fn reap(&mut self) {
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.cgroup.thaw(LONG);
        let killed = self.cgroup.kill(LONG);
        // Should the kill be at fault: whoever stays frozen on v1 stays for ever.
        let _ = self.cgroup.thaw(LONG);
        // One that never came into the cgroup.
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let left = self.cgroup.remove(LONG);
        if !std::thread::panicking() {
            assert!(killed.is_ok() && left.is_empty(), "{killed:?} {left:?}");
        }
    }
}

/// A shell that takes CPU time for ever.
pub(crate) const BUSY: &str = "while :; do :; done";

/// A shell that forks all the time: each child lives for a moment.
pub(crate) const FORKING: &str = "while :; do sleep 0.05 & sleep 0.002; done";
