//! A root file system, and containers started in it, for tests.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use nsplan::apply::{self, ApplyError, Container, ExitStatus, Io, StateDir, Stdio};
use nsplan::config::{Config, NamespaceSource};
use nsplan::plan::{self, Plan};
use nsplan::types::{HostPath, NamespaceKind};

/// A directory that is removed with everything in it.
pub(crate) struct Scratch(PathBuf);

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    pub(crate) fn new() -> Self {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nsplan-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A root file system of busybox and a few directories.
pub(crate) struct Rootfs {
    scratch: Scratch,
    _busybox: Arc<Scratch>,
    _turn: Turn,
}

/// Tests run at once, but for those that count what the whole process holds.
#[allow(dead_code, reason = "the guards are only held")]
enum Turn {
    Together(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

static TURNS: RwLock<()> = RwLock::new(());

/// One copy for all roots that live, made while there is none: a container started meanwhile would hold the file open
/// for writing, and nobody could execute it (`ETXTBSY`).
fn busybox() -> Arc<Scratch> {
    static SHARED: Mutex<Weak<Scratch>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(scratch) = shared.upgrade() {
        return scratch;
    }
    let scratch = Arc::new(Scratch::new());
    fs::copy("/bin/busybox", scratch.path().join("busybox")).unwrap();
    *shared = Arc::downgrade(&scratch);
    scratch
}

const APPLETS: [&str; 24] = [
    "sh", "cat", "ls", "id", "sleep", "true", "false", "kill", "readlink", "stat", "hostname",
    "mount", "ifconfig", "tty", "stty", "pwd", "grep", "env", "touch", "wc", "mkdir", "dd", "echo",
    "ulimit",
];

impl Rootfs {
    pub(crate) fn new() -> Self {
        Self::make(Turn::Together(TURNS.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// While no other test has one.
    pub(crate) fn alone() -> Self {
        Self::make(Turn::Alone(TURNS.write().unwrap_or_else(PoisonError::into_inner)))
    }

    fn make(turn: Turn) -> Self {
        let scratch = Scratch::new();
        for directory in ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "run", "data"] {
            fs::create_dir(scratch.path().join(directory)).unwrap();
        }
        let busybox = busybox();
        fs::hard_link(busybox.path().join("busybox"), scratch.path().join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", scratch.path().join("bin").join(applet)).unwrap();
        }
        Self { scratch, _busybox: busybox, _turn: turn }
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn host_path(&self) -> HostPath {
        host_path(self.path())
    }

    /// The default container, running a shell script.
    pub(crate) fn shell(&self, script: &str) -> Config {
        self.config(&["sh", "-c", script])
    }

    pub(crate) fn config(&self, args: &[&str]) -> Config {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Config::sandbox(self.host_path(), args, false)
    }
}

pub(crate) fn host_path(path: &Path) -> HostPath {
    HostPath::new(path.to_str().unwrap()).unwrap()
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub(crate) fn with_userns(mut config: Config) -> Config {
    config.namespaces.insert(NamespaceKind::User, NamespaceSource::Create);
    config
}

/// A name for a cgroup that no other test has.
pub(crate) fn cgroup_name() -> String {
    format!("nsplan-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A cgroup of its own below the caller's, with a limit on processes.
pub(crate) fn with_cgroup(mut config: Config, name: &str) -> Config {
    use nsplan::config::{Cgroup, CgroupBase, CgroupDriver, CgroupPath, Limit, PathComponent};
    let part = |text| PathComponent::new(text).unwrap();
    let path = CgroupPath { base: CgroupBase::Root, parts: vec![part(name), part("inner")] };
    let resources = nsplan::config::Resources {
        pids: Some(Limit::At(64)),
        ..nsplan::config::Resources::default()
    };
    config.cgroup = Some(Cgroup { path, driver: CgroupDriver::Cgroupfs, resources });
    config
}

/// Directories of that name in any cgroup tree.
pub(crate) fn cgroups_named(name: &str) -> Vec<PathBuf> {
    let trees = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    let places = trees.chain([PathBuf::from("/sys/fs/cgroup")]);
    places.map(|tree| tree.join(name)).filter(|path| path.exists()).collect()
}

/// Whether cgroups can be made here; if not, says so, and a run that may not skip fails.
pub(crate) fn can_make_cgroups(test: &str) -> bool {
    let name = format!("{}-probe", cgroup_name());
    let trees = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    let can = trees.filter(|entry| entry.path().is_dir()).any(|entry| {
        let path = entry.path().join(&name);
        fs::create_dir(&path).is_ok_and(|()| fs::remove_dir(&path).is_ok())
    });
    if !can {
        skip(&format!("{test}: needs writable cgroups"));
    }
    can
}

/// Says what is missing; a run that may not skip fails.
#[allow(clippy::print_stdout, reason = "the reader of a test run is told what was skipped")]
pub(crate) fn skip(fact: &str) {
    assert!(std::env::var_os("NSPLAN_NO_SKIP").is_none(), "cannot run: {fact}");
    println!("skipped: {fact}");
}

pub(crate) fn plan(config: &Config) -> Plan {
    let facts = apply::probe::probe(&plan::needs(config)).unwrap();
    plan::plan(config, &facts).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Starts it with standard output in a pipe.
pub(crate) fn start(plan: &Plan) -> Result<(Container, File), ApplyError> {
    start_in(plan, None)
}

pub(crate) fn start_in(
    plan: &Plan,
    state: Option<StateDir>,
) -> Result<(Container, File), ApplyError> {
    let (read, write) = std::io::pipe().unwrap();
    let copy = write.try_clone().unwrap();
    let (out, err) = (Stdio::Fd(OwnedFd::from(write)), Stdio::Fd(OwnedFd::from(copy)));
    let io = Io { stdio: [Stdio::Null, out, err], state, ..Io::default() };
    apply::spawn(plan, io).map(|container| (container, File::from(OwnedFd::from(read))))
}

/// Runs it to its end: how it ended, and what it wrote.
#[track_caller]
pub(crate) fn run(plan: &Plan) -> (ExitStatus, String) {
    let (mut container, mut output) = start(plan).unwrap_or_else(|error| panic!("{error}\n{plan}"));
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    (container.wait().unwrap(), text)
}

/// The output of a script in the default container, changed by `change`.
#[track_caller]
pub(crate) fn says(script: &str, change: impl FnOnce(&mut Config)) -> String {
    let rootfs = Rootfs::new();
    let mut config = rootfs.shell(script);
    change(&mut config);
    let (status, text) = run(&plan(&config));
    assert_eq!(status, ExitStatus::Exited(0), "{text}");
    text.trim().to_owned()
}
