//! What criu is told: of a record and of what `/proc` says, of a config and of what a checkpoint had of the outside.

use nsplan::config::{
    BindSource, CgroupBase, CgroupPath, Config, Mount, MountKind, NamespaceSource, PathComponent,
};
use nsplan::facts::HostFacts;
use nsplan::plan::criu::{
    Checkpoint, CriuCall, CriuCgroups, CriuOptions, CriuOutside, CriuRefusal, CriuSwitch, CriuView,
    OpenFile, Restore, checkpoint, restore,
};
use nsplan::plan::{Op, Record, StateOp, plan_created};
use nsplan::types::{HostPath, MountFlags, NamespaceKind, RootPath};

use crate::support::snapshot;

fn path(text: &str) -> HostPath {
    HostPath::new(text).unwrap()
}

/// With a volume, a network of somebody else's and a cgroup.
fn config() -> Config {
    let mut config = Config::sandbox(path("/srv/rootfs"), vec!["sh".into()], false);
    config.process.as_mut().unwrap().parent_death_signal = None;
    config.networks.clear();
    config.namespaces.insert(NamespaceKind::Net, NamespaceSource::Join(path("/run/netns/pod")));
    let part = PathComponent::new("web1").unwrap();
    config.place_cgroup(CgroupPath { base: CgroupBase::Root, parts: vec![part] });
    let bind = BindSource { source: path("/srv/data"), recursive: true };
    config.mounts.push(Mount::new(
        RootPath::new("/data").unwrap(),
        MountKind::Bind(bind),
        MountFlags::empty(),
    ));
    config
}

fn facts() -> HostFacts {
    let mut facts = HostFacts::example();
    for at in ["/srv/rootfs", "/srv/data", "/run/netns/pod"] {
        facts.paths.insert(path(at), nsplan::facts::PathFact::Directory);
    }
    facts
}

fn record(config: &Config) -> Record {
    let plan = plan_created(config, &facts()).unwrap();
    let planned = plan.parent.iter().find_map(|step| match &step.op {
        Op::State(StateOp::WriteRecord { planned }) => Some(planned.clone()),
        _ => None,
    });
    Record {
        schema: Record::SCHEMA,
        id: "web1".into(),
        pid: 4711,
        start_time: 1,
        boot: None,
        created: 0,
        bundle: None,
        links: Vec::new(),
        planned: planned.unwrap(),
    }
}

fn options() -> CriuOptions {
    CriuOptions {
        images: path("/var/images"),
        work: Some(path("/var/work")),
        switches: vec![CriuSwitch::TcpEstablished, CriuSwitch::FileLocks],
        cgroups: CriuCgroups::Soft,
        empty_network: false,
        status_fd: None,
    }
}

fn asked() -> Checkpoint {
    Checkpoint { options: options(), parent: None, pre_dump: false, leave_running: false }
}

/// A root on a disk, a file system of each kind, a volume, a volume in the host's memory, a hidden file and one of the
/// root's own.
const MOUNTS: &str = "\
65 43 254:0 /srv/rootfs / rw - ext4 /dev/vda rw
66 65 0:40 / /proc rw - proc proc rw
67 65 0:41 / /dev rw - tmpfs tmpfs rw
71 65 0:44 / /sys ro - sysfs sysfs rw
72 71 0:45 / /sys/fs/cgroup ro - cgroup2 cgroup rw
83 65 254:0 /srv/data /data rw - ext4 /dev/vda rw
84 65 0:22 /shared /memory rw - tmpfs tmpfs rw
85 65 254:0 /srv/rootfs/etc /readonly ro - ext4 /dev/vda rw
89 66 0:41 /null /proc/keys rw - tmpfs tmpfs rw
90 66 0:5 /null /proc/kcore rw - devtmpfs devtmpfs rw
";

