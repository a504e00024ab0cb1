//! Turns the options about limits into control group settings.
//!
//! Pure.

use super::super::args::{ContainerId, Given};
use super::super::options::OptId;
use super::super::report::Problem;
use super::super::units::{Bytes, Cpus};
use super::{Builder, number, parse};
use crate::config::{CgroupBase, CgroupPath, Limit, PathComponent};

impl Builder<'_> {
    /// Takes an option about limits; false if it is none.
    pub(super) fn take_limit(&mut self, given: &Given) -> Result<bool, Problem> {
        let pointer = match self.take_memory(given)? {
            Some(pointer) => pointer,
            None => match self.take_cpu(given)? {
                Some(pointer) => pointer,
                None => match self.take_other(given)? {
                    Some(pointer) => pointer,
                    None => return Ok(false),
                },
            },
        };
        self.from(&pointer, given);
        self.limited_by.get_or_insert_with(|| given.to_string());
        Ok(true)
    }

    fn take_memory(&mut self, given: &Given) -> Result<Option<String>, Problem> {
        let memory = &mut self.resources.memory;
        let text = given.text();
        let member = match given.opt.id {
            OptId::Memory => {
                memory.limit = Some(bytes(text)?);
                "limit"
            }
            OptId::MemorySwap => {
                memory.swap = Some(bytes(text)?);
                "swap"
            }
            OptId::MemoryReservation => {
                memory.reservation = Some(bytes(text)?);
                "reservation"
            }
            OptId::KernelMemory => {
                memory.kernel = Some(bytes(text)?);
                "kernel"
            }
            OptId::KernelMemoryTcp => {
                memory.kernel_tcp = Some(bytes(text)?);
                "kernelTCP"
            }
            OptId::MemorySwappiness => {
                memory.swappiness = Some(number(text, 0, 100)?);
                "swappiness"
            }
            _ => return Ok(None),
        };
        Ok(Some(format!("/cgroup/memory/{member}")))
    }

    fn take_cpu(&mut self, given: &Given) -> Result<Option<String>, Problem> {
        let cpu = &mut self.resources.cpu;
        let text = given.text();
        let member = match given.opt.id {
            OptId::Cpus => {
                let Cpus { quota } = parse(text)?;
                cpu.quota = Some(quota);
                cpu.period = Some(Cpus::PERIOD);
                "quota"
            }
            OptId::CpuQuota => {
                cpu.quota = Some(number(text, -1, i64::MAX)?);
                "quota"
            }
            OptId::CpuPeriod => {
                cpu.period = Some(number(text, 1_000, 1_000_000)?);
                "period"
            }
            OptId::CpuShares => {
                cpu.shares = Some(number(text, 2, 262_144)?);
                "shares"
            }
            OptId::CpuBurst => {
                cpu.burst = Some(number(text, 0, u64::MAX)?);
                "burst"
            }
            OptId::CpuIdle => {
                cpu.idle = Some(number(text, 0, 1)?);
                "idle"
            }
            OptId::CpuRtPeriod => {
                cpu.realtime_period = Some(number(text, 1, u64::MAX)?);
                "realtimePeriod"
            }
            OptId::CpuRtRuntime => {
                cpu.realtime_runtime = Some(number(text, -1, i64::MAX)?);
                "realtimeRuntime"
            }
            OptId::CpusetCpus => {
                cpu.cpus = Some(list(text)?);
                "cpus"
            }
            OptId::CpusetMems => {
                cpu.mems = Some(list(text)?);
                "mems"
            }
            _ => return Ok(None),
        };
        Ok(Some(format!("/cgroup/cpu/{member}")))
    }

    fn take_other(&mut self, given: &Given) -> Result<Option<String>, Problem> {
        let text = given.text();
        Ok(Some(match given.opt.id {
            OptId::PidsLimit => {
                self.resources.pids = Some(match text {
                    "-1" | "unlimited" | "max" => Limit::Unlimited,
                    _ => Limit::At(number(text, 1, 4_194_304)?),
                });
                "/cgroup/pids".into()
            }
            OptId::BlkioWeight => {
                self.resources.block_io.weight = Some(number(text, 10, 1000)?);
                "/cgroup/blockIO/weight".into()
            }
            OptId::CgroupConf => {
                let (file, value) =
                    text.split_once('=').ok_or_else(|| Problem::new("expected FILE=VALUE"))?;
                if PathComponent::new(file).is_err() || !file.contains('.') {
                    return Err(Problem::new(format!("`{file}` is no file of a controller")));
                }
                let unified = &mut self.resources.unified;
                unified.insert(file.to_owned(), value.to_owned());
                format!("/cgroup/unified/{file}")
            }
            OptId::L3CacheSchema | OptId::MemBwSchema => {
                return Err(Problem::new("no Intel RDT group is changed by nsplan"));
            }
            OptId::CgroupParent => {
                self.cgroup_parent = Some(components(text)?);
                "/cgroup/path".into()
            }
            _ => return Ok(None),
        }))
    }
}

/// Where the control group is.
///
/// Root's is beside everything else's, in one directory of nsplan's. An ordinary user may only have been given the
/// caller's own, so there it is below that, and says whose it is.
pub(super) fn place(
    parent: Option<Vec<PathComponent>>,
    id: &ContainerId,
    is_root: bool,
) -> Result<CgroupPath, Problem> {
    let component = |text: &str| {
        PathComponent::new(text).map_err(|error| Problem::new(format!("as a cgroup: {error}")))
    };
    let (base, parts) = match (parent, is_root) {
        (Some(mut parts), _) => {
            parts.push(component(id.as_str())?);
            (CgroupBase::Root, parts)
        }
        (None, true) => {
            let parts = vec![component("nsplan")?, component(id.as_str())?];
            (CgroupBase::Init, parts)
        }
        (None, false) => (CgroupBase::Caller, vec![component(&format!("nsplan-{id}"))?]),
    };
    Ok(CgroupPath { base, parts })
}

fn components(text: &str) -> Result<Vec<PathComponent>, Problem> {
    text.split('/')
        .filter(|part| !part.is_empty())
        .map(|part| {
            PathComponent::new(part).map_err(|error| Problem::new(format!("`{part}`: {error}")))
        })
        .collect()
}

fn bytes(text: &str) -> Result<Limit, Problem> {
    if matches!(text, "-1" | "unlimited" | "max") {
        return Ok(Limit::Unlimited);
    }
    match parse(text)? {
        // Other tools take 0 for "no limit"; the kernel would kill everything.
        Bytes(0) => Err(Problem::new("0 leaves no room").hint("-1 is no limit")),
        Bytes(bytes) => Ok(Limit::At(bytes)),
    }
}

/// A list of numbers and ranges such as `0-3,8`.
pub(in crate::cli) fn list(text: &str) -> Result<String, Problem> {
    let is_number = |text: &str| text.parse::<u32>().is_ok() && !text.starts_with('+');
    let is_item = |item: &str| match item.split_once('-') {
        Some((first, last)) => is_number(first) && is_number(last),
        None => is_number(item),
    };
    if text.split(',').all(is_item) {
        Ok(text.to_owned())
    } else {
        Err(Problem::new("expected a list such as 0-3,8"))
    }
}
