//! The machine that measures: what it is, and the cgroup layouts that it can show.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// Which cgroup trees are mounted while it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    V1,
    V2,
}

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::V1, Self::V2].into_iter().find(|layout| layout.name() == name)
    }

    /// Those of this host.
    pub(crate) fn here() -> Vec<Self> {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let has = |kind: &str| table.lines().any(|line| line.contains(&format!(" - {kind} ")));
        let all = [(Self::V1, has("cgroup")), (Self::V2, has("cgroup2"))];
        all.into_iter().filter(|(_, has)| *has).map(|(layout, _)| layout).collect()
    }
}

/// Leaves the host's mounts for a copy of its own: a tmpfs on `/run`, as hosts have, and one cgroup version only, since not
/// every runtime can do with both. Gives the directory to work in.
pub(crate) fn enter(layout: Layout) -> Result<PathBuf, String> {
    let fail = |what: &'static str| move |errno: nix::Error| format!("{what}: {errno}");
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).map_err(fail("unshare"))?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).map_err(fail("mount"))?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).map_err(fail("/run"))?;
    let top = "/sys/fs/cgroup";
    match layout {
        Layout::V1 => {
            for (point, kind) in cgroup_mounts() {
                if kind == "cgroup2" {
                    umount2(point.as_str(), MntFlags::MNT_DETACH).map_err(fail("umount"))?;
                }
            }
        }
        Layout::V2 => {
            if cgroup_mounts().iter().any(|(_, kind)| kind == "cgroup") {
                umount2(top, MntFlags::MNT_DETACH).map_err(fail("umount"))?;
                mount(Some("cgroup2"), top, Some("cgroup2"), MsFlags::empty(), none)
                    .map_err(fail("cgroup2"))?;
            }
        }
    }
    let at = Path::new("/run/report");
    fs::create_dir_all(at).map_err(|error| error.to_string())?;
    Ok(at.to_owned())
}

fn cgroup_mounts() -> Vec<(String, String)> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let parse = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let kind = filesystem.split(' ').next()?.to_owned();
        Some((mount.split(' ').nth(4)?.to_owned(), kind))
    };
    table.lines().filter_map(parse).filter(|(_, kind)| kind.starts_with("cgroup")).collect()
}

/// What a reader must know of the machine.
pub(crate) fn machine() -> Vec<(String, String)> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let is_guest = cpu.lines().any(|line| line.starts_with("flags") && line.contains("hypervisor"));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let release = file("/etc/os-release");
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let memory = file("/proc/meminfo");
    let memory = memory.lines().next().unwrap_or_default().replace("MemTotal:", "");
    let say =
        |name: &str, value: &str| (name.to_owned(), value.trim().trim_matches('"').to_owned());
    vec![
        say("processor", model.map_or("", |(_, name)| name)),
        say("cores", &format!("{cores}{}", if is_guest { ", of a virtual machine" } else { "" })),
        say("memory", &memory),
        say("kernel", &file("/proc/sys/kernel/osrelease")),
        say("preemption and clock", &preemption()),
        say("system", system.unwrap_or_default()),
        say("time of a synchronize_rcu", &grace_period()),
    ]
}

fn preemption() -> String {
    let output = Command::new("uname").arg("-v").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

/// Moving another process into a cgroup waits for one of these: how long they take explains the peers' figures.
fn grace_period() -> String {
    let mut machine = crate::machine::Machine::default();
    // MEMBARRIER_CMD_GLOBAL
    machine.call(libc::SYS_membarrier, &[1.into(), 0.into(), 0.into()]);
    machine.call(libc::SYS_exit_group, &[0.into()]);
    let file = std::env::temp_dir().join(format!("nsplan-membarrier-{}", std::process::id()));
    let name = file.display().to_string();
    if crate::write_program(&name, &machine.finish()).is_err() {
        return String::new();
    }
    let words = crate::gate::Words::new([name.as_str()]);
    let mut times: Vec<f64> = (0..9).filter_map(|_| crate::gate::whole(&words).ok()).collect();
    let _ = fs::remove_file(file);
    times.sort_by(f64::total_cmp);
    times.get(4).map_or_else(String::new, |median| format!("{:.1} ms", median / 1000.0))
}
