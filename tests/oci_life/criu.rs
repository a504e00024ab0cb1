//! Containers that are written down and go on: with a program in criu's place, which keeps what it was told, and with criu
//! itself where it can.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::bundle::Bundle;
use crate::stage::{Life, ended};
use crate::support::{is_root, skip, wait_for};

/// A `criu` that writes down its arguments and where its descriptors lead. A dump ends the process; a restore starts
/// another one.
const FAKE: &str = r#"#!/bin/sh
here=${0%/*}
printf '%s\n' "$@" > "$here/said-$1"
for word; do
    case $word in
        --tree=*) pid=${word#*=} ;;
        --pidfile=*) file=${word#*=} ;;
        --leave-running) stays=1 ;;
        --work-dir=*) work=${word#*=} ;;
    esac
done
for fd in /proc/self/fd/1??; do echo "${fd##*/} $(readlink "$fd")"; done > "$here/descriptors"
cat /proc/self/mountinfo > "$here/mounts"
[ ! -e "$here/fail" ] || { echo "(00.1) Error (criu/x.c:1): it is broken" > "$work/$1.log"; exit 1; }
case $1 in
    dump) [ -n "$stays" ] || kill -KILL "$pid" ;;
    restore) setsid sleep 1000 </dev/null >/dev/null 2>&1 & printf %s "$!" > "$file" ;;
esac
"#;

/// Where it is; what it keeps is beside it.
fn fake(life: &Life) -> PathBuf {
    let here = life.bundle.directory().join("fake");
    fs::create_dir(&here).unwrap();
    fs::write(here.join("criu"), FAKE).unwrap();
    fs::set_permissions(here.join("criu"), fs::Permissions::from_mode(0o755)).unwrap();
    here
}

/// A command about the container with such a `PATH` in front.
fn with_path(life: &Life, path: &Path, words: &[&str]) -> Command {
    let mut command = life.bundle.command(words);
    let usual = env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{usual}", path.display()));
    command
}

#[track_caller]
fn done(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// One with a volume, whose program counts.
fn counting(name: &str) -> Life {
    let script =
        "i=0; while :; do i=$((i+1)); echo $i > /tmp/n; echo $i > /data/n; sleep 0.05; done";
    let volume = crate::support::Scratch::new("criu-volume");
    let path = volume.path().to_owned();
    std::mem::forget(volume);
    let mount =
        json!({"destination": "/data", "type": "bind", "source": path, "options": ["rbind"]});
    let bundle = Bundle::new(name)
        .set("/process/args", json!(["sh", "-c", script]))
        .set("/root/readonly", json!(false))
        .push("/mounts", mount);
    Life::of(bundle)
}

fn volume(life: &Life) -> PathBuf {
    let text = fs::read_to_string(life.bundle.directory().join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mounts = config["mounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["destination"] == "/data").unwrap();
    mount["source"].as_str().unwrap().into()
}

#[test]
fn criu_is_told_what_is_the_hosts_and_handed_it_back() {
    if !is_root() {
        return;
    }
    let life = counting("criu-told");
    let here = fake(&life);
    let pid = life.created();
    life.done(&["start", &life.id]);
    let images = life.bundle.directory().join("images");
    let image_path = images.to_str().unwrap().to_owned();
    let words = [
        "checkpoint",
        "--image-path",
        &image_path,
        "--tcp-established",
        "--leave-running",
        &life.id,
    ];
    done(with_path(&life, &here, &words));
    life.is("running");
    done(with_path(&life, &here, &["checkpoint", "--image-path", &image_path, &life.id]));
    assert_eq!(ended(pid), 137);
    life.is("stopped");
    let said = lines(&here.join("said-dump"));
    assert!(said.contains(&format!("--tree={pid}")), "{said:?}");
    assert!(said.contains(&"mnt[/data]:/data".to_owned()), "{said:?}");
    assert!(said.iter().any(|word| word.starts_with("file[")), "{said:?}");
    life.done(&["delete", &life.id]);
    life.is_gone();
    handed_back(&life, &here, &image_path);
    let _ = fs::remove_dir_all(volume(&life));
}

/// The other half: what a restore tells criu, and what becomes of the container.
#[track_caller]
fn handed_back(life: &Life, here: &Path, image_path: &str) {
    let pids = life.bundle.directory().join("pid");
    let words = [
        "restore",
        "--detach",
        "--bundle",
        &life.here(),
        "--image-path",
        image_path,
        "--pid-file",
        pids.to_str().unwrap(),
        &life.id,
    ];
    let mut command = with_path(life, here, &words);
    let out = life.bundle.directory().join("new-out");
    command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    life.is("running");
    let pid: i32 = fs::read_to_string(&pids).unwrap().parse().unwrap();
    assert_eq!(life.state()["pid"], pid);
    let said = lines(&here.join("said-restore"));
    assert!(said.contains(&format!("mnt[/data]:{}", volume(life).display())), "{said:?}");
    assert!(said.iter().any(|word| word.starts_with("--cgroup-root=")), "{said:?}");
    let descriptors = lines(&here.join("descriptors"));
    assert!(descriptors.contains(&format!("101 {}", out.display())), "{descriptors:?}");
    let root = life.bundle.path().display().to_string();
    let is_root_mount = |line: &String| line.split(' ').nth(4) == Some(root.as_str());
    assert!(lines(&here.join("mounts")).iter().any(is_root_mount), "the root is a mount for criu");
    assert!(
        !fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&root),
        "and for nobody else"
    );

    let (_, error) = life.refused(&["start", &life.id]);
    assert!(error.contains("was started already"), "{error}");
    life.done(&["kill", &life.id, "KILL"]);
    assert_eq!(ended(Pid::from_raw(pid)), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
}

#[test]
fn a_criu_that_gives_up_is_quoted_and_leaves_nothing() {
    if !is_root() {
        return;
    }
    let life = counting("criu-fails");
    let here = fake(&life);
    life.created();
    life.done(&["start", &life.id]);
    let images = life.bundle.directory().join("images");
    let image_path = images.to_str().unwrap().to_owned();
    let words = ["checkpoint", "--leave-running", "--image-path", &image_path, &life.id];
    done(with_path(&life, &here, &words));
    fs::write(here.join("fail"), "").unwrap();
    let output = with_path(&life, &here, &words).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("it is broken"), "{error}");
    assert!(error.contains("/images/dump.log"), "{error}");
    life.is("running");
    life.done(&["delete", "--force", &life.id]);
    let words = ["restore", "-d", "-b", &life.here(), "--image-path", &image_path, &life.id];
    let output = with_path(&life, &here, &words).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("gave up"), "{error}");
    life.is_gone();
    let _ = fs::remove_dir_all(volume(&life));
}

#[test]
fn without_criu_its_package_is_named() {
    if !is_root() {
        return;
    }
    if ["/usr/local/sbin/criu", "/usr/sbin/criu", "/sbin/criu"]
        .iter()
        .any(|at| Path::new(at).exists())
    {
        // Looked for there too, whatever PATH says.
        return;
    }
    let life = Life::new("criu-absent", "exec sleep 100");
    life.created();
    let output = life.bundle.command(&["checkpoint", &life.id]).env("PATH", "/nowhere").output();
    let error = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    assert!(error.contains("`criu` is not there") && error.contains("package `criu`"), "{error}");
}

/// Whether criu can do anything here; it says itself what it lacks.
fn can_criu() -> bool {
    let missing = match Command::new("criu").arg("check").output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            format!("`criu check`: {}", text.lines().next().unwrap_or_default())
        }
        Err(_) => "criu is not installed (package criu)".to_owned(),
    };
    skip(&missing);
    false
}

