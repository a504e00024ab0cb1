//! Two containers at once, many in a row, and a launcher that is killed at any moment: nothing is left of any of them.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nsplan::apply::sweep;

use crate::bundle::Bundle;
use crate::hostile::cgroups_of;
use crate::island::{bridge, island, links};
use crate::support::{rounds, wait_for};

/// A container with everything that outlives a process: a cgroup, a pair of links, state.
fn everything() -> Bundle {
    let bundle = Bundle::of("everything", b"{}");
    let text = format!(
        r#"{{"namespaces":[{{"type":"NEWNS"}},{{"type":"NEWPID"}},{{"type":"NEWNET"}},{{"type":"NEWIPC"}},
        {{"type":"NEWUTS"}}],"mount_config":{{}},"environment":["PATH=/bin"],
        "cgroups":{{"name":"{}","allow_all_devices":true}},
        "networks":[{{"type":"loopback"}},{{"type":"veth","bridge":"docker0","veth_prefix":"leak","mtu":1400}}]}}"#,
        bundle.unique()
    );
    fs::write(bundle.config(), text).unwrap();
    bundle
}

/// The launcher of a container by that name; what it runs can be told by its words.
fn launcher(bundle: &Bundle, id: &str, script: &str) -> Command {
    let folder = bundle.path().to_str().unwrap();
    let script = format!("{script} # {}", bundle.unique());
    let mut command = bundle.command(&["run", "--bundle", folder, id, "--", "sh", "-c", &script]);
    command.stdout(Stdio::null());
    command
}

/// Every process that has the bundle's name in its words: launchers, inits, programs.
fn processes(bundle: &Bundle) -> BTreeSet<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_its = |pid: &u32| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|words| String::from_utf8_lossy(&words).contains(&bundle.unique()))
    };
    pids.filter(is_its).collect()
}

fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    table.lines().map(str::to_owned).collect()
}

#[track_caller]
fn nothing_is_left(bundle: &Bundle, mounted: &BTreeSet<String>, about: &str) {
    wait_for(|| processes(bundle).is_empty().then_some(()));
    assert_eq!(cgroups_of(bundle), [] as [&str; 0], "{about}");
    assert_eq!(links(), ["docker0", "lo"], "{about}");
    // The machine's own may go meanwhile; none has come.
    let new: Vec<_> = mounts().difference(mounted).cloned().collect();
    assert_eq!(new, [] as [&str; 0], "{about}");
    assert_eq!(state_of(bundle), [] as [&str; 0], "{about}");
}

fn state_of(bundle: &Bundle) -> Vec<String> {
    let entries = fs::read_dir(bundle.state()).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn end(mut child: Child) -> Option<i32> {
    child.wait().unwrap().code()
}

#[test]
fn two_at_once_and_two_hundred_in_a_row_leave_nothing() {
    island(|| {
        bridge("docker0", &["172.17.42.1/16"]);
        let (one, two) = (everything(), everything());
        let mounted = mounts();
        let both = [&one, &two]
            .map(|bundle| launcher(bundle, "box", "ip link show eth0 && exit 3").spawn().unwrap());
        assert_eq!(both.map(end), [Some(3), Some(3)]);
        nothing_is_left(&one, &mounted, "two at once");
        nothing_is_left(&two, &mounted, "two at once");
        for round in 0..rounds(200) {
            let child = launcher(&one, "box", "exit 4").spawn().unwrap();
            assert_eq!(end(child), Some(4), "round {round}");
        }
        nothing_is_left(&one, &mounted, "two hundred in a row");
    });
}

#[test]
fn a_launcher_killed_at_any_moment_leaves_nothing_after_the_next_command() {
    island(|| {
        bridge("docker0", &["172.17.42.1/16"]);
        let bundle = everything();
        let mounted = mounts();
        let begin = Instant::now();
        let child = launcher(&bundle, "box", "exit 5").spawn().unwrap();
        assert_eq!(end(child), Some(5));
        let whole = u64::try_from(begin.elapsed().as_micros()).unwrap();
        let mut moment: u64 = 1;
        let (wanted, mut begun) = (rounds(80), 0);
        // Where a launcher takes most of its time to begin, it is by chance that a few rounds all come before that.
        for round in 0..20 * wanted {
            if round >= wanted && begun > 0 {
                break;
            }
            let mut child = launcher(&bundle, "box", "exec sleep 1000").spawn().unwrap();
            // Anywhere from before the first step to after the last, in no order, however fast this machine is.
            moment = moment
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            std::thread::sleep(Duration::from_micros((moment >> 33) % whole));
            child.kill().unwrap();
            child.wait().unwrap();
            begun += usize::from(bundle.state().join("box/journal").exists());
            // Init dies with its launcher, and holds the lock of the journal until it has.
            wait_for(|| {
                for swept in sweep(&bundle.state()) {
                    assert!(swept.left_behind.is_empty(), "round {round}: {swept:?}");
                }
                state_of(&bundle).is_empty().then_some(())
            });
            nothing_is_left(&bundle, &mounted, &format!("round {round}"));
        }
        // Otherwise nothing was tried.
        assert!(begun > 0, "every launcher was killed before it began");
        let child = launcher(&bundle, "box", "exit 5").spawn().unwrap();
        assert_eq!(end(child), Some(5));
        nothing_is_left(&bundle, &mounted, "a start after all of them");
    });
}
