//! A container is written down by criu, and goes on where it was: from options to the calls.

use std::path::Path;

use super::super::args::Request;
use super::super::attend::attend;
use super::super::bundle::absolute;
use super::super::report::{Failure, Problem};
use super::super::run::{Attempt, failed, plan_with, state_root};
use super::super::running::open;
use super::super::signals::Signals;
use super::super::state;
use super::{Create, Receivers, described};
use crate::apply::{self, CriuError, Io, StateDir, Status};
use crate::cli::args::ContainerId;
use crate::plan::criu::{
    Checkpoint, CriuCgroups, CriuOptions, CriuSwitch, Restore, RestorePlan, checkpoint as describe,
    restore as plan_restore,
};
use crate::plan::{Plan, needs};

/// What either half is told.
#[derive(Debug)]
pub struct ImageOptions {
    /// The directory of the images.
    pub path: String,
    /// That of the log.
    pub work: Option<String>,
    /// Switches.
    pub switches: Vec<CriuSwitch>,
    /// Who puts the processes back into control groups.
    pub cgroups: CriuCgroups,
    /// The network namespace is made, and nothing in it.
    pub empty_network: bool,
    /// A descriptor of the caller's that criu writes to when it is ready.
    pub status_fd: Option<u16>,
}

/// What `checkpoint` was asked for.
#[derive(Debug)]
pub struct CheckpointAsked {
    /// The container.
    pub id: ContainerId,
    /// The images.
    pub images: ImageOptions,
    /// Earlier ones.
    pub parent: Option<String>,
    /// Memory only.
    pub pre_dump: bool,
    /// It goes on.
    pub leave_running: bool,
}

/// What `restore` was asked for.
#[derive(Debug)]
pub struct RestoreAsked {
    /// The container and its bundle.
    pub asked: Create,
    /// The images.
    pub images: ImageOptions,
    /// It is not waited for.
    pub detach: bool,
    /// Label of its processes.
    pub lsm_profile: Option<String>,
    /// Label of its mounts.
    pub lsm_mount_context: Option<String>,
}

impl ImageOptions {
    fn options(&self) -> Result<CriuOptions, Failure> {
        Ok(CriuOptions {
            images: absolute(&self.path)?,
            work: self.work.as_deref().map(absolute).transpose()?,
            switches: self.switches.clone(),
            cgroups: self.cgroups,
            empty_network: self.empty_network,
            status_fd: self.status_fd,
        })
    }
}

/// Writes a container down.
pub(super) fn checkpoint(request: &Request, asked: &CheckpointAsked) -> Result<u8, Failure> {
    // Before anything else is looked at: nothing helps without it.
    let program = apply::find_criu().map_err(|error| refused(&error))?;
    let root = state_root(request)?;
    let running = open(Path::new(root.as_str()), &asked.id)?;
    let fail = |problem: Problem| Failure::from(problem.at(&asked.id));
    match running.status().map_err(|error| fail(Problem::of(&error)))? {
        Status::Running => {}
        Status::Paused => {
            let hint = "`nsplan resume` lets it go on";
            return Err(fail(Problem::new("a paused container cannot be written down").hint(hint)));
        }
        other => return Err(fail(Problem::new(format!("cannot be written down: it is {other}")))),
    }
    let view = apply::criu_view(&running).map_err(|error| fail(Problem::of(&error)))?;
    let options = asked.images.options()?;
    let wanted = Checkpoint {
        options,
        parent: asked.parent.clone(),
        pre_dump: asked.pre_dump,
        leave_running: asked.leave_running,
    };
    let (call, outside) = describe(running.record(), &wanted, &view)
        .map_err(|refusal| fail(Problem::of(&refusal)))?;
    let ends = !asked.pre_dump && !asked.leave_running;
    apply::checkpoint(&program, &running, &call, &outside, (&wanted.options.images, ends))
        .map_err(|error| refused(&error))?;
    Ok(0)
}

/// Makes a container of what was written down.
pub(super) fn restore(
    request: &Request,
    asked: &RestoreAsked,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    let program = apply::find_criu().map_err(|error| refused(&error))?;
    let create = &asked.asked;
    for (is_asked, option) in [
        (create.console_socket.is_some(), "--console-socket"),
        (create.preserve_fds > 0, "--preserve-fds"),
    ] {
        if is_asked {
            let text =
                format!("{option}: criu's command line hands no such thing to what it restores");
            return Err(Problem::new(text).into());
        }
    }
    let (plan, attempt) = planned(request, asked)?;
    explain(&plan.plan);
    let root = state_root(request)?;
    state::prepare(&root, nix::unistd::geteuid().as_raw())?;
    let signals = Signals::block()
        .map_err(|errno| Failure::from(Problem::new(format!("signalfd = {errno}"))))?;
    let receivers = Receivers::connect(None, create.pidfd_socket.as_deref(), "standard")?;
    let io = Io {
        state: Some(StateDir { root: root.as_str().into(), id: create.id.to_string() }),
        bundle: Some(absolute(&create.bundle)?),
        ..Io::default()
    };
    let mut container = apply::restore(&program, &plan, io).map_err(|error| match &error {
        CriuError::Step(error) => {
            failed(&Attempt { plan: &plan.plan, program: None, sources: &attempt }, error)
        }
        error => refused(error),
    })?;
    receivers.announce(&mut container, create.pid_file.as_deref())?;
    match asked.detach {
        true => Ok(0),
        false => attend(container, &signals, None),
    }
}

fn planned(
    request: &Request,
    asked: &RestoreAsked,
) -> Result<(RestorePlan, super::super::report::Sources), Failure> {
    let (mut config, sources, _) = described(request, &asked.asked)?;
    if let Some(process) = config.process.as_mut().filter(|_| asked.detach) {
        process.parent_death_signal = None;
    }
    let options = asked.images.options()?;
    let outside = apply::criu_outside(&options.images).map_err(|error| refused(&error))?;
    let wanted = Restore {
        options,
        lsm_profile: asked.lsm_profile.clone(),
        lsm_mount_context: asked.lsm_mount_context.clone(),
        stays: asked.detach,
    };
    let (plan, _) = plan_with(&needs(&config), &sources, |facts| {
        plan_restore(&config, facts, &outside, &wanted)
    })?;
    Ok((plan, sources))
}

fn refused(error: &CriuError) -> Failure {
    let hint = match error {
        CriuError::Absent => "Debian has it in the package `criu`",
        CriuError::Failed { .. } => "`criu check` says whether this kernel has what it needs",
        _ => "",
    };
    Problem::of(error).hint(hint).into()
}
