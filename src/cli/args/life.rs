//! The words of the verbs of a container's life, understood.
//!
//! Pure.

use super::super::life::{CheckpointAsked, Create, ImageOptions, Life, RestoreAsked};
use super::super::options::OptId;
use super::super::report::Failure;
use super::super::words::take_switch;
use super::running::preserve_fds;
use super::{Given, container_id, take, usage};
use crate::plan::criu::{CriuCgroups, CriuSwitch};

pub(super) fn create(mut given: Vec<Given>, words: Vec<String>) -> Result<Life, Failure> {
    Ok(Life::Create(asked(&mut given, words)?))
}

pub(super) fn run(mut given: Vec<Given>, words: Vec<String>) -> Result<Life, Failure> {
    let detach = take_switch(&mut given, OptId::RunDetach);
    Ok(Life::Run { asked: asked(&mut given, words)?, detach })
}

pub(super) fn checkpoint(mut given: Vec<Given>, words: &[String]) -> Result<Life, Failure> {
    Ok(Life::Checkpoint(CheckpointAsked {
        id: container_id(&words[0])?,
        images: images(&mut given)?,
        parent: take(&mut given, OptId::ParentPath),
        pre_dump: take_switch(&mut given, OptId::PreDump),
        leave_running: take_switch(&mut given, OptId::LeaveRunning),
    }))
}

pub(super) fn restore(mut given: Vec<Given>, words: Vec<String>) -> Result<Life, Failure> {
    Ok(Life::Restore(RestoreAsked {
        images: images(&mut given)?,
        detach: take_switch(&mut given, OptId::RunDetach),
        lsm_profile: take(&mut given, OptId::LsmProfile),
        lsm_mount_context: take(&mut given, OptId::LsmMountContext),
        asked: asked(&mut given, words)?,
    }))
}

/// What either half is told.
fn images(given: &mut Vec<Given>) -> Result<ImageOptions, Failure> {
    const SWITCHES: [(OptId, CriuSwitch); 7] = [
        (OptId::TcpEstablished, CriuSwitch::TcpEstablished),
        (OptId::TcpSkipInFlight, CriuSwitch::TcpSkipInFlight),
        (OptId::ExtUnixSk, CriuSwitch::ExtUnixSk),
        (OptId::ShellJob, CriuSwitch::ShellJob),
        (OptId::FileLocks, CriuSwitch::FileLocks),
        (OptId::LinkRemap, CriuSwitch::LinkRemap),
        (OptId::AutoDedup, CriuSwitch::AutoDedup),
    ];
    let mut switches = Vec::new();
    for (id, switch) in SWITCHES {
        switches.extend(take_switch(given, id).then_some(switch));
    }
    let mode = match take(given, OptId::ManageCgroups) {
        None => CriuCgroups::default(),
        Some(word) => {
            let found = CriuCgroups::WORDS.iter().find(|(known, _)| *known == word);
            let text = || format!("--manage-cgroups-mode {word}: no such mode");
            let hint = "there are `soft`, `full`, `strict` and `ignore`";
            found.map(|(_, mode)| *mode).ok_or_else(|| usage(text(), hint))?
        }
    };
    let status_fd = take(given, OptId::StatusFd).map(|text| {
        let wrong = |_| usage(format!("--status-fd {text}: not a descriptor"), "expected a number");
        text.parse().map_err(wrong)
    });
    let empty_network = match take(given, OptId::EmptyNs).as_deref() {
        None => false,
        Some("network") => true,
        Some(other) => {
            let text = format!("--empty-ns {other}: criu makes no such namespace empty");
            return Err(usage(text, "there is `network`"));
        }
    };
    Ok(ImageOptions {
        path: take(given, OptId::ImagePath).unwrap_or_else(|| "checkpoint".into()),
        work: take(given, OptId::WorkPath),
        switches,
        cgroups: mode,
        empty_network,
        status_fd: status_fd.transpose()?,
    })
}

/// The first word is the name, the others are a command.
fn asked(given: &mut Vec<Given>, mut words: Vec<String>) -> Result<Create, Failure> {
    Ok(Create {
        id: container_id(&words.remove(0))?,
        bundle: take(given, OptId::CreateBundle).unwrap_or_else(|| ".".into()),
        command: words,
        pid_file: take(given, OptId::PidFile),
        console_socket: take(given, OptId::ConsoleSocket),
        pidfd_socket: take(given, OptId::PidfdSocket),
        preserve_fds: preserve_fds(given)?,
        no_pivot: take_switch(given, OptId::NoPivot),
        no_new_keyring: take_switch(given, OptId::NoNewKeyring),
    })
}
