//! Sentences of the spec that no other test shows, on real containers.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::stage::{Bundle, after, said};
use crate::support::is_root;

#[test]
fn options_about_one_mount_are_the_kernels_flags() {
    if !is_root() {
        return;
    }
    let words = [
        "ro",
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "relatime",
        "nosymfollow",
        "sync",
        "dirsync",
        "lazytime",
    ];
    let opposites = [
        "rw",
        "suid",
        "dev",
        "exec",
        "atime",
        "diratime",
        "strictatime",
        "symfollow",
        "async",
        "defaults",
        "nolazytime",
    ];
    let mut bundle = Bundle::new("flags");
    for (at, (word, opposite)) in words.into_iter().zip(opposites).enumerate() {
        let mount = |place: &str, options: Value| json!({"destination": format!("/{place}{at}"), "type": "tmpfs", "source": "t", "options": options});
        bundle = bundle
            .push("/mounts", mount("with", json!([word])))
            .push("/mounts", mount("without", json!([word, opposite])));
    }
    let table = bundle.run("cat /proc/self/mountinfo");
    // Those of the mount and those of the file system.
    let flags = |place: String| {
        let line = table.lines().find(|line| line.split(' ').nth(4) == Some(&place)).unwrap();
        let (mount, all) = line.split_once(" - ").unwrap();
        let options = mount.split(' ').nth(5).unwrap().split(',');
        let all: Vec<_> = options.chain(all.split(' ').nth(2).unwrap().split(',')).collect();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (at, word) in words.into_iter().enumerate() {
        assert!(flags(format!("/with{at}")).contains(&word.to_owned()), "{word}: {table}");
        let is_undone = !flags(format!("/without{at}")).contains(&word.to_owned());
        assert!(is_undone || word == "dirsync", "{word}: {table}");
    }
}

#[test]
fn an_id_map_that_nobody_gives_is_an_error() {
    if !is_root() {
        return;
    }
    for option in ["idmap", "ridmap"] {
        let mount = json!({"destination": "/m", "source": "/usr", "options": ["rbind", option]});
        let (code, error) = Bundle::new("no-map").push("/mounts", mount).refusal();
        assert_eq!(code, 125);
        assert!(error.contains("/mounts/") && error.contains("an id map of its own"), "{error}");
    }
}

#[test]
fn without_a_wish_the_oom_score_stays_the_callers() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("score").set("/process/oomScoreAdj", json!(null));
    let run = bundle.runner(Some("cat /proc/self/oom_score_adj"));
    let mut shell = after("echo 77 > /proc/self/oom_score_adj", &run);
    assert_eq!(said(&shell.output().unwrap()), "77\n");
}

#[test]
fn what_its_launcher_was_told_to_ignore_is_not_ignored_inside() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("ignores");
    let run = bundle.runner(Some("exec grep -E 'SigBlk|SigIgn' /proc/self/status"));
    let mut shell = after("trap '' HUP USR2 TSTP", &run);
    let expected = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n";
    assert_eq!(said(&shell.output().unwrap()), expected);
}

#[test]
fn an_oom_score_is_the_containers_and_not_its_launchers() {
    if !is_root() {
        return;
    }
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let bundle = Bundle::new("score-alone").set("/process/oomScoreAdj", json!(321));
    let mut run = bundle.runner(Some("cat /proc/self/oom_score_adj; read end; exit 7"));
    let mut launcher = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(launcher.stdout.take().unwrap());
    output.read_line(&mut said).unwrap();
    let file = format!("/proc/{}/oom_score_adj", launcher.id());
    let launchers = fs::read_to_string(file).unwrap();
    // Its input ends.
    assert_eq!(launcher.wait().unwrap().code(), Some(7));
    assert_eq!((said.as_str(), launchers), ("321\n", own));
}

