//! Containers in scopes: asked for, limited, left; and what becomes of a start that systemd spoils.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nsplan::apply::{self, CgroupHandle, CgroupVersion, Io, Running, StateDir};
use nsplan::config::{
    Cgroup, CgroupBase, CgroupDriver, CgroupPath, Config, Cpu, Limit, Memory, PathComponent,
    Resources,
};
use nsplan::facts::HostFacts;
use nsplan::plan::{Plan, needs, plan, update, update_files};
use nsplan::types::{NamespaceKind, Signal};

use crate::fake::{Fake, Manner, PrivateBus, facts};
use crate::support::{Scratch, is_root, rootfs, shell};

/// A slice and a scope that no other test has.
fn names() -> (String, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    (format!("nsplantest{}x{number}.slice", std::process::id()), format!("box-{number}"))
}

fn config(root: &Scratch, script: &str, (slice, scope): &(String, String)) -> Config {
    let mut config = shell(root, script);
    let memory = Memory { limit: Some(Limit::At(64 << 20)), ..Memory::default() };
    let cpu = Cpu { shares: Some(512), quota: Some(20_000), ..Cpu::default() };
    let resources = Resources { memory, cpu, pids: Some(Limit::At(64)), ..Resources::default() };
    let path =
        CgroupPath { base: CgroupBase::Root, parts: vec![PathComponent::new("box").unwrap()] };
    let driver = CgroupDriver::Systemd { slice: Some(slice.clone()), scope: scope.clone() };
    config.cgroup = Some(Cgroup { path, driver, resources });
    config
}

fn host(config: &Config, bus: &PrivateBus) -> HostFacts {
    let mut host = apply::probe::probe(&needs(config)).expect("facts of this host");
    host.cgroup.as_mut().unwrap().systemd = true;
    host.systemd = Some(facts(bus));
    host
}

/// The directories of the slice that are left anywhere.
fn left(slice: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mounts = mounts.lines().filter(|line| line.contains(" - cgroup"));
    let points = mounts.filter_map(|line| line.split(' ').nth(4));
    points.map(|point| PathBuf::from(point).join(slice)).filter(|path| path.exists()).collect()
}

