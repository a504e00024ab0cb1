//! criu, called: a running container becomes images, images become one.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use std::env;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as Given};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::container::Container;
use super::error::{ApplyError, Cause};
use super::io::Io;
use super::journal::io_fault;
use super::running::{Running, StateError};
use super::script::Script;
use super::spawn::{Launcher, Started};
use crate::plan::StepId;
use crate::plan::criu::{
    CRIU, CriuCall, CriuOutside, CriuView, InheritedFd, OpenFile, RestorePlan,
};
use crate::sys::abi::{MS_BIND, MS_PRIVATE, MS_REC, O_RDONLY};
use crate::sys::process::{self, Pid};
use crate::sys::{Fault, Fd, Handle, Outcome, Sysno, fd, host, mount};
use crate::types::{CloneFlags, Errno, HostPath, NamespaceKind};

/// How long a container may take to be gone after it was written down.
const LIMIT: Duration = Duration::from_secs(10);

/// Why criu did not do what it was asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CriuError {
    /// There is no such program.
    Absent,
    /// It could not be executed.
    NotRun {
        /// Why.
        problem: String,
    },
    /// It gave up.
    Failed {
        /// What its log says of it.
        words: String,
        /// The log.
        log: HostPath,
    },
    /// A file or directory beside the images.
    File {
        /// Which.
        path: HostPath,
        /// Why it cannot be used.
        problem: String,
    },
    /// The container.
    State(StateError),
    /// A step around it.
    Step(Box<ApplyError>),
}

impl fmt::Display for CriuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "`{CRIU}` is not there: it is what writes processes down"),
            Self::NotRun { problem } => write!(f, "`{CRIU}` cannot be run: {problem}"),
            Self::Failed { words, log } => {
                write!(f, "`{CRIU}` gave up: {words}; all it says is in {log}")
            }
            Self::File { path, problem } => write!(f, "{path}: {problem}"),
            Self::State(error) => error.fmt(f),
            Self::Step(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for CriuError {}

impl From<StateError> for CriuError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// The program, as a shell would find it; `/usr/sbin` and `/sbin` are looked into too.
///
/// # Errors
/// [`CriuError::Absent`].
pub fn find_criu() -> Result<PathBuf, CriuError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let is_program = |file: &PathBuf| {
        fs::metadata(file)
            .is_ok_and(|kind| kind.is_file() && kind.permissions().mode() & 0o111 != 0)
    };
    let mut files = env::split_paths(&path).chain(usual).map(|directory| directory.join(CRIU));
    files.find(is_program).ok_or(CriuError::Absent)
}

/// What has to be known of a container before it can be written down.
///
/// # Errors
/// When its process has ended.
pub fn criu_view(running: &Running) -> Result<CriuView, StateError> {
    let own = Path::new("/proc").join(running.record().pid.to_string());
    let view = look(&own).map_err(|error| io_fault(Sysno::openat, &error))?;
    // What was read was its own if it is still there.
    running.check_joinable()?;
    Ok(view)
}

fn look(own: &Path) -> io::Result<CriuView> {
    let mut view = CriuView {
        mountinfo: fs::read_to_string(own.join("mountinfo"))?,
        own_mountinfo: fs::read_to_string("/proc/self/mountinfo")?,
        ..CriuView::default()
    };
    for number in 0..3_u8 {
        let link = own.join("fd").join(number.to_string());
        let Ok(target) = fs::read_link(&link) else { continue };
        let info = fs::read_to_string(own.join("fdinfo").join(number.to_string()))?;
        let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
        let mount = mount.and_then(|text| text.trim().parse().ok()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        view.descriptors.push(OpenFile {
            number,
            target,
            mount,
            inode: fs::metadata(&link)?.ino(),
        });
    }
    for kind in NamespaceKind::ALL {
        if let Ok(file) = fs::metadata(own.join("ns").join(kind.name())) {
            view.namespaces.insert(kind, file.ino());
        }
    }
    Ok(view)
}

/// Has `program`, which is criu ([`find_criu`]), write a container down. Unless it goes on it has ended when this returns.
///
/// # Errors
/// When criu gives up: the container goes on then.
pub fn checkpoint(
    program: &Path,
    running: &Running,
    call: &CriuCall,
    outside: &CriuOutside,
    (images, ends): (&HostPath, bool),
) -> Result<(), CriuError> {
    make_directory(images)?;
    let file = images.child(CriuOutside::FILE);
    fs::write(file.as_str(), outside.to_json()).map_err(|error| of_file(&file, &error))?;
    criu(program, call)?;
    if ends {
        running.wait_for_end(LIMIT)?;
    }
    Ok(())
}

/// What a container had of the outside when it was written down there.
///
/// # Errors
/// When there is no checkpoint, or not one of ours.
pub fn criu_outside(images: &HostPath) -> Result<CriuOutside, CriuError> {
    let file = images.child(CriuOutside::FILE);
    let text = fs::read_to_string(file.as_str()).map_err(|error| of_file(&file, &error))?;
    CriuOutside::from_json(&text).map_err(|problem| CriuError::File { path: file, problem })
}

fn make_directory(path: &HostPath) -> Result<(), CriuError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path.as_str());
    made.map_err(|error| of_file(path, &error))
}