#[test]
fn a_memory_limit_too_small_for_init_ends_init_alone_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("little");
    let path = format!("/nsplan-oci/{}", bundle.id());
    let bundle = bundle
        .set("/linux/cgroupsPath", json!(path))
        .set("/linux/resources/memory", json!({"limit": 100_000}));
    let output = bundle.runner(Some("exit 0")).output().unwrap();
    // Refused, killed on the way, or once there; never by the end of the launcher itself.
    assert!(matches!(output.status.code(), Some(125 | 137)), "{output:?}");
    let left = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let left = left.map(|top| format!("{top}{path}"));
    assert!(left.iter().all(|path| !Path::new(path).exists()), "{left:?}");
    assert_ne!(bundle.command(&["state", &bundle.id()]).output().unwrap().status.code(), Some(0));
}

/// The types of the spec and the kernel's names for them.
const TYPES: [(&str, &str); 8] = [
    ("cgroup", "cgroup"),
    ("ipc", "ipc"),
    ("mount", "mnt"),
    ("network", "net"),
    ("pid", "pid"),
    ("time", "time"),
    ("user", "user"),
    ("uts", "uts"),
];

/// Which of them a container made of `types` shares with this test.
fn shared(bundle: &Bundle) -> Vec<&'static str> {
    let names = TYPES.map(|(_, name)| name).join(" ");
    let script = format!("for n in {names}; do readlink /proc/self/ns/$n; done");
    let inside = bundle.run(&script);
    let own = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    let pairs = TYPES.into_iter().zip(inside.lines());
    let is_shared = |name: &str, line: &str| own(name) == Path::new(line);
    pairs.filter(|((_, name), line)| is_shared(name, line)).map(|((kind, _), _)| kind).collect()
}

#[test]
fn a_namespace_of_each_type_is_new_when_it_is_asked_for() {
    if !is_root() {
        return;
    }
    let all: Vec<_> = TYPES.iter().map(|(kind, _)| json!({"type": kind})).collect();
    let map = json!([{"containerID": 0, "hostID": 0, "size": 65_536}]);
    let bundle = Bundle::new("types")
        .set("/linux/namespaces", json!(all))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
    assert_eq!(shared(&bundle), [""; 0]);
}

#[test]
fn a_namespace_that_is_not_listed_is_the_callers() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("inherits")
        .set("/linux/namespaces", json!([{"type": "mount"}, {"type": "pid"}]))
        .set("/hostname", json!(null))
        .without_mount("/dev/mqueue")
        .without_mount("/sys");
    assert_eq!(shared(&bundle), ["cgroup", "ipc", "network", "time", "user", "uts"]);
}

#[test]
fn the_owner_of_a_cgroup_is_not_changed() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("owner").set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let path = format!("/nsplan-oci/{}", bundle.id());
    let bundle = bundle
        .set("/linux/cgroupsPath", json!(path))
        .set("/linux/resources/pids", json!({"limit": 33}));
    let running = bundle.start();
    let tops = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(|top| format!("{top}{path}"));
    let directory = tops.iter().map(Path::new).find(|path| path.exists()).unwrap();
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        assert_eq!(fs::metadata(&entry).unwrap().uid(), 0, "{}", entry.display());
    }
    assert_eq!(fs::metadata(directory).unwrap().uid(), 0);
    drop(running);
}

#[test]
fn a_burst_above_the_quota_is_an_error() {
    if !is_root() {
        return;
    }
    let cpu = |burst: u32| json!({"quota": 10_000, "period": 100_000, "burst": burst});
    let bundle = Bundle::new("burst").set("/linux/resources/cpu", cpu(10_001));
    let (code, error) = bundle.refusal();
    assert_eq!(code, 125);
    assert!(error.contains("/linux/resources/cpu/burst: expected a burst"), "{error}");
    assert_eq!(bundle.set("/linux/resources/cpu", cpu(10_000)).run("echo ran"), "ran\n");
}

#[test]
fn a_class_of_service_is_an_error_without_resctrl() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("rdt").set("/linux/intelRdt", json!({"closID": "gold"}));
    let (code, error) = bundle.refusal();
    assert_eq!(code, 125);
    assert!(error.contains("/linux/intelRdt: "), "{error}");
}
