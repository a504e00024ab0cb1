//! Older kernels' ways of mounting and resolving, carried out on this one: the plan says which.

use nsplan::apply::ExitStatus;
use nsplan::config::{BindSource, Mount, MountKind};
use nsplan::plan::{MountApi, Plan, Resolver, Topology};
use nsplan::types::{HostPath, MountFlags, RootPath};

use crate::stage::{Rootfs, Scratch, host_path, plan, run, with_userns};

const SCRIPT: &str = "stat -c %t:%T /proc/keys /dev/full; ls /sys/firmware | wc -l; cat /data/file; \
    touch /data/x 2>/dev/null || echo refused; touch /x 2>/dev/null || echo readonly; \
    touch /proc/sys/kernel/hostname 2>/dev/null; \
    while read a b c d e f g; do case $e in /|/data|/proc/sys) echo $e $f;; esac; done </proc/self/mountinfo";
const EXPECTED: &str = "1:3\n1:7\n0\nof the host\nrefused\nreadonly\n/ ro,relatime\n/data ro,nosuid,relatime\n\
    /proc/sys ro,nosuid,nodev,noexec,relatime\n";

/// The newest way that this kernel has, which the planner took, and all older ones.
fn variants(plan: &Plan) -> Vec<Plan> {
    let apis = [MountApi::Detached, MountApi::DetachedWithoutSetattr, MountApi::Classic];
    let resolvers = [Resolver::Openat2, Resolver::PartByPart];
    let apis = apis.into_iter().skip_while(|api| *api != plan.mount_api);
    let resolvers = resolvers.into_iter().skip_while(|resolver| *resolver != plan.resolver);
    let all: Vec<_> = apis
        .flat_map(|mount_api| {
            let ways = resolvers.clone();
            ways.map(move |resolver| Plan { mount_api, resolver, ..plan.clone() })
        })
        .collect();
    assert!(!all.is_empty());
    all
}

fn check(userns: bool) {
    let (rootfs, source) = (Rootfs::new(), Scratch::new());
    std::fs::write(source.path().join("file"), "of the host\n").unwrap();
    let mut config = rootfs.shell(SCRIPT);
    config.root.readonly_recursive = false;
    config.mounts.push(Mount::new(
        RootPath::new("/data").unwrap(),
        MountKind::Bind(BindSource { source: host_path(source.path()), recursive: true }),
        MountFlags::MS_RDONLY | MountFlags::MS_NOSUID,
    ));
    if userns {
        config = with_userns(config);
    }
    for plan in variants(&plan(&config)) {
        let (status, text) = run(&plan);
        let way = (plan.mount_api, plan.resolver);
        assert_eq!((status, text.as_str()), (ExitStatus::Exited(0), EXPECTED), "{way:?}");
    }
}

#[test]
fn every_way_of_mounting_and_resolving_gives_the_same_container() {
    check(false);
}

#[test]
fn every_way_works_in_a_user_namespace() {
    check(true);
}

#[test]
fn memory_may_be_copied_as_well_as_shared() {
    let rootfs = Rootfs::new();
    let mut plan = plan(&rootfs.shell("exit 6"));
    assert_eq!(plan.topology, Topology::SharedMemory);
    plan.topology = Topology::CopiedMemory;
    for step in &mut plan.parent {
        if let nsplan::plan::Op::Process(nsplan::plan::ProcessOp::Clone { flags, .. }) =
            &mut step.op
        {
            flags.remove(nsplan::types::CloneFlags::CLONE_VM);
        }
    }
    assert_eq!(run(&plan).0, ExitStatus::Exited(6));
}

#[test]
fn the_host_s_own_root_can_be_the_container_s() {
    let _rootfs = Rootfs::new();
    let args = ["/bin/busybox", "sh", "-c", "cd /; echo *; touch /nsplan-test-x || echo readonly"];
    let mut config = nsplan::config::Config::sandbox(
        HostPath::new("/").unwrap(),
        args.map(str::to_owned).to_vec(),
        false,
    );
    config.mounts.retain(|mount| mount.destination.as_str() != "/run");
    let (status, text) = run(&plan(&config));
    assert_eq!(status, ExitStatus::Exited(0), "{text}");
    assert!(text.contains(" etc ") && text.ends_with("readonly\n"), "{text}");
}
