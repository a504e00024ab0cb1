//! A container.json of a stranger's becomes one clear refusal, and nothing else becomes anything.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::bundle::Bundle;
use crate::support::{Scratch, fewer, is_root};

/// A text, and where it is refused and why: line and column, pointer, words.
struct Case {
    name: &'static str,
    text: Vec<u8>,
    says: &'static [&'static str],
}

fn case(name: &'static str, text: impl Into<Vec<u8>>, says: &'static [&'static str]) -> Case {
    Case { name, text: text.into(), says }
}

fn cut_short() -> Vec<u8> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = top.join("tests/configs/libcontainer/seed-2015-02/minimal.json");
    fs::read(file).unwrap()[..1000].into()
}

/// A mount, a node, a cgroup.
fn mount(destination: &str) -> String {
    let mount = format!(r#"{{"type":"tmpfs","destination":{destination}}}"#);
    format!(r#"{{"namespaces":[{{"type":"NEWNS"}}],"mount_config":{{"mounts":[{mount}]}}}}"#)
}

fn node(path: &str) -> String {
    let node = format!(r#"{{"path":{path},"type":99,"major_number":1,"minor_number":3}}"#);
    format!(r#"{{"namespaces":[{{"type":"NEWNS"}}],"mount_config":{{"device_nodes":[{node}]}}}}"#)
}

fn shape() -> Vec<Case> {
    let huge = format!(r#"{{"hostname":"{}"}}"#, "a".repeat(5_000_000));
    let long_list = format!(r#"{{"environment":[{}"A=b"]}}"#, r#""A=b","#.repeat(1_000_000));
    vec![
        case("empty", "", &[":1:1: ", "end of the text"]),
        case("cut short", cut_short(), &[":41:6: ", "end of the text"]),
        case("not UTF-8", *b"\xff\xfe{}", &[":1:1: ", "UTF-8"]),
        case("zeros", vec![0; 4096], &[":1:1: "]),
        case("huge", huge, &[":1:1: ", "bytes, expected at most"]),
        case("a long list", long_list, &[":1:1: ", "bytes, expected at most"]),
        case("deep arrays", "[".repeat(100_000), &[":1:65: ", "in one another"]),
        case("deep objects", r#"{"mount_config":"#.repeat(9000), &[":1:1025: ", "in one another"]),
        case("no object", "[]", &[":1:1: ", "expected"]),
        case("two texts", "{} {}", &[":1:4: "]),
        case("a key twice", r#"{"tty":true,"tty":false}"#, &[":1:13: /tty: ", "repeats", "of 1:2"]),
        case("an unknown key", "{\n \"hostnam\": \"x\"\n}", &[":2:2: /hostnam: ", "hostname"]),
        case("a NUL byte", r#"{"hostname":"a\u0000b"}"#, &[":1:13: /hostname: ", "NUL"]),
        case("a lone surrogate", r#"{"hostname":"\ud800"}"#, &[":1:"]),
    ]
}

fn values() -> Vec<Case> {
    vec![
        case("wrong type", r#"{"tty":"yes"}"#, &[":1:8: /tty: ", "expected true or false"]),
        case("wrong type within", r#"{"cgroups":[]}"#, &[":1:12: /cgroups: ", "expected"]),
        case(
            "out of range",
            r#"{"cgroups":{"name":"x","memory":99999999999999999999}}"#,
            &[":1:33: /cgroups/memory: ", "expected a number"],
        ),
        case(
            "a fraction",
            r#"{"cgroups":{"name":"x","memory":1.5}}"#,
            &[":1:33: /cgroups/memory: "],
        ),
        case(
            "a map beyond the ids",
            r#"{"uid_mappings":[{"container_id":0,"host_id":4294967295,"size":2}]}"#,
            &["/uid_mappings"],
        ),
        case(
            "a cgroup outside",
            r#"{"cgroups":{"name":"../../escaped"}}"#,
            &[":1:20: /cgroups/name: "],
        ),
        case(
            "a parent outside",
            r#"{"cgroups":{"name":"x","parent":"a/../../../escaped"}}"#,
            &[":1:33: /cgroups/parent: "],
        ),
        case(
            "a NUL in a mount",
            mount(r#""/a\u0000b""#),
            &["/mount_config/mounts/0/destination: "],
        ),
        case("a NUL in a node", node(r#""/dev/\u0000""#), &["/mount_config/device_nodes/0/path: "]),
        case(
            "a bridge that is a path",
            r#"{"networks":[{"type":"veth","bridge":"a/../b","veth_prefix":"veth"}]}"#,
            &[":1:38: /networks/0/bridge: "],
        ),
        case(
            "a key of a stranger",
            r#"{"environment":["A\u0000=b"]}"#,
            &["/environment/0: ", "NUL"],
        ),
    ]
}

/// What could have been changed: the bundle, the state, mounts, links, and cgroups of that name.
pub(crate) fn listing(bundle: &Bundle) -> Vec<String> {
    let mut found = Vec::new();
    list(bundle.path(), &mut found);
    list(&bundle.state(), &mut found);
    for file in ["/proc/thread-self/mountinfo", "/proc/thread-self/net/dev"] {
        let text = fs::read_to_string(file).unwrap();
        // Of an interface its name: what has passed through it changes by itself.
        found.extend(text.lines().map(|line| line.split(':').next().unwrap_or(line).to_owned()));
    }
    cgroups(Path::new("/sys/fs/cgroup"), &bundle.unique(), 4, &mut found);
    found.sort();
    found
}

/// The cgroups of a bundle's container.
pub(crate) fn cgroups_of(bundle: &Bundle) -> Vec<String> {
    let mut found = Vec::new();
    cgroups(Path::new("/sys/fs/cgroup"), &bundle.unique(), 4, &mut found);
    found.retain(|path| !path.ends_with("/escaped"));
    found
}

fn list(path: &Path, found: &mut Vec<String>) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    let (size, time) = (metadata.len(), (metadata.mtime(), metadata.mtime_nsec()));
    let (mode, owner) = (metadata.mode(), (metadata.uid(), metadata.gid()));
    found.push(format!("{} {size} {time:?} {mode:o} {owner:?}", path.display()));
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            list(&entry.path(), found);
        }
    }
}

/// Only by that name, or the one that would have escaped: others make theirs at the same time.
fn cgroups(path: &Path, name: &str, depth: u8, found: &mut Vec<String>) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let own = entry.file_name().to_string_lossy().into_owned();
        if is_directory && (own == name || own == "escaped") {
            found.push(entry.path().display().to_string());
        }
        if is_directory && depth > 0 {
            cgroups(&entry.path(), name, depth - 1, found);
        }
    }
}

fn check(case: &Case, words: &str, output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    let about = format!("{}, {words}: {error}", case.name);
    assert_eq!(output.status.code(), Some(125), "{about}");
    assert!(output.stdout.is_empty(), "{about}");
    let first = error.lines().next().unwrap_or_default();
    assert!(first.starts_with("nsplan: ") && first.contains("container.json:"), "{about}");
    for part in case.says {
        assert!(error.contains(part), "`{part}` is not in {about}");
    }
    // A stranger's text is cited, never poured out, and moves no cursor.
    assert!(error.len() < 4096 && !error.chars().any(|c| c.is_control() && c != '\n'), "{about}");
    let mut lines: Vec<_> = error.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), error.lines().count(), "said twice: {about}");
}

#[test]
fn a_config_of_a_strangers_is_refused_and_changes_nothing() {
    let apart = usize::try_from(fewer()).unwrap();
    for case in shape().into_iter().chain(values()).step_by(apart) {
        let bundle = Bundle::of("hostile", &case.text);
        let (folder, config) = (bundle.path().to_str().unwrap(), bundle.config());
        let file = config.to_str().unwrap();
        let before = listing(&bundle);
        for words in [
            &["run", "--bundle", folder, "one", "true"][..],
            &["plan", "--bundle", folder, "true"],
            &["plan", "--config", file, "true"],
            &["config", file],
        ] {
            let output = bundle.command(words).output().unwrap();
            check(&case, words[0], &output);
            assert_eq!(listing(&bundle), before, "{}, {words:?}", case.name);
        }
    }
}

/// What is no fault of the text but of its wish: refused by the plan, and still nothing is changed.
#[test]
fn a_path_that_climbs_stays_below_the_root() {
    for text in [mount(r#""/../../../../etc/nsplan-escaped""#), node(r#""../../../dev/escaped""#)] {
        let bundle = Bundle::of("climbing", text.as_bytes());
        let output = bundle.command(&["config", bundle.config().to_str().unwrap()]).output();
        let said = String::from_utf8_lossy(&output.unwrap().stdout).into_owned();
        assert!(!said.contains(".."), "{said}");
        if !is_root() {
            continue;
        }
        let folder = bundle.path().to_str().unwrap();
        let _ = bundle.command(&["run", "--bundle", folder, "one", "true"]).output().unwrap();
        for outside in ["/etc/nsplan-escaped", "/dev/escaped"] {
            assert!(!Path::new(outside).exists(), "{outside} was made");
        }
    }
}

#[test]
fn a_state_directory_inside_of_the_root_is_refused() {
    if !is_root() {
        return;
    }
    let bundle = Bundle::new("minimal");
    let root = bundle.path().to_str().unwrap();
    let before = listing(&bundle);
    let mut command = Command::new(env!("CARGO_BIN_EXE_nsplan"));
    command.args([
        "--root",
        &format!("{root}/tmp/state"),
        "run",
        "--bundle",
        root,
        "one",
        "--",
        "true",
    ]);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{error}");
    assert!(error.contains("inside of the container's root"), "{error}");
    assert_eq!(listing(&bundle), before);
}

/// Puts something in the place of a file of the bundle's: by a shell, `$1` is the place.
fn put(bundle: &Bundle, file: &str, how: &str) {
    let script = format!("rm -rf \"$1\"; {how}");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(bundle.path().join(file));
    assert!(command.status().unwrap().success(), "{file}: {how}");
}

/// The sample's user is `daemon`, by name.
#[test]
fn accounts_of_a_strangers_root_are_refused_by_name_and_nothing_is_changed() {
    if !is_root() {
        return;
    }
    for (how, says) in [
        ("true", "user `daemon` cannot be looked up without /etc/passwd of the root"),
        (": > \"$1\"", "user `daemon` is not in /etc/passwd of the root"),
        ("echo 'daemon:x:nobody:1' > \"$1\"", "user `daemon` is not in"),
        ("echo 'daemon:x:-1:1::/:' > \"$1\"", "user `daemon` is not in"),
        ("echo 'daemon:x:4294967295:1::/:' > \"$1\"", "user `daemon` is not in"),
        ("printf 'daemon:x:1:1:\\0:/:\\n' > \"$1\"", "user `daemon` is not in"),
        ("head -c 1000000 /dev/urandom > \"$1\"", "user `daemon` is not in"),
        ("head -c 2000000 /dev/zero > \"$1\"", "larger than 1 MiB"),
        ("mkfifo \"$1\"", "not a regular file"),
        ("mkdir \"$1\"", "not a regular file"),
        ("mknod \"$1\" c 1 5", "not a regular file"),
        ("ln -s passwd \"$1\"", "ELOOP"),
        // The host's own has a daemon: the link leads back into the root, where it is itself.
        ("ln -s /etc/passwd \"$1\"", "ELOOP"),
        // Without `openat2`, before Linux 5.6, no link is followed.
        (
            "ln -s ../../../../../../proc/self/root/etc/passwd \"$1\"",
            "cannot be looked up without|ELOOP",
        ),
    ] {
        let bundle = Bundle::new("minimal");
        put(&bundle, "etc/passwd", how);
        let before = listing(&bundle);
        let (code, error) = bundle.refusal("true");
        assert_eq!(code, 125, "{how}: {error}");
        let is_said = says.split('|').any(|says| error.contains(says));
        assert!(error.starts_with("nsplan: ") && is_said, "{how}: {error}");
        assert_eq!(listing(&bundle), before, "{how}");
    }
    // Groups of a user by name: broken lines are none.
    let bundle = Bundle::new("minimal");
    put(
        &bundle,
        "etc/group",
        "printf 'a:x:0\\nb:x::daemon\\nc:x:7:daemon\\nd:x:x:daemon\\n:x:8:daemon\\n' > \"$1\"",
    );
    let said = bundle.run("id 2>/dev/null");
    assert!(said.contains("uid=1(daemon) gid=1 groups=7(c)"), "{said}");
}

#[test]
fn a_root_full_of_links_changes_nothing_outside_of_it() {
    if !is_root() {
        return;
    }
    let names = [
        "dev",
        "proc",
        "sys",
        "tmp",
        "dev/pts",
        "dev/shm",
        "dev/mqueue",
        "dev/null",
        "dev/zero",
        "dev/console",
        "dev/ptmx",
        "dev/fd",
        "dev/stdin",
        "proc/sys",
        "proc/kcore",
        "sys/fs",
        "etc",
    ];
    let outside = Scratch::new("links-lead-here");
    fs::create_dir(outside.path().join("sys")).unwrap();
    fs::write(outside.path().join("null"), "the host's").unwrap();
    let mut before = Vec::new();
    list(outside.path(), &mut before);
    let mounts = || {
        let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        table.lines().filter(|line| line.contains(outside.path().to_str().unwrap())).count()
    };
    let targets = [
        outside.path().to_str().unwrap(),
        "../../../../../../../../../etc",
        "/proc/self/root/tmp",
        ".",
    ];
    let pairs = targets.iter().flat_map(|target| names.map(|name| (target, name)));
    // Three is prime to 17, the number of names: where fewer are tried, each name still is, with some target.
    for (target, name) in pairs.step_by(if fewer() == 1 { 1 } else { 3 }) {
        let bundle = Bundle::new("minimal");
        put(&bundle, name, &format!("mkdir -p \"${{1%/*}}\"; ln -s {target} \"$1\""));
        let output = bundle.command(&[
            "run",
            "--bundle",
            bundle.path().to_str().unwrap(),
            "one",
            "--",
            "sh",
            "-c",
            "echo x >/dev/null; exit 5",
        ]);
        let output = { output }.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        // It is refused in words, or the container is what it would be without the link.
        let code = output.status.code();
        let is_told = code == Some(125) && error.starts_with("nsplan: ");
        assert!(code == Some(5) || is_told, "{name} to {target}: {code:?} {error}");
        let mut after = Vec::new();
        list(outside.path(), &mut after);
        assert_eq!(after, before, "{name} to {target}");
        assert_eq!(mounts(), 0, "{name} to {target}");
        assert_eq!(cgroups_of(&bundle), [] as [&str; 0], "{name} to {target}");
        let state = fs::read_dir(bundle.state()).map_or(0, Iterator::count);
        assert_eq!(state, 0, "{name} to {target}");
    }
}
