//! Containers are made ahead of the programs that run in them, and handed out one by one.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use super::container::Container;
use super::error::{ApplyError, Leftover};
use super::io::{Io, Stdio};
use super::prepared::{Prepared, words};
use super::state_dir::StateDir;
use crate::config::{CgroupDriver, Config, EnvVar, PathComponent};
use crate::facts::HostFacts;
use crate::plan::{PlanError, execution, is_container_id, plan_prepared};
use crate::sys::{Fault, Sysno, signal};
use crate::types::{Errno, RootPath};

/// Containers of one config, each carried out up to its program, for callers who start many.
///
/// A container is handed out once: what runs in it is its first program, and with the end of that it is undone like any
/// other. A thread makes new ones as they are taken, never more than [`size`](PoolOptions::size); who comes when there is
/// none makes one himself.
///
/// What waits is a process of the container's own namespaces and cgroups that has given up every right the program does not
/// get. It shares no memory with the caller, but for the pages into which its program will be written: its memory is a copy, as
/// `fork(2)` makes one, of which it lets go as soon as it waits. The copy is made in the background, when nobody has taken a
/// container for some milliseconds, or none is left; for a caller of a gigabyte it takes milliseconds, in which the caller's
/// threads may have to wait for memory. It cannot be traced by other users.
///
/// Dropped, the pool takes back what it has made. After a crash the processes that wait end by themselves, and
/// [`sweep`](super::sweep) undoes what was made for them, if a state directory was kept.
///
/// Processes are made by a thread of the pool's, with the namespaces, the working directory and the privileges of the thread
/// that made the pool.
///
/// ```no_run
/// use nsplan::apply::{Payload, Pool, PoolOptions, probe};
/// use nsplan::{config::Config, plan::needs, types::HostPath};
///
/// let root = HostPath::new("/srv/rootfs")?;
/// let mut config = Config::sandbox(root, vec!["true".into()], false);
/// // They outlive the thread that makes them.
/// config.process.as_mut().expect("a sandbox has one").parent_death_signal = None;
/// let facts = probe::probe(&needs(&config))?;
/// let pool = Pool::new(config, facts, PoolOptions::new("worker", 4))?;
/// let payload = Payload { args: vec!["echo".into(), "hello".into()], ..Payload::default() };
/// let status = pool.start(payload)?.wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    maker: Option<JoinHandle<()>>,
}

/// How a pool makes its containers.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// What they are called, with a number behind: `NAME-0`, `NAME-1` and so on, in the state directory; the last part of a
    /// cgroup's path gets the number too. Two pools at a time need two names.
    pub name: String,
    /// How many wait at most, at least one.
    pub size: usize,
    /// The directory below which their journals are kept, as [`StateDir::root`].
    pub state: Option<PathBuf>,
}

impl PoolOptions {
    /// Without state.
    #[must_use]
    pub fn new(name: &str, size: usize) -> Self {
        Self { name: name.into(), size, state: None }
    }
}

/// What runs in a container of a pool's.
#[derive(Debug, Default)]
pub struct Payload {
    /// Program and arguments; the config's where there are none.
    pub args: Vec<String>,
    /// The complete environment; absent: the config's.
    pub env: Option<Vec<EnvVar>>,
    /// The working directory; absent: the config's.
    pub cwd: Option<RootPath>,
    /// Descriptors 0, 1 and 2.
    pub stdio: [Stdio; 3],
}

