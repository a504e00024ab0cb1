//! The process, the root, the mounts and the devices of a bundle that root starts.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::stage::Bundle;
use crate::support::is_root;

#[test]
fn the_process_is_what_the_bundle_says() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("process")
        .set("/process/args", json!(["/bin/sh", "-c", "id; pwd; umask; echo $A; hostname; grep -E 'Cap(Eff|Bnd|Amb)|NoNew' /proc/self/status; cat /proc/self/oom_score_adj; ulimit -n"]))
        .set("/process/cwd", json!("/home"))
        .push("/process/env", json!("A=b=c"))
        .set("/process/user", json!({"uid": 7, "gid": 8, "umask": 0o027, "additionalGids": [9]}))
        .set("/process/oomScoreAdj", json!(321))
        .set("/process/rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100}]))
        .set("/hostname", json!("inside"));
    let output = bundle.runner(None).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let expected = "uid=7 gid=8 groups=9\n/home\n0027\nb=c\ninside\n\
        CapEff:\t0000000000000000\nCapBnd:\t0000000020000420\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n321\n99\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_exit_code_is_the_programs_own() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("exit").set("/process/args", json!(["sh", "-c", "exit 7"]));
    assert_eq!(bundle.runner(None).status().unwrap().code(), Some(7));
    let missing = bundle.set("/process/args", json!(["/bin/nothing"]));
    assert_eq!(missing.runner(None).stderr(Stdio::null()).status().unwrap().code(), Some(127));
}

#[test]
fn a_bundle_without_a_program_is_refused_and_nothing_else_is_run_in_its_place() {
    if !is_root() {
        return;
    }
    for args in [json!(null), json!([])] {
        let bundle = Bundle::new("no-program").set("/process/args", args);
        let output = bundle.runner(None).output().unwrap();
        assert_eq!(output.status.code(), Some(125));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("no program to run"), "{error}");
    }
}

#[test]
fn a_root_that_is_no_directory_is_refused() {
    if !is_root() {
        return;
    }
    for (path, why) in [("/nothing/there", "does not exist"), ("/etc/passwd", "is not a directory")]
    {
        let (code, error) = Bundle::new("no-root").set("/root/path", json!(path)).refusal();
        assert!(code == 125 && error.contains("/root/path") && error.contains(why), "{error}");
    }
}

#[test]
fn a_read_only_root_takes_no_file_but_its_mounts_do() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("readonly").set("/root/readonly", json!(true));
    let said = bundle.run("touch /x 2>&1; touch /dev/shm/x && echo shm");
    assert_eq!(said, "touch: /x: Read-only file system\nshm\n");
}

#[test]
fn the_default_nodes_are_there_with_their_numbers_and_their_links() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("nodes")
        .push("/linux/devices", json!({"path": "/run/x/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 3, "gid": 4}))
        .push("/linux/devices", json!({"path": "/pipe", "type": "p", "fileMode": 0o600}));
    let said = bundle.run(
        "cd /dev; for n in null zero full random urandom tty; do stat -c '%n %t:%T %a' $n; done;
        for n in ptmx fd stdin stdout stderr; do readlink $n; done;
        stat -c '%n %t:%T %a %u:%g' /run/x/fuse; stat -c '%F %a' /pipe; echo x > /dev/null; head -c 1 /dev/zero | wc -c",
    );
    let expected = "null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\ntty 5:0 666\n\
        pts/ptmx\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n\
        /run/x/fuse a:e5 640 3:4\nfifo 600\n1\n";
    assert_eq!(said, expected);
}

#[test]
fn what_stands_in_the_way_of_a_device_is_refused() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("in-the-way").push(
        "/linux/devices",
        json!({"path": "/etc/passwd", "type": "c", "major": 1, "minor": 3}),
    );
    let (code, error) = bundle.refusal();
    assert_eq!(code, 125, "{error}");
    assert!(error.contains("/linux/devices/0"), "{error}");
}

#[test]
fn a_device_that_no_rule_grants_cannot_be_opened_though_its_node_is_there() {
    if !is_root() {
        return;
    }
    let node =
        json!({"path": "/dev/other", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666});
    let bundle = Bundle::new("denied").push("/linux/devices", node);
    let script = "head -c 0 /dev/other 2>&1; cat /dev/null && echo null";
    assert_eq!(bundle.run(script), "head: /dev/other: Operation not permitted\nnull\n");
    let granted = json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"});
    let bundle = bundle.push("/linux/resources/devices", granted);
    assert_eq!(bundle.run(script), "null\n");
}

#[test]
fn mounts_come_in_order_with_their_options() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("mounts");
    let data = bundle.directory().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("word"), "hello").unwrap();
    let bundle = bundle
        .push("/mounts", json!({"destination": "/a", "type": "tmpfs", "source": "t", "options": ["size=1m", "nosuid", "noatime"]}))
        .push("/mounts", json!({"destination": "/a/b", "type": "bind", "source": "data", "options": ["bind", "ro", "noexec", "rprivate"]}))
        .push("/mounts", json!({"destination": "c", "source": data.join("word"), "options": ["bind", "nosymfollow"]}));
    let said = bundle
        .run("cat /a/b/word /c; touch /a/b/x 2>&1; grep -E ' /(a|a/b|c) ' /proc/self/mountinfo");
    assert!(said.starts_with("hellohellotouch: /a/b/x: Read-only file system\n"), "{said}");
    let options = |place: &str| {
        let line = said.lines().find(|line| line.contains(&format!(" {place} "))).unwrap();
        line.split(' ').nth(5).unwrap().to_owned()
    };
    assert_eq!(options("/a"), "rw,nosuid,noatime");
    assert!(options("/a/b").starts_with("ro,noexec"), "{said}");
    assert!(options("/c").contains("nosymfollow"), "{said}");
}

