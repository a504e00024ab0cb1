//! Limits that `nsplan` has set and what it reads of a container's use, asked of cgroups-rs: another's code for the same
//! files.
//!
//! `nsplan-witness PATH-OF-NSPLAN`, as root, on cgroup v1. Of v2 this crate reads some files wrongly.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::cpuacct::CpuAcctController;
use cgroups_rs::fs::cpuset::CpuSetController;
use cgroups_rs::fs::hierarchies::V1;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, MaxValue};

const MIB: i64 = 1 << 20;

/// Ends with the program, so that the container does too.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Its input ends here, and with it the container's program.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let nsplan = std::env::args()
        .nth(1)
        .ok_or("the path of nsplan is missing")?;
    let parent = format!("nsplan-witness-{}", std::process::id());
    let mut command = Command::new(nsplan);
    command.args([
        "do",
        "--name",
        "one",
        "--cgroup-parent",
        &format!("/{parent}"),
    ]);
    command.args([
        "-m",
        "64m",
        "--memory-swap",
        "96m",
        "--memory-reservation",
        "32m",
    ]);
    command.args([
        "--cpu-shares",
        "512",
        "--cpu-quota",
        "50000",
        "--cpu-period",
        "200000",
    ]);
    command.args(["--cpuset-cpus", "0", "--pids-limit", "20"]);
    command.args([
        "--",
        "sh",
        "-c",
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo up; read end",
    ]);
    let mut child = Running(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let output = child.0.stdout.take().ok_or("no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line != "up\n" {
        return Err("the container did not start".into());
    }
    let cgroup = Cgroup::load(Box::new(V1::new()), format!("{parent}/one"));
    let memory: &MemController = cgroup.controller_of().ok_or("no memory controller")?;
    let stat = memory.memory_stat();
    same("memory limit", stat.limit_in_bytes, 64 * MIB)?;
    same("memory reservation", stat.soft_limit_in_bytes, 32 * MIB)?;
    same("memory and swap", memory.memswap().limit_in_bytes, 96 * MIB)?;
    is("memory in use", stat.usage_in_bytes > 0)?;
    let cpu: &CpuController = cgroup.controller_of().ok_or("no cpu controller")?;
    same("CPU shares", cpu.shares()?, 512)?;
    same("CPU quota", cpu.cfs_quota()?, 50_000)?;
    same("CPU period", cpu.cfs_period()?, 200_000)?;
    let cpuset: &CpuSetController = cgroup.controller_of().ok_or("no cpuset controller")?;
    same("CPUs", cpuset.cpuset().cpus, vec![(0, 0)])?;
    let pids: &PidController = cgroup.controller_of().ok_or("no pids controller")?;
    same("limit of tasks", pids.get_pid_max()?, MaxValue::Value(20))?;
    same("tasks", pids.get_pid_current()?, 1)?;
    let accounting: &CpuAcctController = cgroup.controller_of().ok_or("no cpuacct controller")?;
    is("CPU time used", accounting.cpuacct().usage > 0)?;
    println!("cgroups-rs agrees");
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: T,
    expected: T,
) -> Result<(), Box<dyn Error>> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: cgroups-rs reads {found:?}, expected {expected:?}").into())
}

fn is(what: &str, holds: bool) -> Result<(), Box<dyn Error>> {
    if holds {
        Ok(())
    } else {
        Err(format!("{what}: cgroups-rs sees none").into())
    }
}