/// Why a pool gives no container.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// It cannot be planned.
    Plan(Vec<PlanError>),
    /// It cannot be carried out.
    Apply(Box<ApplyError>),
    /// An option is not one that a pool can have.
    Option {
        /// What was expected.
        expected: &'static str,
    },
    /// The pool's thread could not be started.
    Kernel(Fault),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(errors) => {
                let mut errors = errors.iter();
                errors.next().map_or(Ok(()), |first| first.fmt(f))?;
                errors.try_for_each(|error| write!(f, "; {error}"))
            }
            Self::Apply(error) => error.fmt(f),
            Self::Option { expected } => write!(f, "a pool: expected {expected}"),
            Self::Kernel(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for PoolError {}

impl From<ApplyError> for PoolError {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}

impl Pool {
    /// Makes the first container, and has the others made.
    ///
    /// # Errors
    /// When the first cannot be planned or made, an option is none, or no thread can be started.
    pub fn new(config: Config, facts: HostFacts, options: PoolOptions) -> Result<Self, PoolError> {
        check(&config, &options)?;
        let queue = Mutex::new(Queue::default());
        let shared = Arc::new(Shared { config, facts, options, queue, changed: Condvar::new() });
        let first = shared.make()?;
        shared.queue().ready.push_back(first);
        let mut pool = Self { shared: Arc::clone(&shared), maker: None };
        // On failure the first is taken back.
        let maker = Builder::new().name("nsplan-pool".into()).spawn(move || shared.refill());
        let maker = maker.map_err(|error| {
            let errno = Errno(error.raw_os_error().unwrap_or(Errno::EAGAIN.0));
            PoolError::Kernel(Fault::new(Sysno::clone3, errno))
        })?;
        pool.maker = Some(maker);
        Ok(pool)
    }

    /// Starts a program in a container that waits, or in a new one if none does.
    ///
    /// # Errors
    /// When the program cannot be run, or is more than 256 KiB of words, or there is no container and none can be made.
    pub fn start(&self, payload: Payload) -> Result<Container, PoolError> {
        let Payload { args, env, cwd, stdio } = payload;
        let Shared { config, facts, .. } = &*self.shared;
        let mut process = config.process.clone().ok_or(NO_PROCESS)?;
        if !args.is_empty() {
            process.args = args;
        }
        process.env = env.unwrap_or(process.env);
        process.cwd = cwd.unwrap_or(process.cwd);
        let execute = execution(&process, config, facts).map_err(PoolError::Plan)?;
        let words = words(&execute, process.cwd.as_str()).ok_or(NO_PROCESS)?;
        while let Some(waiting) = self.shared.take() {
            if waiting.is_waiting() {
                return Ok(waiting.run(&words, stdio)?);
            }
            // Killed by somebody else; nothing has run in it.
            let _ = waiting.take_back();
        }
        Ok(self.shared.make()?.run(&words, stdio)?)
    }

    /// How many wait.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.shared.queue().ready.len()
    }

    /// Takes back all that wait; answers what could not be undone. Containers that were handed out go on.
    #[must_use = "what could not be undone is still there"]
    pub fn close(mut self) -> Vec<Leftover> {
        self.end()
    }

    fn end(&mut self) -> Vec<Leftover> {
        self.shared.queue().is_closed = true;
        self.shared.changed.notify_all();
        if let Some(maker) = self.maker.take() {
            // One that has panicked makes no more either.
            let _ = maker.join();
        }
        let left = core::mem::take(&mut self.shared.queue().ready);
        left.into_iter().flat_map(Prepared::take_back).collect()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

const NO_PROCESS: PoolError = PoolError::Option { expected: "a config with a process" };

fn check(config: &Config, options: &PoolOptions) -> Result<(), PoolError> {
    let expect = |holds: bool, expected| {
        if holds { Ok(()) } else { Err(PoolError::Option { expected }) }
    };
    expect(options.size > 0, "a size of one at least")?;
    let fits = options.name.len() < 200 && is_container_id(&options.name);
    expect(fits, "a name that is one plain file name, shorter than 200 bytes")?;
    let is_scope = config
        .cgroup
        .as_ref()
        .is_some_and(|cgroup| matches!(cgroup.driver, CgroupDriver::Systemd { .. }));
    expect(!is_scope, "cgroups of its own: a scope of systemd's has one name")
}

#[derive(Debug)]
struct Shared {
    config: Config,
    facts: HostFacts,
    options: PoolOptions,
    queue: Mutex<Queue>,
    /// One was taken, or the pool is closed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<Prepared>,
    /// When the last was taken.
    taken: Option<Instant>,
    /// How many were begun: the number of the next.
    begun: u64,
    /// Whether the last could not be made: no other is tried before somebody asks.
    has_failed: bool,
    is_closed: bool,
}

/// A copy of the caller's memory keeps the caller's other threads from theirs while it is made, for milliseconds of a large
/// one. So as long as some wait, the next is made when nobody has taken one for so long.
const REST: Duration = Duration::from_millis(5);

impl Queue {
    /// How much of it is left.
    fn rest(&self) -> Option<Duration> {
        let left = REST.checked_sub(self.taken?.elapsed())?;
        (!left.is_zero()).then_some(left)
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing is changed halfway: whoever panicked held it between two statements.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Prepared> {
        let mut queue = self.queue();
        let taken = queue.ready.pop_front();
        queue.has_failed = false;
        queue.taken = Some(Instant::now());
        drop(queue);
        self.changed.notify_all();
        taken
    }

    /// Makes one more, under a number that no other has.
    fn make(&self) -> Result<Prepared, PoolError> {
        let number = {
            let mut queue = self.queue();
            queue.begun += 1;
            queue.begun - 1
        };
        let id = format!("{}-{number}", self.options.name);
        let mut config = self.config.clone();
        if let Some(cgroup) = &mut config.cgroup {
            let name = cgroup.path.parts.pop();
            let name =
                name.map_or_else(|| id.clone(), |part| format!("{}-{number}", part.as_str()));
            let expected = "a cgroup whose name has room for a number";
            let part = PathComponent::new(&name).map_err(|_| PoolError::Option { expected })?;
            cgroup.path.parts.push(part);
        }
        let plan = plan_prepared(&config, &self.facts).map_err(PoolError::Plan)?;
        let state = self.options.state.clone().map(|root| StateDir { root, id });
        let stdio = [Stdio::Null, Stdio::Null, Stdio::Null];
        Ok(Prepared::make(plan, Io { stdio, state, ..Io::default() })?)
    }

    /// The pool's thread: makes containers until there are enough, and again when one was taken.
    fn refill(&self) {
        // The caller's handlers are for its own threads.
        let _ = signal::set_mask(u64::MAX);
        let mut queue = self.queue();
        while !queue.is_closed {
            if queue.has_failed || queue.ready.len() >= self.options.size {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let rest = queue.rest().filter(|_| !queue.ready.is_empty());
            if let Some(rest) = rest {
                let woken = self.changed.wait_timeout(queue, rest);
                queue = woken.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            drop(queue);
            let made = self.make();
            queue = self.queue();
            match made {
                Ok(made) => queue.ready.push_back(made),
                Err(_) => queue.has_failed = true,
            }
        }
    }
}