fn view() -> CriuView {
    let file = |number, target: &str, mount, inode| OpenFile {
        number,
        target: target.into(),
        mount,
        inode,
    };
    CriuView {
        mountinfo: MOUNTS.into(),
        own_mountinfo: "24 1 0:22 / /run rw - tmpfs tmpfs rw\n".into(),
        descriptors: vec![
            file(0, "/dev/null", 24, 5),
            file(1, "pipe:[77]", 13, 77),
            file(2, "/var/log/own", 65, 9),
        ],
        namespaces: [(NamespaceKind::Net, 4_026_532_181)].into(),
    }
}

fn words(call: &CriuCall) -> String {
    format!("{}\nlog: {}\n", call.arguments.join("\n"), call.log)
}

#[test]
fn a_running_container_becomes_the_words_for_criu() {
    let (call, outside) = checkpoint(&record(&config()), &asked(), &view()).unwrap();
    let text = format!("{}{}\n", words(&call), outside.to_json());
    snapshot("plan", "criu-checkpoint", "a container that criu writes down", &text);
    assert_eq!(CriuOutside::from_json(&outside.to_json()), Ok(outside));
}

#[test]
fn a_pre_dump_leaves_it_running_and_what_follows_names_it() {
    let first = Checkpoint { pre_dump: true, ..asked() };
    let (call, _) = checkpoint(&record(&config()), &first, &view()).unwrap();
    assert_eq!(call.arguments[0], "pre-dump");
    assert!(call.arguments.contains(&"--track-mem".to_owned()));
    let then = Checkpoint { parent: Some("../pre".into()), leave_running: true, ..asked() };
    let (call, _) = checkpoint(&record(&config()), &then, &view()).unwrap();
    for word in ["--track-mem", "--prev-images-dir=../pre", "--leave-running"] {
        assert!(call.arguments.contains(&word.to_owned()), "{word}");
    }
}

#[test]
fn what_was_written_down_becomes_steps_around_criu() {
    let (_, outside) = checkpoint(&record(&config()), &asked(), &view()).unwrap();
    let mut config = config();
    config.masked_paths = vec![RootPath::new("/proc/kcore").unwrap()];
    let wanted = |stays| Restore {
        options: options(),
        lsm_profile: Some("apparmor:web".into()),
        lsm_mount_context: None,
        stays,
    };
    let said = restore(&config, &facts(), &outside, &wanted(true)).unwrap_err();
    let said: Vec<_> = said.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("memory"), "{said:?}");

    let mut outside = outside;
    outside.mounts.retain(|mount| mount.destination != "/memory");
    let plan = restore(&config, &facts(), &outside, &wanted(true)).unwrap();
    let steps: String = plan.plan.parent.iter().map(|step| format!("{}\n", step.op)).collect();
    let text = format!(
        "{steps}criu after step {}:\n{}root: {}\npid: {}\n{:#?}\n",
        plan.first,
        words(&plan.call),
        plan.root,
        plan.pid_file,
        plan.inherited
    );
    snapshot("plan", "criu-restore", "a container that criu makes anew", &text);
    let attended = restore(&config, &facts(), &outside, &wanted(false)).unwrap();
    assert_eq!(attended.plan.parent.len() + 1, plan.plan.parent.len(), "it does not stay");
}

#[test]
fn what_criu_could_not_give_back_is_not_written_down() {
    let mut terminal = config();
    terminal.process.as_mut().unwrap().terminal = true;
    let refused = |config| checkpoint(&record(config), &asked(), &view()).unwrap_err();
    assert_eq!(refused(&terminal), CriuRefusal::Terminal);
    let mut shared = config();
    shared.namespaces.remove(&NamespaceKind::Pid);
    assert_eq!(refused(&shared), CriuRefusal::NoPidNamespace);
    let mut joined = config();
    joined.namespaces.insert(NamespaceKind::Ipc, NamespaceSource::Join(path("/proc/9/ns/ipc")));
    assert_eq!(refused(&joined), CriuRefusal::Joined { kind: NamespaceKind::Ipc });
}
