//! Steps through starts, instruction by instruction, and lists the functions they run for the linker: `src/start.ld`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::bundle::{Variant, bundles};
use crate::contender::Place;

/// What is run, each in a container of its own or in the one that stands: the program's words behind its name.
fn runs(place: &Place, root: &str) -> Result<Vec<Vec<String>>, String> {
    let bundle = |variant, payload, id: &str| {
        let made = bundles(&place.at, &place.root, variant, payload, id);
        made.map(|(at, _)| at.display().to_string()).map_err(|error| error.to_string())
    };
    let words = |words: &[&str]| -> Vec<String> {
        ["--root", root].iter().chain(words).map(|word| (*word).to_owned()).collect()
    };
    let mut all = Vec::new();
    for (at, variant) in Variant::ALL.into_iter().enumerate() {
        let id = format!("nsplan-hot-{at}");
        all.push(words(&["run", "--bundle", &bundle(variant, "exits", &id)?, &id]));
    }
    let stays = bundle(Variant::Default, "stays", "nsplan-hot")?;
    all.push(words(&["create", "--bundle", &stays, "nsplan-hot"]));
    all.push(words(&["start", "nsplan-hot"]));
    all.push(words(&["state", "nsplan-hot"]));
    all.push(words(&["exec", "nsplan-hot", "/bin/exits"]));
    all.push(words(&["delete", "--force", "nsplan-hot"]));
    Ok(all)
}

/// The list: what the first run uses, in the order of its first use, so that what runs before the program has left its file,
/// which is mapped again after that, is side by side; then, behind an empty line, the rest, most used first.
pub(crate) fn list(program: &Path, place: &Place) -> Result<String, String> {
    let functions = functions(program)?;
    let root = place.at.join("hot-state").display().to_string();
    let mut used: BTreeMap<usize, Use> = BTreeMap::new();
    for (run, words) in runs(place, &root)?.into_iter().enumerate() {
        let mut seen = BTreeSet::new();
        let mut last = 0..0;
        step(program, &words, |at| {
            if last.contains(&at) {
                return;
            }
            let Some(index) = functions.partition_point(|(begin, _)| *begin <= at).checked_sub(1)
            else {
                return;
            };
            last = functions[index].0..functions.get(index + 1).map_or(u64::MAX, |next| next.0);
            let order = used.len();
            let entry = used.entry(index).or_insert(Use { run, runs: 0, order });
            entry.runs += usize::from(seen.insert(index));
        })?;
        if words.iter().any(|word| word == "create") {
            // Whoever was stepped through cannot be let go of while it waits.
            let again = |words: &[&str]| {
                let status = Command::new(program).args(["--root", &root]).args(words).status();
                status.map_err(|error| error.to_string())
            };
            again(&["delete", "--force", "nsplan-hot"])?;
            again(&words[2..].iter().map(String::as_str).collect::<Vec<_>>())?;
        }
    }
    let mut order: Vec<_> = used.into_iter().collect();
    order.sort_by_key(|(_, used)| match used.run {
        0 => (0, used.order),
        _ => (usize::MAX - used.runs, used.order),
    });
    let names = |(at, _): &(usize, Use)| functions[*at].1.iter();
    let chosen: BTreeSet<&str> = order.iter().flat_map(names).map(String::as_str).collect();
    let patterns = patterns(&functions, &chosen);
    let first = order.partition_point(|(_, used)| used.run == 0);
    let mut said = BTreeSet::new();
    let [first, rest] = [&order[..first], &order[first..]].map(|part| {
        let patterns = part.iter().flat_map(names).map(|name| &patterns[name.as_str()]);
        let new = patterns.filter(|pattern| said.insert(pattern.as_str()));
        new.map(|pattern| format!("    *(.text.{pattern})\n")).collect::<String>()
    });
    Ok(format!("{first}\n{rest}"))
}

/// How a function is used.
struct Use {
    /// The run that was the first to need it.
    run: usize,
    /// How many do.
    runs: usize,
    /// How many others were used before it.
    order: usize,
}

