//! Options of `do` → `Config` and `SourceMap`.

use std::ffi::OsString;

use nsplan::cli::args::{Action, ContainerId, parse};
use nsplan::cli::report::Failure;
use nsplan::cli::sandbox::{Sandbox, Surroundings, sandbox};
use nsplan::config::{PathComponent, RootEntry, RootEntryKind};
use nsplan::facts::HostFacts;
use nsplan::plan::{plan, plan_hint};
use nsplan::types::HostPath;

use super::support::{snapshot, top};

fn path(text: &str) -> HostPath {
    HostPath::new(text).expect("a path")
}

fn around(is_root: bool) -> Surroundings {
    let variables = [("TERM", "xterm"), ("HOME", "/home/ann"), ("LANG", "C.UTF-8")];
    Surroundings {
        is_root,
        root: ["dev", "etc", "usr"]
            .map(|name| RootEntry {
                name: PathComponent::new(name).expect("a name"),
                kind: RootEntryKind::Directory,
            })
            .into(),
        cwd: path("/work"),
        env: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        id: ContainerId::new("do-1").expect("a name"),
        window: None,
        seccomp: None,
        last_capability: Some(40),
    }
}

fn make(line: &str, is_root: bool) -> Result<Sandbox, Failure> {
    let words = ["do"].into_iter().chain(line.split(' ').filter(|word| !word.is_empty()));
    match parse(words.map(OsString::from).collect())?.action {
        Action::Do { options, command } => sandbox(&options, command, &around(is_root)),
        other => panic!("{other:?}"),
    }
}

/// The config's JSON and which option is behind which part.
fn text(line: &str, is_root: bool) -> String {
    let made = make(line, is_root).unwrap_or_else(|failure| panic!("{line}: {failure}"));
    let config = serde_json::to_string_pretty(&made.config).expect("JSON");
    let options = made.sources.map.iter().filter(|(_, origin)| !origin.to_string().ends_with(')'));
    let options = options.map(|(pointer, origin)| format!("{pointer}  {origin}\n"));
    format!("{config}\n\n{}", options.collect::<String>())
}

