//! A command becomes lines about its starts: how long each took from the spawn to the reaped process, and where that time
//! went. Several commands are one start, whose times are added.
//!
//! - `TIME CONFIGURATION SUBJECT starts=N median=NS min=NS max=NS cpu=NS`: the wall time, and what its processes ran of it.
//! - `SHARE CONFIGURATION SUBJECT NS CLASS`: medians of a traced start, by what a process was doing.
//! - `STEP CONFIGURATION SUBJECT NS STEP GROUP TEXT`: the same, by step of the plan.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nsplan::plan::Plan;

use crate::shares::{Shares, shares};
use crate::steps::Steps;
use crate::trace::Tracer;

/// What is measured how often.
#[derive(Debug)]
pub struct Order<'a> {
    pub configuration: &'a str,
    pub subject: &'a str,
    /// Starts that count, after as many as `dropped` that do not: the first ones wait for grace periods and fill caches.
    pub starts: usize,
    pub dropped: usize,
    /// Traced starts, after the others.
    pub traced: usize,
    /// How long the machine is left alone before each start, so that nothing of the last one is still being cleared away.
    pub pause: Duration,
    /// The same between the commands of one start.
    pub between: Duration,
    /// Our own program with its marks, and its plan.
    pub steps: Option<Steps>,
}

pub fn measure(order: &Order<'_>, commands: &[&[&str]]) -> Result<(), String> {
    let mut times = Vec::new();
    for _ in 0..order.dropped + order.starts {
        let mut sum = (0, 0);
        for (at, command) in commands.iter().enumerate() {
            std::thread::sleep(if at == 0 { order.pause } else { order.between });
            let (wall, cpu) = start(command)?;
            sum = (sum.0 + wall, sum.1 + cpu);
        }
        times.push(sum);
    }
    let counted = times.split_off(order.dropped);
    let walls: Vec<u64> = counted.iter().map(|(wall, _)| *wall).collect();
    let cpus: Vec<u64> = counted.iter().map(|(_, cpu)| *cpu).collect();
    println!(
        "TIME {} {} starts={} median={} min={} max={} cpu={}",
        order.configuration,
        order.subject,
        walls.len(),
        median(&walls),
        walls.iter().min().copied().unwrap_or(0),
        walls.iter().max().copied().unwrap_or(0),
        median(&cpus),
    );
    if order.traced == 0 { Ok(()) } else { traced(order, commands) }
}

/// Nanoseconds from the spawn to the reaped process, and of them those that its processes ran.
fn start(command: &[&str]) -> Result<(u64, u64), String> {
    let (program, arguments) = command.split_first().ok_or("expected a program")?;
    let before = children_cpu()?;
    let begin = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    let wall = begin.elapsed();
    let cpu = children_cpu()?.saturating_sub(before);
    match status.success() {
        true => Ok((nanoseconds(wall), nanoseconds(cpu))),
        false => Err(format!("{}: {status}", command.join(" "))),
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn children_cpu() -> Result<Duration, String> {
    // SAFETY: `rusage` is plain numbers, for which all zeroes are a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a `rusage` that lives through the call, which writes into it and keeps nothing.
    let result = unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) };
    if result != 0 {
        return Err(format!("getrusage: {}", std::io::Error::last_os_error()));
    }
    let time =
        |value: libc::timeval| Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1000);
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

fn traced(order: &Order<'_>, commands: &[&[&str]]) -> Result<(), String> {
    let tracer = Tracer::new(order.steps.as_ref().map(|steps| &*steps.program))?;
    let mut all: Vec<Shares> = Vec::new();
    for _ in 0..order.traced {
        let mut sum = Shares::default();
        for (at, command) in commands.iter().enumerate() {
            std::thread::sleep(if at == 0 { order.pause } else { order.between });
            let text = tracer.around(|| start(command).map(drop))?;
            sum.add(shares(&text, std::process::id())?);
        }
        all.push(sum);
    }
    let of = |pick: fn(&Shares) -> &BTreeMap<String, u64>| -> BTreeMap<String, u64> {
        let names = all
            .iter()
            .flat_map(|one| pick(one).keys().cloned())
            .collect::<std::collections::BTreeSet<_>>();
        let middle = |name: &String| {
            median(
                &all.iter()
                    .map(|one| pick(one).get(name).copied().unwrap_or(0))
                    .collect::<Vec<_>>(),
            )
        };
        names.iter().map(|name| (name.clone(), middle(name))).collect()
    };
    for (class, time) in of(|one| &one.classes) {
        println!("SHARE {} {} {time} {class}", order.configuration, order.subject);
    }
    let Some(steps) = &order.steps else { return Ok(()) };
    for (step, time) in of(|one| &one.steps) {
        let (group, text) = steps.describe(&step);
        println!("STEP {} {} {time} {step} {group} {text}", order.configuration, order.subject);
    }
    Ok(())
}

/// The lower middle one: a figure that was measured.
pub fn median(values: &[u64]) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

/// The plan of our program's own start, as it prints it.
pub fn plan_of(program: &str, bundle: &str, inside: &[&str]) -> Result<Plan, String> {
    let output = Command::new(program)
        .args(["plan", "--json", "--bundle", bundle, "--"])
        .args(inside)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.success() {
        true => Plan::from_json(&said).map_err(|error| error.to_string()),
        false => Err(format!("{program} plan: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