/// Every function by its address, with all its names: any of them may be that of its section.
fn functions(program: &Path) -> Result<Vec<(u64, Vec<String>)>, String> {
    let output = Command::new("nm").arg("-n").arg(program).output();
    let output = output.map_err(|error| format!("nm: {error}"))?;
    let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        let at = u64::from_str_radix(fields.next()?, 16).ok()?;
        matches!(fields.next()?, "t" | "T" | "w" | "W").then_some(())?;
        Some((at, fields.next()?.to_owned()))
    });
    let mut functions: Vec<(u64, Vec<String>)> = Vec::new();
    for (at, name) in lines {
        match functions.last_mut().filter(|(last, _)| *last == at) {
            Some((_, names)) => names.push(name),
            None => functions.push((at, vec![name])),
        }
    }
    if functions.is_empty() { Err("no symbols: is it stripped?".into()) } else { Ok(functions) }
}

/// A pattern for each chosen name: less what changes with every build, if it then means no other function.
fn patterns<'a>(
    functions: &'a [(u64, Vec<String>)],
    chosen: &BTreeSet<&'a str>,
) -> BTreeMap<&'a str, String> {
    let mut others = BTreeSet::new();
    let names = functions.iter().flat_map(|(_, names)| names);
    for name in names.filter(|name| !chosen.contains(name.as_str())) {
        others.insert(stem(name));
    }
    let pattern = |name: &&'a str| {
        let stem = stem(name);
        (*name, if others.contains(&stem) { (*name).to_owned() } else { stem })
    };
    chosen.iter().map(pattern).collect()
}

/// `_ZN…17h0123456789abcdefE` without its hash, `_R…Cs0123456789_…` without those of its crates.
fn stem(name: &str) -> String {
    if name.starts_with("_ZN")
        && let Some(at) = name.rfind("17h")
    {
        return format!("{}*", &name[..at + 3]);
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let (mut text, mut rest) = (String::new(), name);
    while let Some(at) = rest.find("Cs") {
        let (before, behind) = rest.split_at(at + 2);
        text.push_str(before);
        let end = behind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(behind.len());
        rest = if end > 7 && behind[end..].starts_with('_') {
            text.push('*');
            &behind[end..]
        } else {
            behind
        };
    }
    text + rest
}

/// Tells every address at which an instruction of the program is executed, in it and in what it clones.
fn step(program: &Path, words: &[String], mut at: impl FnMut(u64)) -> Result<(), String> {
    let waits = ["-c", "kill -STOP $$; exec \"$@\"", "sh"];
    let mut shell = Command::new("/bin/sh");
    shell.args(waits).arg(program).args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = shell.spawn().map_err(|error| error.to_string())?;
    let main = Pid::from_raw(i32::try_from(child.id()).map_err(|error| error.to_string())?);
    let answer = follow(main, &mut at).map_err(|errno| format!("ptrace: {errno}"));
    let _ = child.kill();
    let _ = child.wait();
    answer
}

fn follow(main: Pid, at: &mut dyn FnMut(u64)) -> nix::Result<()> {
    waitpid(main, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::attach(main)?;
    waitpid(main, None)?;
    let clones = Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::setoptions(main, clones)?;
    kill(main, Signal::SIGCONT)?;
    ptrace::cont(main, None)?;
    let mut is_ours = false;
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL))? {
            WaitStatus::PtraceEvent(pid, _, event) if event == Event::PTRACE_EVENT_EXEC as i32 => {
                if pid == main && !is_ours {
                    is_ours = true;
                    ptrace::step(pid, None)?;
                } else {
                    ptrace::detach(pid, None)?;
                }
            }
            WaitStatus::PtraceEvent(pid, ..) => ptrace::step(pid, None)?,
            WaitStatus::Stopped(pid, Signal::SIGCONT) if !is_ours => ptrace::cont(pid, None)?,
            WaitStatus::Stopped(pid, Signal::SIGTRAP | Signal::SIGSTOP) if is_ours => {
                at(ptrace::getregs(pid)?.rip);
                ptrace::step(pid, None)?;
            }
            WaitStatus::Stopped(pid, signal) if is_ours => ptrace::step(pid, signal)?,
            WaitStatus::Stopped(pid, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) if pid == main => {
                return Ok(());
            }
            _ => {}
        }
    }
}
