//! Runs a program in a container that runs already.

use super::super::args::Given;
use super::super::attend::attend;
use super::super::exec::{creates_user_namespace, joinable, plan_join};
use super::super::report::{Failure, Problem, Sources};
use super::super::run::{Attempt, failed};
use super::super::seal::{is_exposed, seal};
use super::super::signals::Signals;
use super::configure::{self, Around};
use crate::apply::{Io, Running, spawn};
use crate::plan::Plan;

/// Joins it and stays with the program until its end; its exit code.
///
/// What the options do not say of the process is as for the container's first one, but for the terminal.
///
/// # Errors
/// For every reason a start has.
pub(super) fn join(
    running: &Running,
    options: &[Given],
    words: &[String],
    around: &Around,
    explain: &dyn Fn(&Plan),
) -> Result<u8, Failure> {
    joinable(running, "`nsinit unpause` lets it go on")?;
    let record = running.record();
    let mut process = record.planned.process.clone();
    (process.terminal, process.init) = (false, false);
    let mut sources = Sources::default();
    configure::process(&mut process, &mut sources, options, words, around)?;
    if process.init {
        let text = format!("--init: {} runs already, and has a first process", record.id);
        return Err(Problem::new(text).into());
    }
    if is_exposed(creates_user_namespace(record), &record.planned.uid_mappings) {
        drop(seal()?);
    }
    let (plan, ignored) = plan_join(&process, record, &sources, &[])?;
    explain(&plan);
    let signals = Signals::block()
        .map_err(|errno| Failure::from(Problem::new(format!("signalfd = {errno}"))))?;
    let attempt = Attempt { plan: &plan, program: process.args.first(), sources: &sources };
    let joined =
        spawn(&plan, Io { ignored, ..Io::default() }).map_err(|error| failed(&attempt, &error))?;
    attend(joined, &signals, None)
}

/// Refuses what says how a container shall be, since it is already.
///
/// # Errors
/// With the first such option.
pub(super) fn refuse_making(
    running: &Running,
    config: Option<&str>,
    by_systemd: bool,
    template: &[Given],
) -> Result<(), Failure> {
    let (id, pid) = (&running.record().id, running.record().pid);
    let asked = config.map(|file| format!("--config {file}"));
    let asked = asked.or_else(|| by_systemd.then(|| "--systemd".to_owned()));
    match asked.or_else(|| template.first().map(Given::to_string)) {
        None => Ok(()),
        Some(option) => {
            let text = format!("{option}: {id} runs already, as process {pid}, and is as it is");
            Err(Problem::new(text).hint("--id NAME starts another one").into())
        }
    }
}