fn planned(config: &Config, host: &HostFacts) -> Plan {
    plan(config, host).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Ends with the test, whatever that finds.
struct Guard(apply::Container);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill(Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn on_v1_systemd_is_asked_and_the_rest_is_done_by_hand() {
    if !is_root() {
        return;
    }
    let Some(bus) = PrivateBus::new() else { return };
    let fake = Fake::new(&bus.socket, Manner::Works, None);
    let (names, root) = (names(), rootfs("scope-v1"));
    let config = config(&root, "exec sleep 1000", &names);
    let host = host(&config, &bus);
    if host.cgroup.as_ref().unwrap().v1("memory").is_none() {
        crate::support::skip("no v1 hierarchy with memory");
        return;
    }
    let plan = planned(&config, &host);
    let cgroup = CgroupHandle::of(&plan).unwrap();
    assert_eq!(cgroup.version(), CgroupVersion::V1);
    let mut container =
        Guard(apply::spawn(&plan, Io::default()).unwrap_or_else(|error| panic!("{error}")));
    let own = fs::read_to_string(format!("/proc/{}/cgroup", container.0.pid())).unwrap();
    let inside = format!("/{}/{}.scope", names.0, names.1);
    let count = own.lines().filter(|line| line.ends_with(&inside)).count();
    assert_eq!(count, cgroup.directories().len(), "{own}");
    assert_eq!(cgroup.stats().unwrap().memory.memory.limit, Some(64 << 20));
    let heard = fake.heard();
    let members: Vec<_> = heard.iter().map(|heard| &*heard.member).collect();
    assert_eq!(members, ["Subscribe", "StartTransientUnit"]);
    let unit = format!("{}.scope", names.1);
    assert_eq!(heard[1].texts, [&*unit, "replace"]);
    let property = |name: &str| {
        let found = heard[1].properties.iter().find(|(known, _)| known == name);
        format!("{:?}", *found.unwrap_or_else(|| panic!("no {name}")).1)
    };
    assert_eq!(property("Slice"), format!("Str({:?})", names.0));
    let pids = property("PIDs");
    assert!(pids.contains(&format!("U32({})", container.0.pid())), "{pids}");
    for (name, value) in [
        ("Delegate", "Bool(true)"),
        ("DefaultDependencies", "Bool(false)"),
        ("MemoryAccounting", "Bool(true)"),
        ("MemoryLimit", "U64(67108864)"),
        ("CPUShares", "U64(512)"),
        ("CPUQuotaPerSecUSec", "U64(200000)"),
        ("TasksMax", "U64(64)"),
    ] {
        assert_eq!(property(name), value, "{name}");
    }
    assert!(heard[1].properties.iter().all(|(name, _)| !name.starts_with("Device")));
    container.0.kill(Signal::KILL).unwrap();
    container.0.wait().expect("everything undone");
    let heard = fake.heard();
    let members: Vec<_> = heard.iter().map(|heard| &*heard.member).collect();
    assert_eq!(members, ["Subscribe", "KillUnit", "StopUnit", "ResetFailedUnit"]);
    assert_eq!(heard[1].texts, [&*unit, "all", "9"]);
    assert_eq!(left(&names.0), [] as [PathBuf; 0]);
}

#[test]
fn a_change_of_limits_is_told_to_systemd_and_then_made() {
    if !is_root() {
        return;
    }
    let Some(bus) = PrivateBus::new() else { return };
    let fake = Fake::new(&bus.socket, Manner::Works, None);
    let (names, root, beside) = (names(), rootfs("scope-update"), Scratch::new("scope-state"));
    let mut config = config(&root, "exec sleep 1000", &names);
    let host = host(&config, &bus);
    if host.cgroup.as_ref().unwrap().v1("pids").is_none() {
        crate::support::skip("no v1 hierarchy with pids");
        return;
    }
    if host.cgroup.as_ref().unwrap().v1("memory").is_none() {
        // On a hybrid host it may be in the v2 tree alone, where systemd does not look then.
        config.cgroup.as_mut().unwrap().resources.memory = Memory::default();
    }
    let plan = planned(&config, &host);
    let state = Some(StateDir { root: beside.path().into(), id: "box".into() });
    let container = apply::spawn(&plan, Io { state, ..Io::default() });
    let _container = Guard(container.unwrap_or_else(|error| panic!("{error}")));
    drop(fake.heard());
    let running = Running::open(beside.path(), "box").unwrap();
    let change = Resources { pids: Some(Limit::At(20)), ..Resources::default() };
    let files = update_files(&change, running.record(), &host);
    let values = apply::cgroup_values(files).unwrap();
    let planned = update(&change, running.record(), &host, &values).unwrap();
    running.update(beside.path(), &planned).unwrap();
    let heard = fake.heard();
    let told = heard.iter().find(|heard| heard.member == "SetUnitProperties").unwrap();
    assert_eq!(told.texts, [format!("{}.scope", names.1), "true".into()]);
    let told: Vec<_> =
        told.properties.iter().map(|(name, value)| format!("{name}={:?}", **value)).collect();
    assert_eq!(told, ["TasksMax=U64(20)"]);
    let cgroup = CgroupHandle::of(&plan).unwrap();
    let mut files = cgroup.directories().iter().map(|directory| directory.child("pids.max"));
    let file = files.find(|file| fs::exists(file.as_str()).unwrap()).unwrap();
    assert_eq!(fs::read_to_string(file.as_str()).unwrap(), "20\n");
}

/// A host with the v2 tree alone, which the one who plays systemd makes directories in.
fn v2(config: &Config, bus: &PrivateBus) -> Option<(HostFacts, PathBuf)> {
    let mut host = host(config, bus);
    let tree = host.cgroup.as_mut().unwrap();
    tree.hierarchies.clear();
    let Some(unified) = &mut tree.unified else {
        crate::support::skip("no v2 tree");
        return None;
    };
    // Values are written where a controller is; here nothing but the place is.
    unified.controllers.clear();
    let place = unified.mount_point.as_str().into();
    Some((host, place))
}

/// Nothing is asked of the kernel, only of systemd.
fn unlimited(mut config: Config) -> Config {
    config.cgroup.as_mut().unwrap().resources = Resources::default();
    config
}

#[test]
fn on_v2_the_container_is_in_the_scope_that_systemd_has_made_and_all_of_it_ends() {
    if !is_root() {
        return;
    }
    let Some(bus) = PrivateBus::new() else { return };
    let (names, root) = (names(), rootfs("scope-v2"));
    let mut config = unlimited(config(&root, "sleep 1000 & sleep 1000 & exec sleep 1000", &names));
    // What it leaves behind is for the scope's end to kill.
    config.namespaces.remove(&NamespaceKind::Pid);
    let Some((host, place)) = v2(&config, &bus) else { return };
    let fake = Fake::new(&bus.socket, Manner::Works, Some(place.clone()));
    let plan = planned(&config, &host);
    let cgroup = CgroupHandle::of(&plan).unwrap();
    assert_eq!(cgroup.version(), CgroupVersion::V2);
    let directory = place.join(&names.0).join(format!("{}.scope", names.1));
    assert_eq!(cgroup.directories()[0].as_str(), directory.to_str().unwrap());
    let mut container =
        Guard(apply::spawn(&plan, Io::default()).unwrap_or_else(|error| panic!("{error}")));
    assert!(cgroup.pids(false).unwrap().contains(&container.0.pid()));
    container.0.kill(Signal::KILL).unwrap();
    container.0.wait().expect("everything undone");
    drop(fake);
    assert_eq!(left(&names.0), [] as [PathBuf; 0]);
}

/// Starts what `manner` spoils.
fn spoilt(manner: Manner) -> Result<(), String> {
    let bus = PrivateBus::new().expect("a bus");
    let (names, root) = (names(), rootfs("scope-spoilt"));
    let config = unlimited(config(&root, "exit 5", &names));
    let (host, _) = v2(&config, &bus).expect("a v2 tree");
    let _fake = Fake::new(&bus.socket, manner, None);
    let result = match apply::spawn(&planned(&config, &host), Io::default()) {
        Ok(mut container) => {
            assert_eq!(container.wait().expect("everything undone").code(), 5);
            Ok(())
        }
        Err(error) => {
            assert_eq!(error.left_behind, []);
            Err(error.cause.to_string())
        }
    };
    assert_eq!(left(&names.0), [] as [PathBuf; 0]);
    result
}

#[test]
fn a_start_that_systemd_refuses_or_spoils_fails_and_is_undone() {
    if !is_root() {
        return;
    }
    let (names, root) = (names(), rootfs("scope-first"));
    let Some(bus) = PrivateBus::new() else { return };
    if v2(&config(&root, "exit 5", &names), &bus).is_none() {
        return;
    }
    let denied = "systemd: org.freedesktop.DBus.Error.AccessDenied: not for you";
    assert_eq!(spoilt(Manner::Refuses), Err(denied.into()));
    assert_eq!(spoilt(Manner::Fails), Err("systemd: JobRemoved: failed".into()));
    // A signal counts only from who was asked.
    assert_eq!(spoilt(Manner::IsImitated), Err("systemd: JobRemoved: failed".into()));
    assert_eq!(spoilt(Manner::TellsFirst), Ok(()));
}

#[test]
fn without_anybody_on_the_bus_the_start_fails_and_is_undone() {
    if !is_root() {
        return;
    }
    let Some(bus) = PrivateBus::new() else { return };
    let (names, root) = (names(), rootfs("scope-nobody"));
    let config = unlimited(config(&root, "exit 5", &names));
    let Some((host, _)) = v2(&config, &bus) else { return };
    let error = apply::spawn(&planned(&config, &host), Io::default()).expect_err("nobody");
    assert!(error.cause.to_string().contains("systemd1"), "{error}");
}

/// The host as it would be with systemd: a `/run` of its own, in a mount namespace of its own.
fn with_systemd(bus: &PrivateBus, program: &str, args: &[&str]) -> std::process::Output {
    let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", program]);
    command.env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", bus.socket));
    command.args(args).output().unwrap()
}

#[test]
fn the_option_asks_systemd_and_without_it_nothing_is_begun() {
    if !is_root() {
        return;
    }
    let Some(bus) = PrivateBus::new() else { return };
    let (root, beside) = (rootfs("scope-cli"), rootfs("scope-cli-state"));
    let rootfs = root.path().to_str().unwrap();
    let state = beside.path().join("state");
    let name = format!("clitest{}", std::process::id());
    let run = ["--systemd-cgroup", "--root", state.to_str().unwrap(), "do", "--name", &name];
    let rest =
        ["--rootfs", rootfs, "--pids-limit", "20", "--", "sh", "-c", "cat /proc/1/cgroup; exit 9"];
    let args = [&run[..], &rest[..]].concat();
    asks(&bus, env!("CARGO_BIN_EXE_nsplan"), &args, &format!("nsplan-{name}.scope"));
    // Under its old name in the old program.
    let run = ["--root", state.to_str().unwrap(), "exec", "--systemd", "--id", &name];
    let args = [&run[..], &["--rootfs", rootfs, "sh", "-c", "exit 9"]].concat();
    asks(&bus, env!("CARGO_BIN_EXE_nsinit"), &args, &format!("nsinit-{name}.scope"));
    assert_eq!(left("system.slice").len(), 0);
}

/// A command whose program ends with 9 in that scope; and the same command where nobody makes one.
#[track_caller]
fn asks(bus: &PrivateBus, program: &str, args: &[&str], scope: &str) {
    // Nobody answers yet.
    let output = with_systemd(bus, program, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("systemd does not answer"), "{errors}");
    // Where the one tree is v2, the limit is written where systemd has made the scope.
    let whole = PathBuf::from("/sys/fs/cgroup");
    let tree = whole.join("cgroup.controllers").exists().then_some(whole);
    let fake = Fake::new(&bus.socket, Manner::Works, tree);
    let output = with_systemd(bus, program, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{errors}");
    let heard = fake.heard();
    let units: Vec<_> = heard.iter().filter(|heard| heard.member == "StartTransientUnit").collect();
    assert_eq!(units[0].texts[0], scope);
    // And where systemd does not run at all.
    let output = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !fs::exists("/run/systemd/system").unwrap() {
        assert!(errors.contains("systemd does not run on this host"), "{errors}");
    }
}
