//! What is refused, with its line, its column, its place and what was expected.

use crate::{document, refuse};

/// Members of the document, on its second line, and the one refusal they get.
const REFUSED: &[(&str, &str)] = &[
    (r#""hostname": 5"#, "2:13: /hostname: found the number 5, expected a string"),
    (r#""process": []"#, "2:12: /process: found an array, expected an object"),
    (r#""process": {"args": ["sh"]}"#, "2:12: /process: found no `cwd`"),
    (
        r#""process": {"cwd": "tmp"}"#,
        "2:20: /process/cwd: relative path, expected one that begins with `/`",
    ),
    (
        r#""process": {"cwd": ""}"#,
        "2:20: /process/cwd: found the string \"\", expected a text that is not empty",
    ),
    (
        r#""process": {"cwd": "/", "commandLine": "cmd.exe"}"#,
        "2:25: /process/commandLine: found a part that is for windows, expected one for linux",
    ),
    (
        r#""process": {"cwd": "/", "env": ["A"]}"#,
        "2:33: /process/env/0: found the string \"A\", expected `NAME=value`",
    ),
    (
        r#""process": {"cwd": "/", "args": [""]}"#,
        "2:34: /process/args/0: found the string \"\", expected a text that is not empty",
    ),
    (
        r#""process": {"cwd": "/", "args": ["a\u0000"]}"#,
        "2:34: /process/args/0: a NUL byte, which no kernel interface takes",
    ),
    (
        r#""process": {"cwd": "/", "user": {"uid": -1, "gid": 0}}"#,
        "2:41: /process/user/uid: found -1, expected a number from 0 to 4294967295",
    ),
    (
        r#""process": {"cwd": "/", "user": {"uid": 1.0, "gid": 0}}"#,
        "2:41: /process/user/uid: found the number 1.0, expected a whole number",
    ),
    (
        r#""process": {"cwd": "/", "user": {"uid": 0, "gid": 0, "umask": 512}}"#,
        "2:63: /process/user/umask: found 512, expected a number from 0 to 511",
    ),
    (
        r#""process": {"cwd": "/", "user": {"uid": 0, "gid": 0, "username": "x"}}"#,
        "2:54: /process/user/username: found a part that is for windows, expected one for linux",
    ),
    (
        r#""process": {"cwd": "/", "rlimits": [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]}"#,
        "2:46: /process/rlimits/0/type: found the string \"RLIMIT_FOO\", expected the name of a resource like `RLIMIT_NOFILE`",
    ),
    (
        r#""process": {"cwd": "/", "rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}"#,
        "2:37: /process/rlimits/0: soft limit 2 is above the hard limit 1",
    ),
    (
        r#""process": {"cwd": "/", "rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 1, "hard": 1}]}"#,
        "2:83: /process/rlimits/1: \"RLIMIT_CPU\" for the second time",
    ),
    (
        r#""process": {"cwd": "/", "oomScoreAdj": 1001}"#,
        "2:40: /process/oomScoreAdj: found 1001, expected a number from -1000 to 1000",
    ),
    (
        r#""process": {"cwd": "/", "ioPriority": {"class": "IOPRIO_CLASS_NONE", "priority": 0}}"#,
        "2:49: /process/ioPriority/class: found the string \"IOPRIO_CLASS_NONE\", expected `IOPRIO_CLASS_RT`, `IOPRIO_CLASS_BE` or `IOPRIO_CLASS_IDLE`",
    ),
    (
        r#""process": {"cwd": "/", "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}"#,
        "2:80: /process/ioPriority/priority: found 8, expected a number from 0 to 7",
    ),
    (
        r#""process": {"cwd": "/", "scheduler": {"policy": "SCHED_EXT"}}"#,
        "2:49: /process/scheduler/policy: found the string \"SCHED_EXT\", expected the name of a policy like `SCHED_BATCH`",
    ),
    (
        r#""process": {"cwd": "/", "scheduler": {"policy": "SCHED_RR", "flags": ["SCHED_RESET_ON_FORK"]}}"#,
        "2:71: /process/scheduler/flags/0: found the string \"SCHED_RESET_ON_FORK\", expected the name of a flag like `SCHED_FLAG_RESET_ON_FORK`",
    ),
    (
        r#""process": {"cwd": "/", "execCPUAffinity": {"initial": "3-1"}}"#,
        "2:56: /process/execCPUAffinity/initial: found the string \"3-1\", expected a list like `0-3,8`",
    ),
    (r#""mounts": [{"type": "tmpfs"}]"#, "2:12: /mounts/0: found no `destination`"),
    (r#""mounts": [{"destination": "/m"}]"#, "2:12: /mounts/0: found no `type`"),
    (
        r#""mounts": [{"destination": "/m", "options": ["bind"]}]"#,
        "2:12: /mounts/0: found no `source`",
    ),
    (
        r#""mounts": [{"destination": "/m", "source": "s", "options": ["bind", "size=1"]}]"#,
        "2:69: /mounts/0/options/1: found the string \"size=1\", expected an option that a bind mount has",
    ),
    (
        r#""mounts": [{"destination": "/m", "type": "cgroup", "options": ["memory"]}]"#,
        "2:64: /mounts/0/options/0: found the string \"memory\", expected an option that every mount has",
    ),
    (
        r#""mounts": [{"destination": "/m", "type": "tmpfs", "options": ["remount", "size=1m"]}]"#,
        "2:74: /mounts/0/options/1: found the string \"size=1m\", expected an option that a bind mount has",
    ),
    (
        r#""mounts": [{"destination": "/m", "type": "proc", "options": ["tmpcopyup"]}]"#,
        "2:62: /mounts/0/options/0: found the string \"tmpcopyup\", expected it on a tmpfs only",
    ),
    (
        r#""mounts": [{"destination": "/m", "source": "s", "options": ["bind"], "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}]"#,
        "2:12: /mounts/0: found no `gidMappings`",
    ),
    (
        r#""hooks": {"poststop": [{"path": "rm"}]}"#,
        "2:33: /hooks/poststop/0/path: relative path, expected one that begins with `/`",
    ),
    (
        r#""hooks": {"prestart": [{"path": "/x", "timeout": 0}]}"#,
        "2:50: /hooks/prestart/0/timeout: found 0, expected a number from 1 to 4294967295",
    ),
    (r#""annotations": {"": "x"}"#, "2:17: /annotations/: found an empty name"),
    (r#""annotations": {"a": 1}"#, "2:22: /annotations/a: found the number 1, expected a string"),
    (r#""vm": {}"#, "2:1: /vm: found a part that is for vm, expected one for linux"),
    (
        r#""hostname": "a", "hostname": "b""#,
        "2:18: /hostname: key `hostname` repeats `hostname` of 2:1",
    ),
];

/// The same for members of `linux`, which begin at column 11.
const LINUX: &[(&str, &str)] = &[
    (
        r#""namespaces": [{"type": "net"}]"#,
        "2:35: /linux/namespaces/0/type: found the string \"net\", expected `cgroup`, `ipc`, `mount`, `network`, `pid`, `time`, `user` or `uts`",
    ),
    (
        r#""namespaces": [{"type": "pid", "path": "proc/1/ns/pid"}]"#,
        "2:50: /linux/namespaces/0/path: relative path, expected one that begins with `/`",
    ),
    (
        r#""namespaces": [{"type": "pid"}, {"type": "pid"}]"#,
        "2:43: /linux/namespaces/1: \"pid\" for the second time",
    ),
    (
        r#""uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]"#,
        "2:26: /linux/uidMappings: needs a new user namespace, which `namespaces` does not ask for",
    ),
    (
        r#""namespaces": [{"type": "user"}], "gidMappings": [{"containerID": 0, "hostID": 1, "size": 1}], "uidMappings": [{"containerID": 0, "hostID": 1, "size": 0}]"#,
        "2:122: /linux/uidMappings/0: range 0 is empty",
    ),
    (
        r#""timeOffsets": {"monotonic": {"nanosecs": 1000000000}}"#,
        "2:53: /linux/timeOffsets/monotonic/nanosecs: found 1000000000, expected a number from 0 to 999999999",
    ),
    (
        r#""devices": [{"path": "/dev/x", "type": "c", "major": 1}]"#,
        "2:23: /linux/devices/0: found no `minor`",
    ),
    (
        r#""devices": [{"path": "/dev/x", "type": "d", "major": 1, "minor": 1}]"#,
        "2:50: /linux/devices/0/type: found the string \"d\", expected `c`, `b`, `u` or `p`",
    ),
    (
        r#""devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 24576}]"#,
        "2:91: /linux/devices/0/fileMode: found the number 24576, expected permission bits up to 0o7777 (4095), with the file type of the device at most",
    ),
    (
        r#""netDevices": {"eth0": {"name": "a/b"}}"#,
        "2:43: /linux/netDevices/eth0/name: found the string \"a/b\", expected a name of 1 to 15 bytes without `/`, `:` and white space",
    ),
    (
        r#""netDevices": {"a b": {}}"#,
        "2:26: /linux/netDevices/a b: expected a name of 1 to 15 bytes without `/`, `:` and white space",
    ),
    (
        r#""cgroupsPath": "/a/../b""#,
        "2:26: /linux/cgroupsPath: found the string \"/a/../b\", expected directory names: 1 to 255 bytes each, neither `.` nor `..`, not beginning with `cgroup.`",
    ),
    (
        r#""cgroupsPath": "/""#,
        "2:26: /linux/cgroupsPath: found the string \"/\", expected directory names: 1 to 255 bytes each, neither `.` nor `..`, not beginning with `cgroup.`",
    ),
    (
        r#""rootfsPropagation": "both""#,
        "2:32: /linux/rootfsPropagation: found the string \"both\", expected `private`, `shared`, `slave` or `unbindable`",
    ),
    (r#""sysctl": {"a.b": 1}"#, "2:29: /linux/sysctl/a.b: found the number 1, expected a string"),
    (
        r#""maskedPaths": ["proc/kcore"]"#,
        "2:27: /linux/maskedPaths/0: relative path, expected one that begins with `/`",
    ),
    (
        r#""personality": {"domain": "SOLARIS"}"#,
        "2:37: /linux/personality/domain: found the string \"SOLARIS\", expected `LINUX` or `LINUX32`",
    ),
    (
        r#""personality": {"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]}"#,
        "2:56: /linux/personality/flags/0: nothing here does what this asks for",
    ),
    (
        r#""memoryPolicy": {"mode": "MPOL_ALL"}"#,
        "2:36: /linux/memoryPolicy/mode: found the string \"MPOL_ALL\", expected the name of a memory policy like `MPOL_BIND`",
    ),
    (
        r#""intelRdt": {"closID": "a/b"}"#,
        "2:34: /linux/intelRdt/closID: found the string \"a/b\", expected a directory name other than `.`, `..`, `info`, `mon_data` and `mon_groups`",
    ),
    (
        r#""intelRdt": {"memBwSchema": "L3:0=1"}"#,
        "2:39: /linux/intelRdt/memBwSchema: found the string \"L3:0=1\", expected one line that begins with `MB:`",
    ),
    (
        r#""resources": {"memory": {"limit": 9, "swap": 8}}"#,
        "2:35: /linux/resources/memory: found 8 bytes of memory and swap, expected at least the 9 of memory",
    ),
    (
        r#""resources": {"memory": {"swappiness": 101}}"#,
        "2:50: /linux/resources/memory/swappiness: found 101, expected a number from 0 to 100",
    ),
    (
        r#""resources": {"cpu": {"cpus": "all"}}"#,
        "2:41: /linux/resources/cpu/cpus: found the string \"all\", expected a list like `0-3,8`",
    ),
    (r#""resources": {"pids": {}}"#, "2:33: /linux/resources/pids: found no `limit`"),
    (
        r#""resources": {"devices": [{"access": "r"}]}"#,
        "2:37: /linux/resources/devices/0: found no `allow`",
    ),
    (
        r#""resources": {"devices": [{"allow": true, "access": "rx"}]}"#,
        "2:63: /linux/resources/devices/0/access: found the string \"rx\", expected letters of `rwm`, each at most once",
    ),
    (
        r#""resources": {"devices": [{"allow": true, "type": "p"}]}"#,
        "2:61: /linux/resources/devices/0/type: found the string \"p\", expected `a`, `b` or `c`",
    ),
    (
        r#""resources": {"unified": {"a/b": "1"}}"#,
        "2:37: /linux/resources/unified/a~1b: expected the name of a file in a cgroup, without `/`",
    ),
    (
        r#""resources": {"rdma": {"m": {}}}"#,
        "2:39: /linux/resources/rdma/m: found an object, expected `hcaHandles`, `hcaObjects` or both",
    ),
];

#[test]
fn each_refusal_names_its_place_and_what_was_expected() {
    let mut wrong = Vec::new();
    let linux: Vec<_> = LINUX
        .iter()
        .map(|(members, expected)| (format!(r#""linux": {{{members}}}"#), *expected))
        .collect();
    let all = REFUSED.iter().map(|(members, expected)| ((*members).to_owned(), *expected));
    for (members, expected) in all.chain(linux) {
        let found = refuse(&document(&members)).to_string();
        if found != expected {
            wrong.push(format!("{members}\n  found    {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn versions_are_semantic_and_of_the_first_major_one() {
    let refusal = |version: &str| {
        refuse(&format!(r#"{{"ociVersion": {version}, "root": {{"path": "r"}}}}"#)).to_string()
    };
    for version in ["1", "v1.0.0", "1.0", ""] {
        let message = refusal(&format!("\"{version}\""));
        assert!(message.ends_with("expected a semantic version like `1.3.0`"), "{message}");
    }
    for version in ["2.0.0", "0.9.0", "1.0.0-rc1"] {
        let message = refusal(&format!("\"{version}\""));
        assert!(message.ends_with("expected a version from 1.0.0 on, below 2.0.0"), "{message}");
    }
    assert_eq!(refusal("null"), "1:1: found no `ociVersion`");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_text() {
    let text = "{\"root\": {},\n\"process\": {\"cwd\": 1,\n\"terminal\": 2},\n\"linux\": {\"sysctl\": []}}";
    assert_eq!(
        refuse(text).to_string(),
        "1:1: found no `ociVersion`\n\
         1:10: /root: found no `path`\n\
         2:20: /process/cwd: found the number 1, expected a string\n\
         3:13: /process/terminal: found the number 2, expected true or false\n\
         4:21: /linux/sysctl: found an array, expected an object"
    );
}

#[test]
fn what_is_no_document_at_all_is_refused() {
    assert_eq!(refuse("[]").to_string(), "1:1: found an array, expected an object");
    assert_eq!(
        refuse("{").to_string(),
        "1:2: found the end of the text, expected a key in double quotes"
    );
    assert!(refuse(&"[".repeat(1000)).to_string().contains("more than 64 arrays and objects"));
}