/// Members of the config's JSON that differ from those of plain `do sh`.
fn changes(line: &str, is_root: bool) -> String {
    let (plain, changed) = (text("sh", is_root), text(&format!("{line} sh"), is_root));
    let diff = similar::TextDiff::from_lines(&plain, &changed);
    let unified = diff.unified_diff().context_radius(1).to_string();
    let lines = unified.lines().filter(|line| !line.starts_with("@@"));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn nothing_asked_for_is_a_whole_sandbox() {
    snapshot("cli", "sandbox-root", "root: nsplan do sh", &text("sh", true));
    let about = "an ordinary user's difference to root: nsplan do sh";
    let (root, user) = (text("sh", true), text("sh", false));
    let diff = similar::TextDiff::from_lines(&root, &user);
    let lines = diff.unified_diff().context_radius(1).to_string();
    snapshot("cli", "sandbox-user", about, &lines);
}

#[test]
fn options_change_what_they_name() {
    let cases = [
        (
            "files",
            "--rootfs alpine -v ./in:/data/in:ro -v /srv:/data --tmpfs /tmp:size=1g,exec --shm-size 1g --device /dev/kvm --mask /etc/shadow --unmask /proc",
        ),
        (
            "mount",
            "--mount type=bind,source=/a:b,target=/c,readonly --mount type=tmpfs,dst=/t,tmpfs-size=1m",
        ),
        (
            "process",
            "-t -e A=1 -e LANG -e NONE -e PATH=/bin -w /src -u 1000:1000 --group-add 7 --umask 077 --ulimit nofile=10:20 --ulimit core=-1 --oom-score-adj 500",
        ),
        ("init", "--init"),
        ("user-by-name", "-u www-data"),
        (
            "isolation",
            "--hostname web --net host --pid host --ipc host --cgroupns host --sysctl net.ipv4.ip_forward=1",
        ),
        ("no-uts", "--uts host"),
        ("maps", "--uidmap 0:100000:65536"),
        ("join", "--net ns:/run/netns/blue --name web1"),
        (
            "privileges",
            "--cap-drop ALL --cap-add NET_ADMIN --cap-add cap_sys_time --no-new-privileges=false --apparmor web",
        ),
        (
            "limits",
            "-m 512m --memory-swap -1 --cpus 0.5 -c 512 --pids-limit 100 --cpuset-cpus 0-1 --blkio-weight 100 --cgroup-conf memory.high=1000",
        ),
        ("cgroup-parent", "-m 1g --cgroup-parent /jobs/night --name web1"),
    ];
    for (name, line) in cases {
        let both = format!(
            "as root\n{}\nas an ordinary user\n{}",
            changes(line, true),
            changes(line, false)
        );
        snapshot("cli", &format!("do-{name}"), &format!("nsplan do {line} sh"), &both);
    }
}

#[test]
fn every_wrong_value_is_reported_and_named_as_it_was_written() {
    let line = "-m 1x --cpus 0 -v data:/data -v /data -v a:b:c:d --mount type=nfs --tmpfs / \
        --tmpfs /t:size=1x --cap-add NONSENSE --ulimit nofil=1 --ulimit core=2:1 --net bridge \
        --name a/b --uidmap 0:1 --uidmap 0:2 -u : -e =x --umask 999 --memory=0 --sysctl x \
        --cgroup-conf ../x=1 --pids-limit 0 --cpuset-cpus 1-,2 -w rel --timeout soon \
        --oom-score-adj 5000 --no-new-privileges=perhaps -v ./a:/b:ro,xx --device /dev/kvm:/k:r";
    let words = ["do"].into_iter().chain(line.split_whitespace()).chain(["sh"]);
    let Action::Do { options, command } =
        parse(words.map(OsString::from).collect()).expect("a request").action
    else {
        panic!("not a sandbox");
    };
    let failure = sandbox(&options, command, &around(true)).expect_err("nothing is right");
    snapshot("cli", "wrong-values", "every value is wrong", &failure.to_string());
}

#[test]
fn all_is_everything_the_kernel_knows_and_names_take_precedence() {
    let bits = |line: &str| {
        let made = make(line, true).expect(line).config.process.expect("a process");
        made.capabilities.expect("sets").bounding.bits()
    };
    assert_eq!(bits("--cap-add ALL sh"), (1 << 41) - 1);
    assert_eq!(bits("--cap-drop ALL sh"), 0);
    assert_eq!(bits("--cap-drop ALL --cap-add CHOWN sh"), 1);
    assert_eq!(bits("--cap-add ALL --cap-drop CHOWN sh"), (1 << 41) - 2);
    assert_eq!(bits("sh") & (1 << 27), 0, "making nodes is not among the usual ones");
}

#[test]
fn refusals_of_the_planner_are_in_the_users_words() {
    let mut text = String::new();
    let lines = [
        "-m 1g --cpus 2 sh",
        "-u 5:5 sh",
        "--uidmap 0:300000:10 sh",
        "--userns host sh",
        "--rootfs /nowhere sh",
        "--uts host --hostname web sh",
        "--cap-add BPF sh",
    ];
    for facts in ["no-userns", "rootless-no-subuid"] {
        let file = top().join(format!("tests/facts/{facts}.json"));
        let json = std::fs::read_to_string(file).expect("a fixture");
        let facts_value: HostFacts = serde_json::from_str(&json).expect("facts");
        for line in lines {
            let made = make(line, false).expect(line);
            text.push_str(&format!("$ nsplan do {line}    # on {facts}\n"));
            match plan(&made.config, &facts_value) {
                Ok(_) => text.push_str("planned\n"),
                Err(errors) => {
                    let failure = made.sources.refusals(&errors, |error| plan_hint(&error.refusal));
                    text.push_str(&failure.to_string());
                }
            }
        }
    }
    snapshot("cli", "refusals", "what an ordinary user reads", &text);
}