#[test]
fn recursive_options_reach_what_is_mounted_below() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("tree").push(
        "/mounts",
        json!({"destination": "/host", "source": "/dev", "options": ["rbind", "rro", "rnoexec"]}),
    );
    let said = bundle.run("grep ' /host' /proc/self/mountinfo");
    assert!(said.lines().count() > 1, "{said}");
    for line in said.lines() {
        let options = line.split(' ').nth(5).unwrap();
        assert!(options.starts_with("ro,") && options.contains("noexec"), "{line}");
    }
}

#[test]
fn masked_and_read_only_paths_are_that() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("masked")
        .set("/linux/maskedPaths", json!(["/etc/passwd", "/home", "/not/there"]))
        .set("/linux/readonlyPaths", json!(["/etc"]));
    fs::write(bundle.path().join("home/secret"), "x").unwrap();
    let said = bundle.run("cat /etc/passwd | wc -c; ls /home | wc -l; touch /etc/x 2>&1; true");
    assert_eq!(said, "0\n0\ntouch: /etc/x: Read-only file system\n");
}

#[test]
fn kernel_parameters_of_its_namespaces_are_set() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("sysctl")
        .set("/linux/sysctl", json!({"net.core.somaxconn": "256", "kernel.msgmax": "9000"}));
    assert_eq!(
        bundle.run("cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax"),
        "256\n9000\n"
    );
    let (code, error) = bundle.set("/linux/sysctl", json!({"vm.swappiness": "1"})).refusal();
    assert!(code == 125 && error.contains("/linux/sysctl/vm.swappiness"), "{error}");
}

#[test]
fn a_namespace_is_joined_by_its_path_and_one_of_another_kind_refused() {
    if !is_root() {
        return;
    }
    let own = fs::read_link("/proc/self/ns/ipc").unwrap();
    let path = format!("/proc/{}/ns/ipc", std::process::id());
    let kinds = |path: &str| json!([{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "network"}, {"type": "cgroup"}, {"type": "ipc", "path": path}]);
    let bundle =
        Bundle::new("join").without_mount("/dev/mqueue").set("/linux/namespaces", kinds(&path));
    assert_eq!(bundle.run("readlink /proc/self/ns/ipc"), format!("{}\n", own.display()));
    let wrong = format!("/proc/{}/ns/net", std::process::id());
    let (code, error) = bundle.set("/linux/namespaces", kinds(&wrong)).refusal();
    assert!(code == 125 && error.contains("EINVAL"), "{error}");
}

#[test]
fn clocks_are_shifted_in_a_time_namespace() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("clocks")
        .push("/linux/namespaces", json!({"type": "time"}))
        .set("/linux/timeOffsets", json!({"boottime": {"secs": 864_000_000}}));
    let up: f64 = bundle.run("cat /proc/uptime").split(' ').next().unwrap().parse().unwrap();
    assert!(up > 864_000_000.0, "{up}");
}

#[test]
fn limits_are_those_of_its_cgroup_at_its_path() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("limits");
    let path = format!("/nsplan-oci/{}", bundle.id());
    let bundle = bundle
        .set("/linux/cgroupsPath", json!(path))
        .set("/linux/resources/pids", json!({"limit": 33}))
        .set("/linux/resources/memory", json!({"limit": 67_108_864}));
    let said = bundle.run("cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max /sys/fs/cgroup/unified/memory.max 2>/dev/null; true");
    assert_eq!(said, "33\n67108864\n");
    let left = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(|top| format!("{top}{path}"));
    assert!(left.iter().all(|path| !std::path::Path::new(path).exists()));
}

#[test]
fn without_a_cgroup_namespace_a_container_still_sees_its_own_cgroup_alone() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("view");
    let kinds = json!([{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "network"}, {"type": "ipc"}]);
    let bundle =
        bundle.set("/linux/namespaces", kinds).set("/linux/resources/pids", json!({"limit": 44}));
    let said = bundle.run(
        "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; cat /sys/fs/cgroup/pids/tasks /sys/fs/cgroup/cgroup.procs 2>/dev/null | head -1; cd /sys/fs/cgroup/pids 2>/dev/null || cd /sys/fs/cgroup; mkdir x 2>&1 | grep -c Read-only",
    );
    assert_eq!(said, "44\n1\n1\n");
}

#[test]
fn what_the_format_does_not_know_is_named_in_the_plan() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("unknown").set("/linux/resources/oomScoreAdj", json!(1));
    let note = "/linux/resources/oomScoreAdj is no property of the format: it has no effect";
    assert!(bundle.plan().contains(note));
    assert_eq!(bundle.run("echo ran"), "ran\n");
}

#[test]
fn a_config_json_is_preferred_to_a_container_json() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("both");
    fs::write(bundle.directory().join("container.json"), "{").unwrap();
    assert_eq!(bundle.run("echo ran"), "ran\n");
    let (code, error) = {
        let _ = bundle.runner(None);
        fs::remove_file(bundle.directory().join("config.json")).unwrap();
        let here = bundle.directory().to_str().unwrap().to_owned();
        let output = bundle.command(&["plan", "--bundle", &here]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(code == Some(125) && error.contains("container.json:1:2"), "{error}");
}

#[test]
fn a_template_is_never_written_over_a_file() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("template");
    let here = bundle.directory().to_str().unwrap().to_owned();
    let output = bundle.command(&["spec", "--bundle", &here]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(125) && error.contains("File exists"), "{error}");
}
