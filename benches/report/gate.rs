//! Waits for a moment in which nothing else runs, and times one process from its start to its end.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a quiet moment is waited for.
const PATIENCE: Duration = Duration::from_millis(400);

/// A command and what it is called with.
#[derive(Clone, Debug)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    pub(crate) fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(words.into_iter().map(Into::into).collect())
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.0[0]);
        command.args(&self.0[1..]).stdin(Stdio::null()).stderr(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }
}

/// Waits until nothing but this process can run; `false` when that did not come.
pub(crate) fn quiet() -> bool {
    let begin = Instant::now();
    let mut in_a_row = 0;
    while begin.elapsed() < PATIENCE {
        if runnable() <= 1 {
            in_a_row += 1;
            if in_a_row == 3 {
                return true;
            }
        } else {
            in_a_row = 0;
            sleep(Duration::from_millis(2));
        }
    }
    false
}

/// How many tasks of the machine run or could, this one among them (`proc(5)`, `loadavg`).
fn runnable() -> u32 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = text.split(' ').nth(3).and_then(|word| word.split('/').next()?.parse().ok());
    running.unwrap_or(1)
}

/// From the start to the end that was waited for, in microseconds.
///
/// # Errors
/// When the command fails: a start that did not happen has no time.
pub(crate) fn whole(words: &Words) -> Result<f64, String> {
    let mut command = words.command();
    command.stdout(Stdio::null());
    let begin = Instant::now();
    let status = command.status().map_err(|error| format!("{}: {error}", words.0[0]))?;
    let took = begin.elapsed();
    if status.success() { Ok(micros(took)) } else { Err(explain(words)) }
}

/// From the start to the first instruction of the payload, which prints the monotonic clock.
///
/// # Errors
/// As [`whole`].
pub(crate) fn entry(words: &Words) -> Result<f64, String> {
    let mut command = words.command();
    command.stdout(Stdio::piped());
    let begin = monotonic();
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", words.0[0]))?;
    let mut stamp = [0u8; 16];
    let read = child.stdout.take().map(|mut out| out.read_exact(&mut stamp));
    let status = child.wait().map_err(|error| error.to_string())?;
    if !status.success() || !matches!(read, Some(Ok(()))) {
        return Err(explain(words));
    }
    let half = |at: usize| {
        let bytes: [u8; 8] = stamp[at..at + 8].try_into().unwrap_or_default();
        u64::from_le_bytes(bytes)
    };
    let entered = Duration::from_secs(half(0)) + Duration::from_nanos(half(8));
    Ok(micros(entered.saturating_sub(begin)))
}

fn monotonic() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(Duration::ZERO, Duration::from)
}

pub(crate) fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

/// What a command that failed says, asked for once more.
pub(crate) fn explain(words: &Words) -> String {
    let output = words.command().stderr(Stdio::piped()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let text = text.unwrap_or_else(|error| error.to_string());
    // The page is for others, whose machine has other places.
    let program = words.0[0].rsplit('/').next().unwrap_or_default();
    format!("{program} fails: {}", text.lines().next().unwrap_or_default())
}

/// The first program of that name on `PATH`, or where `NAME` in the environment says it is.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    if let Some(given) = std::env::var_os(name.to_uppercase().replace('-', "_")) {
        return Some(given.into()).filter(|path: &PathBuf| path.exists());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').map(|dir| PathBuf::from(dir).join(name)).find(|path| path.exists())
}
