//! Real containers for tests: a root file system of busybox, a config around it, and what came out of it.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nsplan::apply::{self, ApplyError, ExitStatus, Io, Stdio, probe};
use nsplan::config::{Config, from_libcontainer};
use nsplan::facts::HostFacts;
use nsplan::plan::{Plan, PlanError, needs, plan};
use nsplan::types::HostPath;

#[path = "../support/rounds.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod many;
#[allow(unused_imports, reason = "other test programs use the rest")]
pub(crate) use many::{fewer, rounds};

/// The user that tests become when they must be an ordinary one.
pub(crate) const USER: u32 = 1000;

/// Says which fact is missing; where nothing may be skipped that is a failure.
#[track_caller]
pub(crate) fn skip(fact: &str) {
    assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "cannot run: {fact}");
    println!("skipped: {fact}");
}

/// Whether the tests run as root; says so when they do not.
#[track_caller]
pub(crate) fn is_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        skip("not root");
    }
    is_root
}

/// A directory that goes away with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nsplan-test-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn host_path(&self) -> HostPath {
        HostPath::new(self.0.to_str().expect("UTF-8")).expect("absolute")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Looks until there is what is looked for.
#[track_caller]
pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Copies a program in a process of its own: a descriptor open for writing here would be in the children that other tests
/// start at this moment, and the program could not be run (`ETXTBSY`).
fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "cp {} {}", from.display(), to.display());
}

/// A root file system: Debian's static busybox under its usual names, accounts, and empty directories.
pub(crate) fn rootfs(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    let top = scratch.path();
    for dir in ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "home"] {
        fs::create_dir(top.join(dir)).unwrap();
    }
    let busybox = Path::new("/bin/busybox");
    assert!(busybox.exists(), "cannot run: /bin/busybox (package busybox-static) is missing");
    copy_program(busybox, &top.join("bin/busybox"));
    let applets = [
        "sh", "id", "cat", "ls", "mount", "hostname", "ps", "true", "echo", "stat", "readlink",
        "sleep", "kill", "umask", "grep", "touch", "mkdir", "test", "ip", "head", "wc", "env",
        "dd", "chown", "rmdir", "mknod", "find", "sync", "stty", "tty",
    ];
    for applet in applets {
        symlink("busybox", top.join("bin").join(applet)).unwrap();
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/sh\n1234:x:77:77::/:\n";
    fs::write(top.join("etc/passwd"), passwd).unwrap();
    fs::write(top.join("etc/group"), "root:x:0:\ndaemon:x:1:\nextra:x:500:daemon\n").unwrap();
    scratch
}

/// A sandbox on `root` that runs a shell script.
pub(crate) fn shell(root: &Scratch, script: &str) -> Config {
    let with_userns = !nix::unistd::geteuid().is_root();
    let args = ["sh", "-c", script].map(String::from).to_vec();
    let mut config = Config::sandbox(root.host_path(), args, with_userns);
    config.root.readonly = false;
    config.root.readonly_recursive = false;
    config
}

/// A sample of the seed's, on `root`, running a shell script.
pub(crate) fn sample(name: &str, root: &Scratch, script: &str) -> Config {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/configs/libcontainer/seed-2015-02")
        .join(format!("{name}.json"));
    let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut config = from_libcontainer(&text, &root.host_path())
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        .config;
    let process = config.process.as_mut().expect("a process");
    process.args = ["sh", "-c", script].map(String::from).to_vec();
    process.terminal = false;
    // Two runs at once must not share a cgroup.
    if let Some(cgroup) = &mut config.cgroup {
        let name = root.path().file_name().and_then(OsStr::to_str).expect("a name");
        cgroup.path.parts = vec![nsplan::config::PathComponent::new(name).expect("a name")];
    }
    config
}

/// What a container left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.status.code(), 0, "out: {}\nerr: {}", self.out, self.err);
        self.out
    }
}

pub(crate) fn facts(config: &Config) -> HostFacts {
    probe::probe(&needs(config)).expect("facts of this host")
}

/// Plans for this host.
pub(crate) fn planned(config: &Config) -> Result<Plan, Vec<PlanError>> {
    plan(config, &facts(config))
}

/// Plans and runs, and gives back what was written.
#[track_caller]
pub(crate) fn run(config: &Config) -> Outcome {
    try_run(config).unwrap_or_else(|error| panic!("cannot start: {error}"))
}

#[track_caller]
pub(crate) fn try_run(config: &Config) -> Result<Outcome, ApplyError> {
    let plan = planned(config).unwrap_or_else(|errors| panic!("cannot be planned: {errors:#?}"));
    run_plan(&plan)
}

pub(crate) fn run_plan(plan: &Plan) -> Result<Outcome, ApplyError> {
    let (mut out_reader, out_writer) = std::io::pipe().expect("a pipe");
    let (mut err_reader, err_writer) = std::io::pipe().expect("a pipe");
    let stdio = [Stdio::Null, Stdio::Fd(out_writer.into()), Stdio::Fd(err_writer.into())];
    let mut container = apply::spawn(plan, Io { stdio, ..Io::default() })?;
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        err_reader.read_to_string(&mut text).map(|_| text)
    });
    let mut out = String::new();
    out_reader.read_to_string(&mut out).expect("what was written");
    let err = errors.join().expect("the reader").expect("what was written");
    let status = container.wait().expect("its end");
    Ok(Outcome { status, out, err })
}

/// Runs this test again as an ordinary user, in a copy of the test program that the user can read.
///
/// Gives `true` in that second run: then the test does its work.
#[track_caller]
pub(crate) fn as_user(test: &str) -> bool {
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        return true;
    }
    let scratch = Scratch::new("user");
    let program = scratch.path().join("test");
    copy_program(&std::env::current_exe().unwrap(), &program);
    let home = scratch.path().join("tmp");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o1777)).unwrap();
    let mut command = Command::new(&program);
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
    command.env("TMPDIR", &home).env("HOME", &home).current_dir("/");
    command.uid(USER).gid(USER);
    let output = command.output().expect("the test program");
    let text = String::from_utf8_lossy(&output.stdout);
    let has_run = text.contains("1 passed");
    assert!(
        output.status.success() && has_run,
        "as user {USER}:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