fn of_file(path: &HostPath, error: &io::Error) -> CriuError {
    CriuError::File { path: path.clone(), problem: error.to_string() }
}

/// Runs it to its end. What it prints is in its log.
fn criu(program: &Path, call: &CriuCall) -> Result<(), CriuError> {
    let mut command = Command::new(program);
    command.args(&call.arguments);
    command.stdin(Given::null()).stdout(Given::null()).stderr(Given::null());
    let status =
        command.status().map_err(|error| CriuError::NotRun { problem: error.to_string() })?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read_to_string(call.log.as_str()).unwrap_or_default();
    let said = text.lines().filter_map(|line| line.split_once("Error (")).map(|(_, said)| said);
    // The place in its source is of no use to the reader; the last lines say that it has failed.
    let said = said.filter_map(|said| said.split_once("): ")).map(|(_, words)| words.trim());
    let words = said.take(4).collect::<Vec<_>>().join("; ");
    let words = if words.is_empty() { status.to_string() } else { words };
    Err(CriuError::Failed { words, log: call.log.clone() })
}

/// Has `program`, which is criu ([`find_criu`]), make a container of images; it runs when this returns.
///
/// # Errors
/// The step that failed, or what criu says. Everything done so far is undone.
pub fn restore(program: &Path, plan: &RestorePlan, io: Io) -> Result<Container, CriuError> {
    let of_step = |error: ApplyError| CriuError::Step(Box::new(error));
    let mut launcher = Launcher::new(Script::Lent(&plan.plan), io, None, 0).map_err(of_step)?;
    if let Err((step, cause)) = launcher.carry_out(0, plan.first) {
        return Err(of_step(launcher.take_back(step, cause)));
    }
    match filled(program, plan) {
        Ok(pid) => {
            let pidfd = host::pidfd_open(pid).ok();
            launcher.init = Some(Started { pid, pidfd, tick: None });
        }
        Err(error) => {
            let left = launcher.journal.undo();
            return Err(match left.is_empty() {
                true => error,
                false => {
                    let message = error.to_string();
                    let cause = Cause::Helper { message };
                    let mut error = ApplyError::new(&plan.plan, None::<StepId>, cause);
                    error.left_behind = left;
                    of_step(error)
                }
            });
        }
    }
    match launcher.carry_out(plan.first, plan.plan.parent.len()) {
        Ok(()) => launcher.hand_over().map_err(of_step),
        Err((step, cause)) => Err(of_step(launcher.take_back(step, cause))),
    }
}

/// Runs criu where the root is a mount; the number of the process it has made, which is this one's child.
fn filled(program: &Path, plan: &RestorePlan) -> Result<Pid, CriuError> {
    let fault = |fault: Fault| CriuError::NotRun { problem: fault.to_string() };
    let kept = hand_over(&plan.inherited).map_err(fault)?;
    let _ = fs::remove_file(plan.pid_file.as_str());
    // A thread of its own: its mount namespace ends with it, and nobody else sees the mount.
    let run = || {
        mount_root(&plan.root).map_err(fault)?;
        criu(program, &plan.call)
    };
    let done = thread::scope(|scope| scope.spawn(run).join());
    drop(kept);
    done.unwrap_or_else(|_| Err(CriuError::NotRun { problem: "its thread panicked".to_string() }))?;
    let text = fs::read_to_string(plan.pid_file.as_str())
        .map_err(|error| of_file(&plan.pid_file, &error))?;
    let _ = fs::remove_file(plan.pid_file.as_str());
    let pid = text.trim().parse().ok().and_then(Pid::new);
    pid.ok_or_else(|| CriuError::File {
        path: plan.pid_file.clone(),
        problem: format!("`{}` is not the number of a process", text.trim()),
    })
}

fn mount_root(root: &HostPath) -> Outcome {
    let root = CString::new(root.as_str()).map_err(|_| Fault::new(Sysno::mount, Errno::EINVAL))?;
    process::unshare(CloneFlags::CLONE_NEWNS.bits())?;
    mount::mount(None, c"/", None, MS_REC | MS_PRIVATE, None)?;
    mount::mount(Some(&root), &root, None, MS_BIND | MS_REC, None)
}

/// Puts descriptors where criu's arguments say they are, open across its `execve`.
fn hand_over(inherited: &[InheritedFd]) -> Outcome<Vec<OwnedFd>> {
    let mut kept = Vec::new();
    for given in inherited {
        let (handle, to): (Handle, u16) = match given {
            InheritedFd::Standard { from, to } => {
                (fd::dup_above(Fd(i32::from(*from)), i32::from(*to))?, *to)
            }
            InheritedFd::File { path, to } => {
                let path = super::cgroup::c_path(path)?;
                let file = fd::openat(Fd::CWD, &path, O_RDONLY, 0)?;
                (fd::dup_above(file.fd(), i32::from(*to))?, *to)
            }
        };
        if handle.fd().0 != i32::from(to) {
            return Err(Fault::new(Sysno::fcntl, Errno::EBUSY));
        }
        let owned = host::owned(handle);
        fcntl(&owned, FcntlArg::F_SETFD(FdFlag::empty()))
            .map_err(|errno| Fault::new(Sysno::fcntl, Errno(errno as i32)))?;
        kept.push(owned);
    }
    Ok(kept)
}