/// Debian 12's criu (3.17.1) does not know the vDSO of kernels as new as 6.18, and gives up in `criu check`.
#[test]
#[ignore = "asks for a criu that knows the running kernel: cargo test --test oci_life -- --ignored"]
fn a_container_goes_on_where_it_was_written_down() {
    if !is_root() || !can_criu() {
        return;
    }
    let life = counting("criu");
    let pid = life.created();
    life.done(&["start", &life.id]);
    let number =
        |file: PathBuf| -> Option<u32> { fs::read_to_string(file).ok()?.trim().parse().ok() };
    let counted = || number(volume(&life).join("n"));
    wait_for(|| counted().filter(|number| *number > 5));
    let images = life.bundle.directory().join("images");
    let image_path = images.to_str().unwrap().to_owned();
    life.done(&["checkpoint", "--image-path", &image_path, &life.id]);
    assert_eq!(ended(pid), 137);
    let last = wait_for(counted);
    life.done(&["delete", &life.id]);
    life.is_gone();
    let pids = life.bundle.directory().join("pid");
    let words = [
        "restore",
        "-d",
        "-b",
        &life.here(),
        "--image-path",
        &image_path,
        "--pid-file",
        pids.to_str().unwrap(),
        &life.id,
    ];
    let mut command = life.bundle.command(&words);
    let out = fs::File::options().append(true).open(life.out()).unwrap();
    let errors = life.bundle.directory().join("errors");
    command.stdout(out).stderr(fs::File::create(&errors).unwrap());
    assert!(command.status().unwrap().success(), "{}", fs::read_to_string(errors).unwrap());
    life.is("running");
    let next = wait_for(|| counted().filter(|number| *number > last));
    assert!(next < last + 1000, "{last}, then {next}: it has not begun again");
    let pid: i32 = fs::read_to_string(&pids).unwrap().parse().unwrap();
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    assert!(cgroups.contains(&life.id), "{cgroups}");
    assert_eq!(
        life.done(&["exec", &life.id, "sh", "-c", "echo $$ > /tmp/x; cat /proc/1/comm"]),
        "sh\n"
    );
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(ended(Pid::from_raw(pid)), 137);
    life.done(&["delete", &life.id]);
    life.is_gone();
    let _ = fs::remove_dir_all(volume(&life));
}
